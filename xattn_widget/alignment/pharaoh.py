"""Alignments in Pharaoh format: one line per sentence, ``0-0 1p2`` with ``-`` for sure and ``p`` for possible links."""

from __future__ import annotations

import operator
import re
import warnings
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from xattn_widget.files.reading import read_text
from xattn_widget.files.writing import whole_file

Link = tuple[int, int]  # (source word, target word), counted from 0

_LINK = re.compile(r"(\d+)([-p])(\d+)")


class GoldAlignment(NamedTuple):
    """The alignment of one sentence pair, links as (source word, target word) counted from 0.

    It is printed as a line in Pharaoh format, such as ``<GoldAlignment 0-0 1p2>``.

    Attributes:
        sure: the links that an alignment must have.
        possible: the links that it may have, including the sure ones.
    """

    sure: frozenset[Link]
    possible: frozenset[Link]

    def __repr__(self) -> str:
        return f"<GoldAlignment {format_pharaoh(self) or 'without links'}>"


def read_pharaoh(path: str | Path, *, first: int = 0) -> list[GoldAlignment]:
    """Read alignments, one per line; an empty line is a sentence pair without links.

    Warns if the file seems to count from 1 but is read as counting from 0: it has no word 0, and most of its sentences
    link word 1.

    Args:
        path: a text file of ``source-target`` (sure) and ``sourceptarget`` (possible) links, in UTF-8, or in UTF-16 or
            UTF-32 with a byte-order mark.
        first: the number of the first word in the file, 0 or 1. The result counts from 0.

    Returns:
        An alignment for each line.

    Raises:
        TypeError: ``path`` is not a path, such as a list of lines, which needs no reading.
        ValueError: something that is not a link, a word number below ``first``, or another encoding.
    """
    _check_first(first)
    if not isinstance(path, str | PathLike):
        raise TypeError(
            f"read_pharaoh takes the path of a file, got {path!r:.60}; lines such as '0-0 1p2' need no reading: pass "
            "them as gold"
        )
    alignments = [
        parse_pharaoh(line, f"line {number} of {path}", first=first)
        for number, line in enumerate(_lines(Path(path)), start=1)
    ]
    if first == 0 and _seems_to_count_from_one(alignments):
        warnings.warn(
            f"{path} is read as counting words from 0, but it links no word 0: if it counts from 1, read it with "
            "first=1",
            stacklevel=2,
        )
    return alignments


def _lines(path: Path) -> list[str]:
    """The lines of a text file. Only a line feed, alone or after a carriage return, ends a line, as in a corpus.

    In a file without any line feed a carriage return ends a line (classic Mac OS).
    """
    text = read_text(path)
    lines = text.split("\n" if "\n" in text else "\r")
    return lines if lines[-1] else lines[:-1]


def _seems_to_count_from_one(alignments: Sequence[GoldAlignment]) -> bool:
    """Whether no link has a word 0, the lowest word is 1 on both sides, and most sentences link a word 1.

    A single link proves nothing.
    """
    linked = [alignment.possible for alignment in alignments if alignment.possible]
    if sum(map(len, linked)) < 2:
        return False
    least = tuple(min(link[side] for links in linked for link in links) for side in (0, 1))
    with_one = sum(any(1 in link for link in links) for links in linked)
    return least == (1, 1) and 2 * with_one >= len(linked)


def parse_pharaoh(line: str, name: str, *, first: int = 0) -> GoldAlignment:
    """The alignment in a line; ``name`` names the line in errors.

    Raises:
        ValueError: something that is not a link, or a word number below ``first``.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise ValueError(f"{name} has {text!r}, expected links such as 0-1 or 0p1")
        link = int(match[1]) - first, int(match[3]) - first
        if min(link) < 0:
            raise ValueError(f"{name} has {text!r}: its words count from 0; read it with first=0")
        (sure if match[2] == "-" else possible).add(link)
    return GoldAlignment(frozenset(sure), frozenset(sure | possible))


def to_alignment(value: Any, name: str) -> GoldAlignment:
    """The alignment of one sentence pair in any form in which users pass it; ``name`` names it in errors.

    Args:
        value: a line in Pharaoh format, (source word, target word) pairs, or an object with ``sure`` and ``possible``
            pairs, such as a :class:`GoldAlignment`.
        name: what it is.

    Raises:
        TypeError: another form.
        ValueError: a line with something that is not a link.
    """
    if isinstance(value, str):
        return parse_pharaoh(value, name)
    if hasattr(value, "sure") and hasattr(value, "possible"):
        sure = _pairs(value.sure, name)
        return GoldAlignment(sure, sure | _pairs(value.possible, name))
    links = _pairs(value, name)
    return GoldAlignment(links, links)


def _pairs(value: Any, name: str) -> frozenset[Link]:
    try:
        items = list(value)
    except TypeError:
        items = [value]
    links = [to_link(item) for item in items]
    if None in links:
        raise TypeError(
            f"{name} must be links: a Pharaoh string such as '0-0 1-2', or (source word, target word) pairs from 0; "
            f"got {items[links.index(None)]!r:.60}"
        )
    return frozenset(link for link in links if link is not None)


def to_link(item: Any) -> Link | None:
    """A pair of whole numbers from 0 as a link; None for anything else."""
    try:
        source, target = map(operator.index, item)
    except (TypeError, ValueError):
        return None
    return (source, target) if source >= 0 and target >= 0 else None


def write_pharaoh(
    path: str | Path, alignments: Sequence[str | GoldAlignment | Iterable[Link]], *, first: int = 0
) -> Path:
    """Write alignments, one per line, links in order.

    Args:
        path: the file to write.
        alignments: the links of each sentence pair, as returned by ``record.align()``, a :class:`GoldAlignment`, or a
            line in Pharaoh format that counts from 0.
        first: the number of the first word, 0 or 1.

    Returns:
        The path written.

    Raises:
        TypeError: something that is not an alignment, or a single one instead of a list.
        ValueError: a line with something that is not a link.
    """
    _check_first(first)
    if isinstance(alignments, str | GoldAlignment):
        raise TypeError(f"write_pharaoh takes a list of alignments, got {alignments!r:.60}: pass [alignment]")
    path = Path(path)
    lines = [format_pharaoh(alignment, first=first) + "\n" for alignment in alignments]
    with whole_file(path) as file:
        file.write("".join(lines).encode())
    return path


def format_pharaoh(alignment: str | GoldAlignment | Iterable[Link], *, first: int = 0) -> str:
    """One alignment as a line, without a line break."""
    sure, links = to_alignment(alignment, "an alignment")
    return " ".join(
        f"{source + first}{'-' if (source, target) in sure else 'p'}{target + first}"
        for source, target in sorted(links)
    )


def _check_first(first: int) -> None:
    if first not in (0, 1):
        raise ValueError(f"first must be 0 or 1 (the number of the first word), got {first!r}")
