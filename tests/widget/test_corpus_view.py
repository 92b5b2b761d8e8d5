"""The corpus in the notebook: how rows are ranked, listed and searched, and what a click on one opens."""

from __future__ import annotations

import base64
import io
import json
import logging
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN
from corpus_views import listed, rows
from PIL import Image
from traitlets import TraitError
from transformers import MarianConfig, MarianMTModel
from widget_messages import ask

from xattn_widget import load_demo, score_corpus, show_corpus
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")
CONTRACT = (Path(__file__).parents[2] / "js/src/corpus/contract.ts").read_text(encoding="utf-8")


# The list


def test_the_worst_sentences_come_first_by_the_scores_direction(demo, table):
    view = show_corpus(table, *demo, worst=4)
    coverage = grids(table, "coverage_penalty")[:8].astype(float)
    assert listed(view) == np.argsort(-coverage.mean((1, 2))).tolist()[:4]
    view.head = 1
    assert listed(view) == np.argsort(-coverage[:, 1].mean(1)).tolist()[:4]
    view.score_name = "confidence"
    view.head = (2, 5)
    assert listed(view) == np.argsort(grids(table, "confidence")[:8, 2, 5]).tolist()[:4]
    view.lowest_first = False
    assert listed(view) == np.argsort(-grids(table, "confidence")[:8, 2, 5]).tolist()[:4]
    view.score_name = "output_entropy"  # by another quantity, the worst are first again; it has no heads
    assert listed(view) == np.argsort(-table["output_entropy"].to_numpy()[:8]).tolist()[:4]


def test_a_page_of_the_list_has_texts_values_and_counts(demo, table):
    view = show_corpus(table, *demo, worst=3)
    view.head = (1, 3)
    first, second = rows(view), rows(view, start=6)
    assert {name: first[name] for name in ("start", "found", "ranked", "missing")} == {
        "start": 0,
        "found": 8,
        "ranked": 8,
        "missing": 1,
    }
    assert [len(reply["rows"]) for reply in (first, second)] == [3, 2]
    assert [entry["rank"] for entry in second["rows"]] == [7, 8]
    entry = first["rows"][0]
    row = entry["row"]
    assert entry["value"] == pytest.approx(grids(table, "coverage_penalty")[row, 1, 3])
    assert entry["logprob"] == pytest.approx(table["logprob_sum"][row].as_py())
    assert (entry["source"], entry["target"], entry["name"]) == (GERMAN[row], ENGLISH[row], str(row))
    found = rows(view, row=second["rows"][0]["row"])
    assert found["start"] == 6  # the page that has the row
    assert view.info["errors"] == ["1 source is empty"]


def test_the_search_finds_texts_of_either_side_and_keeps_ranks(demo, table):
    view = show_corpus(table, *demo)
    ranks = {entry["row"]: entry["rank"] for entry in rows(view)["rows"]}
    view.search = "buch"
    assert sorted(listed(view)) == [0, 5]
    assert [entry["rank"] for entry in rows(view)["rows"]] == [ranks[row] for row in listed(view)]
    assert listed(view, search="THE MAN") == [2]
    assert listed(view, search="*") == []
    assert rows(view, row=1)["start"] == 0  # not among those found


def test_undefined_and_infinite_values_are_told_apart(demo, table):
    values = np.arange(9.0)
    values[[0, 1, 2]] = np.nan, np.inf, -np.inf
    view = show_corpus(table.append_column("mine", pa.array(values)), *demo)
    view.score_name = "mine"
    reply = rows(view)
    assert [entry["value"] for entry in reply["rows"]] == ["∞", 8, 7, 6, 5, 4, 3, "−∞"]
    assert reply["missing"] == 1
    content, (buffer,) = ask(view, {"id": "1", "kind": "distribution", "name": "mine"})
    assert (content["low"], content["high"], content["rows"]) == (3, 8, [[6]])
    assert np.frombuffer(buffer, "<u4").sum() == 6


def test_the_distribution_of_each_head(demo, table):
    view = show_corpus(table, *demo)
    content, (buffer,) = ask(view, {"id": "1", "kind": "distribution", "name": "confidence"})
    values = grids(table, "confidence")[:8]
    counts = np.frombuffer(buffer, "<u4").reshape(content["shape"])
    bins = content["shape"][2]
    edges = np.linspace(content["low"], content["high"], bins + 1)
    assert (content["low"], content["high"]) == (values.min(), values.max())
    for layer, head in [(0, 0), (2, 7)]:
        np.testing.assert_array_equal(counts[layer, head], np.histogram(values[:, layer, head], edges)[0])
        expected = np.percentile(values[:, layer, head], [0, 25, 50, 75, 100])
        np.testing.assert_allclose(content["quartiles"][layer][head], expected)
    assert ask(view, {"id": "1", "kind": "values", "name": "confidence", "row": 3})[0]["values"] == values[3].tolist()


