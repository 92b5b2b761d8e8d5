"""Settings for many sentences: the grid over all of them, the view of all of them, and the one that is shown."""

import json
import re

import pytest
import torch
from traitlets import TraitError
from widget_messages import record

from xattn_widget import CrossAttentionWidget


@pytest.fixture
def widget():
    records = [record(seed=seed) for seed in range(3)]
    return CrossAttentionWidget(records, score_name="entropy", heads=[(1, 2)], over="mean", panel="sentences")


def test_the_settings_are_those_of_another_widget_too(widget):
    assert (widget.over, widget.panel, widget.sentence_order) == ("mean", "sentences", "highest")
    widget.over, widget.sentence_order = "spread", "lowest"
    again = CrossAttentionWidget(widget.records, **widget.view)
    assert (again.over, again.sentence_order) == ("spread", "lowest")
    assert CrossAttentionWidget(record()).over == "sentence"


@pytest.mark.parametrize(("name", "value"), [("over", "median"), ("over", None), ("sentence_order", "best")])
def test_other_values_are_refused(widget, name, value):
    with pytest.raises(TraitError, match=f"{name} must be one of"):
        setattr(widget, name, value)


def test_scores_are_those_of_the_shown_sentence_whatever_the_grid_shows(widget):
    for sentence in range(3):
        widget.sentence = sentence
        expected = CrossAttentionWidget(record(seed=sentence)).scores("entropy")
        assert torch.equal(widget.scores(), expected)
    # Going on to another sentence leaves the grid and the view as they are.
    assert (widget.over, widget.panel, widget.heads) == ("mean", "sentences", [[1, 2]])


def test_a_page_has_what_the_view_and_the_grid_need_of_every_sentence(widget, tmp_path):
    page = widget.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    state = json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1))
    traits = state["traits"]
    assert (traits["over"], traits["panel"], traits["sentence_order"]) == ("mean", "sentences", "highest")
    assert [set(entry["lengths"]) for entry in traits["info"]["sentences"]] == [{"source", "target"}] * 3
    for saved, attention in zip(state["sentences"], widget.records, strict=True):
        expected = CrossAttentionWidget(attention).scores("entropy")
        assert torch.allclose(torch.tensor(saved["scores"]["entropy"]["values"]), expected)
        assert len(saved["layers"]) == 2
