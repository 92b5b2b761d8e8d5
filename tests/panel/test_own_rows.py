"""The set of heads saved with a model as the first picture, each head under its own reading: against plain numpy."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from widget_messages import ask

from xattn_widget import (
    CrossAttention,
    CrossAttentionWidget,
    alignment_error_rate,
    extract,
    saved_head_set,
    show_cross_attention,
)
from xattn_widget.alignment import HeadSet, ReadHead
from xattn_widget.panel.picked import picked_title
from xattn_widget.panel.static_picture import heads_title, shown_part
from xattn_widget.record.axis import Axis

SENTENCES = ["Ich habe das Buch gelesen.", "Gestern habe ich meinen alten Freund in der Stadt getroffen."]
GOLD = Path(__file__).parents[2] / "examples" / "alignment"
SET = [[2, 6], [1, 0], [2, 3], [0, 6]]  # that of the demo model, the first one last


@pytest.fixture
def widget(demo):
    return show_cross_attention(*demo, SENTENCES)


def head_set(*heads):
    return HeadSet(tuple(ReadHead(*head) for head in heads), 0.5, "one_to_one")


def mean_of_own_rows(record, found, source_units, target_units):
    """Return ``[target, source]`` means, for a unit of the last token over the heads that need no row that reads it."""
    weights = record.weights.numpy()
    rows = []
    for unit in target_units:
        heads = []
        for layer, head, reading in found.heads:
            steps = [position + (reading == "input") for position in unit]
            if max(steps) >= weights.shape[2]:
                heads.append(np.full(len(source_units), np.nan))
                continue
            heads.append([np.mean([weights[layer, head, t, s].sum() for t in steps]) for s in source_units])
        rows.append(np.nanmean(heads, 0))
    return np.array(rows)


def units_of(record, words):
    axes = (record.source, record.targets["output"])
    return [axis.units() if words else [[position] for position in range(len(axis))] for axis in axes]


def exported(widget, folder):
    widget.export(folder / "shown.json")
    return json.loads((folder / "shown.json").read_text(encoding="utf-8"))


# --- The first picture.


def test_a_model_with_a_set_opens_with_it(widget, demo):
    found = saved_head_set(demo.model)
    assert [[head.layer, head.head] for head in found.heads] == SET[::-1]
    assert {head.reading for head in found.heads} == {"output", "input"}
    assert (widget.heads, widget.reading, widget.combined, widget.aggregate) == (SET, "own", True, "mean")
    assert widget.info["head_set"] == {"heads": [list(head) for head in found.heads], "reading": "own"}
    assert picked_title(widget.state) == "mean of the 4 heads that align best"


def test_what_the_user_asks_for_comes_first(demo):
    text = SENTENCES[0]
    assert show_cross_attention(*demo, text, heads=[(2, 6)]).reading == "output"
    for reading in ("output", "input"):
        widget = show_cross_attention(*demo, text, reading=reading)
        assert widget.reading == reading
        assert sorted(widget.heads) != sorted(SET)
    assert show_cross_attention(*demo, text, reading="own").heads == SET


@pytest.mark.parametrize("reading", ["output", "input"])
def test_a_set_of_one_reading_opens_under_it(demo, reading):
    records = extract(*demo, SENTENCES)
    widget = CrossAttentionWidget(records, head_set=head_set((1, 2, reading), (2, 2, reading)))
    assert (widget.heads, widget.reading) == ([[2, 2], [1, 2]], reading)
    assert picked_title(widget.state) == "mean of the 2 heads that align best"
    assert widget.state.moved() == []


def test_without_a_set_there_is_nothing_to_move(demo, tmp_path):
    widget = CrossAttentionWidget(extract(*demo, SENTENCES))
    before = exported(widget, tmp_path)
    assert widget.info["head_set"] is None
    widget.reading = "own"  # such as from the view of another widget
    assert exported(widget, tmp_path) == before
    assert before["reading"] == "output"


def test_the_set_is_about_the_model_of_the_first_record(demo):
    first = extract(*demo, SENTENCES[0])
    other = CrossAttention(first.weights, first.source, first.targets, model="another")
    widget = CrossAttentionWidget([first, other], head_set=saved_head_set(demo.model))
    assert widget.state.moved() == [(0, 6)]
    widget.sentence = 1
    assert widget.state.moved() == []
    assert picked_title(widget.state) == "mean of 4 heads"
    contributed = extract(*demo, SENTENCES[0], contributions=["value_zeroing_heads"])
    widget = CrossAttentionWidget(contributed, head_set=saved_head_set(demo.model), sentence=1)
    assert widget.state.moved() == []


def test_a_set_that_does_not_fit(demo):
    with pytest.raises(ValueError, match="layer 7"):
        CrossAttentionWidget(extract(*demo, SENTENCES), head_set=head_set((7, 0, "input"), (0, 0, "output")))
    found = saved_head_set(demo.model)
    kept = CrossAttentionWidget(extract(*demo, SENTENCES, layers=[1, 2]), head_set=found)
    assert kept.heads == [[2, head] for head in range(8)]  # a head of the set is not kept
    kept.reading = "own"
    assert kept.state.shown.weights.shape[:2] == (2, 8)
    plain = CrossAttention.from_tokens(torch.ones(3, 8, 2, 2) / 2, ["a", "b"], ["x", "y"])
    widget = CrossAttentionWidget(plain, head_set=found)  # nobody knows which token a row reads
    assert (widget.info["head_set"], widget.reading) == (None, "output")


# --- The map.


@pytest.mark.parametrize("words", [True, False])
@pytest.mark.parametrize("sentence", [0, 1])
def test_the_map_is_the_mean_of_the_heads_each_under_its_own_reading(widget, demo, tmp_path, words, sentence):
    widget.words, widget.sentence = words, sentence
    found = exported(widget, tmp_path)
    expected = mean_of_own_rows(widget.record, saved_head_set(demo.model), *units_of(widget.record, words))
    assert not np.isnan(expected).any()
    np.testing.assert_allclose(np.array(found["mean"], float), expected, atol=1e-6)
    assert (found["reading"], found["moved"]) == ("own", [[0, 6]])
    output = widget.record.read_as("output")
    assert found["target"] == (output.words() if words else output).target_tokens


def test_the_last_token_is_read_by_no_row(tmp_path):
    """A target that was cut has no end of sentence: its last word is not read as a whole."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(1, 2, 3, 2, generator=generator).softmax(-1)
    source = Axis(("a", "b"), (False, False), (0, 1), ("a", "b"))
    output = Axis(("x", "y", "z"), (False,) * 3, (0, 1, 1), ("x", "yz"))
    read = Axis(("<s>", "x", "y"), (True, False, False), (-1, 0, 1), ("x", "yz"))
    record = CrossAttention(weights, source, {"output": output, "input": read})
    found = head_set((0, 0, "output"), (0, 1, "input"))
    widget = CrossAttentionWidget(record, head_set=found, words=True)
    shown = np.array(exported(widget, tmp_path)["mean"], float)
    np.testing.assert_allclose(shown, mean_of_own_rows(record, found, [[0], [1]], [[0], [1, 2]]), atol=1e-6)
    np.testing.assert_allclose(shown[1], weights[0, 0, 1:].mean(0), atol=1e-6)
    widget.aggregate = "max"
    np.testing.assert_allclose(exported(widget, tmp_path)["max"][1], weights[0, 0, 1:].mean(0), atol=1e-6)
    assert widget.export(tmp_path / "shown.pharaoh").read_text(encoding="utf-8").split()[-1].endswith("-1")
    widget.heads = [(0, 1)]  # alone, it has no row there
    assert exported(widget, tmp_path)["max"][1] == [None, None]
    assert widget.export(tmp_path / "shown.pharaoh").read_text(encoding="utf-8").split() == ["1-0"]


