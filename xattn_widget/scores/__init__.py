"""The built-in scores, and the decorator for a user's own.

Each score maps attention ``[..., layers, heads, target, source]`` to ``[..., layers, heads]``. ``A[t, s]`` is the
attention of one head, ``t`` runs over the target rows that count and ``s`` over the source columns that count;
``T`` and ``S`` are their numbers and ``c_s = sum_t A[t, s]`` is the coverage of a source token.

Special tokens (end of sentence, language codes) are kept (``special="keep"``, the default), dropped, or dropped with
the rest of each row divided by its sum (``"renormalize"``): three different scores, which the signature tells apart.
``"drop_punctuation"`` and ``"renormalize_punctuation"`` leave out punctuation, too. With a function that takes the text
of a token and returns True to leave it out, ``special=function`` renormalizes and ``special=("drop", function)`` drops;
the signature then has the function's name and a hash of its code. Undefined values are NaN.

Each score is correct on a batch with masks, and on any part of the layers that contains its ``scope``: all depend on
one head alone, except ``agreement``, which needs all heads of a layer, and ``marginal_divergence`` with a reference
set, which needs the layers and heads of that set. ``sink_mass`` needs ``source_special`` (and its parts need the
flags of other kinds), ``value_norm`` the norms that capturing keeps on request, and ``importance``, ``faithfulness``
and ``masking_drop`` what was measured with the model. ``sound_coverage``, ``silence_mass``, ``rereading``,
``outside_mass`` and ``unsupported_words`` need a record of sound, and ``spatial_spread``, ``reading_jump`` and
``blank_mass`` one of a picture (see ``Score.needs``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from xattn_widget.messages.hints import did_you_mean
from xattn_widget.scores import coverage, image, norms, order, redundancy, saliency, sharpness, sinks, sound
from xattn_widget.scores.checking import check_score
from xattn_widget.scores.decorator import score
from xattn_widget.scores.definition import Score
from xattn_widget.scores.grid import ScoreGrid
from xattn_widget.scores.marginals import MarginalReference, reference_marginals

# The built-in scores in the order of lists and menus. To add one, write its function and add a line here.
coverage_penalty = coverage.coverage_penalty
overcoverage = coverage.overcoverage
ignored_source = coverage.ignored_source
least_coverage = coverage.least_coverage
entropy = sharpness.entropy
confidence = sharpness.confidence
distraction = sharpness.distraction
marginal_divergence = coverage.marginal_divergence
sink_mass = sinks.sink_mass
end_mass = sinks.end_mass
language_mass = sinks.language_mass
punctuation_mass = sinks.punctuation_mass
monotonicity = order.monotonicity
diagonality = order.diagonality
agreement = redundancy.agreement
alignment_norm = norms.alignment_norm
value_norm = norms.value_norm
importance = norms.importance
faithfulness = saliency.faithfulness
masking_drop = saliency.masking_drop
sound_coverage = sound.sound_coverage
silence_mass = sound.silence_mass
rereading = sound.rereading
outside_mass = sound.outside_mass
unsupported_words = sound.unsupported_words
spatial_spread = image.spatial_spread
reading_jump = image.reading_jump
blank_mass = image.blank_mass

BUILTIN: dict[str, Score] = {thing.name: thing for thing in dict(globals()).values() if isinstance(thing, Score)}


def find_score(name_or_function: str | Score | Callable[..., Any]) -> Score:
    """The built-in score with this name, or a score made from a function.

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
    "ScoreGrid",
    "check_score",
    "find_score",
    "reference_marginals",
    "score",
    *BUILTIN,
]
