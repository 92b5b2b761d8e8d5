"""The setting that drops punctuation as well: what remains, its scores, and the weight that is gone."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import CrossAttention, CrossAttentionWidget, extract
from xattn_widget.panel.dropping import SPECIAL_VALUES, dropped_positions, dropped_share, dropping_note, leaves_any
from xattn_widget.panel.export import export
from xattn_widget.panel.sound_picture import sound_part
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.static_picture import dropping_facts, shown_part, summary_picture
from xattn_widget.record.axis import Axis
from xattn_widget.record.token_kinds import is_punctuation

MARKS = [",", "«", "...", "<b>", "a", "</s>", "a.", "'", " !", "\u202e.", "$", "؟"]


def record_of(source, target, kinds="text", seed=0):
    """Return a record whose tokens ``</s>`` are special."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(2, 3, len(target), len(source), generator=generator).softmax(-1)
    axes = [
        Axis(
            tuple(labels),
            special=tuple(label == "</s>" for label in labels),
            groups=tuple(-1 if label == "</s>" else index for index, label in enumerate(labels)),
            words=tuple(labels),
            kinds=(kind,) * len(labels),
            places=tuple((index, index + 1) for index in range(len(labels))) if kind == "audio" else None,
        )
        for labels, kind in ((source, kinds), (target, "text"))
    ]
    return CrossAttention(weights, axes[0], {"output": axes[1]})


@pytest.fixture(scope="module")
def sentence(demo):
    return extract(*demo, "Gestern, am Abend, habe ich das Buch gelesen.", "Yesterday evening, I read the book.")


@given(
    st.lists(st.sampled_from(MARKS), min_size=1, max_size=8), st.lists(st.sampled_from(MARKS), min_size=1, max_size=8)
)
def test_both_sides_agree_on_what_is_dropped(source, target):
    """The page drops what is special or in ``punctuation``; Python drops the same, and scores the same rows."""
    record = record_of(source, target)
    state = PanelState(record, special="drop_punctuation", as_shown=True, score_name="entropy")
    axes, _ = state.answer({"kind": "sentence", "sentence": 0})
    length = state.describe_entries()["sentences"][0]["lengths"]
    kept = {}
    for side, axis, described in (
        ("source", record.source, axes["source"]),
        ("target", record.target, axes["target"]["output"]),
    ):
        marks = described.get("punctuation", [False] * len(axis))
        dropped = np.array(described["special"]) | np.array(marks)
        assert tuple(dropped) == dropped_positions(axis, "drop_punctuation")
        assert marks == [label != "</s>" and is_punctuation(label) for label in axis.labels]
        kept[side] = np.flatnonzero(~dropped)
        assert length[side]["positions"] - length[side]["special"] - length[side]["punctuation"] == len(kept[side])
    assert leaves_any(record, "drop_punctuation") == (len(kept["source"]) > 0 and len(kept["target"]) > 0)
    if leaves_any(record, "drop_punctuation"):
        weights = record.weights.double().numpy()[:, :, kept["target"]][..., kept["source"]]
        expected = weights / weights.sum(-1, keepdims=True)
        np.testing.assert_allclose(record.drop_special(also="punctuation").weights, expected, rtol=1e-5)
        shown = state.score_entry("confidence").grid(record)
        np.testing.assert_allclose(shown, expected.max(-1).mean(-1), rtol=1e-4)


@pytest.mark.parametrize("name", ["entropy", "confidence", "coverage_penalty", "alignment_norm", "diagonality"])
@pytest.mark.parametrize("reading", ["output", "input"])
def test_scores_as_shown_are_those_of_the_policy(sentence, name, reading):
    widget = CrossAttentionWidget(sentence, score_name=name, special="drop_punctuation", as_shown=True, reading=reading)
    read = sentence.read_as(reading)
    expected = read.score(name, special="renormalize_punctuation")
    assert torch.equal(widget.scores(), expected)
    assert widget.scores().signature == expected.signature
    without = read.drop_special(also="punctuation")
    torch.testing.assert_close(widget.scores(), without.score(name), check_dtype=False, equal_nan=True)
    assert not torch.equal(widget.scores(), read.score(name, special="renormalize"))


def test_a_request_names_what_is_dropped(sentence):
    state = PanelState(sentence)
    request = {"kind": "scores", "sentence": 0, "name": "entropy", "as_shown": "output"}
    special, both = state.answer(request)[0], state.answer(request | {"special": "drop_punctuation"})[0]
    assert special == state.answer(request | {"special": "drop"})[0]
    assert "special:renormalize|" in special["signature"]
    assert "special:renormalize_punctuation|" in both["signature"]
    assert both["values"] != special["values"]
    with pytest.raises(ValueError, match="expected one of 'drop', 'drop_punctuation', got 'fade'"):
        state.answer(request | {"special": "fade"})


