"""What every format with one word after another needs: text on one line, and spans that do not overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from xattn_widget.messages.characters import visible

Time = TypeVar("Time", int, float)


def one_line(word: str) -> str:
    """The word without spaces around it, its line breaks as spaces, and control characters as code points."""
    return visible(" ".join(word.split()))


def in_sequence(spans: Sequence[tuple[Time, Time]], least: Time) -> list[tuple[Time, Time]]:
    """The spans (start, end), sorted by start, changed so that none is empty and none overlaps the next.

    Where two overlap, the first ends when the second begins, as starts are found more reliably than ends. An empty span
    gets the length ``least``.
    """
    result: list[tuple[Time, Time]] = []
    for index, (start, end) in enumerate(spans):
        if result:
            start = max(start, result[-1][1])
        following = spans[index + 1][0] if index + 1 < len(spans) else end
        if start < following:
            end = min(end, following)
        result.append((start, end if start < end else start + least))
    return result
