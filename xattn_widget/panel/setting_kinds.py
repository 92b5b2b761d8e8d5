"""The kinds of settings: the values that a setting can have, regardless of the records."""

from __future__ import annotations

import math
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from traitlets import TraitError

from xattn_widget.messages.characters import brief
from xattn_widget.record.heads import head_pairs, whole_number

HEADS_FORM = "a list of at least one (layer, head) pair"


class Kind(Protocol):
    """A kind of settings."""

    def read(self, name: str, value: Any) -> Any:
        """A value of the setting ``name`` as plain data.

        Raises:
            TraitError: a value of another kind.
        """


class Whole(NamedTuple):
    """A whole number, including those of numpy and torch, such as ``argmin`` returns.

    Attributes:
        limits: the least and the largest number, or None.
        optional: whether None is allowed too.
    """

    limits: tuple[int, int] | None = None
    optional: bool = False

    def read(self, name: str, value: Any) -> int | None:
        """The number as an int."""
        if value is None and self.optional:
            return None
        number = whole_number(value)
        least, most = self.limits or (-math.inf, math.inf)
        if number is None or not least <= number <= most:
            limits = f" from {least} to {most}" if self.limits else ""
            or_none = " or None" if self.optional else ""
            raise TraitError(f"{name} must be a whole number{limits}{or_none}, got {brief(value)}")
        return number


class Share:
    """A number from 0 to 1, including those of numpy and torch."""

    def read(self, name: str, value: Any) -> float:
        """The number as a float."""
        number = math.nan
        if not isinstance(value, bool | str | bytes):
            with suppress(TypeError, ValueError, OverflowError, RuntimeError):
                number = float(value)
        if not 0 <= number <= 1:  # this refuses NaN too
            raise TraitError(f"{name} must be a number from 0 to 1, got {brief(value)}")
        return number


class Flag:
    """True or False."""

    def read(self, name: str, value: Any) -> bool:
        """The same."""
        if not isinstance(value, bool):
            raise TraitError(f"{name} must be True or False, got {brief(value)}")
        return value


class Text:
    """A string."""

    def read(self, name: str, value: Any) -> str:
        """The same."""
        if not isinstance(value, str):
            raise TraitError(f"{name} must be a string, got {brief(value)}")
        return str(value)


class Choice(NamedTuple):
    """One of several strings."""

    values: tuple[str, ...]

    def read(self, name: str, value: Any) -> str:
        """The same."""
        if not isinstance(value, str) or value not in self.values:
            raise TraitError(f"{name} must be one of {', '.join(map(repr, self.values))}, got {brief(value)}")
        return str(value)


class Heads(NamedTuple):
    """A list of (layer, head) pairs; ``form`` is the description in errors."""

    form: str = "a list of (layer, head) pairs"

    def read(self, name: str, value: Any) -> list[list[int]]:
        """The pairs as lists of ints."""
        try:
            return [list(pair) for pair in head_pairs(value, name, self.form)]
        except ValueError as error:
            raise TraitError(str(error)) from None


class Anything:
    """Any value: whether it is valid depends on the records."""

    def read(self, name: str, value: Any) -> Any:
        """The same."""
        return value
