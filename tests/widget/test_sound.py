"""Experiments with a speech model, and long recordings in the panel."""

from __future__ import annotations

import pytest
import torch
from families import byte_level_tokenizer
from sounds import sound
from speech_models import speech_model

from xattn_widget import extract, show_cross_attention
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


def test_a_long_recording_is_shown_window_by_window(whisper, monkeypatch):
    model, extractor, tokenizer = whisper
    windows = [extract(model, extractor, sound(1.0), "ab", target_tokenizer=tokenizer)] * 3

    class Windows(show.WindowRecords):
        def __init__(self):
            self.seconds = 3.0

        def __iter__(self):
            return iter(windows)

    monkeypatch.setattr(show, "extract", lambda *args, **settings: Windows())
    widget = show_cross_attention(model, extractor, sound(1.0), target_tokenizer=tokenizer)
    assert "of 3" in widget.summary()
    monkeypatch.setattr(show, "_MOST_BYTES", windows[0].weights.nbytes)
    with pytest.raises(ValueError, match="show some of its windows"):
        show_cross_attention(model, extractor, sound(1.0), target_tokenizer=tokenizer)
