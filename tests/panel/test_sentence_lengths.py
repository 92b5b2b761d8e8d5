"""The lengths of sentences, from which the page keeps its height before it has loaded any."""

import torch
from widget_messages import record

from xattn_widget import CrossAttention, extract
from xattn_widget.panel.dropping import dropped_positions
from xattn_widget.panel.entries import list_entries
from xattn_widget.panel.state import PanelState
from xattn_widget.record.axis import Axis


def units_of(axis, words=False, drop="show"):
    """The number of rows that the page shows of an axis, counted one by one."""
    seen = set()
    for position, (group, dropped) in enumerate(zip(axis.groups, dropped_positions(axis, drop), strict=True)):
        if not dropped:
            seen.add(("word", group) if words and group >= 0 else ("position", position))
    return len(seen)


def shown(length, words=False, drop="show"):
    marks = length["punctuation_words" if words else "punctuation"] if drop == "drop_punctuation" else 0
    return length["words" if words else "positions"] - (0 if drop == "show" else length["special"]) - marks


def test_the_lengths_are_the_rows_that_the_page_shows(demo):
    (attention,) = extract(*demo, ["Ich bedaure, dir nicht helfen zu können."])
    (entry,) = list_entries(attention, None, None, True)
    for words in (False, True):
        for drop in ("show", "drop", "drop_punctuation"):
            assert shown(entry.lengths["source"], words, drop) == units_of(attention.source, words, drop)
        targets = [units_of(axis, words) for axis in attention.targets.values()]
        assert shown(entry.lengths["target"], words) == max(targets)


def test_every_entry_has_its_own(demo):
    beams = extract(*demo, "Wo ist der Bahnhof?", generation={"num_beams": 2, "num_return_sequences": 2})
    state = PanelState([record(target=7, source=3), beams])
    lengths = [entry["lengths"] for entry in state.describe_entries()["sentences"]]
    assert len(lengths) == 3
    assert lengths[0] == {
        "source": {"positions": 3, "words": 3, "special": 0, "punctuation": 0, "punctuation_words": 0},
        "target": {"positions": 7, "words": 7, "special": 0, "punctuation": 0, "punctuation_words": 0},
    }
    assert [length["target"]["positions"] for length in lengths[1:]] == [len(beam.target) for beam in beams.hypotheses]


def test_a_single_special_token_is_counted():
    axis = Axis(labels=("</s>",), special=(True,), groups=(-1,), words=())
    attention = CrossAttention(weights=torch.ones(1, 1, 1, 1), source=axis, targets={"output": axis})
    (entry,) = list_entries(attention, None, None, True)
    expected = {"positions": 1, "words": 1, "special": 1, "punctuation": 0, "punctuation_words": 0}
    assert entry.lengths["source"] == expected
