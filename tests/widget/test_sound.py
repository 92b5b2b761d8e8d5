"""Experiments with a speech model, and long recordings in the panel."""

from __future__ import annotations

import threading
import time

import pytest
import torch
from families import byte_level_tokenizer
from sounds import sound
from speech_models import speech_model
from widget_messages import ask, record_of_sound

from xattn_widget import CrossAttentionWidget, extract, show_cross_attention
from xattn_widget.extraction.windows import WindowRecords
from xattn_widget.widget import show
from xattn_widget.widget.jobs import Call
from xattn_widget.widget.live_model import LiveModel

GENERATION = {"max_new_tokens": 6}


@pytest.fixture(scope="module")
def whisper():
    tokenizer = byte_level_tokenizer()
    return *speech_model("whisper", len(tokenizer)), tokenizer


@pytest.fixture(scope="module")
def record(whisper):
    model, extractor, tokenizer = whisper
    return extract(model, extractor, sound(1.0), target_tokenizer=tokenizer, generation=GENERATION)


@pytest.fixture(scope="module")
def live(whisper):
    model, extractor, tokenizer = whisper
    return LiveModel(model, extractor, GENERATION, target_tokenizer=tokenizer)


def test_another_target_is_read_on_the_same_sound(whisper, record, live):
    model, extractor, tokenizer = whisper
    read = live.read(record, "ab c", Call(lambda text: None))
    direct = extract(model, extractor, sound(1.0), "ab c", target_tokenizer=tokenizer)
    torch.testing.assert_close(read.weights, direct.weights, atol=1e-5, rtol=0)
    assert read.sound.seconds == 1.0


def test_muted_heads_change_what_is_written_and_read(record, live):
    muting = live.mute(record, [(0, 0), (0, 1), (1, 0), (2, 1)], Call(lambda text: None))
    assert muting.forced.targets["output"].ids == record.targets["output"].ids
    assert not torch.equal(muting.forced.weights, record.weights)
    again = live.mute(record, [], Call(lambda text: None))
    torch.testing.assert_close(again.forced.weights, record.weights, atol=1e-5, rtol=0)
    assert again.is_same


def test_another_token_is_written_and_the_rest_generated(record, live):
    [choices, *_] = live.choices(record)
    other = next(choice.id for choice in choices if choice.id != record.targets["output"].ids[0])
    changed = live.replace_token(record, 0, other, "generate", Call(lambda text: None))
    assert changed.targets["output"].ids[0] == other


def test_the_panel_of_a_sound_opens_on_its_view(whisper):
    model, extractor, tokenizer = whisper
    widget = show_cross_attention(model, extractor, sound(1.0), "ab", target_tokenizer=tokenizer)
    assert widget.panel == "sound"
    assert "1.0 s of sound" in widget.summary()


class Tape(WindowRecords):
    """A long recording whose windows are made here, instead of by a model."""

    def __init__(self, windows):
        self.seconds = 0.8 * len(windows)
        self.windows, self.made = windows, []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    @property
    def is_complete(self):
        return len(set(self.made)) == len(self.windows)

    def __getitem__(self, index):
        self.entered.set()
        if index > 0:
            assert self.gate.wait(20)
        self.made.append(index)
        return self.windows[index]


@pytest.fixture
def tape():
    return Tape([record_of_sound(seed=index, offset=0.8 * index) for index in range(5)])


def until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def offsets(widget):
    return [round(entry["sound"]["offset"], 1) for entry in widget.info["sentences"]]


def test_a_long_recording_is_read_one_window_ahead_of_the_shown_one(tape):
    widget = CrossAttentionWidget(tape)
    until(lambda: offsets(widget) == [0, 0.8] and not widget.info["reading"])
    widget.sentence = 1
    until(lambda: offsets(widget) == [0, 0.8, 1.6] and not widget.info["reading"])
    widget.sentence = 0
    assert widget.sentence == 0
    assert len(tape.made) == 3
    assert widget.info["sentences"][2]["sound"]["recording"] == {"seconds": 4.0, "complete": False}


def test_the_page_asks_for_the_rest_and_may_stop_it(tape):
    widget = CrossAttentionWidget(tape)
    until(lambda: len(offsets(widget)) == 2 and not widget.info["reading"])
    tape.gate.clear()
    tape.entered.clear()
    content, _ = ask(widget, {"id": "1", "kind": "live", "action": "read", "sentence": 0, "until": 4})
    assert content == {"id": "1"}
    assert tape.entered.wait(20)
    assert widget.info["reading"]
    widget.stop()
    tape.gate.set()
    until(lambda: not widget.info["reading"])
    assert len(offsets(widget)) == 3
    ask(widget, {"id": "2", "kind": "live", "action": "read", "sentence": 0, "until": 4})
    until(lambda: len(offsets(widget)) == 5 and not widget.info["reading"])
    assert widget.info["sentences"][0]["sound"]["recording"]["complete"]


def test_a_window_that_cannot_be_read_is_reported_and_the_others_stay(tape):
    widget = CrossAttentionWidget(tape)
    until(lambda: len(offsets(widget)) == 2 and not widget.info["reading"])
    tape.windows = [*tape.windows[:2]]
    tape.seconds = 9.0
    tape.made = tape.made[:1]
    ask(widget, {"id": "1", "kind": "live", "action": "read", "sentence": 0, "until": 9})
    until(lambda: "could not be transcribed" in widget.live["error"])
    assert not widget.info["reading"]
    assert offsets(widget) == [0, 0.8]


def test_reading_on_keeps_the_shown_sentence_what_is_compared_and_experiments(tape, record):
    widget = CrossAttentionWidget([tape, record], sentence=1, target_index=1, compare={"sentence": 1})
    shown = widget.record
    widget.sentence = 0
    until(lambda: len(widget.info["sentences"]) == 3 and not widget.info["reading"])
    widget.sentence, widget.target_index = 2, 1
    assert widget.record is shown
    ask(widget, {"id": "1", "kind": "live", "action": "read", "sentence": 0, "until": 4})
    until(lambda: len(widget.info["sentences"]) == 6 and not widget.info["reading"])
    assert (widget.sentence, widget.target_index, widget.compare) == (5, 1, {"sentence": 5})
    assert widget.record is shown


def test_show_cross_attention_reads_only_what_it_shows(whisper, monkeypatch, tape):
    model, extractor, tokenizer = whisper
    monkeypatch.setattr(show, "extract", lambda *args, **settings: tape)
    widget = show.show_cross_attention(model, extractor, sound(1.0), target_tokenizer=tokenizer)
    until(lambda: len(offsets(widget)) == 2 and not widget.info["reading"])
    assert set(tape.made) == {0, 1}
    assert "of 2" in widget.summary()
