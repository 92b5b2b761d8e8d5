"""Whisper with real weights (OpenAI's tiny.en): transcripts, words, times and what lies outside the sound.

The weights come from the package index. Without them, these tests are skipped, and the end of the output says so.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from real_whisper import OPENAI_HEADS, real_whisper_or_skip
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from xattn_widget import extract, load, read_word_times, word_time_errors

DATA = Path(__file__).parents[2] / "examples/data"
SOUND = DATA / "speech.flac"
OPENAI = json.loads(Path(__file__).with_name("openai_word_times.json").read_text(encoding="utf-8"))
WORDS = "And so my fellow Americans ask not what your country can do for you, ask what you can do for your country."
STEP = 0.02  # seconds per position of Whisper's encoder


@pytest.fixture(scope="module")
def whisper():
    """The model and its processor."""
    folder = real_whisper_or_skip()
    torch.set_num_threads(1)
    return WhisperForConditionalGeneration.from_pretrained(folder), WhisperProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def record(whisper):
    """What the model transcribes from the recording."""
    return extract(*whisper, SOUND)


@pytest.fixture(scope="module")
def openai_record(whisper):
    """The same with the input and the text of openai-whisper."""
    return extract(*whisper, SOUND, OPENAI["text"], mel_padding="zeros")


def test_the_transcript_and_its_words(record):
    assert record.generated
    words = [word.text for word in record.target_words]
    assert words == WORDS.replace(",", " ,").replace(".", " .").split()
    assert record.target_special.tolist() == [True] + [False] * len(words) + [True]  # the prompt and the end


def test_the_axis_is_time(record):
    """Position p begins at p times 20 ms; 11 s are 550 of the 1,500 positions of Whisper's 30 s."""
    samples, rate = soundfile.read(SOUND)
    positions = len(samples) // 160 // 2
    assert record.weights.shape[-1] == 1500
    assert list(record.source.outside) == [position >= positions for position in range(1500)]
    np.testing.assert_allclose(np.array(record.source.places)[:, 0], STEP * np.arange(1500), atol=1e-6)
    assert record.sound.rate == rate
    assert record.sound.seconds == 11


def test_almost_a_third_of_the_weight_is_after_the_end_of_the_sound(record):
    by_hand = record.weights[..., 550:].sum(-1)
    torch.testing.assert_close(record.outside, by_hand)
    assert 0.29 < float(by_hand.mean()) < 0.33
    assert 0.45 < float(by_hand[0].mean()) < 0.56  # the first layer
    cropped = record.cropped().weights
    torch.testing.assert_close(cropped, record.weights[..., :550] / (1 - by_hand)[..., None])


def test_word_times_equal_those_of_openai_whisper(openai_record):
    """The same words at the same times, with OpenAI's heads, padding and method. The generation config names the heads.

    openai-whisper joins punctuation and words later, so that its tokens are words here.
    """
    assert list(openai_record.timing.heads) == OPENAI_HEADS
    found = openai_record.word_times()
    assert [time.word.strip() for time in found] == [word.strip() for word, _, _ in OPENAI["words"]]
    np.testing.assert_allclose(
        [(time.start, time.end) for time in found], [(start, end) for _, start, end in OPENAI["words"]], atol=1e-6
    )


def test_better_heads_and_pauses_give_better_times(record):
    gold = read_word_times(DATA / "speech.TextGrid")
    openai = word_time_errors(record.word_times(OPENAI_HEADS, 0, "dtw"), gold)
    every = [(layer, head) for layer in range(record.layers) for head in range(record.heads)]
    better = word_time_errors(record.word_times(every, 0, "pauses"), gold)
    assert openai.matched == better.matched == 22
    assert better.start_error < 0.08 < 0.15 < openai.start_error
    assert better.f1[0.1] > openai.f1[0.1] + 0.2


def test_a_given_target_is_read_instead(whisper, record):
    """Two words that were not said are less probable than those that were, and time goes on around them."""
    target = WORDS.replace("fellow Americans", "purple elephants")
    given = extract(*whisper, SOUND, target)
    assert not given.generated
    assert [word.text for word in given.target_words if word.text.isalpha()][3:5] == ["purple", "elephants"]
    times = {time.word: time for time in given.word_times(method="pauses")}
    expected = {time.word: time for time in record.word_times(method="pauses")}
    assert times["purple"].confidence < 0.01 < expected["fellow"].confidence
    assert abs(times["country"].start - expected["country"].start) < 0.1
    # The prompt and a leading space come from the tokenizer: the transcript itself, given, equals what was generated.
    again = extract(*whisper, SOUND, WORDS)
    torch.testing.assert_close(again.weights, record.weights, atol=1e-5, rtol=0)


def test_a_batch_equals_single_recordings(whisper, record):
    samples, rate = soundfile.read(SOUND, dtype="float32")
    short = (samples[: 4 * rate], rate)
    alone = extract(*whisper, short)
    batch = extract(*whisper, [SOUND, short])
    for together, single in zip(batch, [record, alone], strict=True):
        assert together.target_tokens == single.target_tokens
        torch.testing.assert_close(together.weights, single.weights, atol=1e-5, rtol=0)
        assert [time[:3] for time in together.word_times()] == [time[:3] for time in single.word_times()]


def test_the_saved_record_of_the_examples_is_this_one(record):
    """examples/data/make_speech_record.py cut it to the sound and rounded its numbers to 16 bits."""
    path = DATA / "speech.safetensors"
    saved = load(path)
    assert path.stat().st_size < 1_500_000
    assert saved.target_tokens == record.target_tokens
    torch.testing.assert_close(saved.weights.float(), record.cropped().weights, atol=1e-3, rtol=0)
    torch.testing.assert_close(saved.sound.samples, record.sound.samples, atol=1e-3, rtol=0)
    for method in ("dtw", "pauses"):
        assert [time[:3] for time in saved.word_times(method=method)] == [
            time[:3] for time in record.word_times(method=method)
        ]
