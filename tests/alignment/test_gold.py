"""Reference alignments in the widget, and exports of what it shows."""

import csv
import io
import json
import re

import numpy as np
import pytest
import torch

from xattn_widget import CrossAttention, CrossAttentionWidget, extract, load_demo
from xattn_widget.panel.export import FORMATS
from xattn_widget.record.axis import Axis

SENTENCE, TARGET = "Ich habe das Buch gelesen.", "I read the book."


@pytest.fixture(scope="module")
def record():
    return extract(*load_demo(), SENTENCE, TARGET)


def toy():
    """Return a record of undo, it and re, do, it, each with an end token, in which head 0 aligns 0-0 0-1 1-2."""
    source = Axis(("un", "do", "it", "</s>"), (False, False, False, True), (0, 0, 1, -1), ("undo", "it"))
    target = Axis(("re", "do", "it", "</s>"), (False, False, False, True), (0, 1, 2, -1), ("re", "do", "it"))
    head = torch.tensor([[0.3, 0.3, 0.4, 0.0], [0.1, 0.5, 0.1, 0.3], [0.0, 0.1, 0.3, 0.6], [0.0, 0.0, 0.0, 1.0]])
    other = torch.tensor([[0.0, 0.0, 1.0, 0.0]] * 4)
    return CrossAttention(torch.stack([head, other])[None], source, {"output": target})


def alignment_reply(widget, heads, aggregate="mean", reading="output"):
    reply, _ = widget.answer(
        {"kind": "alignment", "sentence": 0, "heads": heads, "aggregate": aggregate, "reading": reading}
    )
    return reply


def test_the_error_rate_follows_the_formula():
    widget = CrossAttentionWidget(toy(), reference="0-0 1-2 0p1 1p1")
    # Head 0 links 0-0 0-1 1-2 (words, no special tokens): |A| = 3, |S| = 2, both sure links found, all links possible.
    assert alignment_reply(widget, [[0, 0]]) == {
        "aer": 1 - (2 + 3) / (3 + 2),
        "precision": 1.0,
        "recall": 1.0,
        "links": 3,
        "method": "the source word with the largest weight for each target word, mean of the picked heads, "
        "rows labeled by the output reading, special tokens left out",
    }
    # Head 1 links 1-0 1-1 1-2: one is sure, one is only possible.
    reply = alignment_reply(widget, [[0, 1]])
    assert (reply["aer"], reply["precision"], reply["recall"]) == (1 - (1 + 2) / (3 + 2), 2 / 3, 1 / 2)


class Gold:
    sure = frozenset({(0, 0)})
    possible = frozenset({(0, 0), (1, 2)})


@pytest.mark.parametrize(
    ("reference", "links"),
    [
        ("0-0 1p2", [[0, 0, True], [1, 2, False]]),
        ([(0, 0), (1, 2)], [[0, 0, True], [1, 2, True]]),
        (np.array([[0, 0]]), [[0, 0, True]]),
        (Gold(), [[0, 0, True], [1, 2, False]]),
        ("", []),
    ],
)
def test_a_reference_reaches_the_front_end(reference, links):
    reply, _ = CrossAttentionWidget(toy(), reference=reference).answer({"kind": "sentence", "sentence": 0})
    assert reply["reference"] == {"links": links, "words": True}


def test_references_apply_to_records_and_their_first_hypothesis(record):
    widget = CrossAttentionWidget([record, toy()], reference=[None, "0-0"])
    assert widget.reference(0) is None
    assert widget.reference(1).gold.sure == {(0, 0)}
    beams = extract(*load_demo(), SENTENCE, generation={"num_beams": 2, "num_return_sequences": 2})
    widget = CrossAttentionWidget(beams, reference="0-0")
    assert widget.reference(0) is not None
    assert widget.reference(1) is None


@pytest.mark.parametrize(
    ("reference", "error", "message"),
    [
        ("0-9", ValueError, "links 0-9, but there are 2 source and 3 target words"),
        ("0_1", ValueError, "'0_1', expected links such as 0-1"),
        (3, TypeError, "Pharaoh string"),
        ([(1, 2, 3)], TypeError, "Pharaoh string"),
    ],
)
def test_invalid_references_are_reported(reference, error, message):
    with pytest.raises(error, match=re.escape(message)):
        CrossAttentionWidget(toy(), reference=reference)


