"""Reference alignments (gold or silver) drawn over attention, and how well picked heads agree with them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from xattn_widget.alignment.aer import alignment_scores
from xattn_widget.alignment.links import align_record
from xattn_widget.alignment.pharaoh import GoldAlignment, to_alignment
from xattn_widget.record.data import Aggregate, AttentionData


class Reference(NamedTuple):
    """The links of one sentence pair.

    Attributes:
        gold: the sure links (source, target), and the possible ones.
        words: True if links are between words; False if they are between token positions (target tokens as written).
    """

    gold: GoldAlignment
    words: bool

    def describe(self) -> dict[str, Any]:
        """The links as the front end draws them."""
        links = [[source, target, (source, target) in self.gold.sure] for source, target in sorted(self.gold.possible)]
        return {"links": links, "words": self.words}


def read_references(
    references: Any, records: Sequence[AttentionData], single: bool, words: bool
) -> list[Reference | None]:
    """A reference (or None) for each record.

    Args:
        references: None; the links of one record; or for a list of records a list of links, None for a record
            without a reference. Links are a Pharaoh string (``"0-0 1p2"``), (source, target) pairs, or an object with
            ``sure`` and ``possible`` pairs.
        records: the records, each with its hypotheses inside.
        single: True if one record was given rather than a list.
        words: True if links are between words, False if between token positions.

    Raises:
        TypeError: something that is not an alignment.
        ValueError: the number of references differs from the number of records, or a link names a word that does not
            exist.
    """
    if references is None:
        return [None] * len(records)
    listed = [references] if single else references
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise TypeError(f"reference must be a list with an alignment (or None) for each record, got {listed!r:.60}")
    if len(listed) != len(records):
        raise ValueError(
            f"there are {len(records)} records and {len(listed)} references: give one (or None) for each record"
        )
    return [
        None if links is None else _read(links, record, words) for links, record in zip(listed, records, strict=True)
    ]


def _read(value: Any, record: AttentionData, words: bool) -> Reference:
    alignment = to_alignment(value, "a reference")
    sides = (record.source, record.targets.get("output", record.target))
    counts = [len(axis.words) if words else len(axis) for axis in sides]
    for source, target in sorted(alignment.possible):
        if not (0 <= source < counts[0] and 0 <= target < counts[1]):
            unit = "words" if words else "tokens"
            raise ValueError(
                f"a reference links {source}-{target}, but there are {counts[0]} source and {counts[1]} target {unit}, "
                "counted from 0"
            )
    return Reference(alignment, words)


def reference_agreement(
    record: AttentionData, reference: Reference, heads: Iterable[Sequence[int]], aggregate: Aggregate, rows: str
) -> dict[str, Any]:
    """Alignment error rate, precision and recall of heads against a reference, as the front end shows them.

    The links are those of :meth:`CrossAttention.align`, the numbers those of
    :func:`xattn_widget.alignment.alignment_scores`; undefined numbers are None. ``rows`` says what names
    the rows.
    """
    links = align_record(record, [(layer, head) for layer, head in heads], words=reference.words, aggregate=aggregate)
    if not reference.words and record.reading == "input":
        # The token that a row reads is the token that the row above predicts.
        links = [(source, target - 1) for source, target in links if target > 0]
    agreement = alignment_scores(frozenset(links), reference.gold)
    unit = "word" if reference.words else "token"
    numbers = {"aer": agreement.aer, "precision": agreement.precision, "recall": agreement.recall}
    return {
        **{name: value if math.isfinite(value) else None for name, value in numbers.items()},
        "links": agreement.predicted,
        "method": f"the source {unit} with the largest weight for each target {unit}, {aggregate} of the picked heads, "
        f"rows labeled by the {rows} reading, special tokens left out",
    }
