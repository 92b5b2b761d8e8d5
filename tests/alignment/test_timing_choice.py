"""Pauses between words, silent parts of a sound, and the choice of heads and lag by recordings with known times."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import CrossAttention
from xattn_widget.alignment.silence import silences
from xattn_widget.alignment.timing_choice import choose_timing
from xattn_widget.record.axis import Axis
from xattn_widget.record.sound import Sound
from xattn_widget.record.timing import Timing

RATE, STEP = 16_000, 0.02
GOOD = [(0, 1), (1, 2)]


def tone(seconds, rate=RATE):
    return 0.5 * torch.sin(2 * math.pi * 220 * torch.arange(round(seconds * rate)) / rate)


def speech(parts, rate=RATE):
    """A sound of tones and silences in turn, from a list of (is it a tone, seconds)."""
    return torch.cat(
        [tone(seconds, rate) if sounds else torch.zeros(round(seconds * rate)) for sounds, seconds in parts]
    )


def gold_words(seed):
    """Four words with a pause before, between and after some of them, and the end of the sound."""
    generator = np.random.default_rng(seed)
    lengths, gaps = generator.uniform(0.2, 0.5, 4), generator.uniform(0.3, 0.6, 5) * [1, 0, 1, 0, 1]
    words, second = [], 0.0
    for number, (length, gap) in enumerate(zip(lengths, gaps[:-1], strict=True)):
        start = second + gap
        second = start + length
        words.append((f"word{number}", round(start, 2), round(second, 2)))
    return words, second + gaps[-1]


def spoken(seed=0, lag=0.0, offset=0.0, noise=1.0, timing=None):
    """A record of which two heads attend to the words, late by the lag, and its gold times."""
    words, seconds = gold_words(seed)
    parts, second = [], 0.0
    for _, start, end in words:
        parts += [(False, start - second), (True, end - start)]
        second = end
    sound = Sound(speech([*parts, (False, seconds - second)]), RATE, offset=offset)
    positions = math.ceil(seconds / STEP)
    labels = ("<|start|>", *(word for word, _, _ in words), "<|end|>")
    target = Axis(labels, (True, *(False,) * 4, True), (-1, 0, 1, 2, 3, -1), labels[1:5], text=None)
    limits = [(0.0, words[0][1]), *((start, end) for _, start, end in words), (second, seconds), (second, seconds)]
    places = (torch.arange(positions) + 0.5) * STEP - lag
    inside = torch.stack([((places >= start) & (places < end)).float() for start, end in limits])
    generator = torch.Generator().manual_seed(seed)
    logits = noise * torch.randn(2, 3, 7, positions, generator=generator)
    for head in GOOD:
        logits[head] = logits[head] * 0.2 + 4 * inside
    weights = logits.softmax(-1)
    source = Axis(
        tuple(f"{position * STEP:.2f} s" for position in range(positions)),
        kinds=("audio",) * positions,
        places=tuple((position * STEP, (position + 1) * STEP) for position in range(positions)),
    )
    record = CrossAttention(
        weights=weights[:, :, :-1],
        end_row=weights[:, :, -1],
        source=source,
        targets={"output": target},
        sound=sound,
        timing=timing,
    )
    return record, [(word, start + offset, end + offset) for word, start, end in words]


def test_pauses_are_part_of_no_word():
    record, gold = spoken()
    times = record.word_times(GOOD, method="pauses")
    expected = [(start, end) for _, start, end in gold]
    np.testing.assert_allclose([(time.start, time.end) for time in times], expected, atol=0.04)
    plain = record.word_times(GOOD)
    assert plain[0].start == 0.0  # the silence before the first word
    assert all(after.start == before.end for before, after in itertools.pairwise(plain))


def test_the_row_before_the_first_word_hears_the_silence_without_samples_too():
    record, gold = spoken()
    times = dataclasses.replace(record, sound=None).word_times(GOOD, method="pauses")
    assert times[0].start == pytest.approx(gold[0][1], abs=0.04)
    first = record.target.select(range(1, 6))
    without = CrossAttention(weights=record.weights[:, :, 1:], source=record.source, targets={"output": first})
    assert without.word_times(GOOD, method="pauses") == without.word_times(GOOD)  # there is no such row


def test_the_method_of_a_timing_is_that_of_its_heads():
    record, _ = spoken(timing=Timing(tuple(GOOD), 0.04, "calibrated", "pauses"))
    assert record.word_times() == record.word_times(GOOD, lag=0.04, method="pauses")
    assert record.word_times([(0, 0)]) == record.word_times([(0, 0)], lag=0.0, method="dtw")
    assert record.word_times(method="dtw") == record.word_times(GOOD, lag=0.04, method="dtw")


@given(
    lengths=st.lists(st.integers(3, 20), min_size=2, max_size=6),
    rate=st.sampled_from([8_000, 16_000, 44_100]),
    noise=st.sampled_from([0.0, 0.002]),
)
def test_silences_are_where_the_sound_is_quiet(lengths, rate, noise):
    parts = [(number % 2 == 0, length / 20) for number, length in enumerate(lengths)]
    samples = speech(parts, rate)
    samples = samples + noise * torch.randn(len(samples), generator=torch.Generator().manual_seed(0))
    edges = np.cumsum([0.0, *(seconds for _, seconds in parts)])
    expected = [(edges[number], edges[number + 1]) for number, (sounds, _) in enumerate(parts) if not sounds]
    found = silences(Sound(samples, rate))
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("samples", [torch.zeros(0), torch.zeros(100), torch.zeros(16_000), tone(1.0)])
def test_a_sound_of_one_loudness_has_no_silences(samples):
    assert silences(Sound(samples, RATE)) == []


@pytest.mark.parametrize("lag", [0.12, -0.06])
def test_the_heads_that_follow_the_words_are_chosen_with_their_lag(lag):
    recordings = [spoken(seed, lag, offset=30.0 * seed) for seed in range(6)]
    timing, error = choose_timing([record for record, _ in recordings], [gold for _, gold in recordings])
    assert set(timing.heads) <= set(GOOD)
    assert (timing.source, timing.method) == ("calibrated", "pauses")
    assert timing.lag == pytest.approx(lag, abs=0.02)
    assert error < 0.03
    record, gold = spoken(7, lag, timing=timing)
    found = [(time.start, time.end) for time in record.word_times()]
    np.testing.assert_allclose(found, [(start, end) for _, start, end in gold], atol=0.06)


def test_the_error_is_that_of_the_word_times():
    recordings = [spoken(seed, 0.1) for seed in range(3)]
    records, golds = zip(*recordings, strict=True)
    timing, error = choose_timing(records, golds, method="dtw", most_heads=1)
    assert len(timing.heads) == 1
    differences = [
        (time.start - start, time.end - end)
        for record, gold in recordings
        for time, (_, start, end) in zip(dataclasses.replace(record, timing=timing).word_times(), gold, strict=True)
    ]
    assert error == pytest.approx(np.abs(differences).mean(), abs=1e-3)


def test_words_that_no_token_spells_are_left_out():
    recordings = [spoken(seed) for seed in range(3)]
    more = [[*gold[:2], ("well", gold[1][2], gold[1][2]), *gold[2:]] for _, gold in recordings]
    records = [record for record, _ in recordings]
    assert choose_timing(records, more).timing == choose_timing(records, [gold for _, gold in recordings]).timing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda records, times: ([], []), "0 records"),
        (lambda records, times: (records, times[:1]), "2 records and 1 lists"),
        (lambda records, times: (records, [[], []]), "known time"),
        (lambda records, times: (records, [times[0], [("word0", 1.0, 0.5)]]), "word 0 of recording 1"),
        (lambda records, times: (records, [times[0], [("word0", math.nan, 0.5)]]), "word 0 of recording 1"),
    ],
)
def test_impossible_calibrations_are_refused(change, message):
    recordings = [spoken(seed) for seed in range(2)]
    records, times = change([record for record, _ in recordings], [gold for _, gold in recordings])
    with pytest.raises(ValueError, match=message):
        choose_timing(records, times)
