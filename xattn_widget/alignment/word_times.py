"""When each word of a record was said, and how sure the model is of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

from xattn_widget.alignment.time_path import row_begins, sound_alone, timed_rows, word_limits
from xattn_widget.alignment.timing_heads import guessed_timing
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import head_pairs
from xattn_widget.record.timing import Timing, TimingMethod


def word_times(
    record: AttentionData,
    heads: Sequence[tuple[int, int]] | None = None,
    lag: float | None = None,
    method: TimingMethod | None = None,
) -> list[WordTime]:
    """The times of a record's words; see :meth:`xattn_widget.CrossAttention.word_times`."""
    if method is not None and method not in get_args(TimingMethod):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(TimingMethod)))}, got {method!r:.80}")
    if lag is not None and not math.isfinite(lag):
        raise ValueError(f"lag must be a finite number of seconds, got {lag!r}")
    whole, record = record, sound_alone(record)
    if heads is not None:
        record.places_of(heads)  # for its checks
        if not len(heads):
            raise ValueError("heads must be one or more (layer, head) pairs, got none: leave heads out to use the best")
    words = record.target.word_spans()
    if not words:
        return []
    timing = _timing(whole, heads)
    rows = timed_rows(record, timing.heads)
    method, lag = method or timing.method, timing.lag if lag is None else lag
    begins = row_begins(rows, rows.scores.mean(0)[None], method)
    starts, ends = word_limits(rows, begins, words, method, lag)
    offset = 0.0 if record.sound is None else record.sound.offset
    return [
        WordTime(
            word.text,
            float(start + offset),
            float(end + offset),
            None if record.logprobs is None else float(record.logprobs[word.start : word.stop].exp().mean()),
        )
        for word, start, end in zip(words, starts[0], ends[0], strict=True)
    ]


def _timing(record: AttentionData, heads: Sequence[tuple[int, int]] | None) -> Timing:
    """The record's timing for these heads. Its lag and method are for its own heads: others have neither."""
    if heads is None:
        return record.timing or guessed_timing(record)
    timing = Timing(tuple(head_pairs(heads)))
    return record.timing if record.timing is not None and set(record.timing.heads) == set(timing.heads) else timing
