"""What the setting ``divide_sinks`` does: weights divided by what each position gets in every picture.

Python divides, and answers with divided weights where the page requests them (``js/src/core/dividing.ts``).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from xattn_widget.panel.entries import Entry
from xattn_widget.panel.image import has_places
from xattn_widget.record.data import AttentionData
from xattn_widget.record.sinks import PositionSinks, position_sinks

# The mean over so many pictures of the demo model correlates by .94 with that over 60 others; over 3 pictures, by .81.
FEWEST_PICTURES = 10
# Divided records that are kept: a copy of the weights each.
_KEPT = 8


class SinkChoice(NamedTuple):
    """Whether the weights of an entry can be divided.

    Attributes:
        note: what they are divided by, in words; "" if they cannot be.
        why: why they cannot be; "" if they can.
    """

    note: str = ""
    why: str = ""

    def describe(self) -> dict[str, str]:
        """The choice in the form that the front end reads."""
        return {"note": self.note, "why": self.why}


class Dividing:
    """Divides the records of a list by their sinks: those that the user gave, or the mean over the list."""

    def __init__(self, given: PositionSinks | None = None) -> None:
        if given is not None and not isinstance(given, PositionSinks):
            raise TypeError(f"sinks must be what position_sinks(records) returns, got {type(given).__name__}")
        self._given = given
        self._means: dict[Hashable, tuple[tuple[AttentionData, ...], PositionSinks]] = {}
        self._divided: OrderedDict[int, tuple[AttentionData, PositionSinks, AttentionData]] = OrderedDict()

    def choices(self, entries: Sequence[Entry]) -> list[SinkChoice | None]:
        """For each entry whether its weights can be divided; None for one that is not of a picture."""
        pictures: dict[Hashable, set[Any]] = {}
        for entry in _averaged(entries):
            record = entry.record
            picture = id(record) if record.image is None else record.image.data
            pictures.setdefault(_kind(entry), set()).add(picture)
        return [self._choice(entry, len(pictures.get(_kind(entry), ()))) if _sees(entry) else None for entry in entries]

    def divided(self, entries: Sequence[Entry], index: int) -> Entry:
        """The entry with its weights divided.

        Raises:
            ValueError: they cannot be.
        """
        entry, choice = entries[index], self.choices(entries)[index]
        if choice is None or not choice.note:
            raise ValueError(f"the weights of this sentence cannot be divided: {choice.why if choice else _NO_PICTURE}")
        record, sinks = entry.record, self._sinks(entries, entry)
        known = self._divided.get(id(record))
        if known is None or known[0] is not record or known[1] is not sinks:
            known = (record, sinks, sinks.divide(record))
            self._divided[id(record)] = known
            while len(self._divided) > _KEPT:
                self._divided.popitem(last=False)
        return replace(entry, content=known[2])

    def _choice(self, entry: Entry, pictures: int) -> SinkChoice:
        if entry.contribution:
            return SinkChoice(why="sinks are of attention, and these are contributions")
        if self._given is not None:
            given, own = list(self._given.mean.shape), _shape(entry.record)
            if given != own:
                return SinkChoice(
                    why=f"the sinks given are {given} layers, heads and positions, and this record has {own}"
                )
            return SinkChoice(f"each weight divided by the mean of its position over {self._given.records} records")
        if pictures < FEWEST_PICTURES:
            return SinkChoice(
                why=f"it takes {FEWEST_PICTURES} different pictures of one model with as many positions, and there "
                f"{'is' if pictures == 1 else 'are'} {pictures}; or pass sinks=position_sinks(records)"
            )
        return SinkChoice(f"each weight divided by the mean of its position over the {pictures} pictures")

    def _sinks(self, entries: Sequence[Entry], entry: Entry) -> PositionSinks:
        if self._given is not None:
            return self._given
        kind = _kind(entry)
        records = tuple(other.record for other in _averaged(entries) if _kind(other) == kind)
        known = self._means.get(kind)
        if known is None or len(known[0]) != len(records) or any(map(_differ, known[0], records)):
            known = self._means[kind] = (records, position_sinks(records))
        return known[1]


_NO_PICTURE = "its source positions have no places in a picture"


def _sees(entry: Entry) -> bool:
    return isinstance(entry.content, AttentionData) and has_places(entry.content.source)


def _averaged(entries: Sequence[Entry]) -> Iterator[Entry]:
    """The entries that the mean is of: attention that was given, of an n-best list the first hypothesis."""
    for entry in entries:
        if _sees(entry) and not entry.contribution and entry.trial is None and entry.rank in (None, 1):
            yield entry


def _kind(entry: Entry) -> Hashable:
    """Entries of one kind have the same positions and heads of one model."""
    return entry.model, *_shape(entry.record), *entry.record.kept_heads


def _shape(record: AttentionData) -> list[int]:
    layers, heads, _, source = record.weights.shape
    return [layers, heads, source]


def _differ(first: AttentionData, second: AttentionData) -> bool:
    return first is not second
