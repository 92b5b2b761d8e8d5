"""Values in the form that the page receives: numbers that JSON can represent, and errors as text."""

from __future__ import annotations

import math
from typing import Any

from xattn_widget.messages.characters import visible

_LONGEST_ERROR = 2000


def finite(values: Any) -> Any:
    """A number, or nested lists of numbers, with None for NaN and infinities, which JSON does not have."""
    if isinstance(values, list):
        return [finite(value) for value in values]
    return values if math.isfinite(values) else None


def json_number(value: float | None) -> float | str | None:
    """A number in a form that JSON has: infinities are written as text, and a missing number is None."""
    if value is None or value != value:
        return None
    return ("∞" if value > 0 else "−∞") if math.isinf(value) else float(value)


def error_text(error: BaseException) -> str:
    """An error as text, for people who see no traceback."""
    text = visible(f"{type(error).__name__}: {error}"[: _LONGEST_ERROR + 1])
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"
