"""CTranslate2 writes the targets, as in the example of docs/corpus.md, for the demo model in the form of an opus-mt."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import warnings
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import GERMAN, assert_same_tables
from transformers import MarianTokenizer

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus import grids

pytest.importorskip("ctranslate2")
converting = pytest.importorskip("ctranslate2.converters.transformers")

DOCUMENT = Path(__file__).parents[2] / "docs" / "corpus.md"
[CONVERT] = re.findall(r"^\$ ct2-transformers-converter (.*)$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
[EXAMPLE] = re.findall(r"^```text\n(import ctranslate2\n.*?)^```$", DOCUMENT.read_text(encoding="utf-8"), re.M | re.S)

pytestmark = pytest.mark.usefixtures("single_thread")


def save_as_opus(folder):
    """Save the demo model with its padding as opus-mt has it: the last id, whose embedding is zero.

    CTranslate2 leaves out the last id of a Marian, and begins with zero instead of the embedding of padding.
    """
    model, tokenizer = load_demo()
    folder.mkdir(parents=True)
    tokenizer.save_vocabulary(str(folder))
    padding, last = tokenizer.pad_token_id, len(tokenizer) - 1
    assert padding == 0
    vocabulary = {token: place - 1 if place else last for token, place in tokenizer.get_vocab().items()}
    files = {"source_spm": "source.spm", "target_spm": "target.spm", "vocab": "vocab.json"}
    paths = {name: str(folder / file) for name, file in files.items()}
    Path(paths["vocab"]).write_text(json.dumps(vocabulary), encoding="utf-8")
    tokenizer = MarianTokenizer(**paths)
    with torch.no_grad():
        embeddings, bias = model.get_input_embeddings().weight, model.final_logits_bias
        embeddings[padding] = 0
        embeddings.copy_(embeddings.roll(-1, 0))
        bias.copy_(bias.roll(-1, 1))
    for config in (model.config, model.generation_config):
        config.pad_token_id = config.decoder_start_token_id = last
        config.eos_token_id = tokenizer.eos_token_id
    model.config.forced_eos_token_id = tokenizer.eos_token_id
    model.generation_config.bad_words_ids = [[last]]
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """What the example defines, after it has run as it is in the document, and the folder in which it ran."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "pool.txt").write_text("".join(f"{text}\n" for text in GERMAN), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Recommended: pip install sacremoses")
        save_as_opus(folder / "Helsinki-NLP" / "opus-mt-de-en")
        patch.chdir(folder)
        patch.setattr("sys.argv", ["ct2-transformers-converter", *shlex.split(CONVERT)])
        converting.main()
        Path("example.py").write_text(EXAMPLE, encoding="utf-8")
        names = runpy.run_path("example.py")
        output = Path("scored.parquet")
        # The same job, although the tokenizer that the function uses has been used.
        assert score_corpus(names["model"], names["tokenizer"], "pool.txt", names["translate"], output=output) == output
    return names, pq.read_table(folder / "scored.parquet")


def test_ctranslate2_writes_what_the_model_would(example):
    names, table = example
    generated = score_corpus(names["model"], names["tokenizer"], GERMAN, generation={"num_beams": 2})
    assert table["error"].null_count == len(GERMAN)
    assert table["target"].to_pylist()[0] == "I read the book."
    assert table["target"].equals(generated["target"])
    for score in ("entropy", "coverage_penalty"):
        np.testing.assert_allclose(grids(table, score), grids(generated, score), atol=1e-5)


def test_the_scores_are_those_of_the_same_targets_as_texts(example):
    names, table = example
    pair, texts = (names["model"], names["tokenizer"]), table["target"].to_pylist()
    assert_same_tables(table, score_corpus(*pair, GERMAN, texts))
    assert_same_tables(table, score_corpus(*pair, GERMAN, lambda sources: texts))
