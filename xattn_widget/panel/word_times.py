"""The times of a record's words for the page, with the path that they come from and a reference to compare with."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from xattn_widget.alignment.dtw import monotone_path
from xattn_widget.messages.characters import well_formed
from xattn_widget.record.data import AttentionData

# A word of a reference with its start and end in seconds.
GoldWord = tuple[str, float, float]
Head = tuple[int, int]
_MEDIAN = 7


def describe_word_times(
    record: AttentionData, heads: Sequence[Head] | None, gold: Sequence[GoldWord] | None
) -> dict[str, Any]:
    """The times of the words of a record, in seconds from the beginning of its sound.

    Args:
        record: a record of sound.
        heads: (layer, head) pairs to read the times from; None for those that are known to time words best.
        gold: the true times of the words, or None.

    Returns:
        The words (text, start, end, confidence, and rows: the first target position and the one after the last), the
        path (target position, start, end), the heads with the lag that was subtracted, what chose the heads, and the
        words of the reference, each with the index of the word that it belongs to, or None.

    Raises:
        ValueError: a record without words or without times of its positions.
    """
    words, path = _timed(record, heads or last_half(record))
    return {
        "words": words,
        "path": path,
        "heads": [list(head) for head in heads or last_half(record)],
        "lag": 0.0,
        "chosen": "picked" if heads else "guessed",
        "gold": None if gold is None else match_gold(gold, [word["text"] for word in words]),
    }


def marked_heads(record: AttentionData) -> dict[str, list[list[int]]]:
    """The heads of a record that are known to time words: those of the model's configuration, and the calibrated set.

    Returns:
        Lists of [layer, head] under ``"model"`` and ``"calibrated"``; empty where nothing is known.
    """
    return {"model": [], "calibrated": []}


def match_gold(gold: Sequence[GoldWord], words: Sequence[str]) -> list[dict[str, Any]]:
    """The words of a reference, each with the index of the same word of the record, or None.

    Words are compared in order, regardless of case and punctuation; a single word that is spelled differently between
    two that agree is the same one.
    """
    ours, theirs = ([_plain(word) for word in side] for side in (words, [text for text, *_ in gold]))
    places: list[int | None] = [None] * len(gold)
    matcher = difflib.SequenceMatcher(a=theirs, b=ours, autojunk=False)
    for kind, start, stop, first, last in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and stop - start == last - first):
            places[start:stop] = range(first, last)
    return [
        {"text": well_formed(text), "start": start, "end": end, "word": word}
        for (text, start, end), word in zip(gold, places, strict=True)
    ]


def read_gold_times(value: Any) -> tuple[GoldWord, ...] | None:
    """True word times, if that is what ``value`` is: (word, start, end) triples with times in seconds; None if not.

    Raises:
        ValueError: a word that ends before it starts, or a time that is not a number.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return None
    if not all(isinstance(entry, Sequence) and len(entry) == 3 and isinstance(entry[0], str) for entry in value):
        return None
    gold = tuple((text, float(start), float(end)) for text, start, end in value)
    for text, start, end in gold:
        if not (math.isfinite(start) and math.isfinite(end) and start <= end):
            raise ValueError(f"the reference says that the word {text!r} lasts from {start} to {end} s: give start <= end")
    return gold


def last_half(record: AttentionData) -> list[Head]:
    """All heads of the last half of the layers."""
    return [
        (layer, head) for layer in range(record.layers // 2, record.layers) for head in range(record.heads)
    ]


def _plain(word: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", word).casefold() if char.isalnum())


def _timed(record: AttentionData, heads: Sequence[Head]) -> tuple[list[dict[str, Any]], list[list[float]]]:
    cropped = record.read_as("output").cropped() if "output" in record.targets else record.cropped()
    places = cropped.source.places
    spans = cropped.target.word_spans()
    if places is None or not spans:
        raise ValueError("words have no times here: the record has no words, or its source positions have no times")
    weights = torch.stack([cropped.weights[layer, head] for layer, head in heads])
    if cropped.end_row is not None:
        last = torch.stack([cropped.end_row[layer, head] for layer, head in heads])
        weights = torch.cat([weights, last[:, None]], dim=1)
    deviation, mean = torch.std_mean(weights, dim=-2, keepdim=True, unbiased=False)
    scores = ((weights - mean) / deviation.clamp_min(1e-9)).nan_to_num(0.0)
    if scores.shape[-1] > _MEDIAN // 2:
        padded = torch.nn.functional.pad(scores, (_MEDIAN // 2,) * 2, mode="reflect")
        scores = padded.unfold(-1, _MEDIAN, 1).median(-1).values
    first, last_row = spans[0].start, len(cropped.target)
    path = monotone_path(scores.mean(0)[first:last_row]).numpy()
    rows = []
    for row in range(last_row - first):
        columns = path[path[:, 0] == row, 1]
        rows.append([first + row, places[columns[0]][0], places[columns[-1]][1]])
    logprobs = None if cropped.logprobs is None else cropped.logprobs.numpy()
    words = []
    for text, start, stop in spans:
        confidence = None if logprobs is None else float(np.exp(logprobs[start:stop].mean()))
        end = rows[stop - first][1] if stop - first < len(rows) else rows[-1][2]
        words.append(
            {
                "text": well_formed(text),
                "start": rows[start - first][1],
                "end": max(end, rows[start - first][1]),
                "confidence": confidence if confidence is not None and math.isfinite(confidence) else None,
                "rows": [start, stop],
            }
        )
    return words, rows
