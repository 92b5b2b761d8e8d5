"""What names the rows of the panel, and the setting ``reading="own"``: each head of a saved set under its own reading.

A head that aligns the token read has its row for a token one place later than one that aligns the token written. Under
``"own"`` its rows are moved up by one, so that all rows are named by the token written. The front end moves them itself
(``js/src/core/own_rows.ts``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, get_args

import torch

from xattn_widget.alignment import HeadSet
from xattn_widget.panel.entries import Entry
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.heads import check_heads

RowNames = Literal["output", "input", "own"]

Data = TypeVar("Data", bound=AttentionData)


class PanelSet(NamedTuple):
    """The set of heads that was saved with the model of the list's first record.

    Attributes:
        head_set: the set.
        model: the model, as entries name it.
        grid: its number of layers, and of heads per layer.
    """

    head_set: HeadSet
    model: str
    grid: tuple[int, int]

    @classmethod
    def fitting(cls, head_set: HeadSet | None, entries: Sequence[Entry]) -> PanelSet | None:
        """The set, where the records are of text and have both readings; None where there is none.

        Raises:
            ValueError: it names a head that the model does not have.
        """
        first = entries[0]
        if head_set is None or first.record.source.kind != "text":
            return None
        grid = (first.record.layers, first.record.heads)
        check_heads([head[:2] for head in head_set.heads], *grid)
        fitting = cls(head_set, first.model, grid)
        own = (entry.record for entry in entries if fitting.is_of(entry))
        return fitting if all(set(record.targets) == set(get_args(Reading)) for record in own) else None

    @property
    def heads(self) -> list[list[int]]:
        """The heads as the panel picks them: the first of the set is picked last, and leads."""
        return [[layer, head] for layer, head, _ in reversed(self.head_set.heads)]

    @property
    def rows(self) -> RowNames:
        """What names the rows where the set is shown: the reading of its heads, if they have one in common."""
        readings = {head.reading for head in self.head_set.heads}
        return readings.pop() if len(readings) == 1 else "own"

    def is_of(self, entry: Entry) -> bool:
        """Whether an entry shows attention of its model."""
        return entry.model == self.model and (entry.record.layers, entry.record.heads) == self.grid

    def moved(self, entry: Entry) -> list[tuple[int, int]]:
        """The heads of an entry whose rows are moved under ``"own"``."""
        if self.rows != "own" or not self.is_of(entry):
            return []
        return [(layer, head) for layer, head, reading in self.head_set.heads if reading == "input"]

    def describe(self) -> dict[str, Any]:
        """The set as the front end reads it."""
        return {"heads": [list(head) for head in self.head_set.heads], "reading": self.rows}


def named_rows(record: Data, rows: str) -> Data:
    """The record with its rows named as a setting says, if it has that reading."""
    reading: Any = "output" if rows == "own" else rows
    return record.read_as(reading) if reading in record.targets else record


def own_rows(record: AttentionData, moved: Collection[tuple[int, int]]) -> AttentionData:
    """The record with its rows named by the token written, and those of some heads moved up by one.

    The last token is read by no row: there, these heads have NaN.

    Args:
        record: a record with both readings.
        moved: the heads whose row for a token is the one that reads it.
    """
    weights = record.weights.clone()
    places = record.places_of([head for head in record.kept_heads if head in moved])
    heads = weights.flatten(0, 1)  # a view
    heads[places, :-1] = record.weights.flatten(0, 1)[places, 1:]
    heads[places, -1] = torch.nan
    targets: dict[Reading, Any] = {"output": record.targets["output"]}
    return AttentionData(weights, record.source, targets, model=record.model, kept=record.kept)


def joint(weights: torch.Tensor, aggregate: str) -> torch.Tensor:
    """The mean or maximum of ``[heads, target, source]`` weights, each row over the heads that have it, or NaN."""
    if aggregate == "mean":
        return weights.nanmean(0)
    largest = weights.nan_to_num(-1.0).amax(0)
    return largest.masked_fill(largest < 0, torch.nan)


def joint_record(
    record: AttentionData, heads: Sequence[Sequence[int]], aggregate: str, *, words: bool
) -> AttentionData:
    """A record with one head: heads of a record with moved rows as one, in words or in tokens."""
    record = record.words() if words else record
    weights = joint(record.head_weights([(layer, head) for layer, head in heads]), aggregate)
    return AttentionData(weights[None, None], record.source, record.targets)
