"""One side of a cross-attention record: a list of positions with labels, special flags, words, kinds and places."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, get_args

AxisKind = Literal["text", "audio", "image"]
Span = tuple[int, int]
Place = tuple[float, ...]
NO_WORD = -1
NO_ID = -1  # the id of a position that is not a token of the vocabulary
SPACE = "␣"  # the label of a piece that consists of nothing but the mark of a word's start
PREVIEW_LENGTH = 120
# What vocabularies call tokens that spell nothing: <unk>, [UNK]. Bytes such as <0xE2> do spell something.
_TOKEN_NAME = re.compile(r"<(?!0x)[^<>\s]+>|\[[^\[\]\s]+\]")
_BEFORE_PUNCTUATION = re.compile(r" (?=[.,!?;:…)\]}»]+( |$))")
# What the numbers of a place mean, by kind: first where it starts, then where it ends.
_PLACES = {"audio": ("start", "end"), "image": ("left", "top", "right", "bottom")}


class Word(NamedTuple):
    """A word and its positions ``start`` to ``stop`` (exclusive) on its axis."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Axis:
    """The positions of one side of a record: text tokens, audio frames or image patches, or a mixture of them.

    Axes are equal when all their fields are; two places that are NaN are equal too.

    Attributes:
        labels: what to show for each position; never empty strings.
        special: True where the position is a special token (end of sentence, language code, start symbol).
        groups: for each position the index of its word in ``words``, or -1 for a position outside all words.
        words: the text of each word. The positions of a word are adjacent and of one kind.
        ids: vocabulary ids if the positions are tokens; -1 for a position that is not in the vocabulary.
        text: the text that the positions spell, or None if only the labels are known.
        spans: for each position the (start, stop) of its characters in ``text``, in order and without surrounding
            spaces; empty (start equals stop) for positions that are special or spell nothing. Parts of one character
            have the same span. None if ``text`` is.
        kinds: the kind of each position: ``"text"``, ``"audio"`` or ``"image"``; all text by default.
        places: where each position lies in what the model heard or saw: ``[n, 2]`` start and end in seconds on an axis
            with audio, ``[n, 4]`` left, top, right and bottom in pixels on an axis with images. NaN for positions
            without a place, such as padding, class tokens and text. None if no position has one.

    Raises:
        ValueError: fields that do not fit each other; the message names the position.
    """

    labels: tuple[str, ...]
    special: tuple[bool, ...] = ()
    groups: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    ids: tuple[int, ...] | None = None
    text: str | None = None
    spans: tuple[Span, ...] | None = None
    kinds: tuple[AxisKind, ...] = ()
    places: tuple[Place, ...] | None = None

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
        if not self.kinds:
            object.__setattr__(self, "kinds", ("text",) * count)
        self._check_kinds()
        for name in ("special", "groups", "ids", "spans", "kinds", "places"):
            values = getattr(self, name)
            if values is not None and len(values) != count:
                raise ValueError(f"an axis of {count} labels got {len(values)} values for {name!r}; give one for each")
        for position, group in enumerate(self.groups):
            if group not in range(NO_WORD, len(self.words)):
                raise ValueError(
                    f"the group of position {position} is {group!r}; it must be the index of one of the "
                    f"{len(self.words)} words, or {NO_WORD} outside all words"
                )
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
        if len(set(self.kinds)) > 1:
            self._check_words_of_one_kind()
        if self.places is not None:
            object.__setattr__(self, "places", _checked_places(self.places, self.kinds))

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Use the constructor, because equality needs every NaN to be one object, and old pickles lack newer fields.
        self.__init__(**state)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def kind(self) -> AxisKind | None:
        """The kind of all positions, or None for an axis that mixes kinds."""
        first: AxisKind = self.kinds[0] if self.kinds else "text"
        return first if all(kind == first for kind in self.kinds) else None

    @property
    def outside(self) -> tuple[bool, ...]:
        """True at audio positions after the end of the sound, and at others that hear none of it."""
        return tuple(special and kind == "audio" for special, kind in zip(self.special, self.kinds, strict=True))

    def known_places(self) -> list[list[float] | None] | None:
        """The places for JSON, which has no NaN: None for each position without a place."""
        if self.places is None:
            return None
        return [None if math.isnan(place[0]) else list(place) for place in self.places]

    def preview(self) -> str:
        """The text of the axis in one short line; of sound, its length; of an image, its size in patches."""
        if "image" in self.kinds:
            patches = sum(
                kind == "image" for kind, special in zip(self.kinds, self.special, strict=True) if not special
            )
            text = f" and {self.text!r:.{PREVIEW_LENGTH}}" if self.text else ""
            return f"image of {patches} patches{text}"
        if self.kind == "audio" and self.places is not None:
            ends = [place[1] for place, outside in zip(self.places, self.outside, strict=True) if not outside]
            return f"{max(ends, default=0.0):.1f} s of sound"
        text = _BEFORE_PUNCTUATION.sub("", " ".join(self.words) or " ".join(self.labels))
        return text if len(text) <= PREVIEW_LENGTH else text[: PREVIEW_LENGTH - 1] + "…"

    def word_spans(self) -> list[Word]:
        """The words in order with their positions; special positions are not part of any word."""
        positions: dict[int, list[int]] = {}
        for position, group in enumerate(self.groups):
            if group != NO_WORD:
                positions.setdefault(group, []).append(position)
        return [Word(self.words[group], members[0], members[-1] + 1) for group, members in positions.items()]

    def units(self) -> list[list[int]]:
        """Positions by unit, in order: those of a word together, each other position by itself."""
        units: list[list[int]] = []
        previous = NO_WORD
        for position, group in enumerate(self.groups):
            if group != NO_WORD and group == previous:
                units[-1].append(position)
            else:
                units.append([position])
            previous = group
        return units

    def text_at(self, position: int) -> str:
        """The text at a position; its label where the text is unknown or the position spells nothing."""
        if self.text is None or self.spans is None:
            return self.labels[position]
        return self.text[slice(*self.spans[position])] or self.labels[position]

    def unknown_text(self, position: int) -> str | None:
        """The text at a token whose label does not tell it, such as the unknown token; None for any other."""
        label = self.labels[position]
        if self.text is None or self.spans is None or self.special[position] or not _TOKEN_NAME.fullmatch(label):
            return None
        text = self.text[slice(*self.spans[position])]
        return text if text not in ("", label) else None

    def with_unknown_texts(self, texts: Mapping[int, str]) -> Axis:
        """The axis with these texts at positions where its own text repeats their label, such as ``<unk>``."""
        if self.text is None or self.spans is None:
            return self
        words, parts, changes, reached = list(self.words), [], [], 0
        for position, text in sorted(texts.items()):
            (start, stop), label, word = self.spans[position], self.labels[position], self.groups[position]
            if self.text[start:stop] != label or start < reached:
                continue
            parts += [self.text[reached:start], text]
            changes.append((stop, len(text) - len(label)))
            reached = stop
            if word != NO_WORD:
                words[word] = words[word].replace(label, text, 1)

        def moved(offset: int) -> int:
            return offset + sum(growth for stop, growth in changes if stop <= offset)

        return replace(
            self,
            words=tuple(words),
            text="".join([*parts, self.text[reached:]]),
            spans=tuple((moved(start), moved(stop)) for start, stop in self.spans),
        )

    def merge_words(self) -> Axis:
        """The axis with one position per word; positions outside words stay as they are.

        The place of a word covers the places of its positions.
        """
        units = self.units()
        groups = [self.groups[unit[0]] for unit in units]
        spans = places = None
        if self.spans is not None:
            spans = tuple(_around([self.spans[position] for position in unit]) for unit in units)
        if self.places is not None:
            places = tuple(_cover([self.places[position] for position in unit]) for unit in units)
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
            kinds=tuple(self.kinds[unit[0]] for unit in units),
            places=places,
        )

    def select(self, positions: Sequence[int]) -> Axis:
        """The axis of these positions alone. Words that had no position before stay too."""
        remaining_groups = {self.groups[position] for position in positions}
        lost = set(self.groups) - remaining_groups
        kept_groups = [group for group in range(len(self.words)) if group not in lost]
        renumbered = {group: index for index, group in enumerate(kept_groups)} | {NO_WORD: NO_WORD}
        return Axis(
            labels=tuple(self.labels[position] for position in positions),
            special=tuple(self.special[position] for position in positions),
            groups=tuple(renumbered[self.groups[position]] for position in positions),
            words=tuple(self.words[group] for group in kept_groups),
            ids=None if self.ids is None else tuple(self.ids[position] for position in positions),
            text=self.text,
            spans=None if self.spans is None else tuple(self.spans[position] for position in positions),
            kinds=tuple(self.kinds[position] for position in positions),
            places=None if self.places is None else tuple(self.places[position] for position in positions),
        )

    def surround(self, before: Sequence[str], after: Sequence[str]) -> Axis:
        """The axis with special positions of these labels before and after its own.

        They are of the kind of the position beside them, and have neither a word nor a place.
        """
        if not before and not after:
            return self

        def extended(values: Iterable[Any], first: Any, last: Any) -> tuple[Any, ...]:
            return (*(first,) * len(before), *values, *(last,) * len(after))

        nowhere = (math.nan,) * len(self.places[0]) if self.places else ()
        return replace(
            self,
            labels=(*before, *self.labels, *after),
            special=extended(self.special, True, True),
            groups=extended(self.groups, NO_WORD, NO_WORD),
            ids=None if self.ids is None else extended(self.ids, NO_ID, NO_ID),
            spans=None
            if self.spans is None or self.text is None
            else extended(self.spans, (0, 0), (len(self.text),) * 2),
            kinds=extended(self.kinds, *((self.kinds[0], self.kinds[-1]) if self.kinds else ("text", "text"))),
            places=None if self.places is None else extended(self.places, nowhere, nowhere),
        )

    def _check_kinds(self) -> None:
        if isinstance(self.kinds, str):  # type: ignore[unreachable]
            raise ValueError(f"kinds must have one kind per position, got {self.kinds!r}: pass (kind,) * len(labels)")
        object.__setattr__(self, "kinds", tuple(self.kinds))
        for position, kind in enumerate(self.kinds):
            if kind not in get_args(AxisKind):
                raise ValueError(
                    f"the kind of position {position} is {kind!r}; it must be one of {', '.join(get_args(AxisKind))}"
                )

    def _check_words_of_one_kind(self) -> None:
        for unit in self.units():
            kinds = sorted({self.kinds[position] for position in unit})
            if len(kinds) > 1:
                word = self.words[self.groups[unit[0]]]
                raise ValueError(
                    f"the word {word!r} has positions of the kinds {' and '.join(kinds)}: a word has one kind"
                )


