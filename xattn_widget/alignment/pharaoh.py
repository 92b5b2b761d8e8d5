"""Alignments in Pharaoh format: a line a sentence, ``0-0 1p2`` with ``-`` for sure and ``p`` for possible links."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

Link = tuple[int, int]  # (source word, target word), counted from 0

_LINK = re.compile(r"(\d+)([-p])(\d+)")


class GoldAlignment(NamedTuple):
    """The alignment of one sentence pair, links as (source word, target word) counted from 0.

    Attributes:
        sure: the links that an alignment must have.
        possible: the links that it may have, the sure ones among them.
    """

    sure: frozenset[Link]
    possible: frozenset[Link]

    def __repr__(self) -> str:
        return f"GoldAlignment({format_pharaoh(self)!r})"


def read_pharaoh(path: str | Path, *, first: int = 0) -> list[GoldAlignment]:
    """Read alignments, one a line; an empty line is a sentence pair without links.

    Args:
        path: a UTF-8 text file of ``source-target`` (sure) and ``sourceptarget`` (possible) links.
        first: the number of the first word in the file, 0 or 1. The result counts from 0.

    Raises:
        ValueError: something that is no link, or a word before the first.
    """
    _check_first(first)
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return [parse_pharaoh(line, f"line {number} of {path}", first=first) for number, line in enumerate(lines, start=1)]


def parse_pharaoh(line: str, name: str, *, first: int = 0) -> GoldAlignment:
    """The alignment that a line holds; ``name`` says in an error which line it is.

    Raises:
        ValueError: something that is no link, or a word before the first.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for text in line.split():
        match = _LINK.fullmatch(text)
        if match is None:
            raise ValueError(f"{name} has {text!r}, expected links such as 0-1 or 0p1")
        link = int(match[1]) - first, int(match[3]) - first
        if min(link) < 0:
            raise ValueError(f"{name} has {text!r}: its words count from 0, read it with first=0")
        (sure if match[2] == "-" else possible).add(link)
    return GoldAlignment(frozenset(sure), frozenset(sure | possible))


def write_pharaoh(path: str | Path, alignments: Sequence[GoldAlignment | Iterable[Link]], *, first: int = 0) -> Path:
    """Write alignments, one a line, links in order.

    Args:
        path: the file to write.
        alignments: for each sentence pair its links, as ``record.align()`` gives them, or a :class:`GoldAlignment`.
        first: the number that the first word gets, 0 or 1.

    Returns:
        The path written.
    """
    _check_first(first)
    path = Path(path)
    lines = [format_pharaoh(alignment, first=first) + "\n" for alignment in alignments]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def format_pharaoh(alignment: GoldAlignment | Iterable[Link], *, first: int = 0) -> str:
    """One alignment as a line, without its end."""
    if isinstance(alignment, GoldAlignment):
        sure, links = alignment.sure, alignment.possible | alignment.sure
    else:
        links = sure = frozenset((int(source), int(target)) for source, target in alignment)
    return " ".join(
        f"{source + first}{'-' if (source, target) in sure else 'p'}{target + first}"
        for source, target in sorted(links)
    )


def _check_first(first: int) -> None:
    if first not in (0, 1):
        raise ValueError(f"first must be 0 or 1 (the number of the first word), got {first!r}")
