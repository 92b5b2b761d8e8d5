"""The parts of a target that a user asks about: words, texts, positions, and the fields that Donut writes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from xattn_widget.messages.characters import brief
from xattn_widget.record.axis import Axis
from xattn_widget.record.heads import whole_number

# Donut writes <s_name>value</s_name>, and <sep/> between the items of a list.
_OPEN, _CLOSE, _NEXT = re.compile(r"<s_(.+)>"), re.compile(r"</s_(.+)>"), "<sep/>"


class Field(NamedTuple):
    """A field of a document that a model wrote between tags.

    Attributes:
        name: its name, with those of the fields around it: ``"menu.price"``, and ``"menu[1].price"`` in a list.
        text: its value.
        start: the first position of the value on the target axis.
        stop: the position after its last.
    """

    name: str
    text: str
    start: int
    stop: int


class Span(NamedTuple):
    """Adjacent positions of a target, with the text to show for them and the name of their field, or ``""``."""

    text: str
    start: int
    stop: int
    name: str = ""


def target_fields(axis: Axis) -> list[Field]:
    """The innermost fields of a target, in order; a tag that is never closed makes none."""
    fields: list[Field] = []
    for tag in _closed_tags(axis.labels):
        if tag.has_fields or tag.start == tag.stop:
            continue
        path = [f"{around.name}[{item}]" if around.items else around.name for around, item in tag.around]
        fields.append(Field(".".join([*path, tag.name]), _text(axis, tag.start, tag.stop), tag.start, tag.stop))
    return sorted(fields, key=lambda found: found.start)


def target_spans(axis: Axis, words: Any) -> list[Span]:
    """The spans that a user names.

    Args:
        axis: the target.
        words: None for each word; else a text, a pair of positions (start, stop), something with these as attributes,
            such as a :class:`Field`, or an iterable of those.

    Raises:
        ValueError: a text that the target does not have, positions out of range, or something else.
    """
    if words is None:
        return [Span(word.text, word.start, word.stop) for word in axis.word_spans()]
    if isinstance(words, str) or _positions(words) is not None:
        words = [words]
    if not isinstance(words, Iterable):
        raise ValueError(f"words must be texts or (start, stop) positions of the target, got {brief(words)}")
    return [span for word in words for span in _named(axis, word)]


@dataclass(eq=False)
class _Tag:
    """A tag with its value.

    Attributes:
        name: its name.
        start: the first position of the value.
        around: the tags that it is in, outermost first, each with the number of the item that it is in.
        stop: the position after the value.
        items: how many separators the value has.
        has_fields: whether there are tags in its value.
    """

    name: str
    start: int
    around: list[tuple[_Tag, int]]
    stop: int = -1
    items: int = 0
    has_fields: bool = False


def _closed_tags(labels: Sequence[str]) -> list[_Tag]:
    """The tags that are closed. Tags that are still open where one around them is closed are left out."""
    closed_tags: list[_Tag] = []
    open_tags: list[_Tag] = []
    for position, label in enumerate(labels):
        if opened := _OPEN.fullmatch(label):
            open_tags.append(_Tag(opened[1], position + 1, [(tag, tag.items) for tag in open_tags]))
        elif label == _NEXT and open_tags:
            open_tags[-1].items += 1
        elif (closed := _CLOSE.fullmatch(label)) and any(tag.name == closed[1] for tag in open_tags):
            while open_tags[-1].name != closed[1]:
                open_tags.pop()
            tag = open_tags.pop()
            tag.stop = position
            closed_tags.append(tag)
            for around, _ in tag.around:
                around.has_fields = True
    # The tag of the task, such as <s_cord-v2>, is around everything and is never closed.
    for tag in closed_tags:
        tag.around = [(around, item) for around, item in tag.around if around.stop >= 0]
    return closed_tags


def _named(axis: Axis, word: Any) -> list[Span]:
    if isinstance(word, str):
        return _found(axis, word)
    positions = _positions(word)
    if positions is None:
        raise ValueError(f"words must be texts or (start, stop) positions of the target, got {brief(word)}")
    start, stop = positions
    if not 0 <= start < stop <= len(axis):
        raise ValueError(
            f"positions {start} to {stop} are not in the target, which has {len(axis)}: give start < stop, from 0"
        )
    text = getattr(word, "text", None)
    name = getattr(word, "name", "")
    return [Span(text if isinstance(text, str) else _text(axis, start, stop), start, stop, str(name))]


def _found(axis: Axis, word: str) -> list[Span]:
    """Each place where a text occurs."""
    if axis.text is None or axis.spans is None:
        raise ValueError("the text of this record's target is unknown: name words by their (start, stop) positions")
    found = []
    for match in re.finditer(re.escape(word), axis.text) if word else ():
        positions = [
            position
            for position, (start, stop) in enumerate(axis.spans)
            if start < match.end() and stop > match.start() and start < stop
        ]
        if positions:
            found.append(Span(word, positions[0], positions[-1] + 1))
    if not found:
        raise ValueError(f"the target has no {brief(word)}; it is {axis.preview()!r}")
    return found


def _positions(word: Any) -> tuple[int, int] | None:
    """The start and stop that a word names; None for anything else."""
    pair = (getattr(word, "start", None), getattr(word, "stop", None))
    if pair == (None, None) and isinstance(word, tuple | list) and len(word) == 2:
        pair = (word[0], word[1])
    start, stop = (whole_number(value) for value in pair)
    return None if start is None or stop is None else (start, stop)


def _text(axis: Axis, start: int, stop: int) -> str:
    if axis.text is not None and axis.spans is not None:
        spans = [span for span in axis.spans[start:stop] if span[0] < span[1]]
        return axis.text[spans[0][0] : spans[-1][1]] if spans else ""
    groups = dict.fromkeys(axis.groups[start:stop])
    return " ".join(axis.words[group] for group in groups if group >= 0)