def test_dropping_renormalizes_each_head_under_its_own_reading(widget, demo, tmp_path):
    widget.special, widget.words = "drop", False
    weights, special = widget.record.weights.numpy(), np.array(widget.record.source.special)
    heads = []
    for layer, head, reading in saved_head_set(demo.model).heads:
        rows = weights[layer, head][1:] if reading == "input" else weights[layer, head][:-1]
        heads.append(rows[:, ~special] / rows[:, ~special].sum(-1, keepdims=True))
    np.testing.assert_allclose(np.array(exported(widget, tmp_path)["mean"], float), np.mean(heads, 0), atol=1e-6)


# --- What else depends on what is shown.


def test_the_links_are_those_of_the_set(demo, tmp_path):
    """Files, and the error rate in the panel, agree with ``saved_head_set(model).align`` and with docs/alignment.md."""
    gold = (GOLD / "tatoeba.de-en.gold").read_text(encoding="utf-8").splitlines()
    lines = (GOLD / "tatoeba.de-en.src-tgt").read_text(encoding="utf-8").splitlines()
    pairs = [tuple(side.split() for side in line.split(" ||| ")) for line in lines]
    texts = ([re.sub(r" ([.,!?])", r"\1", " ".join(words)) for words in side] for side in zip(*pairs, strict=True))
    records = [
        record.with_words(source=source, target=target)
        for record, (source, target) in zip(extract(*demo, *texts), pairs, strict=True)
    ]
    found, exports = saved_head_set(demo.model), []
    widget = CrossAttentionWidget(records, head_set=found, reference=gold)
    for sentence in range(len(pairs)):
        widget.sentence = sentence
        links = found.align(widget.record)
        exports.append(widget.export(tmp_path / "shown.pharaoh").read_text(encoding="utf-8").strip())
        assert exports[-1].split() == [f"{s}-{t}" for s, t in links]
        request = {"id": "1", "kind": "alignment", "sentence": sentence, "heads": SET, "reading": "own"}
        reply, _ = ask(widget, request)
        possible = set(widget.reference().gold.possible)
        assert reply["links"] == len(links)
        assert reply["precision"] == pytest.approx(len(possible & set(links)) / len(links))
        assert "own reading" in reply["method"]
    assert round(alignment_error_rate(exports, gold), 3) == 0.105


