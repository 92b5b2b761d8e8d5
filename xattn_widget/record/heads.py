"""Parse and check the (layer, head) pairs that users pass."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

from xattn_widget.messages.characters import brief


def whole_number(value: Any) -> int | None:
    """A whole number of any type, including those of numpy and torch; None for anything else, and for booleans."""
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # the last two for tensors with several numbers
        return None


def check_whole(value: Any, name: str, least: int = 1) -> int:
    """The value as an int.

    Raises:
        ValueError: it is not a whole number of at least ``least``.
    """
    number = whole_number(value)
    if number is None or number < least:
        wanted = "a positive whole number" if least == 1 else f"a whole number of at least {least}"
        raise ValueError(f"{name} must be {wanted}, got {brief(value)}")
    return number


def whole_numbers(heads: Any) -> list[int] | None:
    """One whole number, or several, as a list; None for anything else."""
    number = whole_number(heads)
    if number is not None:
        return [number]
    try:
        numbers = [whole_number(head) for head in heads]
    except TypeError:
        return None
    return None if None in numbers else [number for number in numbers if number is not None]


def head_pairs(heads: Any, name: str = "heads", form: str = "a list of (layer, head) pairs") -> list[tuple[int, int]]:
    """(layer, head) pairs as plain integers; :func:`check_heads` checks that a model has them.

    Args:
        heads: what the user passed.
        name: the name of the argument, for the message.
        form: the expected form, for the message.

    Raises:
        ValueError: anything but a list of pairs of whole numbers; the message says what to write instead.
    """
    settled = _pairs(heads)
    if settled is not None:
        return settled
    hint = ": layer and head are whole numbers, counted from 0"
    numbers = whole_numbers(heads)
    first, second = [*map(brief, (numbers or [])[:2]), "", ""][:2]
    if numbers is None:
        pass
    elif len(numbers) == 2:
        hint = f": write {name}=[({first}, {second})] for head {second} of layer {first}"
    elif len(numbers) == 1:
        hint = f": write {name}=[(layer, {first})] for head {first} of a layer"
    elif numbers:
        hint = f": write each head with its layer, such as {name}=[(0, {first}), (0, {second})]"
    raise ValueError(f"{name} must be {form}, got {brief(heads)}{hint}")


def _pairs(value: Any) -> list[tuple[int, int]] | None:
    """Pairs of whole numbers, or None for anything else."""
    if isinstance(value, str | bytes | Mapping):
        return None
    try:
        items = list(value)
        # Lengths come first: an item may be a string of a million letters.
        if any(isinstance(item, str | bytes) or len(item) != 2 for item in items):
            return None
        pairs = [(whole_number(item[0]), whole_number(item[1])) for item in map(tuple, items)]
    except TypeError:
        return None
    settled = [(layer, head) for layer, head in pairs if layer is not None and head is not None]
    return settled if len(settled) == len(pairs) else None


def check_heads(pairs: Iterable[tuple[int, int]], layers: int, heads: int, where: str = "") -> None:
    """Raise unless each of the pairs is a head of a model with so many layers and heads.

    Args:
        pairs: (layer, head) pairs, counted from 0.
        layers: how many layers there are.
        heads: how many heads each layer has.
        where: what lacks the head, for the message, such as the name of a score.

    Raises:
        ValueError: naming the first pair that does not exist, those that do, and what may have been meant.
    """
    lacks = f"{where} has no" if where else "there is no"
    for layer, head in pairs:
        if not (0 <= layer < layers and 0 <= head < heads):
            raise ValueError(
                f"{lacks} layer {brief(layer)} head {brief(head)}: layers are 0 to {layers - 1}, heads are 0 to "
                f"{heads - 1}{missing_head_hint(layer, head, layers, heads)}"
            )


def missing_head_hint(layer: int, head: int, layers: int, heads: int) -> str:
    """The end of an error about a missing head: what was probably meant, or "" if that is unclear."""
    if 0 <= head < layers and 0 <= layer < heads:
        return f"; the layer comes first: did you mean ({head}, {layer})?"
    if -layers <= layer < layers and -heads <= head < heads:
        return f"; they are not counted from the end: write ({layer % layers}, {head % heads})"
    return ""
