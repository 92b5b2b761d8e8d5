"""Compare the times of words with gold: errors in seconds, and precision, recall and F1 within a tolerance."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

import regex

from xattn_widget.alignment.word_time import WordTime

# What words are compared by: letters, the marks on them, and digits.
_IGNORED = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
_ROUNDING = 1e-9  # seconds; 0.35 - 0.3 is more than 0.05 in floating point

# The words of one recording, or of several.
Words = Iterable[WordTime] | Iterable[Sequence[WordTime]]


@dataclass(frozen=True, repr=False)
class WordTimeErrors:
    """How far the times of words are from gold. Errors are in seconds, over matched words, and NaN if there are none.

    Attributes:
        start_error: mean absolute error of the starts.
        end_error: mean absolute error of the ends.
        start_bias: median of predicted minus gold starts; positive if predictions are late.
        end_bias: the same for the ends.
        precision: by tolerance in seconds, the share of predicted boundaries (two per word) that are within it from the
            gold boundary of the same word; NaN where nothing was predicted.
        recall: by tolerance, the share of gold boundaries that are found within it; NaN without gold.
        f1: by tolerance, the harmonic mean of precision and recall.
        matched: the number of words that are in both.
        predicted: the number of predicted words.
        gold: the number of gold words.
    """

    start_error: float
    end_error: float
    start_bias: float
    end_bias: float
    precision: dict[float, float]
    recall: dict[float, float]
    f1: dict[float, float]
    matched: int
    predicted: int
    gold: int

    def __repr__(self) -> str:
        shares = ", ".join(f"{value:.1%} within {1000 * tolerance:g} ms" for tolerance, value in self.f1.items())
        return (
            f"WordTimeErrors(start {self.start_error:.3f} s, end {self.end_error:.3f} s, "
            f"bias {self.start_bias:+.3f} and {self.end_bias:+.3f} s; F1 {shares}; "
            f"{self.matched} words matched of {self.predicted} predicted and {self.gold} gold)"
        )


def word_time_errors(predicted: Words, gold: Words, tolerances: Sequence[float] = (0.05, 0.1, 0.2)) -> WordTimeErrors:
    """Errors of the times of words against gold times, for one recording or over several.

    Words are compared without case and punctuation, in Unicode's compatibility form (NFKC), and matched in order by
    ``difflib.SequenceMatcher``. Words without a letter or digit are ignored. Words that have no partner, such as those
    that were recognized wrongly, count as misses in precision and recall, and do not affect the errors in seconds.

    Args:
        predicted: the words of a recording, as :func:`read_word_times` returns them, or a list of such lists, one per
            recording.
        gold: the gold words in the same form.
        tolerances: distances in seconds up to which a boundary counts as found.

    Returns:
        The errors. Words and boundaries of all recordings count equally.

    Raises:
        ValueError: predictions and gold have different numbers of recordings, or a tolerance is not a positive number.
        TypeError: something that is not a word with its times.
    """
    for tolerance in tolerances:
        if not 0 < tolerance < math.inf:
            raise ValueError(f"tolerances must be positive numbers of seconds, got {tolerance!r}")
    answers, expected = _recordings(predicted, "predicted"), _recordings(gold, "gold")
    if len(answers) != len(expected):
        raise ValueError(
            f"there are {len(answers)} predicted recordings and {len(expected)} gold ones: give one of each for each"
        )
    pairs = [pair for answer, truth in zip(answers, expected, strict=True) for pair in _matched(answer, truth)]
    starts = [answer.start - truth.start for answer, truth in pairs]
    ends = [answer.end - truth.end for answer, truth in pairs]
    answered, true = sum(map(len, answers)), sum(map(len, expected))
    precision, recall, f1 = {}, {}, {}
    for tolerance in tolerances:
        # Half a word for each boundary.
        found = sum(abs(error) <= tolerance + _ROUNDING for error in [*starts, *ends]) / 2
        precision[tolerance] = _ratio(found, answered)
        recall[tolerance] = _ratio(found, true)
        f1[tolerance] = _ratio(2 * found, answered + true)
    return WordTimeErrors(
        start_error=fmean(map(abs, starts)) if pairs else math.nan,
        end_error=fmean(map(abs, ends)) if pairs else math.nan,
        start_bias=median(starts) if pairs else math.nan,
        end_bias=median(ends) if pairs else math.nan,
        precision=precision,
        recall=recall,
        f1=f1,
        matched=len(pairs),
        predicted=answered,
        gold=true,
    )


def _ratio(part: float, whole: int) -> float:
    return part / whole if whole else math.nan


def _recordings(words: Words, name: str) -> list[list[WordTime]]:
    """The words to compare, by recording, with what they are compared by as their text."""
    items: list[Any] = list(words)
    nested = bool(items) and not _is_time(items[0]) and isinstance(items[0], Iterable)
    recordings = []
    for recording in items if nested else [items]:
        times = []
        for item in recording:
            if not _is_time(item):
                raise TypeError(f"{name} must have WordTime(word, start, end, confidence), got {item!r:.60}")
            word = _compared(item[0])
            if word:
                times.append(WordTime(word, item[1], item[2], None))
        recordings.append(times)
    return recordings


def _is_time(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) >= 3 and isinstance(item[0], str)


def _compared(word: str) -> str:
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", word).casefold())
    return str(_IGNORED.sub("", text))


def _matched(predicted: list[WordTime], gold: list[WordTime]) -> list[tuple[WordTime, WordTime]]:
    truths, answers = [time.word for time in gold], [time.word for time in predicted]
    blocks = difflib.SequenceMatcher(None, truths, answers, autojunk=False).get_matching_blocks()
    return [(predicted[block.b + place], gold[block.a + place]) for block in blocks for place in range(block.size)]
