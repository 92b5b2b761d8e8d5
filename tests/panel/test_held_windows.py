"""Windows of a long recording in the panel: how many records are held, what the list shows, and what a page holds."""

from __future__ import annotations

import json
import re
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from widget_messages import record, record_of_sound

from xattn_widget.panel.entries import Entry, Trial
from xattn_widget.panel.held_windows import MOST_HELD, HeldWindows
from xattn_widget.panel.page import page_bytes
from xattn_widget.panel.state import PanelState


class Tape:
    """A recording of windows of 0.8 s, which counts the records that it makes and that are still alive."""

    def __init__(self, count: int) -> None:
        self.count, self.seconds = count, 0.8 * count
        self.read = 0
        self.made: list[int] = []
        self._alive: list[weakref.ref] = []

    @property
    def is_complete(self) -> bool:
        return self.read >= self.count

    def __getitem__(self, index: int):
        if index >= self.count:
            raise IndexError(index)
        self.read = max(self.read, index + 1)
        self.made.append(index)
        made = record_of_sound(seed=index, offset=0.8 * index)
        self._alive.append(weakref.ref(made))
        return made

    @property
    def alive(self) -> int:
        return sum(reference() is not None for reference in self._alive)


def read_all(state: PanelState, windows: HeldWindows) -> None:
    while windows.read_next():
        state.list_window(windows)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), max_size=30))
def test_few_records_are_alive_however_windows_are_visited(visits):
    tape = Tape(10)
    windows = HeldWindows(tape)
    while windows.read_next():
        assert tape.alive <= MOST_HELD
    assert (windows.ready, windows.is_complete, windows.end) == (10, True, pytest.approx(8.0))
    for index in visits:
        assert windows.record(index).sound.offset == pytest.approx(0.8 * index)
        assert windows.held <= MOST_HELD
        assert tape.alive <= MOST_HELD


def test_a_window_that_was_used_last_is_not_made_again():
    tape = Tape(6)
    windows = HeldWindows(tape)
    while windows.read_next():
        pass
    first = windows.record(0)
    assert windows.record(0) is first
    assert tape.made == [*range(6), 0]


def test_the_panel_reads_the_first_window_and_lists_the_others_as_they_are_read():
    tape = Tape(5)
    windows = HeldWindows(tape)
    state = PanelState(windows)
    assert (tape.made, len(state.entries)) == ([0], 1)
    sound = state.describe_entries()["sentences"][0]["sound"]
    assert sound["recording"] == {"seconds": pytest.approx(4.0), "complete": False}
    read_all(state, windows)
    told = state.describe_entries()["sentences"]
    assert [entry["sound"]["offset"] for entry in told] == pytest.approx([0, 0.8, 1.6, 2.4, 3.2])
    assert all(entry["sound"]["recording"]["complete"] for entry in told)
    assert len({entry["version"] for entry in told}) == len({entry["group"] for entry in told}) == 5
    assert tape.alive <= MOST_HELD
    # What the list says was told without making anything again.
    assert tape.made == [0, 1, 2, 3, 4]
    reply, _ = state.answer({"kind": "word_times", "sentence": 1, "heads": []})
    expected = record_of_sound(seed=1, offset=0.8).word_times()
    assert [word["start"] + 0.8 for word in reply["words"]] == pytest.approx([time.start for time in expected])
    assert tape.made[5:] == [1]


def test_windows_come_after_those_before_them_and_before_other_records_and_experiments():
    windows = HeldWindows(Tape(3))
    state = PanelState([windows, record(seed=1)], names=["tape", "text"])
    versions = [entry.version for entry in state.entries]
    state.list_variants([Entry(record(seed=2), 1, trial=Trial.EDITED, version=state.next_number())])
    assert [state.list_window(windows) for _ in range(2) if windows.read_next()] == [1, 2]
    assert [entry.name for entry in state.entries] == ["tape", "tape", "tape", "text", "edited"]
    assert [state.entries[0].version, state.entries[3].version] == versions
    assert len(state.variants) == 1


def test_each_window_has_the_true_times_of_its_own_words():
    gold = [("one", 0.1, 0.3), ("two", 0.7, 0.9), ("three", 1.7, 1.9)]
    windows = HeldWindows(Tape(3))
    state = PanelState([windows], reference=[gold])
    read_all(state, windows)
    texts = [[word for word, *_ in entry.gold_times] for entry in state.entries]
    assert texts == [["one", "two"], ["two"], ["three"]]


def test_a_page_holds_what_was_read_and_says_how_much_that_is():
    tape = Tape(6)
    windows = HeldWindows(tape)
    state = PanelState(windows)
    for _ in range(3):
        windows.read_next()
        state.list_window(windows)
    page = page_bytes(state)
    text = re.search(r'<script[^>]*class="xattn-state"[^>]*>(.*?)</script>', page.decode(), re.DOTALL)
    held = json.loads(text.group(1))
    assert len(held["sentences"]) == 4
    assert all({"sound", "word_times", "layers"} <= set(saved) for saved in held["sentences"])
    assert held["traits"]["info"]["notice"] == "Only the first 3 s of a recording of 5 s had been transcribed."
    assert tape.alive <= MOST_HELD
    read_all(state, windows)
    assert b"had been transcribed" not in page_bytes(state)
