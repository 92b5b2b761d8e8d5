"""The scores that were made in this process, by name: a table names the score of a column, but cannot hold its code."""

from __future__ import annotations

import weakref
from typing import Any

from xattn_widget.scores.definition import Score

# For each name the last function, weakly, and the other fields of its score.
_made: dict[str, tuple[weakref.ref[Any], dict[str, Any]]] = {}


def remember(score: Score) -> None:
    """Remember a score as the last one of its name, for as long as its function exists."""
    fields = dict(vars(score))
    function, name = fields.pop("function"), score.name

    def forget(ended: weakref.ref[Any]) -> None:
        if name in _made and _made[name][0] is ended:
            del _made[name]

    try:
        reference = weakref.ref(function, forget)
    except TypeError:  # a callable object may not allow weak references
        return
    _made[name] = reference, fields


def find_made(name: str) -> Score | None:
    """The score of this name that was made last, if its function still exists."""
    reference, fields = _made.get(name, (None, {}))
    function = None if reference is None else reference()
    return None if function is None else Score(function, **fields)
