"""The table of a scored corpus: its columns, what it says of itself, and its numbers as pandas has them."""

from __future__ import annotations

import copy

import numpy as np
import pyarrow as pa
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN

from xattn_widget import extract, score_corpus
from xattn_widget.corpus import corpus_info, grids, to_pandas

pytestmark = pytest.mark.usefixtures("single_thread")


def test_the_columns_and_what_makes_them_again(demo):
    table = score_corpus(*demo, GERMAN, ENGLISH, ["coverage_penalty"], statistics=["logprob_mean"])
    assert table.column_names == [
        *["id", "source", "target", "source_length", "target_length"],
        *["coverage_penalty", "logprob_mean", "error"],
    ]
    kind = table.schema.field("coverage_penalty").type
    assert (kind.value_type, kind.shape) == (pa.float32(), [3, 8])
    info = corpus_info(table)
    signature = extract(*demo, GERMAN[0]).score("coverage_penalty").signature
    assert info["signatures"] == {"coverage_penalty": signature}
    assert table.schema.field("coverage_penalty").metadata[b"signature"].decode() == signature
    assert info["job"]["model"].startswith("MarianMTModel ")
    assert (info["rows"], info["scored"], info["errors"]) == (8, 8, {})


def test_plain_columns_for_pandas(demo):
    table = score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "x"], ["entropy"])
    frame = to_pandas(table)
    assert len(frame) == 9
    assert list(frame["source"][:8]) == GERMAN
    values = grids(table, "entropy")
    for layer in range(3):
        for head in range(8):
            np.testing.assert_array_equal(frame[f"entropy.layer{layer}.head{head}"], values[:, layer, head])
    assert frame["entropy.layer2.head7"].isna().tolist() == [False] * 8 + [True]


def test_a_slice_of_a_table_gives_its_own_numbers(demo):
    table = score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "x"], ["entropy"])
    np.testing.assert_array_equal(grids(table.slice(3, 6), "entropy"), grids(table, "entropy")[3:])
    np.testing.assert_array_equal(grids(table.take([8, 2]), "entropy"), grids(table, "entropy")[[8, 2]])
    assert grids(table.slice(0, 0), "entropy").shape == (0, 3, 8)
    with pytest.raises(ValueError, match="no score 'entrop'; it has entropy"):
        grids(table, "entrop")


def test_the_fingerprint_tells_models_apart(demo):
    other = copy.deepcopy(demo.model)
    with torch.no_grad():
        other.model.decoder.layers[2].fc1.bias[3] += 1e-3
    models = [
        corpus_info(score_corpus(model, demo.tokenizer, GERMAN, ENGLISH))["job"]["model"]
        for model in (demo.model, copy.deepcopy(demo.model), other)
    ]
    assert models[0] == models[1] != models[2]


def test_an_empty_corpus_gives_an_empty_table(demo):
    table = score_corpus(*demo, [])
    assert table.num_rows == 0
    assert "coverage_penalty" in table.column_names
