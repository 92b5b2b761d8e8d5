"""One side of a cross-attention record: a list of positions with labels, special flags and words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

Span = tuple[int, int]
NO_WORD = -1
SPACE = "␣"  # the label of a piece that is nothing but the mark of a word's start
PREVIEW_LENGTH = 120
_BEFORE_PUNCTUATION = re.compile(r" (?=[.,!?;:…)\]}»]+( |$))")


class Word(NamedTuple):
    """A word and its positions ``start`` to ``stop`` (not included) on its axis."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Axis:
    """The positions of one side of a record, of whatever kind (text tokens here; frames or patches elsewhere).

    Attributes:
        labels: what to show for each position; never empty strings.
        special: True where the position is a special token (end of sentence, language code, start symbol).
        groups: for each position the index of its word in ``words``, or -1 where it belongs to none.
        words: the text of each word. Positions of one word are neighbours.
        ids: vocabulary ids, where the positions are tokens of a vocabulary.
        text: the text that the positions spell, or None where only the labels are known.
        spans: for each position the (start, stop) of its characters in ``text``, in order and without the spaces around
            them; empty (start equals stop) for special positions and for those that spell nothing. Parts of one
            character have the same span. None where ``text`` is.
    """

    labels: tuple[str, ...]
    special: tuple[bool, ...] = ()
    groups: tuple[int, ...] = ()
    words: tuple[str, ...] = field(default=())
    ids: tuple[int, ...] | None = None
    text: str | None = None
    spans: tuple[Span, ...] | None = None

    def __post_init__(self) -> None:
        for position, label in enumerate(self.labels):
            if not isinstance(label, str) or not label:  # type: ignore[redundant-expr]
                raise ValueError(f"labels must be strings that are not empty, got {label!r} at position {position}")
        count = len(self.labels)
        if not self.special:
            object.__setattr__(self, "special", (False,) * count)
        if not self.groups:
            object.__setattr__(self, "groups", tuple(range(count)))
            object.__setattr__(self, "words", self.labels)
        for name in ("special", "groups", "ids", "spans"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ValueError(f"an axis of {count} labels got {len(values)} values for {name!r}; give one for each")
        if (self.text is None) != (self.spans is None):
            raise ValueError("an axis needs both text and spans, or neither")
        if self.text is not None and self.spans is not None:
            object.__setattr__(self, "spans", tuple((start, stop) for start, stop in self.spans))  # JSON has lists
            for position, (start, stop) in enumerate(self.spans):
                if not 0 <= start <= stop <= len(self.text):
                    raise ValueError(
                        f"the span of position {position} is {start} to {stop}, but the text has {len(self.text)} "
                        "characters: give 0 <= start <= stop <= length"
                    )

    def __len__(self) -> int:
        return len(self.labels)

    def preview(self) -> str:
        """The text of the axis in one short line."""
        text = _BEFORE_PUNCTUATION.sub("", " ".join(self.words) or " ".join(self.labels))
        return text if len(text) <= PREVIEW_LENGTH else text[: PREVIEW_LENGTH - 1] + "…"

    def word_spans(self) -> list[Word]:
        """The words in order, each with its positions; special positions are in none."""
        positions: dict[int, list[int]] = {}
        for position, group in enumerate(self.groups):
            if group != NO_WORD:
                positions.setdefault(group, []).append(position)
        return [Word(self.words[group], members[0], members[-1] + 1) for group, members in positions.items()]

    def units(self) -> list[list[int]]:
        """Positions by unit, in order: a word's positions together, each other position by itself."""
        units: list[list[int]] = []
        previous = NO_WORD
        for position, group in enumerate(self.groups):
            if group != NO_WORD and group == previous:
                units[-1].append(position)
            else:
                units.append([position])
            previous = group
        return units

    def merge_words(self) -> Axis:
        """The axis with one position a word; positions of no word stay as they are."""
        units = self.units()
        groups = [self.groups[unit[0]] for unit in units]
        spans = None
        if self.spans is not None:
            spans = tuple(_around([self.spans[position] for position in unit]) for unit in units)
        return Axis(
            labels=tuple(
                self.labels[unit[0]] if group == NO_WORD else self.words[group] or SPACE
                for unit, group in zip(units, groups, strict=True)
            ),
            special=tuple(self.special[unit[0]] for unit in units),
            groups=tuple(groups),
            words=self.words,
            text=self.text,
            spans=spans,
        )

    def select(self, positions: Sequence[int]) -> Axis:
        """The axis of these positions alone. Words that had no position before stay too."""
        left = {self.groups[position] for position in positions}
        lost = set(self.groups) - left
        kept = [group for group in range(len(self.words)) if group not in lost]
        renumbered = {group: index for index, group in enumerate(kept)} | {NO_WORD: NO_WORD}
        return Axis(
            labels=tuple(self.labels[position] for position in positions),
            special=tuple(self.special[position] for position in positions),
            groups=tuple(renumbered[self.groups[position]] for position in positions),
            words=tuple(self.words[group] for group in kept),
            ids=None if self.ids is None else tuple(self.ids[position] for position in positions),
            text=self.text,
            spans=None if self.spans is None else tuple(self.spans[position] for position in positions),
        )


def _around(spans: Sequence[Span]) -> Span:
    """The span from the first to the last, those aside that hold nothing."""
    filled = [span for span in spans if span[0] < span[1]] or spans[:1]
    return min(start for start, _ in filled), max(stop for _, stop in filled)