def test_a_table_of_one_row_and_a_table_without_a_value(demo, table):
    one = show_corpus(table.slice(2, 1), *demo)
    content, (buffer,) = ask(one, {"id": "1", "kind": "distribution", "name": "logprob_sum"})
    assert content["low"] == content["high"] == content["quartiles"][0][0][2]
    assert np.frombuffer(buffer, "<u4").sum() == 1
    one.row = 0
    assert one.opened.record.source.preview().startswith("Gestern")
    none = show_corpus(table.slice(8, 1), *demo)
    assert rows(none)["rows"] == []
    content, _ = ask(none, {"id": "1", "kind": "distribution", "name": "confidence"})
    assert content["quartiles"][0][0] == [None] * 5
    assert none.summary() == "0 sentences by coverage_penalty (mean of all heads), highest first; 1 without a value"
    none._repr_mimebundle_()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "everything"}, "a request needs 'kind'"),
        ({"kind": "rows"}, "a query is an object, got None"),
        ({"kind": "rows", "query": {"score_name": "entropi"}}, "the table has no score or statistic 'entropi'"),
        ({"kind": "rows", "query": {"score_name": "confidence", "head": [3, 0]}}, "there is no layer 3 head 0"),
        ({"kind": "rows", "query": {"score_name": "confidence", "search": 3}}, "search is a string"),
        ({"kind": "rows", "query": {"score_name": "confidence"}, "start": -1}, "start is a place in the list"),
        ({"kind": "rows", "query": {"score_name": "confidence"}, "row": 9}, "the table has no row 9"),
        ({"kind": "values", "name": "logprob_sum", "row": 1}, "values are those of a score for one row"),
        ({"kind": "distribution", "name": {}}, "the table has no score or statistic {}"),
    ],
)
def test_a_request_that_breaks_the_contract_is_answered_by_an_error(demo, table, change, message):
    content, buffers = ask(show_corpus(table, *demo), {"id": "7", **change})
    assert content["id"] == "7"
    assert message in content["error"]
    assert buffers == []


# The traits


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("score_name", "source"),
        ("score_name", ""),
        ("head", 3),
        ("head", (0, 8)),
        ("head", "0"),
        ("head", True),
        ("row", 9),
        ("row", -1),
        ("row", 8),  # it could not be scored
        ("search", 3),
    ],
)
def test_a_trait_that_makes_no_sense_is_refused(demo, table, name, value):
    view = show_corpus(table, *demo)
    before = getattr(view, name)
    with pytest.raises(TraitError):
        setattr(view, name, value)
    assert getattr(view, name) == before


def test_the_page_sets_what_it_may_and_nothing_else(demo, table):
    view = show_corpus(table, *demo)
    view.set_state({"score_name": "confidence", "head": [1, 2], "lowest_first": True, "row": 2, "info": {"rows": 0}})
    assert (view.score_name, view.head, view.row) == ("confidence", (1, 2), 2)
    assert view.info["rows"] == 9
    assert view.opened.heads == [[1, 2]]
    assert view.get_state("_open")["_open"] == {"row": 2, "panel": view.opened.model_id, "error": ""}


def test_the_state_of_the_view_is_small_and_the_contract_is_kept(demo, table):
    many = pa.concat_tables([table] * 50)
    state = show_corpus(many, *demo).get_state()
    traits = {name for name in state if not name.startswith("_") or name == "_open"}
    fields = {name: set(re.findall(r"^  (\w+)\??:", body, re.MULTILINE)) for name, body in interfaces().items()}
    assert fields["CorpusTraits"] == traits - {"layout", "tabbable", "tooltip"}
    assert fields["CorpusInfo"] == set(state["info"])
    assert all(fields["Quantity"] == set(quantity) for quantity in state["info"]["quantities"])
    view = show_corpus(table, *demo)
    reply = rows(view)
    assert fields["RowsReply"] == set(reply) - {"id"}
    assert fields["ListedRow"] == set(reply["rows"][0])
    content, _ = ask(view, {"id": "1", "kind": "distribution", "name": "confidence"})
    assert fields["DistributionReply"] == set(content) - {"id"}
    sizes = {
        name: len(json.dumps(value)) for name, value in state.items() if name not in ("_code", "_css", "_esm", "layout")
    }
    assert sum(sizes.values()) < 5000


