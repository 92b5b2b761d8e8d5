"""When each word of a record was said, and how sure the model is of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np

from xattn_widget.alignment.time_path import boundaries, sound_alone, timed_rows
from xattn_widget.alignment.timing_heads import guessed_timing
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import head_pairs

TimingMethod = Literal["dtw"]


def word_times(
    record: AttentionData,
    heads: Sequence[tuple[int, int]] | None = None,
    lag: float | None = None,
    method: TimingMethod = "dtw",
) -> list[WordTime]:
    """The times of a record's words; see :meth:`xattn_widget.CrossAttention.word_times`."""
    if method not in get_args(TimingMethod):
        raise ValueError(f"method must be {', '.join(map(repr, get_args(TimingMethod)))}, got {method!r:.80}")
    if lag is not None and not math.isfinite(lag):
        raise ValueError(f"lag must be a finite number of seconds, got {lag!r}")
    record = sound_alone(record)
    if heads is not None:
        record.places_of(heads)  # for its checks
        if not len(heads):
            raise ValueError("heads must be one or more (layer, head) pairs, got none: leave heads out to use the best")
    words = record.target.word_spans()
    if not words:
        return []
    timing = guessed_timing([record]) if record.timing is None and heads is None else record.timing
    pairs = head_pairs(timing.heads if heads is None and timing is not None else heads)
    if lag is None:
        # A lag is that of a set of heads; other heads have another one.
        lag = timing.lag if timing is not None and set(timing.heads) == set(pairs) else 0.0
    rows = timed_rows(record, pairs)
    offset = 0.0 if record.sound is None else record.sound.offset
    times = offset + np.clip(boundaries(rows, rows.scores.mean(0)[None])[0] - lag, rows.starts[0], rows.starts[-1])
    return [
        WordTime(
            word.text,
            float(times[word.start - rows.first]),
            float(times[word.stop - rows.first]),
            None if record.logprobs is None else float(record.logprobs[word.start : word.stop].exp().mean()),
        )
        for word in words
    ]
