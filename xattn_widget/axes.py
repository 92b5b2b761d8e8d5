"""One side of a cross-attention record: a list of positions with labels, special flags and words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import NamedTuple

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
    """

    labels: tuple[str, ...]
    special: tuple[bool, ...] = ()
    groups: tuple[int, ...] = ()
    words: tuple[str, ...] = field(default=())
    ids: tuple[int, ...] | None = None

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
        for name, values in (("special", self.special), ("groups", self.groups), ("ids", self.ids)):
            if values is not None and len(values) != count:
                raise ValueError(f"an axis of {count} labels got {len(values)} values for {name!r}; give one for each")

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
        return Axis(
            labels=tuple(
                self.labels[unit[0]] if group == NO_WORD else self.words[group]
                for unit, group in zip(units, groups, strict=True)
            ),
            special=tuple(self.special[unit[0]] for unit in units),
            groups=tuple(groups),
            words=self.words,
        )

    def with_words(self, words: Sequence[str]) -> Axis:
        """The axis with these words (such as the tokens of a gold alignment) in place of those it found.

        Pieces go to words by their characters, whatever the spaces; a piece that spells none of them (an unknown token)
        goes with its neighbour. A word that no piece spells keeps its number and has no position.

        Raises:
            ValueError: the words are not those of this text.
        """
        positions = [position for position, special in enumerate(self.special) if not special]
        owners, spelled = [], []
        for position in positions:
            for character in _letters(self.labels[position].replace(SPACE, "")):
                owners.append(position)
                spelled.append(character)
        targets = [word for word, text in enumerate(words) for _ in _letters(text)]
        given = [character for text in words for character in _letters(text)]
        votes: dict[int, Counter[int]] = {}
        matched = 0
        for block in SequenceMatcher(None, spelled, given, autojunk=False).get_matching_blocks():
            matched += block.size
            for offset in range(block.size):
                votes.setdefault(owners[block.a + offset], Counter())[targets[block.b + offset]] += 1
        if 2 * matched < min(len(spelled), len(given)) or (given and not matched):
            raise ValueError(
                f"the words {' '.join(words)!r:.80} are not those of {self.preview()!r}: give this sentence's words"
            )
        groups = {position: count.most_common(1)[0][0] for position, count in votes.items()}
        for index, position in enumerate(positions):
            if position not in groups:
                groups[position] = self._neighbouring_word(positions, index, groups, len(words))
        return replace(
            self,
            groups=tuple(groups.get(position, NO_WORD) for position in range(len(self))),
            words=tuple(words),
        )

    def _neighbouring_word(self, positions: Sequence[int], index: int, groups: dict[int, int], words: int) -> int:
        """The word of a piece that spells nothing: between its neighbours' if there is one, else one of theirs."""
        position = positions[index]
        before = groups[positions[index - 1]] if index else -1
        following = next((other for other in positions[index:] if other in groups), None)
        after = words if following is None else groups[following]
        if after - before > 1:
            return before + 1
        shares_next = following is not None and self.groups[following] == self.groups[position]
        return after if before < 0 or shares_next else before

    def select(self, positions: Sequence[int]) -> Axis:
        """The axis of these positions alone."""
        kept = sorted({self.groups[position] for position in positions} - {NO_WORD})
        renumbered = {group: index for index, group in enumerate(kept)} | {NO_WORD: NO_WORD}
        return Axis(
            labels=tuple(self.labels[position] for position in positions),
            special=tuple(self.special[position] for position in positions),
            groups=tuple(renumbered[self.groups[position]] for position in positions),
            words=tuple(self.words[group] for group in kept),
            ids=None if self.ids is None else tuple(self.ids[position] for position in positions),
        )


def _letters(text: str) -> list[str]:
    """The characters of a text as they are compared: without spaces, case or compatibility forms."""
    return [character for character in unicodedata.normalize("NFKC", text).casefold() if not character.isspace()]