def interfaces():
    found = re.findall(r"export interface (\w+) \{\n(.*?)\n\}", CONTRACT, re.DOTALL)
    return {name: re.sub(r"/\*\*.*?\*/", "", body, flags=re.DOTALL) for name, body in found}


def test_a_file_can_be_looked_at_and_a_text_and_a_picture_stand_in(demo, table, tmp_path):
    pq.write_table(table, tmp_path / "scored.parquet")
    view = show_corpus(tmp_path / "scored.parquet", *demo)
    assert listed(view) == listed(show_corpus(table, *demo))
    data, _ = view._repr_mimebundle_()
    lines = data["text/plain"].splitlines()
    assert lines[0] == "8 sentences by coverage_penalty (mean of all heads), highest first; 1 without a value"
    assert lines[1].endswith(GERMAN[listed(view)[0]])
    assert "application/vnd.jupyter.widget-view+json" in data
    view.head = (0, 1)
    assert "(layer 0, head 1)" in view.summary()
    pictures = [data["image/png"]]
    for name in ("confidence", "logprob_sum"):
        view.score_name = name
        pictures.append(view._repr_mimebundle_()[0]["image/png"])
    images = [np.asarray(Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")) for picture in pictures]
    assert all(min(image.shape[:2]) > 150 for image in images)
    assert images[0].shape == images[1].shape
    assert (images[0] != images[1]).any()


def test_hostile_texts_stay_text(demo, table):
    hostile = r"<img src=x onerror=alert(1)>$\broken$"
    names = [hostile if name == "confidence" else name for name in table.column_names]
    renamed = table.rename_columns(names).select(["id", "source", "target", hostile, "error"])
    texts = ["<script>alert(1)</script>\u202egnol" + "x" * 2000, *renamed["source"].to_pylist()[1:]]
    view = show_corpus(renamed.set_column(1, "source", pa.array(texts)), *demo)
    assert view.score_name == hostile
    shown = next(entry for entry in rows(view)["rows"] if entry["row"] == 0)
    assert shown["source"].startswith("<script>")
    assert len(shown["source"]) == 1000
    data, _ = view._repr_mimebundle_()
    assert "text/html" not in data
    assert "\u202e" not in data["text/plain"]
    view.row = 1
    assert view.opened.score_name == hostile


# What cannot be shown


def test_a_table_without_scores_or_texts_is_refused(demo, table):
    with pytest.raises(ValueError, match="the table has no scores"):
        show_corpus(table.select(["id", "source"]), *demo)
    with pytest.raises(ValueError, match="the table has no column 'target'"):
        show_corpus(table.drop_columns(["target"]), *demo)


def test_a_table_of_statistics_alone_is_shown(demo):
    table = score_corpus(*demo, GERMAN[:2], ENGLISH[:2], [], statistics="logprob_mean", progress=False)
    view = show_corpus(table, *demo)
    assert listed(view) == np.argsort(table["logprob_mean"].to_numpy()).tolist()
    view.row = 1
    assert view.opened.score_name == "coverage_penalty"  # the panel's own choice


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
        assert show_corpus(table, other, demo.tokenizer).info["notice"] == ""
        show_corpus(table.replace_schema_metadata(None), other, demo.tokenizer)  # it says nothing of its model
        assert caplog.messages == []
        with torch.no_grad():
            other.model.decoder.layers[0].fc1.bias[0] += 1
        pq.write_table(table, tmp_path / "scored.parquet")
        view = show_corpus(tmp_path / "scored.parquet", other, demo.tokenizer)
    (message,) = caplog.messages
    assert message.startswith(f"the table was scored with another model ({corpus_info(table)['job']['model']}, this is")
    assert view.info["notice"].startswith("The table was scored with another model (")


def test_what_is_no_model_or_tokenizer_is_refused_at_once(demo, table):
    with pytest.raises(TypeError, match="model must be a model of transformers"):
        show_corpus(table, demo.tokenizer, demo.model)


@pytest.mark.parametrize("worst", [-1, 0, 2.5, "3"])
def test_the_number_of_sentences_is_positive(demo, table, worst):
    with pytest.raises(ValueError, match="worst must be a positive whole number, got"):
        show_corpus(table, *demo, worst=worst)
