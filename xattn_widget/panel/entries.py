"""The list of sentences in the panel.

There is one entry for each record, each hypothesis, each kind of contributions and each result of an experiment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property
from typing import Any, NamedTuple

from xattn_widget.alignment.gold import Reference, read_references
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.gold_boxes import GoldBoxes, read_gold_boxes
from xattn_widget.panel.held_windows import HeldWindows
from xattn_widget.panel.image import describe_image, has_places
from xattn_widget.panel.sound import describe_sound, heard_seconds
from xattn_widget.panel.word_times import GoldWord, marked_heads, read_gold_times
from xattn_widget.record.axis import Axis
from xattn_widget.record.contributed import CONTRIBUTION_KINDS, CONTRIBUTION_TITLES
from xattn_widget.record.data import AttentionData
from xattn_widget.record.token_kinds import punctuation_flags


class Trial(Enum):
    """How an experiment made a record; the value is its name in the list."""

    EDITED = "edited"
    FORCED = "heads muted, same target"
    WRITTEN = "heads muted, written anew"


class Window(NamedTuple):
    """A window of a long recording.

    Attributes:
        windows: the windows of the recording.
        number: its number among them, from 0.
        gold: the true times of the words of the whole recording, or None.
    """

    windows: HeldWindows
    number: int
    gold: tuple[GoldWord, ...] | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """A sentence in the list.

    Attributes:
        content: its attention, or the window of a recording that gives it.
        group: a number that the entries of one given record share.
        given_name: the name that the user gave its record, or "".
        rank: its place in an n-best list, from 1; None outside of one.
        hypotheses: the length of that list.
        reference: its reference alignment, or None.
        gold_times: the true times of its words, or None.
        gold_boxes: where its words truly are in its picture, or None.
        contribution: the kind of contributions that its record has instead of attention; "" for attention.
        trial: how an experiment made it; None where it was given.
        version: distinguishes entries that take each other's places in the list; None where it never changes.
    """

    content: AttentionData | Window
    group: int
    given_name: str = ""
    rank: int | None = None
    hypotheses: int = 1
    reference: Reference | None = None
    trial: Trial | None = None
    version: int | None = None
    gold_times: tuple[GoldWord, ...] | None = None
    gold_boxes: tuple[GoldBoxes, ...] | None = None
    contribution: str = ""

    @property
    def record(self) -> AttentionData:
        """Its attention; that of a window may have to be made again."""
        content = self.content
        return content.windows.record(content.number) if isinstance(content, Window) else content

    @property
    def name(self) -> str:
        """Its name in the list, or ""."""
        if self.trial:
            return self.trial.value
        kind = CONTRIBUTION_TITLES.get(self.contribution, "")
        return ": ".join(part for part in (well_formed(self.given_name), kind) if part)

    @property
    def model(self) -> str:
        """Whose heads its record has. Those of contributions are no heads of the model, even if as many."""
        model = well_formed(self.record.model)
        return f"contributions in {model or 'a model'}" if self.contribution else model

    @cached_property
    def source(self) -> str:
        """The source as text; of sound, how much there is and where it begins."""
        record = self.record
        if record.source.kind != "audio":
            return well_formed(record.source.preview())
        offset = 0.0 if record.sound is None else record.sound.offset
        return f"{heard_seconds(record):.1f} s of sound{f' from {offset:.1f} s' if offset else ''}"

    @cached_property
    def target(self) -> str:
        """The target as text, with its rank in an n-best list."""
        rank = "" if self.rank is None else f" ({self.rank} of {self.hypotheses})"
        return well_formed(self.record.target.preview() + rank)

    @cached_property
    def lengths(self) -> dict[str, dict[str, int]]:
        """How long the source and the target are; of a target with two readings, the longer one counts."""
        targets = [_length(axis) for axis in self.record.targets.values()]
        return {
            "source": _length(self.record.source),
            "target": {name: max(length[name] for length in targets) for name in targets[0]},
        }

    def describe(self) -> dict[str, Any]:
        """The fields that the front end has before it sends any request."""
        described = dict(self._described)
        if isinstance(self.content, Window):
            windows = self.content.windows
            recording = {"seconds": windows.seconds, "complete": windows.is_complete}
            described["sound"] = described["sound"] | {"recording": recording}
        return described

    @cached_property
    def _described(self) -> dict[str, Any]:
        """The fields that stay the same; known without the record from the first time on."""
        record = self.record
        described = {
            "source": self.source,
            "target": self.target,
            "name": self.name,
            "model": self.model,
            "layers": record.layers,
            "heads": record.heads,
            "group": self.group,
            "logprob": total_logprob(record),
            "lengths": self.lengths,
            "bytes": record.weights.numel(),
        }
        if record.kept is not None:
            described["missing"] = record.kept.missing()
        if self.version is not None:
            described["version"] = self.version
        if record.sound is not None:
            described["sound"] = describe_sound(record.sound) | {"marked": marked_heads(record)}
        if record.image is not None:
            described["image"] = describe_image(record.image)
        return described


def list_entries(records: Any, names: Sequence[str] | None, reference: Any, reference_words: bool) -> list[Entry]:
    """Entries of records; each hypothesis of an n-best list is an entry of its own, followed by its contributions.

    Each window that is read is an entry, too.

    Args:
        records: a record or the windows of a recording, or a list of them.
        names: a name for each record, or None.
        reference: a word alignment for each record, see :func:`read_references`; or for a record of sound the true
            times of its words, (word, start, end) triples; or for a record of a picture where its words truly are, see
            :func:`xattn_widget.panel.gold_boxes.read_gold_boxes`. Of an n-best list it belongs to the first hypothesis.
        reference_words: whether its numbers count words, or else tokens.

    Raises:
        TypeError: something other than records, ``names`` that are not a list of strings, or something that is not an
            alignment.
        ValueError: no record, or another number of names or references than of records.
    """
    single = isinstance(records, (AttentionData, HeldWindows))
    listed = [records] if single else records
    for record in listed if isinstance(listed, Sequence) and not isinstance(listed, str) else [listed]:
        if not isinstance(record, (AttentionData, HeldWindows)):
            raise TypeError(
                f"the widget shows CrossAttention records, got {type(record).__name__}: make them with extract(...) or "
                "CrossAttention.from_tokens(...), or call show_cross_attention"
            )
    if not listed:
        raise ValueError("there is nothing to show: the list of sentences is empty")
    if names is None:
        names = [""] * len(listed)
    elif isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise TypeError(f"names must be a list of strings, one for each record, got {names!r:.60}")
    if len(names) != len(listed):
        raise ValueError(f"there are {len(listed)} records and {len(names)} names: give one name for each record")
    firsts = [record.first if isinstance(record, HeldWindows) else record for record in listed]
    reference, media = _split_media(reference, firsts, single)
    references = read_references(reference, firsts, single, reference_words)
    # Where windows are added, the entries after them get other numbers.
    moves = any(isinstance(record, HeldWindows) for record in listed)
    entries: list[Entry] = []
    for group, (record, name, links, gold) in enumerate(zip(listed, names, references, media, strict=True)):
        if isinstance(record, HeldWindows):
            entries.append(window_entry(Window(record, 0, gold.times), group, len(entries) + 1, name))
            continue
        hypotheses = record.hypotheses or (record,)
        for rank, hypothesis in enumerate(hypotheses, start=1):
            entry = Entry(
                hypothesis,
                group,
                name,
                rank if record.hypotheses else None,
                len(hypotheses),
                links if rank == 1 else None,
                gold_times=gold.times if rank == 1 else None,
                gold_boxes=gold.boxes if rank == 1 else None,
                version=len(entries) + 1 if moves else None,
            )
            entries.append(entry)
            kinds = [] if set(CONTRIBUTION_KINDS) & set(hypothesis.steps) else hypothesis.contributed.maps
            for kind in kinds:
                version = len(entries) + 1 if moves else None
                contributions = hypothesis.contributions(kind)
                entries.append(replace(entry, content=contributions, contribution=kind, version=version))
    return entries


def window_entry(window: Window, group: int, version: int, name: str) -> Entry:
    """The entry of a window that has been read, with the true times of the words inside it."""
    sound, gold = window.windows.record(window.number).sound, window.gold
    if gold is not None and sound is not None:
        begin, stop = sound.offset, sound.offset + sound.seconds
        gold = tuple((word, start, end) for word, start, end in gold if end > begin and start < stop)
    entry = Entry(window, group, name, gold_times=gold, version=version)
    entry.describe()  # while its record is in memory
    return entry


class _Gold(NamedTuple):
    """A reference that is not an alignment: where words truly are in a sound or in a picture."""

    times: tuple[GoldWord, ...] | None = None
    boxes: tuple[GoldBoxes, ...] | None = None

    @property
    def is_given(self) -> bool:
        """Whether there is any."""
        return self.times is not None or self.boxes is not None


def _split_media(reference: Any, records: Sequence[AttentionData], single: bool) -> tuple[Any, list[_Gold]]:
    """The references that are alignments, and those of each record's sound or picture."""
    if single:
        gold = _read_gold(reference, records[0])
        return (None if gold.is_given else reference), [gold]
    if isinstance(reference, str) or not isinstance(reference, Sequence) or len(reference) != len(records):
        return reference, [_Gold()] * len(records)
    golds = list(map(_read_gold, reference, records))
    return [None if gold.is_given else value for value, gold in zip(reference, golds, strict=True)], golds


def _read_gold(value: Any, record: AttentionData) -> _Gold:
    return _Gold(
        times=read_gold_times(value) if "audio" in record.source.kinds else None,
        boxes=read_gold_boxes(value, record) if has_places(record.source) else None,
    )


def _length(axis: Axis) -> dict[str, int]:
    """The number of positions, of units when words are merged, and of those in either that are dropped.

    Special positions are units of their own. Of punctuation, only words of nothing else are dropped as units.
    """
    units, marks = axis.units(), punctuation_flags(axis)
    return {
        "positions": len(axis),
        "words": len(units),
        "special": sum(axis.special),
        "punctuation": sum(marks),
        "punctuation_words": sum(all(marks[position] for position in unit) for unit in units),
    }


def total_logprob(record: AttentionData) -> float | None:
    """The natural-log probability of a record's whole target, or None where it is unknown."""
    total = math.nan if record.logprobs is None else float(record.logprobs.sum())
    return total if math.isfinite(total) else None
