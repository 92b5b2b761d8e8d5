"""Contributions in the panel: entries of their own next to the attention of each sentence."""

from __future__ import annotations

import pytest
from traitlets import TraitError

from xattn_widget import CrossAttentionWidget, extract, show_cross_attention
from xattn_widget.panel.state import PanelState

KINDS = ["value_zeroing", "value_zeroing_heads", "gradient"]


@pytest.fixture(scope="module")
def records(demo):
    return extract(*demo, ["Ich lese.", "Wann stehst du auf?"], contributions=KINDS, faithfulness=True)


def test_every_sentence_is_followed_by_its_contributions(records):
    state = PanelState(records, names=["first", "second"])
    described = state.describe_entries()["sentences"]
    assert [entry["name"] for entry in described[:4]] == [
        "first",
        "first: value zeroing",
        "first: value zeroing of single heads",
        "first: input x gradient",
    ]
    assert [entry["group"] for entry in described] == [0] * 4 + [1] * 4
    assert [(entry["layers"], entry["heads"]) for entry in described[:4]] == [(3, 8), (3, 1), (3, 8), (1, 1)]
    # No sentence of the model is pooled with contributions.
    assert len({entry["model"] for entry in described[:4]}) == 2
    assert {"faithfulness", "masking_drop"} <= set(state.scores)


def test_contributions_can_be_shown_scored_and_saved(records, tmp_path):
    widget = CrossAttentionWidget(records[0], heads=[(2, 6)])
    for sentence, kind in enumerate(KINDS, start=1):
        widget.sentence = sentence
        shown = widget.record
        assert shown.steps == (kind,)
        assert tuple(widget.heads[0]) in shown.kept_heads
        grid = widget.answer({"kind": "scores", "sentence": sentence, "name": "entropy"})[0]
        assert f"|record:{kind}|" in grid["signature"]
        assert not any(
            "sum to 1" in note for note in widget.answer({"kind": "sentence", "sentence": sentence})[0]["notes"]
        )
    assert widget.to_html(tmp_path / "page.html").is_file()
    assert "input x gradient" in widget.summary()


def test_a_record_of_contributions_is_shown_alone(records):
    assert len(PanelState(records[0].contributions("value_zeroing")).entries) == 1


def test_show_measures_what_it_is_asked_for(demo):
    widget = show_cross_attention(*demo, "Ich lese.", contributions=["alti"], faithfulness=True)
    assert [record.steps for record in widget.records] == [(), ("alti",), ("gradient",)]
    widget.score_name = "faithfulness"
    assert widget.scores().shape == (3, 8)
    widget.sentence = 1
    with pytest.raises(TraitError, match="these are contributions"):
        widget.muted = [(0, 0)]
    edited = widget.set_target("I read.")
    assert edited.heads == 8
