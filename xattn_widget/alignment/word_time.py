"""A word and when it is spoken."""

from __future__ import annotations

from typing import NamedTuple


class WordTime(NamedTuple):
    """A word of a recording and when it is spoken.

    Attributes:
        word: the word.
        start: when it begins, in seconds from the beginning of the recording.
        end: when it ends, in the same unit.
        confidence: how sure its source is of the word, in [0, 1]; None where it does not say.
    """

    word: str
    start: float
    end: float
    confidence: float | None