def test_a_list_of_records_needs_a_list_of_references():
    with pytest.raises(TypeError, match="a list with an alignment"):
        CrossAttentionWidget([toy()], reference="0-0")
    with pytest.raises(ValueError, match="1 records and 2 references"):
        CrossAttentionWidget([toy()], reference=["0-0", None])


def test_several_heads_align_by_their_aggregate(record):
    gold = [(0, 0), (1, 1)]
    widget = CrossAttentionWidget(record, reference=gold)
    for reading in ("output", "input"):
        for aggregate in ("mean", "max"):
            links = record.read_as(reading).align([(2, 1), (0, 3)], aggregate=aggregate)
            reply = alignment_reply(widget, [[2, 1], [0, 3]], aggregate, reading)
            assert reply["recall"] == len(set(links) & set(gold)) / 2
            assert reply["links"] == len(links)


def test_token_links_use_the_rows_of_the_reading():
    axis = Axis(("a", "b", "c"))
    weights = torch.eye(3)[None, None]  # row i attends to column i
    targets = {"output": Axis(("x", "y", "z")), "input": Axis(("<s>", "x", "y"), (True, False, False))}
    widget = CrossAttentionWidget(CrossAttention(weights, axis, targets), reference="1-0 2-1", reference_words=False)
    # In the input reading, x labels row 1 and y row 2, which attend to b and c.
    assert alignment_reply(widget, [[0, 0]], reading="input")["aer"] == 0
    assert alignment_reply(widget, [[0, 0]], reading="output")["recall"] == 0


def test_token_links_are_counted_by_position():
    widget = CrossAttentionWidget(toy(), reference="2-0", reference_words=False)
    assert alignment_reply(widget, [[0, 0]])["recall"] == 1.0
    with pytest.raises(ValueError, match="4 source and 4 target tokens"):
        CrossAttentionWidget(toy(), reference="4-0", reference_words=False)


def test_csv_has_the_exact_weights_shown(record, tmp_path):
    widget = CrossAttentionWidget(record, heads=[(2, 1), (0, 3)], words=True, special="drop")
    text = widget.export(tmp_path / "shown.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    shown = record.drop_special().words()
    assert len(rows) == 2 * len(shown.target) * len(shown.source)
    for row in rows:
        layer, head = map(int, re.findall(r"\d+", row["heads"]))
        weight = shown.weights[layer, head, int(row["target"]), int(row["source"])]
        assert float(row["weight"]) == pytest.approx(float(weight), rel=1e-6)
        assert row["target_token"] == shown.target_tokens[int(row["target"])]


def test_json_describes_its_content(record, tmp_path):
    widget = CrossAttentionWidget([record], heads=[(2, 1), (0, 3)], aggregate="max", names=["mine"])
    data = json.loads(widget.export(tmp_path / "shown.json").read_text(encoding="utf-8"))
    expected = torch.stack([record.weights[2, 1], record.weights[0, 3]])
    assert np.allclose(data["each"], expected)
    assert np.allclose(data["max"], expected.amax(0))
    assert (data["name"], data["heads"], data["source"]) == ("mine", [[2, 1], [0, 3]], record.source_tokens)


def test_pharaoh_is_the_alignment_of_the_picked_heads(record, tmp_path):
    widget = CrossAttentionWidget(toy(), layer=0, head=0)
    assert widget.export(tmp_path / "shown.pharaoh").read_text() == "0-0 0-1 1-2\n"


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF"), (".html", b"<!do")]
)
def test_the_ending_of_the_file_selects_the_format(record, tmp_path, suffix, start):
    path = CrossAttentionWidget(record).export(tmp_path / f"shown{suffix}")
    assert path.read_bytes().startswith(start)


def test_an_unknown_ending_is_reported(record, tmp_path):
    with pytest.raises(ValueError, match=rf"{re.escape(', '.join(FORMATS))}; got 'shown\.doc'"):
        CrossAttentionWidget(record).export(tmp_path / "shown.doc")


def test_a_page_contains_the_error_rate_of_every_head(tmp_path):
    page = CrossAttentionWidget(toy(), reference="0-0").to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('{"pick":{"heads":') == (2 + 1) * 4
