"""Word times of records of sound: openai-whisper's algorithm in plain numpy, and everything a record can change."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, best_alignment_heads, extract, load
from xattn_widget.record.axis import Axis
from xattn_widget.record.sound import Sound
from xattn_widget.record.timing import Timing

PROMPT, END = ("<|en|>", "<|notimestamps|>"), "<|endoftext|>"
TOKENS = (" And", " so", ",", " my", " fell", "ow", " Amer", "icans")
GROUPS = (0, 1, 2, 3, 4, 4, 5, 5)
WORDS = ("And", "so", ",", "my", "fellow", "Americans")
LAYERS, HEADS = 2, 3


def sound_axis(positions, heard, step=0.02):
    return Axis(
        labels=tuple(f"{position * step:.3f} s" for position in range(positions)),
        special=tuple(position >= heard for position in range(positions)),
        kinds=("audio",) * positions,
        places=tuple((position * step, (position + 1) * step) for position in range(positions)),
    )


def target_axis(tokens=TOKENS, groups=GROUPS, words=WORDS):
    return Axis(
        (*PROMPT, *tokens, END),
        (*(True,) * len(PROMPT), *(False,) * len(tokens), True),
        (*(-1,) * len(PROMPT), *groups, -1),
        words,
    )


def record_of_speech(positions=60, heard=48, seed=0, step=0.02, target=None, offset=0.0, **fields):
    """A record whose weights mostly follow the sound, with noise, and with padding."""
    target = target or target_axis()
    generator = torch.Generator().manual_seed(seed)
    rows = len(target) + 1
    centers = torch.linspace(0, heard - 1, rows)[:, None]
    ridge = -((torch.arange(positions) - centers) ** 2) / 40
    weights = (ridge + torch.randn(LAYERS, HEADS, rows, positions, generator=generator)).softmax(-1)
    return CrossAttention(
        weights=weights[:, :, :-1],
        end_row=weights[:, :, -1],
        source=sound_axis(positions, heard, step),
        targets={"output": target, "input": target},
        logprobs=-torch.rand(len(target), generator=generator),
        sound=Sound(torch.zeros(round(heard * step * 16_000)), 16_000, offset=offset),
        **fields,
    )


def find_alignment(record, heads, heard):
    """The seconds at which the token rows of ``record_of_speech`` begin, computed as openai-whisper's timing.py does.

    The median filter makes neighbors equal, so that paths tie: numbers and ties must be as they are there.
    """
    rows = torch.cat([record.weights, record.end_row[:, :, None]], 2)[..., :heard]
    rows = rows / rows.sum(-1, keepdim=True)
    weights = torch.stack([rows[layer, head] for layer, head in heads])
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    weights = (weights - mean) / deviation
    if heard > 3:
        weights = torch.nn.functional.pad(weights[None], (3, 3, 0, 0), mode="reflect")[0]
        weights = weights.unfold(-1, 7, 1).sort()[0][..., 3]
    matrix = -weights.mean(0)[len(PROMPT) : -1].double().numpy()
    count = len(matrix)
    cost, trace = np.full((count + 1, heard + 1), np.inf, np.float32), np.full((count + 1, heard + 1), -1)
    cost[0, 0] = 0
    for column in range(1, heard + 1):
        for row in range(1, count + 1):
            both, up, left = cost[row - 1, column - 1], cost[row - 1, column], cost[row, column - 1]
            if both < up and both < left:
                least, step = both, 0
            elif up < both and up < left:
                least, step = up, 1
            else:
                least, step = left, 2
            cost[row, column] = matrix[row - 1, column - 1] + np.float64(least)
            trace[row, column] = step
    trace[0, :], trace[:, 0] = 2, 1
    row, column, begins = count, heard, {}
    while row > 0 or column > 0:
        begins[row - 1] = column - 1
        step = trace[row, column]
        row, column = row - (step != 2), column - (step != 1)
    return [begins[row] * 0.02 for row in range(count)]


def spans(times):
    return [(time.start, time.end) for time in times]


@settings(max_examples=30)
@given(
    heard=st.integers(2, 70),
    padding=st.integers(0, 5),
    seed=st.integers(0, 1000),
    heads=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 2)), min_size=1, max_size=4, unique=True),
)
def test_words_begin_and_end_where_openai_whisper_has_them(heard, padding, seed, heads):
    record = record_of_speech(heard + padding, heard, seed)
    begins = find_alignment(record, heads, heard)
    first = [GROUPS.index(word) for word in range(len(WORDS))] + [len(GROUPS)]
    times = record.word_times(heads)
    assert [time.word for time in times] == list(WORDS)
    expected = [(begins[start], begins[stop]) for start, stop in itertools.pairwise(first)]
    np.testing.assert_allclose(spans(times), expected, atol=1e-9)


def test_the_confidence_is_the_mean_probability_of_the_tokens_of_a_word():
    record = record_of_speech()
    probabilities = record.logprobs.exp().numpy()[len(PROMPT) :]
    expected = [
        np.mean([value for value, group in zip(probabilities, GROUPS, strict=False) if group == word])
        for word in range(len(WORDS))
    ]
    np.testing.assert_allclose([time.confidence for time in record.word_times([(0, 0)])], expected, rtol=1e-6)
    without = dataclasses.replace(record, logprobs=None)
    assert {time.confidence for time in without.word_times([(0, 0)])} == {None}


def test_the_reading_and_a_crop_before_change_nothing():
    record = record_of_speech()
    times = record.word_times([(0, 1), (1, 2)])
    assert record.read_as("input").word_times([(0, 1), (1, 2)]) == times
    assert record.cropped().word_times([(0, 1), (1, 2)]) == times


@pytest.mark.parametrize("step", [0.024, 0.08])
def test_seconds_are_those_of_the_places_and_count_from_the_beginning_of_the_recording(step):
    heads = [(0, 0), (1, 0)]
    plain = np.array(spans(record_of_speech().word_times(heads)))
    scaled = np.array(spans(record_of_speech(step=step, offset=30.0).word_times(heads)))
    np.testing.assert_allclose(scaled, plain / 0.02 * step + 30, atol=1e-9)


def test_a_lag_moves_all_times_within_the_sound():
    record = record_of_speech(offset=30.0)
    plain = np.array(spans(record.word_times([(0, 0)])))
    for lag in (0.1, -0.3, 5.0):
        moved = spans(record.word_times([(0, 0)], lag=lag))
        np.testing.assert_allclose(moved, (plain - lag).clip(30, 30 + 48 * 0.02), atol=1e-9)


def test_heads_and_lag_come_from_the_timing_of_the_record():
    record = record_of_speech(timing=Timing(((1, 2), (0, 1)), lag=0.04, source="calibrated"))
    times = record.word_times()
    assert times == record.word_times([(1, 2), (0, 1)], lag=0.04)
    assert times == record.word_times([(0, 1), (1, 2)])  # the lag is that of this set
    assert times != record.word_times(lag=0.0)
    assert record.word_times([(0, 0)]) == record.word_times([(0, 0)], lag=0.0)  # another set has another lag


def test_a_record_without_timing_uses_the_heads_with_weight_near_their_paths():
    record = record_of_speech()
    noise = torch.rand_like(record.weights).softmax(-1)
    weights = record.weights.clone()
    weights[0], weights[1, 0] = noise[0], noise[1, 0]
    weights = weights[:, :, None].expand(-1, -1, 4, -1, -1).flatten(1, 2)  # 12 heads of each layer
    end_row = record.end_row[:, :, None].expand(-1, -1, 4, -1).flatten(1, 2)
    record = dataclasses.replace(record, weights=weights, end_row=end_row)
    following = [(1, head) for head in range(4, 12)]
    ranked = best_alignment_heads([record])
    assert {(entry.layer, entry.head) for entry in ranked[:8]} == set(following)
    assert {(entry.reading, entry.measure) for entry in ranked} == {("output", "weight_near_path")}
    assert all(0 <= entry.value <= 1 for entry in ranked)
    guessed = [(entry.layer, entry.head) for entry in ranked[:12]]
    assert record.word_times() == record.word_times(guessed, method="pauses")


def test_a_timestamp_is_in_no_word_and_ends_the_word_before_it():
    tokens = (" And", "<|1.00|>", "<|1.50|>", " so")
    axis = Axis(
        (*PROMPT, *tokens, END), (True, True, False, True, True, False, True), (-1, -1, 0, -1, -1, 1, -1), ("And", "so")
    )
    begins = find_alignment(record_of_speech(target=axis), [(0, 0)], 48)
    times = record_of_speech(target=axis).word_times([(0, 0)])
    assert [time.word for time in times] == ["And", "so"]
    np.testing.assert_allclose(spans(times), [(begins[0], begins[1]), (begins[3], begins[4])], atol=1e-9)


def test_without_a_row_of_the_end_the_last_word_lasts_until_the_end_of_the_sound():
    record = record_of_speech()
    axis = record.target.select(range(len(record.target) - 1))
    cut = CrossAttention(weights=record.weights[:, :, :-1], source=record.source, targets={"output": axis})
    assert cut.word_times([(0, 0)])[-1].end == pytest.approx(48 * 0.02)


def test_an_n_best_list_gives_the_times_of_its_first_hypothesis():
    first, second = record_of_speech(), record_of_speech(seed=1)
    record = dataclasses.replace(first, hypotheses=(first, second))
    assert record.word_times([(0, 0)]) == first.word_times([(0, 0)])


def test_words_given_later_are_timed_by_their_tokens():
    record = record_of_speech().with_words(target=["And", "so,", "my", "fellow", "Americans"])
    plain = record_of_speech().word_times([(0, 0)])
    times = record.word_times([(0, 0)])
    assert [time.word for time in times] == ["And", "so,", "my", "fellow", "Americans"]
    assert (times[1].start, times[1].end) == (plain[1].start, plain[2].end)


def test_a_target_of_special_tokens_has_no_words():
    record = record_of_speech(target=Axis(("<|en|>", "<|endoftext|>"), (True, True), (-1, -1), ()))
    assert record.word_times() == []


def test_a_row_whose_weight_is_all_outside_the_sound_counts_as_uniform():
    record = record_of_speech()
    weights = record.weights.clone()
    weights[:, :, 4] = 0
    weights[:, :, 4, -1] = 1
    expected = weights.clone()
    expected[:, :, 4] = 1 / 60
    times = [dataclasses.replace(record, weights=some).word_times([(0, 0)]) for some in (weights, expected)]
    assert times[0] == times[1]
    assert all(math.isfinite(time.end) for time in times[0])


def test_timing_is_saved_with_the_record(tmp_path):
    timing = Timing(((1, 2), (0, 1)), lag=-0.049, source="model")
    record = record_of_speech(timing=timing)
    again = load(record.save(tmp_path / "record.safetensors"))
    assert again.timing == timing
    assert again.word_times() == record.word_times()


def test_text_has_no_word_times(demo):
    record = extract(*demo, "Ich lese.")
    with pytest.raises(ValueError, match="the source of this record is text"):
        record.word_times()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"heads": [(5, 0)]}, "no layer 5"),
        ({"heads": []}, "one or more"),
        ({"heads": [3]}, "list of \\(layer, head\\) pairs"),
        ({"lag": math.nan}, "lag"),
        ({"method": "viterbi"}, "'dtw', 'pauses'"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        record_of_speech().word_times(**arguments)


@pytest.mark.parametrize("change", ["words", "drop_special"])
def test_rows_must_be_those_of_all_tokens(change):
    with pytest.raises(ValueError, match="rows of all tokens"):
        getattr(record_of_speech(), change)().word_times([(0, 0)])


def test_positions_need_seconds():
    record = record_of_speech()
    with pytest.raises(ValueError, match="without places"):
        dataclasses.replace(record, source=dataclasses.replace(record.source, places=None)).word_times()
    places = ((math.nan, math.nan), *record.source.places[1:])
    with pytest.raises(ValueError, match="position 0"):
        dataclasses.replace(record, source=dataclasses.replace(record.source, places=places)).word_times()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"heads": ()}, "one or more"),
        ({"heads": ((0, -1),)}, "counted from 0"),
        ({"heads": ((0, 1),), "lag": math.inf}, "lag"),
        ({"heads": ((0, 1),), "source": "gold"}, "source"),
    ],
)
def test_impossible_timings_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        Timing(**fields)


def test_a_timing_must_name_heads_of_the_record():
    with pytest.raises(ValueError, match="no layer 0 head 3"):
        record_of_speech(timing=Timing(((0, 3),)))


def test_heads_of_sound_and_of_text_are_ranked_apart(demo):
    with pytest.raises(ValueError, match="layers, heads"):
        best_alignment_heads([record_of_speech(), extract(*demo, "Ich lese.")])
    with pytest.raises(ValueError, match="calibrate_heads"):
        best_alignment_heads([record_of_speech()], [[(0, 0)]])
