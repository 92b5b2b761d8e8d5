"""Scores of the rows that the panel shows while special tokens are dropped, and the summary of equal values."""

import json
import re

import pytest
import torch

from xattn_widget import CrossAttentionWidget, extract
from xattn_widget.panel import page as pages
from xattn_widget.panel import saved_sentence
from xattn_widget.panel.state import PanelState


@pytest.fixture
def sentence(demo):
    return extract(*demo, "Ich habe das Buch gelesen.")


def values_of(page):
    state = json.loads(re.search(r'class="xattn-state">(.*?)</script>', page.decode(), re.DOTALL).group(1))
    return state["traits"]["info"]["sentences"][0], state["sentences"][0]


def test_python_follows_what_is_shown(sentence):
    widget = CrossAttentionWidget(sentence, score_name="entropy", special="drop", reading="output")
    assert "special:keep" in widget.scores().signature
    widget.as_shown = True
    assert torch.equal(widget.scores(), sentence.score("entropy", special="renormalize"))
    assert "special:renormalize" in widget.scores().signature
    assert widget.score_entry().special == "renormalize"
    widget.reading = "input"
    expected = sentence.read_as("input").score("entropy", special="renormalize")
    assert torch.equal(widget.scores(), expected)
    assert widget.scores().signature == expected.signature
    widget.special = "fade"  # nothing is dropped, so nothing differs
    assert torch.equal(widget.scores(), sentence.score("entropy"))


def test_a_policy_of_its_own_stays(sentence):
    widget = CrossAttentionWidget(sentence, special="drop", as_shown=True)
    widget.add_score("entropy", special="drop")
    assert torch.equal(widget.scores(), sentence.score("entropy", special="drop"))
    assert "special:keep" in widget.scores("sink_mass").signature
    described = {entry["name"]: entry for entry in widget.score_list}
    own, plain = described["entropy(special=drop)"], described["entropy"]
    assert (own["special"], own["follows_view"]) == ("drop", False)
    assert (plain["special"], plain["follows_view"]) == ("keep", True)


def test_a_request_names_the_reading_whose_rows_are_shown(sentence):
    state = PanelState(sentence)
    request = {"kind": "scores", "sentence": 0, "name": "entropy"}
    plain, shown = state.answer(request)[0], state.answer(request | {"as_shown": "input"})[0]
    assert "special:keep" in plain["signature"]
    assert "special:renormalize|reading:input" in shown["signature"]
    assert plain["values"] != shown["values"]
    with pytest.raises(ValueError, match="expected one of 'output', 'input'"):
        state.answer(request | {"as_shown": "drop"})


def test_values_are_computed_again_where_a_function_has_changed(sentence):
    factor = [1.0]

    def peak(attention, source_mask, target_mask):
        return factor[0] * attention.amax((-1, -2))

    widget = CrossAttentionWidget(sentence, special="drop", as_shown=True)
    widget.add_score(peak)
    before = widget.scores()
    factor[0] = 2.0
    widget.add_score(peak)
    assert torch.allclose(widget.scores(), 2 * before)


def test_a_page_has_both_and_a_large_one_says_which(sentence, monkeypatch):
    state = PanelState(sentence, reading="input", special="drop")
    described, saved = values_of(pages.page_bytes(state))
    assert described["scored_readings"] == {key: ["output", "input"] for key in ("drop", "drop_punctuation")}
    for special in ("drop", "drop_punctuation"):
        for reading in ("output", "input"):
            request = {"kind": "scores", "sentence": 0, "name": "entropy", "as_shown": reading, "special": special}
            assert saved["as_shown"][special][reading]["entropy"] == state.answer(request)[0]
        assert "sink_mass" not in saved["as_shown"][special]["output"]  # it keeps its own
    monkeypatch.setattr(saved_sentence, "SMALL_RECORD", 10)
    described, saved = values_of(pages.page_bytes(state))
    for special in ("drop", "drop_punctuation"):
        state.set(special=special)
        described, saved = values_of(pages.page_bytes(state))
        assert described["scored_readings"] == {special: ["input"]}
        assert [(name, list(scores)) for name, scores in saved["as_shown"].items()] == [(special, ["input"])]
    state.set(special="fade")
    described, saved = values_of(pages.page_bytes(state))
    assert described["scored_readings"] == saved["as_shown"] == {}


def test_the_summary_has_ranks_of_equal_values(sentence):
    def steps(attention, source_mask, target_mask):
        values = torch.zeros(attention.shape[:2])
        values[0, 0] = values[1, 1] = 1.0
        values[2, 0] = 0.5
        return values

    def even(attention, source_mask, target_mask):
        return torch.ones(attention.shape[:2]) + 1e-8

    widget = CrossAttentionWidget(sentence, scores=[steps, even])
    *_, highest, lowest = widget.summary().splitlines()
    assert highest.endswith("1= layer 0 head 0 (1), 1= layer 1 head 1 (1), layer 2 head 0 (0.5)")
    assert lowest.startswith("lowest: 4= layer")
    widget.score_name = "even"
    assert widget.summary().endswith("all heads are equal by even (higher is better): 1")


def test_the_effect_of_muting_is_on_the_page_with_its_sentences(demo):
    from xattn_widget import show_cross_attention

    widget = show_cross_attention(*demo, "Ich habe das Buch gelesen.")
    widget.muted = [(2, 0)]
    page = pages.page_bytes(widget.state).decode()
    state = json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1))
    assert state["traits"]["live"]["effect"] == widget.live["effect"]
