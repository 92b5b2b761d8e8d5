"""Match two spellings of one text character by character, ignoring case, spaces and Unicode forms."""

from __future__ import annotations

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from math import isqrt
from typing import NamedTuple

from xattn_widget.inputs.text.words import clusters
from xattn_widget.record.axis import Span

# A stretch of this length that occurs once in both texts is taken to be the same place.
_ANCHOR = 8


class Letters(NamedTuple):
    """The characters of a text in the form in which they are compared, and the span of each one's grapheme cluster."""

    text: str
    origins: list[Span]


def letters(text: str) -> Letters:
    """A text without spaces, case or compatibility forms, each grapheme cluster composed (``"É"`` in either form)."""
    parts = [(part, span) for span in clusters(text) for part in _folded(text[slice(*span)])]
    return Letters("".join(part for part, _ in parts), [span for _, span in parts])


@lru_cache(maxsize=8192)
def _folded(cluster: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", cluster).casefold())
    return "".join(part for part in folded if not part.isspace())


def join_bytes(contents: Iterable[bytes]) -> tuple[str, list[Span]]:
    """The text that pieces of UTF-8 spell together, and the (start, stop) of each piece's characters in it.

    Pieces that are parts of one character have the same span. A byte that is not part of a character becomes U+FFFD.
    """
    pieces = list(contents)
    text = b"".join(pieces).decode(errors="surrogateescape")
    character_of = [
        index for index, character in enumerate(text) for _ in range(len(character.encode(errors="surrogateescape")))
    ]
    spans, start = [], 0
    for piece in pieces:
        stop = start + len(piece)
        if piece:
            spans.append((character_of[start], character_of[stop - 1] + 1))
        else:
            position = character_of[start] if start < len(character_of) else len(text)
            spans.append((position, position))
        start = stop
    return "".join("\ufffd" if "\udc80" <= character <= "\udcff" else character for character in text), spans


def common_characters(first: str, second: str) -> list[tuple[int, int]]:
    """Index pairs of a long common subsequence, in order.

    Equal ends and stretches that occur once in both are matched directly, which is enough for most texts. For what lies
    between them, the longest common subsequence is computed.
    """
    pairs: list[tuple[int, int]] = []
    points = [(0, 0), *_anchors(first, second), (len(first), len(second))]
    for (start, other_start), (stop, other_stop) in pairwise(points):
        pairs += _between(first, second, (start, stop), (other_start, other_stop))
    return pairs


def _anchors(first: str, second: str) -> list[tuple[int, int]]:
    """The starts of stretches that occur once in both texts, in an order that is increasing in both."""
    if first == second:
        return []
    once, other_once = _unique(first), _unique(second)
    shared = [(start, other_once[stretch]) for stretch, start in once.items() if stretch in other_once]
    # The longest increasing subsequence, because text that was moved elsewhere is not an anchor.
    tails: list[int] = []
    ends: list[int] = []
    before: list[int | None] = []
    for index, (_, other) in enumerate(shared):
        place = bisect_left(tails, other)
        before.append(ends[place - 1] if place else None)
        tails[place : place + 1] = [other]
        ends[place : place + 1] = [index]
    chain: list[tuple[int, int]] = []
    link = ends[-1] if ends else None
    while link is not None:
        chain.append(shared[link])
        link = before[link]
    return chain[::-1]


def _unique(text: str) -> dict[str, int]:
    """The start of each stretch that occurs once, in order."""
    starts: dict[str, int] = {}
    for start in range(len(text) - _ANCHOR + 1):
        stretch = text[start : start + _ANCHOR]
        starts[stretch] = -1 if stretch in starts else start
    return {stretch: start for stretch, start in starts.items() if start >= 0}


def _between(first: str, second: str, span: tuple[int, int], other: tuple[int, int]) -> Iterator[tuple[int, int]]:
    (start, stop), (other_start, other_stop) = span, other
    while start < stop and other_start < other_stop and first[start] == second[other_start]:
        yield start, other_start
        start, other_start = start + 1, other_start + 1
    ending = 0
    while start < stop - ending and other_start < other_stop - ending:
        if first[stop - ending - 1] != second[other_stop - ending - 1]:
            break
        ending += 1
    middle = _longest_common_subsequence(first[start : stop - ending], second[other_start : other_stop - ending])
    yield from ((start + index, other_start + partner) for index, partner in middle)
    yield from zip(range(stop - ending, stop), range(other_stop - ending, other_stop), strict=True)


def _longest_common_subsequence(first: str, second: str) -> list[tuple[int, int]]:
    """Index pairs of a longest common subsequence.

    A row of the table is one integer with one bit per character of ``first``: the bit is 0 if the subsequence with this
    much of ``second`` grows at that character. A character of ``second`` thus costs a few operations on one integer.

    Source: Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    if not first or not second:
        return []
    places: dict[str, int] = defaultdict(int)
    for index, character in enumerate(first):
        places[character] |= 1 << index
    full = (1 << len(first)) - 1

    def rows(row: int, characters: str) -> Iterator[int]:
        for character in characters:
            matches = row & places.get(character, 0)
            row = ((row + matches) | (row - matches)) & full
            yield row

    # To save memory, only the first row of each block is kept; the others are computed again on the way back.
    size = isqrt(len(second)) + 1
    starts = [full]
    for begin in range(0, len(second), size):
        *_, last = rows(starts[-1], second[begin : begin + size])
        starts.append(last)
    pairs: list[tuple[int, int]] = []
    column = len(first)
    for block in reversed(range(len(starts) - 1)):
        begin = block * size
        table = [starts[block], *rows(starts[block], second[begin : begin + size])]
        line = len(table) - 1
        while line and column:
            bit = 1 << (column - 1)
            if table[line] & bit:
                column -= 1
            else:
                line -= 1
                if table[line] & bit:
                    column -= 1
                    pairs.append((column, begin + line))
    return pairs[::-1]


def runs(pairs: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Matched stretches ``(start in the first, start in the second, length)`` of consecutive pairs."""
    begin = 0
    for index in range(1, len(pairs) + 1):
        if index == len(pairs) or pairs[index] != (pairs[index - 1][0] + 1, pairs[index - 1][1] + 1):
            yield (*pairs[begin], index - begin)
            begin = index