def _around(spans: Sequence[Span]) -> Span:
    """The span from the first to the last, ignoring empty ones."""
    filled = [span for span in spans if span[0] < span[1]] or spans[:1]
    return min(start for start, _ in filled), max(stop for _, stop in filled)


def _cover(places: Sequence[Place]) -> Place:
    """The smallest place that covers these, ignoring those that are NaN."""
    known = [place for place in places if not math.isnan(place[0])]
    if not known:
        return places[0]
    columns = list(zip(*known, strict=True))
    half = len(columns) // 2
    return (*map(min, columns[:half]), *map(max, columns[half:]))


def _checked_places(places: Iterable[Iterable[float]], kinds: Sequence[AxisKind]) -> tuple[Place, ...] | None:
    """Places as tuples in which every NaN is the same object, so that equal axes compare and hash equal.

    None where all positions are text, which has no places.
    """
    with_places = sorted(set(kinds) - {"text"})
    if len(with_places) > 1:
        raise ValueError(
            "places are seconds on an axis with audio and pixels on an axis with images, so that an axis with both "
            "cannot have places: leave them out, or make two records"
        )
    names = _PLACES[with_places[0]] if with_places else ()
    checked = tuple(
        _checked_place(place, kind, names, position)
        for position, (place, kind) in enumerate(zip(places, kinds, strict=True))
    )
    return checked if names else None


def _checked_place(place: Iterable[float], kind: AxisKind, names: Sequence[str], position: int) -> Place:
    try:
        numbers = tuple(map(float, place))
    except (TypeError, ValueError):
        problem = "must be a list of numbers"
    else:
        half = len(names) // 2
        ends = zip(names[:half], names[half:], numbers[:half], numbers[half:], strict=False)
        backwards = [f"{low} ({start:g}) beyond its {high} ({end:g})" for low, high, start, end in ends if start > end]
        if names and len(numbers) != len(names):
            problem = f"must be [{', '.join(names)}]"
        elif all(map(math.isnan, numbers)):
            return (math.nan,) * len(numbers)
        elif kind == "text":
            problem = "must be NaN, because text has no place (leave out places if all positions are text)"
        elif not all(map(math.isfinite, numbers)):
            problem = "must be finite numbers, or NaN throughout for a position without a place"
        elif backwards:
            problem = f"has its {backwards[0]}"
        else:
            return numbers
    raise ValueError(f"the place of position {position} {problem}, got {place!r:.80}")
