"""The built-in scores, and the decorator for a user's own.

Each score maps attention ``[..., layers, heads, target, source]`` to ``[..., layers, heads]``. ``A[t, s]`` is the
attention of one head, ``t`` runs over the target rows that count and ``s`` over the source columns that count;
``T`` and ``S`` are their numbers and ``c_s = sum_t A[t, s]`` is the coverage of a source token.

Special tokens (end of sentence, language codes) may be kept (``special="keep"``, the default), dropped, or dropped
with each row divided by what is left of it (``"renormalize"``): three different scores, which the signature tells
apart. Values that are undefined are NaN.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from xattn_widget.scores.coverage import coverage_penalty, ignored_source, marginal_divergence
from xattn_widget.scores.definition import Score, score
from xattn_widget.scores.rows import confidence, entropy, sink_mass

BUILTIN: dict[str, Score] = {
    each.name: each for each in (coverage_penalty, entropy, confidence, sink_mass, ignored_source, marginal_divergence)
}


def find_score(name_or_function: str | Score | Callable[..., Any]) -> Score:
    """The score of this name, or a function made a score.

    Raises:
        ValueError: no built-in score has the name.
        TypeError: neither a name nor a function.
    """
    if isinstance(name_or_function, Score):
        return name_or_function
    if callable(name_or_function):
        return score(name_or_function)
    if not isinstance(name_or_function, str):
        raise TypeError(f"a score is a name or a function, got {type(name_or_function).__name__}")
    if name_or_function not in BUILTIN:
        near = difflib.get_close_matches(name_or_function, BUILTIN, n=1)
        hint = f"did you mean {near[0]!r}" if near else f"there are {', '.join(BUILTIN)}"
        raise ValueError(f"no built-in score is called {name_or_function!r}; {hint}. Pass your own as a function")
    return BUILTIN[name_or_function]


__all__ = [
    "BUILTIN",
    "Score",
    "confidence",
    "coverage_penalty",
    "entropy",
    "find_score",
    "ignored_source",
    "marginal_divergence",
    "score",
    "sink_mass",
]