def test_a_score_says_what_it_leaves_out_itself(sentence):
    state = PanelState(sentence)
    for policy in ("drop", "drop_punctuation", str.isalpha):
        state.add_score("entropy", policy, {})
    described = [entry["punctuation"] for entry in state.describe_scores() if entry["name"].startswith("entropy")]
    assert described == [False, False, True, True]


def test_the_mass_of_what_is_dropped_is_said(sentence):
    heads = [(2, 4), (1, 1)]
    weights = sentence.head_weights(heads).double().numpy()
    for special in ("drop", "drop_punctuation"):
        axes = (sentence.target, sentence.source)
        rows, columns = (np.array(dropped_positions(axis, special)) for axis in axes)
        expected = weights[:, ~rows][..., columns].sum(-1).mean()
        share = dropped_share(sentence.head_weights(heads), sentence, special)
        assert share == pytest.approx(expected, abs=1e-5)
        names = "special tokens" if special == "drop" else "special tokens and punctuation"
        state = PanelState(sentence, heads=heads, special=special, reading="output")
        (fact,) = dropping_facts(state.view, sentence)
        assert fact == f"{names} ({100 * expected:.0f}% of the weight) dropped, rows renormalized"
    assert dropped_share(sentence.head_weights(heads), sentence, "fade") is None
    assert dropped_share(torch.ones(1, 1, 1), record_of(["a"], ["b"]), "drop_punctuation") is None
    assert dropping_note("drop", 0.001) == "special tokens (less than 1% of the weight) dropped, rows renormalized"


@pytest.mark.parametrize("words", [True, False])
def test_pictures_and_files_show_what_remains(sentence, words, tmp_path):
    state = PanelState(sentence, heads=[(1, 2)], words=words, special="drop_punctuation", reading="output")
    expected = sentence.drop_special(also="punctuation")
    expected = expected.words() if words else expected
    assert not any(map(is_punctuation, expected.source_tokens))
    part = shown_part(state.view, sentence)
    assert (part.source, part.target) == (expected.source_tokens, expected.target_tokens)
    torch.testing.assert_close(torch.tensor(part.sets[0]), expected.weights[1, 2])
    data = json.loads(export(state, tmp_path / "a.json").read_text(encoding="utf-8"))
    assert data["special"] == "dropped with punctuation, rows renormalized"
    assert (data["source"], data["target"]) == (expected.source_tokens, expected.target_tokens)
    np.testing.assert_allclose(data["mean"], expected.weights[1, 2], rtol=1e-5)


def test_a_sentence_of_punctuation_alone(tmp_path):
    """As under ``"drop"`` with special tokens alone: pictures drop nothing and do not say so, files are refused."""
    for special, source in (("drop_punctuation", [".", "!", "</s>"]), ("drop", ["</s>"])):
        state = PanelState(record_of(source, ["x", "</s>"]), special=special, as_shown=True)
        assert shown_part(state.view, state.record).source == source
        assert dropping_facts(state.view, state.record) == []
        assert summary_picture(state).startswith(b"\x89PNG")
        assert state.score_entry("entropy").grid(state.record).isnan().all()
        with pytest.raises(ValueError, match="nothing would be left"):
            export(state, tmp_path / "a.csv")
        assert b"xattn-state" in export(state, tmp_path / "a.html").read_bytes()


@pytest.mark.parametrize("kind", ["audio", "image"])
def test_positions_that_are_not_text_are_not_punctuation(kind):
    record = record_of(["...", "·", "…"], ["a", ".", "</s>"], kind)
    assert dropped_positions(record.source, "drop_punctuation") == (False, False, False)
    assert dropped_positions(record.target, "drop_punctuation") == (False, True, True)
    assert float(record.score("punctuation_mass").max()) == 0
    state = PanelState(record, special="drop_punctuation")
    axes, _ = state.answer({"kind": "sentence", "sentence": 0})
    assert "punctuation" not in axes["source"]
    if kind == "audio":
        assert sound_part(state.view, record).labels == ["a"]
        silent = record_of(["0 s", "1 s"], ["...", "</s>"], kind)
        assert sound_part(PanelState(silent, special="drop_punctuation").view, silent).labels == ["...", "</s>"]


def test_the_command_line_knows_the_values():
    from xattn_widget.cli.commands import show

    (option,) = [parameter for parameter in show.params if parameter.name == "special"]
    assert tuple(option.type.choices) == SPECIAL_VALUES
    assert option.default == PanelState(record_of(["a"], ["b"])).view.special
