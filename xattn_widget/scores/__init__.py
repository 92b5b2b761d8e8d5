"""The built-in scores, and the decorator for a user's own.

Each score maps attention ``[..., layers, heads, target, source]`` to ``[..., layers, heads]``. ``A[t, s]`` is the
attention of one head, ``t`` runs over the target rows that count and ``s`` over the source columns that count;
``T`` and ``S`` are their numbers and ``c_s = sum_t A[t, s]`` is the coverage of a source token.

Special tokens (end of sentence, language codes) may be kept (``special="keep"``, the default), dropped, or dropped
with each row divided by what is left of it (``"renormalize"``): three different scores, which the signature tells
apart. Values that are undefined are NaN.

Each score is right on a batch with masks, and on any part of the layers that holds its ``scope``: all depend on one
head alone, but for ``agreement``, which needs all heads of a layer, and ``marginal_divergence`` with a reference set,
which needs the layers and heads of that set. ``sink_mass`` needs ``source_special``, ``value_norm`` the norms that
capturing keeps on request, and ``importance`` what was measured with the model (see ``Score.needs``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xattn_widget.messages.hints import did_you_mean
from xattn_widget.scores.checking import check_score
from xattn_widget.scores.coverage import coverage_penalty, ignored_source, marginal_divergence, overcoverage
from xattn_widget.scores.decorator import score
from xattn_widget.scores.definition import Score
from xattn_widget.scores.marginals import MarginalReference, reference_marginals
from xattn_widget.scores.norms import alignment_norm, importance, value_norm
from xattn_widget.scores.order import diagonality, monotonicity
from xattn_widget.scores.redundancy import agreement
from xattn_widget.scores.sharpness import confidence, distraction, entropy, sink_mass

BUILTIN: dict[str, Score] = {
    each.name: each
    for each in (
        coverage_penalty,
        overcoverage,
        ignored_source,
        entropy,
        confidence,
        distraction,
        marginal_divergence,
        sink_mass,
        monotonicity,
        diagonality,
        agreement,
        alignment_norm,
        value_norm,
        importance,
    )
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
        hint = did_you_mean(name_or_function, BUILTIN)
        raise ValueError(f"no built-in score is called {name_or_function!r}; {hint} Pass your own as a function")
    return BUILTIN[name_or_function]


__all__ = [
    "BUILTIN",
    "MarginalReference",
    "Score",
    "agreement",
    "alignment_norm",
    "check_score",
    "confidence",
    "coverage_penalty",
    "diagonality",
    "distraction",
    "entropy",
    "find_score",
    "ignored_source",
    "importance",
    "marginal_divergence",
    "monotonicity",
    "overcoverage",
    "reference_marginals",
    "score",
    "sink_mass",
    "value_norm",
]
