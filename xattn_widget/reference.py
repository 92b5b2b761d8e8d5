"""Reference alignments (gold or silver) that the widget lays over attention, and how picked heads fare by them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from xattn_widget.axes import NO_WORD, Axis
from xattn_widget.record import CrossAttention

Link = tuple[int, int]  # (source, target), counted from 0

_LINK = re.compile(r"(\d+)([-p])(\d+)")


@dataclass(frozen=True)
class Reference:
    """The links of one sentence pair.

    Attributes:
        sure: links (source, target) that an alignment must have.
        possible: links that it may have, the sure ones among them.
        words: whether links are of words, or of token positions (targets as they are predicted).
    """

    sure: frozenset[Link]
    possible: frozenset[Link]
    words: bool

    def describe(self) -> dict[str, Any]:
        """What the front end draws of it."""
        links = [[source, target, (source, target) in self.sure] for source, target in sorted(self.possible)]
        return {"links": links, "words": self.words}


def read_references(
    references: Any, records: Sequence[CrossAttention], single: bool, words: bool
) -> list[Reference | None]:
    """A reference (or None) for each record.

    Args:
        references: None; or for one record its links, for a list of records a list of such, None where there is none.
            Links are a Pharaoh string (``"0-0 1p2"``), (source, target) pairs, or an object with ``sure`` and
            ``possible`` pairs.
        records: the records, hypotheses not taken apart.
        single: whether one record was given, and no list.
        words: whether links are of words, or of token positions.

    Raises:
        TypeError: something that is no alignment.
        ValueError: another number of references than of records, or a link to a word that is not there.
    """
    if references is None:
        return [None] * len(records)
    given = [references] if single else references
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"reference must be a list with an alignment (or None) for each record, got {given!r:.60}")
    if len(given) != len(records):
        raise ValueError(f"there are {len(records)} records and {len(given)} references: give one for each, or None")
    return [None if each is None else _read(each, record, words) for each, record in zip(given, records, strict=True)]


def _read(value: Any, record: CrossAttention, words: bool) -> Reference:
    if isinstance(value, str):
        parts = value.split()
        matches = [_LINK.fullmatch(part) for part in parts]
        if None in matches:
            wrong = parts[matches.index(None)]
            raise ValueError(f"a reference has {wrong!r}, expected links such as 0-1 (sure) or 0p1 (possible)")
        links = [(int(match[1]), int(match[3]), match[2] == "-") for match in matches if match]
    elif hasattr(value, "sure") and hasattr(value, "possible"):
        sure = frozenset(_pairs(value.sure))
        links = [(*link, link in sure) for link in sure | frozenset(_pairs(value.possible))]
    else:
        links = [(*link, True) for link in _pairs(value)]
    sides = (record.source, record.targets.get("output", record.target))
    counts = [len(axis.words) if words else len(axis) for axis in sides]
    for source, target, _ in links:
        if not (0 <= source < counts[0] and 0 <= target < counts[1]):
            unit = "words" if words else "tokens"
            raise ValueError(
                f"a reference links {source}-{target}, but there are {counts[0]} source and {counts[1]} target {unit}, "
                "counted from 0"
            )
    return Reference(
        sure=frozenset((source, target) for source, target, certain in links if certain),
        possible=frozenset((source, target) for source, target, _ in links),
        words=words,
    )


def _pairs(value: Any) -> list[Link]:
    try:
        return [(int(source), int(target)) for source, target in value]
    except (TypeError, ValueError):
        raise TypeError(
            f"a reference must be a Pharaoh string such as '0-0 1-2' or (source, target) pairs, got {value!r:.60}"
        ) from None


def links_of(
    record: CrossAttention, heads: Iterable[Sequence[int]], *, aggregate: str = "mean", words: bool = True
) -> list[Link]:
    """The source word (or token) that each target word weighs most by these heads together; none where it is special.

    Args:
        record: the record, under the reading by which its rows are to be labelled.
        heads: (layer, head) pairs.
        aggregate: ``"mean"`` or ``"max"`` over them.
        words: link words, or else token positions.
    """
    merged = record.words() if words else record
    stack = torch.stack([merged.weights[layer, head] for layer, head in heads])
    weights = (stack.mean(0) if aggregate == "mean" else stack.amax(0)).nan_to_num(0.0)
    columns = _numbered(merged.source, words)
    rows = _numbered(merged.target, words)
    if not words and record.reading == "input":
        rows = [(position, number - 1) for position, number in rows if number > 0]
    links = []
    for row, target in rows:
        best = max(columns, key=lambda column: float(weights[row, column[0]]), default=None)
        if best is not None and weights[row, best[0]] > 0:
            links.append((best[1], target))
    return sorted(links)


def _numbered(axis: Axis, words: bool) -> list[tuple[int, int]]:
    """Position and number (of a word or token) of what is not special."""
    numbers = axis.groups if words else range(len(axis))
    return [
        (position, number)
        for position, (number, special) in enumerate(zip(numbers, axis.special, strict=True))
        if not special and number != NO_WORD
    ]


def fare(
    record: CrossAttention, reference: Reference, heads: Iterable[Sequence[int]], aggregate: str
) -> dict[str, Any]:
    """Alignment error rate, precision and recall of heads by a reference, as the front end shows them.

    ``aer = 1 - (|A & S| + |A & P|) / (|A| + |S|)`` with A the heads' links, S the sure and P the possible ones (Och &
    Ney 2003). A number without a meaning is None.
    """
    links = set(links_of(record, heads, aggregate=aggregate, words=reference.words))
    in_sure, in_possible = len(links & reference.sure), len(links & reference.possible)
    error = 1 - _share(in_sure + in_possible, len(links) + len(reference.sure))
    unit = "word" if reference.words else "token"
    numbers = {
        "aer": error,
        "precision": _share(in_possible, len(links)),
        "recall": _share(in_sure, len(reference.sure)),
    }
    return {
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "links": len(links),
        "method": f"the source {unit} of largest weight for each target {unit}, {aggregate} of the picked heads, rows "
        f"by the {record.reading} reading, special tokens left out",
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
