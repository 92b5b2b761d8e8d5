"""The corpus in the notebook: what is listed, what a click opens, and the picture where no widget runs."""

from __future__ import annotations

import base64
import io
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN
from families import one_thread
from ipywidgets import HTML
from PIL import Image
from transformers import MarianConfig, MarianMTModel

from xattn_widget import CrossAttentionWidget, load_demo, score_corpus, show_corpus
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.widget.corpus_view import distribution_picture

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def table(demo):
    with one_thread():
        return score_corpus(*demo, [*GERMAN, ""], [*ENGLISH, "x"], ["coverage_penalty", "confidence"])


def rows_listed(view):
    return [row for _, row in view.sentences.options]


def test_the_worst_sentences_come_first_by_the_scores_direction(demo, table):
    view = show_corpus(table, *demo, worst=4)
    coverage = grids(table, "coverage_penalty")
    assert rows_listed(view) == np.argsort(-coverage[:8].mean((1, 2))).tolist()[:4]
    view.score.value = "confidence"
    view.head.value = ".layer2.head5"
    assert rows_listed(view) == np.argsort(grids(table, "confidence")[:8, 2, 5]).tolist()[:4]
    label = view.sentences.options[0][0]
    assert GERMAN[rows_listed(view)[0]] in label


def test_a_click_opens_the_sentence_with_its_target_in_the_widget(demo, table):
    view = show_corpus(table, *demo)
    view.head.value = ".layer1.head3"
    row = rows_listed(view)[2]
    view.sentences.value = row
    assert isinstance(view.opened, CrossAttentionWidget)
    assert view.opened in view.children[-1].children
    assert (view.opened.layer, view.opened.head) == (1, 3)
    assert view.opened.score_name == "coverage_penalty"
    sentence = view.opened.info["sentences"][0]["source"]
    assert sentence.split()[0] in GERMAN[row]
    reply, _ = view.opened.answer({"kind": "scores", "sentence": 0, "name": "coverage_penalty"})
    np.testing.assert_allclose(np.array(reply["values"]), grids(table, "coverage_penalty")[row], atol=1e-5)
    view.score.value = "confidence"  # another list: nothing of it is open
    assert view.opened is None
    assert view.children[-1].children == ()


def test_a_file_can_be_looked_at_and_a_picture_stands_in(demo, table, tmp_path):
    pq.write_table(table, tmp_path / "scored.parquet")
    view = show_corpus(tmp_path / "scored.parquet", *demo)
    assert rows_listed(view) == rows_listed(show_corpus(table, *demo))
    bundle = view._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert base64.b64decode(data["image/png"]) == view.picture.value
    assert data["text/plain"].startswith("8 worst of 8 sentences, highest coverage_penalty first; 1 without a value\n")
    assert "application/vnd.jupyter.widget-view+json" in data


def test_the_picture_shows_where_each_heads_values_lie(table):
    image = np.asarray(Image.open(io.BytesIO(distribution_picture(table, "confidence"))).convert("RGB")).astype(int)
    other = np.asarray(Image.open(io.BytesIO(distribution_picture(table, "coverage_penalty"))).convert("RGB"))
    assert image.shape == other.shape
    assert (image != other).any()
    assert min(image.shape[:2]) > 150


def test_the_name_of_a_score_is_no_markup(demo, table):
    hostile = r"<img src=x onerror=alert(1)>$\broken$"
    names = [hostile if name == "confidence" else name for name in table.column_names]
    renamed = table.rename_columns(names).select(["id", "source", "target", hostile, "error"])
    view = show_corpus(renamed, *demo)
    assert view.score.value == hostile
    notes = [child.value for child in view.children if isinstance(child, HTML)]
    assert "&lt;img" in notes[0]
    assert not any("<img" in note for note in notes)
    view.sentences.value = rows_listed(view)[0]
    assert view.opened is not None


def test_a_table_without_scores_is_refused(demo, table):
    with pytest.raises(ValueError, match="the table has no scores"):
        show_corpus(table.select(["id", "source"]), *demo)


@pytest.mark.parametrize(("layers", "heads"), [(2, 8), (3, 4)])
def test_the_table_of_another_model_is_refused_at_once(demo, table, layers, heads):
    settings = demo.model.config.to_dict() | {"decoder_layers": layers, "decoder_attention_heads": heads}
    other = MarianMTModel(MarianConfig(**settings))
    with pytest.raises(ValueError, match=f"3 layers of 8 heads and this MarianMTModel has {layers} layers of {heads}"):
        show_corpus(table, other, demo.tokenizer)
    assert other.training  # as it was


def test_a_model_with_other_weights_is_told(demo, table, tmp_path, caplog):
    other = load_demo()[0]
    with caplog.at_level(logging.WARNING, "xattn_widget"):
        show_corpus(table, other, demo.tokenizer)
        show_corpus(table.replace_schema_metadata(None), other, demo.tokenizer)  # it says nothing of its model
        assert caplog.messages == []
        with torch.no_grad():
            other.model.decoder.layers[0].fc1.bias[0] += 1
        pq.write_table(table, tmp_path / "scored.parquet")
        show_corpus(tmp_path / "scored.parquet", other, demo.tokenizer)
    (message,) = caplog.messages
    assert message.startswith(f"the table was scored with another model ({corpus_info(table)['job']['model']}, this is")


def test_what_is_no_model_or_tokenizer_is_refused_at_once(demo, table):
    with pytest.raises(TypeError, match="model must be a model of transformers"):
        show_corpus(table, demo.tokenizer, demo.model)


@pytest.mark.parametrize("worst", [-1, 0, 2.5, "3"])
def test_the_number_of_sentences_is_positive(demo, table, worst):
    with pytest.raises(ValueError, match="worst must be a positive whole number, got"):
        show_corpus(table, *demo, worst=worst)
