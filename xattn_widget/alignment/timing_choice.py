"""Choose the heads that time words, and their lag, by recordings with known word times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from xattn_widget.alignment.given_records import record_list
from xattn_widget.alignment.time_path import Seconds, TimedRows, row_begins, sound_alone, timed_rows, word_limits
from xattn_widget.inputs.text.assigning import assign_words
from xattn_widget.record.axis import NO_WORD, Word
from xattn_widget.record.data import AttentionData
from xattn_widget.record.timing import Timing, TimingMethod

GoldTimes = Sequence[tuple[str, float, float]]
# Only so many heads, the best ones alone, are tried together: the others time words much worse.
_CANDIDATES = 12
# Another head must improve the mean error by this much.
_LEAST_GAIN = 0.0002
# The median error is the lag, unless words next to pauses are many: lags this near to it are tried too.
_LAG_STEPS = np.linspace(-0.1, 0.1, 21)


class ChosenTiming(NamedTuple):
    """The heads and the lag that time words best.

    Attributes:
        timing: the heads, their lag and the method.
        error: the mean absolute error of word starts and ends on the recordings that chose them, in seconds.
    """

    timing: Timing
    error: float


class _Recording(NamedTuple):
    record: AttentionData
    words: list[Word]
    starts: Seconds
    ends: Seconds


def choose_timing(
    records: Sequence[AttentionData],
    times: Sequence[GoldTimes],
    *,
    method: TimingMethod = "pauses",
    most_heads: int = 8,
) -> ChosenTiming:
    """The set of heads with the smallest error of word times, and its lag, by a greedy search.

    The search begins with the best single head and adds the head that lowers the error most, as long as one does. The
    error of a set is measured without its lag. Twenty sentences are enough. Times of words on other recordings have a
    larger error than ``error`` says.

    Args:
        records: records of sound from one model, whose targets are the words that were said (teacher forcing).
        times: for each record the words in order, as (word, start, end) in seconds from the beginning of the
            recording. They may be spelled differently here and there (see ``record.with_words``).
        method: see :meth:`xattn_widget.CrossAttention.word_times`.
        most_heads: the largest number of heads to choose.

    Raises:
        ValueError: no records, times for another number of records, records of different models, words of another
            text, or no word with a time.
    """
    records = record_list(records)
    if not records or len(records) != len(times):
        raise ValueError(
            f"give the word times of each record, got {len(records)} records and {len(times)} lists of times"
        )
    grids = {(record.layers, record.heads) for record in records}
    if len(grids) > 1:
        raise ValueError(f"records must come from one model, got (layers, heads) = {sorted(grids)}")
    if most_heads < 1:
        raise ValueError(f"most_heads must be 1 or more, got {most_heads!r}")
    recordings = [
        recording
        for number, (record, gold) in enumerate(zip(records, times, strict=True))
        if (recording := _recording(record, gold, number)).words
    ]
    if not recordings:
        raise ValueError("no record has a word with a known time")
    everything = sorted(set.intersection(*(set(record.kept_heads) for record in records)))
    if not everything:
        raise ValueError("the records keep no head in common: extract them with the same layers or heads")
    errors, lags = _errors(recordings, [timed_rows(item.record, everything) for item in recordings], None, method)
    order = np.argsort(errors, kind="stable")[:_CANDIDATES]
    candidates = [everything[number] for number in order]
    rows = [timed_rows(item.record, candidates) for item in recordings]
    chosen, error, lag = [0], errors[order[0]], lags[order[0]]
    while len(chosen) < min(most_heads, len(candidates)):
        others = [number for number in range(len(candidates)) if number not in chosen]
        errors, lags = _errors(recordings, rows, [[*chosen, number] for number in others], method)
        best = int(errors.argmin())
        if errors[best] > error - _LEAST_GAIN:
            break
        chosen, error, lag = [*chosen, others[best]], errors[best], lags[best]
    timing = Timing(tuple(candidates[number] for number in chosen), round(float(lag), 4), "calibrated", method)
    return ChosenTiming(timing, float(error))


def _recording(record: AttentionData, gold: GoldTimes, number: int) -> _Recording:
    """A record with the words that have a time, which count from the beginning of its sound."""
    record = sound_alone(record)
    if not gold:
        return _Recording(record, [], np.zeros(0), np.zeros(0))
    limits = np.array([(start, end) for _, start, end in gold], dtype=np.float64).reshape(-1, 2)
    wrong = np.flatnonzero(~np.isfinite(limits).all(1) | (limits[:, 0] > limits[:, 1]))
    if len(wrong):
        word, start, end = gold[wrong[0]]
        raise ValueError(f"word {wrong[0]} of recording {number}, {word!r:.60}, is from {start!r} to {end!r} seconds")
    axis = assign_words(record.target, [word for word, _, _ in gold])
    known = list(dict.fromkeys(group for group in axis.groups if group != NO_WORD))
    limits = limits[known] - (0.0 if record.sound is None else record.sound.offset)
    return _Recording(record, axis.word_spans(), limits[:, 0], limits[:, 1])


def _errors(
    recordings: Sequence[_Recording], rows: Sequence[TimedRows], sets: list[list[int]] | None, method: TimingMethod
) -> tuple[Seconds, Seconds]:
    """``[sets]`` the mean absolute error of each set of heads with its best lag, and that lag, in seconds.

    Args:
        recordings: the recordings.
        rows: their rows, for the heads from which the sets are.
        sets: the numbers of the heads in each set; None for each head by itself.
        method: the method.
    """
    begins = []
    for part in rows:
        scores = part.scores if sets is None else torch.stack([part.scores[numbers].mean(0) for numbers in sets])
        begins.append(row_begins(part, scores, method))

    def differences(method: TimingMethod, lag: float | Seconds) -> Seconds:
        """``[sets, boundaries]`` seconds by which starts and ends are late."""
        parts = []
        for recording, part, begin in zip(recordings, rows, begins, strict=True):
            starts, ends = word_limits(part, begin, recording.words, method, lag)
            parts += [starts - recording.starts, ends - recording.ends]
        return np.concatenate(parts, 1)

    lags = np.median(differences("dtw", 0.0), 1) + _LAG_STEPS[:, None]
    errors = np.stack([np.abs(differences(method, lag)).mean(1) for lag in lags])
    best = errors.argmin(0)
    return errors.min(0), lags[best, np.arange(lags.shape[1])]