def test_the_table_and_the_static_picture_have_the_moved_rows(widget, demo, tmp_path):
    path = widget.export(tmp_path / "shown.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["heads"] == "layer 0, head 6"]
    read = widget.record.read_as("input").words()
    moved = [float(row["weight"]) for row in rows if row["target"] == "1"]
    last = rows[-1]["target"]
    assert {row["weight"] for row in rows if row["target"] == last} == {""}  # no step reads the last token
    place = read.target_tokens.index(rows[len(moved)]["target_token"])
    np.testing.assert_allclose(moved, read.weights[0, 6, place], atol=1e-6)
    part = shown_part(widget.state.view, widget.state.shown)
    expected = mean_of_own_rows(widget.record, saved_head_set(demo.model), *units_of(widget.record, words=True))
    np.testing.assert_allclose(part.sets[0], np.nan_to_num(expected), atol=1e-6)
    assert heads_title(widget.state) == "Mean of the 4 heads that align best"
    for ending in ("png", "svg"):
        assert widget.export(tmp_path / f"shown.{ending}").stat().st_size > 1000
    assert "4 heads that align best (L0 H6 one step later)" in _svg_text(widget, tmp_path)


def _svg_text(widget, folder):
    import matplotlib as mpl

    with mpl.rc_context({"svg.fonttype": "none"}):
        return widget.export(folder / "shown.svg").read_text(encoding="utf-8")


def test_a_page_opens_with_the_set(widget, tmp_path):
    page = widget.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert '"reading":"own"' in page.replace(" ", "")
    assert '"head_set":{' in page.replace(" ", "")


def test_scores_of_the_rows_as_shown_are_those_of_all_rows(widget):
    """Scores are of one reading: under "own" they keep their policy, and their signature says so."""
    widget.special, widget.as_shown = "drop", True
    assert widget.scores("entropy").signature == "entropy|special:keep|v:1"
    widget.reading = "output"
    assert widget.scores("entropy").signature == "entropy|special:renormalize|v:1"


def test_the_view_of_another_widget_gives_the_same(widget, demo, tmp_path):
    again = CrossAttentionWidget(widget.records, head_set=saved_head_set(demo.model), **widget.view)
    assert again.view == widget.view
    assert exported(again, tmp_path) == exported(widget, tmp_path)


def test_experiments_show_the_set_of_their_results(widget, demo, tmp_path):
    widget.set_target("I read the book.")
    assert (widget.heads, widget.reading) == (SET, "own")
    expected = mean_of_own_rows(widget.record, saved_head_set(demo.model), *units_of(widget.record, words=True))
    np.testing.assert_allclose(np.array(exported(widget, tmp_path)["mean"], float), expected, atol=1e-6)
