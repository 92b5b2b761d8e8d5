"""The times of a record's words for the page, with the path that they come from and a reference to compare with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from xattn_widget.alignment.time_path import row_begins, sound_alone, timed_rows
from xattn_widget.alignment.timing_heads import guessed_timing
from xattn_widget.alignment.word_times import word_times
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.matching import match_words
from xattn_widget.record.data import AttentionData
from xattn_widget.record.timing import TimingMethod

# A word of a reference with its start and end in seconds of the recording.
GoldWord = tuple[str, float, float]
Head = tuple[int, int]


def describe_word_times(
    record: AttentionData, heads: Sequence[Head], gold: Sequence[GoldWord] | None
) -> dict[str, Any]:
    """The times of the words of a record, in seconds from the beginning of its own sound.

    Args:
        record: a record of sound.
        heads: (layer, head) pairs to read the times from; none for those that are known or guessed to be the best. The
            calibrated set is used with its lag and its method, whoever names it.
        gold: the true times of the words in the recording, or None.

    Returns:
        The words (text, start, end, confidence, and rows: the first target position and the one after the last), the
        path (target position, start, end) as the weights have it, the heads with the lag that was subtracted from the
        words, what chose the heads, and the words of the reference, each with the index of the word that it belongs
        to, or None.

    Raises:
        ValueError: see :meth:`xattn_widget.CrossAttention.word_times`.
    """
    timing = record.timing
    if timing is None or not set(timing.heads) <= set(record.kept_heads):
        timing = guessed_timing(record)
    record = sound_alone(record)
    offset = 0.0 if record.sound is None else record.sound.offset
    chosen = list(heads or timing.heads)
    is_known = set(chosen) == set(timing.heads)
    source = timing.source if is_known else "model" if set(chosen) == set(timing.model_heads) else "picked"
    lag, method = (timing.lag, timing.method) if is_known else (0.0, "dtw")
    times = word_times(record, chosen, lag, method)
    words = [
        {
            "text": well_formed(word.text),
            "start": time.start - offset,
            "end": time.end - offset,
            "confidence": time.confidence if time.confidence is not None and math.isfinite(time.confidence) else None,
            "rows": [word.start, word.stop],
        }
        for word, time in zip(record.target.word_spans(), times, strict=True)
    ]
    return {
        "words": words,
        "path": _path(record, chosen, method) if words else [],
        "heads": [list(head) for head in chosen],
        "lag": lag,
        "chosen": source,
        "gold": None if gold is None else match_gold(gold, [time.word for time in times], offset),
    }


def marked_heads(record: AttentionData) -> dict[str, list[list[int]]]:
    """The heads of a record that are known to time words: those of the model's configuration, and the calibrated set.

    Returns:
        Lists of [layer, head] under ``"model"`` and ``"calibrated"``; empty where nothing is known.
    """
    timing = record.timing
    sets: dict[str, tuple[Head, ...]] = {"model": (), "calibrated": ()}
    if timing is not None:
        sets |= {"model": timing.model_heads, timing.source: timing.heads}
    return {source: [list(head) for head in sets[source]] for source in ("model", "calibrated")}


def match_gold(gold: Sequence[GoldWord], words: Sequence[str], offset: float = 0.0) -> list[dict[str, Any]]:
    """The words of a reference, ``offset`` seconds earlier, each with the index of the record's same word or None.

    :func:`xattn_widget.panel.matching.match_words` says which words are the same.
    """
    places = match_words([text for text, *_ in gold], words)
    return [
        {"text": well_formed(text), "start": start - offset, "end": end - offset, "word": word}
        for (text, start, end), word in zip(gold, places, strict=True)
    ]


def read_gold_times(value: Any) -> tuple[GoldWord, ...] | None:
    """True word times, if ``value`` lists (word, start, end) in seconds, as ``word_times`` does; None if not.

    Raises:
        ValueError: a word that ends before it starts, or a time that is not a number.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return None
    if not all(isinstance(entry, Sequence) and len(entry) in (3, 4) and isinstance(entry[0], str) for entry in value):
        return None
    gold = tuple((text, float(start), float(end)) for text, start, end, *_ in value)
    for text, start, end in gold:
        if not (math.isfinite(start) and math.isfinite(end) and start <= end):
            raise ValueError(f"a reference says that {text!r:.40} lasts from {start} to {end} s: give start <= end")
    return gold


def _path(record: AttentionData, heads: Sequence[Head], method: TimingMethod) -> list[list[float]]:
    """(target position, start, end) of each row on the monotone path, in seconds of the record's own sound."""
    rows = timed_rows(record, heads)
    begins = row_begins(rows, rows.scores.mean(0)[None], method)[0].tolist()
    return [[rows.first + row, *span] for row, span in enumerate(itertools.pairwise(begins))]
