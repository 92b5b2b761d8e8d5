"""The true places of the words of a picture, to draw and to compare with: ``read_gold_boxes``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeGuard

from xattn_widget.alignment.regions import given_rectangles
from xattn_widget.alignment.word_boxes import WordBoxes
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.matching import match_words
from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData


class GoldBoxes(NamedTuple):
    """Where a part of a target truly is.

    Attributes:
        text: its label.
        rows: its first target position and the one after the last, by the token written; None if the target lacks it.
        boxes: left, top, right and bottom of its boxes, in pixels of the original picture.
    """

    text: str
    rows: tuple[int, int] | None
    boxes: tuple[tuple[float, float, float, float], ...]

    def describe(self) -> dict[str, Any]:
        """The boxes as the front end draws them."""
        return {"text": well_formed(self.text), "rows": self.rows and list(self.rows), "boxes": list(self.boxes)}

    def covers(self, position: int | None, reading: str) -> bool:
        """Whether a target position under a reading belongs to it."""
        # The token that a row predicts is the one that the next row reads.
        shift = 1 if reading == "input" else 0
        return self.rows is not None and position is not None and self.rows[0] <= position - shift < self.rows[1]


def read_gold_boxes(value: Any, record: AttentionData) -> tuple[GoldBoxes, ...] | None:
    """True boxes in one of three forms; None for something else, such as an alignment.

    - what ``box_overlap`` takes as gold: for each word of the target its box, a list of boxes, or None;
    - (text, box) or (text, boxes) pairs in the order in which the texts are written, which are looked for among the
      words of the target;
    - :class:`xattn_widget.alignment.WordBoxes`, as ``record.boxes`` returns them.

    Raises:
        ValueError: boxes in another form, another number of boxes than of words, or positions that do not exist.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        return None
    axis = record.targets.get("output", record.target)
    if all(isinstance(entry, WordBoxes) for entry in value):
        return tuple(_of_word_boxes(entry, len(axis)) for entry in value)
    if all(_is_pair(entry) for entry in value):
        return _of_pairs(value, axis)
    if any(isinstance(entry, WordBoxes) or _is_pair(entry) for entry in value):
        raise ValueError(f"reference boxes must all be in one form; {_FORMS}")
    if not all(entry is None or _is_boxes(entry) for entry in value):
        return None
    words = axis.word_spans()
    if len(words) != len(value):
        raise ValueError(
            f"there are {len(value)} reference boxes and {len(words)} words in the target: give one for each, None for "
            f"a word without, or name the words; {_FORMS}"
        )
    return tuple(
        GoldBoxes(word.text, (word.start, word.stop), _boxes(given))
        for word, given in zip(words, value, strict=True)
        if given is not None and len(given)
    )


_FORMS = (
    "a reference of a picture lists, for each word of the target, its box (left, top, right, bottom), a list of boxes "
    "or None; or (text, box) pairs; or WordBoxes"
)


def _of_word_boxes(word: WordBoxes, rows: int) -> GoldBoxes:
    if not 0 <= word.start < word.stop <= rows:
        raise ValueError(
            f"reference boxes name the positions {word.start} to {word.stop} of the target, which has {rows}"
        )
    return GoldBoxes(word.name or word.text, (word.start, word.stop), _boxes(word.boxes))


def _of_pairs(pairs: Sequence[tuple[str, Any]], axis: Axis) -> tuple[GoldBoxes, ...]:
    words = axis.word_spans()
    parts = [text.split() or [text] for text, _ in pairs]
    places = match_words([part for each in parts for part in each], [word.text for word in words])
    found = []
    start = 0
    for (text, given), each in zip(pairs, parts, strict=True):
        own = [words[place] for place in places[start : start + len(each)] if place is not None]
        start += len(each)
        found.append(GoldBoxes(text, (own[0].start, own[-1].stop) if own else None, _boxes(given)))
    return tuple(found)


def _is_pair(entry: Any) -> TypeGuard[tuple[str, Any]]:
    return isinstance(entry, tuple | list) and len(entry) == 2 and isinstance(entry[0], str)


def _is_boxes(entry: Any) -> bool:
    """Whether something is a box or a list of boxes, rather than a link of two numbers."""
    if isinstance(entry, str) or not hasattr(entry, "__len__"):
        return False
    return len(entry) != 2 or not all(isinstance(part, int) for part in entry)


def _boxes(given: Any) -> tuple[tuple[float, float, float, float], ...]:
    return tuple(
        (left, top, right, bottom) for left, top, right, bottom in given_rectangles(given, "reference").tolist()
    )
