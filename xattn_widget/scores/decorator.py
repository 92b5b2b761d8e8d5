"""The decorator that makes a function a score: ``score``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, overload

from xattn_widget.scores.definition import DEFAULT_VERSION, MASK_ARGUMENTS, RESERVED, Score
from xattn_widget.scores.grid import Direction
from xattn_widget.scores.inputs import INPUTS, Scope
from xattn_widget.scores.made import remember


@overload
def score(function: Callable[..., Any], /) -> Score: ...


@overload
def score(
    *,
    name: str | None = None,
    direction: Direction = "higher",
    description: str | None = None,
    batched: bool = False,
    numpy: bool = False,
    scope: Scope = "head",
    version: str = DEFAULT_VERSION,
) -> Callable[[Callable[..., Any]], Score]: ...


def score(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    direction: Direction = "higher",
    description: str | None = None,
    batched: bool = False,
    numpy: bool = False,
    scope: Scope = "head",
    version: str = DEFAULT_VERSION,
) -> Score | Callable[[Callable[..., Any]], Score]:
    """Make a function a score, as ``@score`` or ``@score(direction="lower")``.

    The function takes ``(attention, source_mask, target_mask, **parameters)`` and returns one number per head::

        @score(direction="lower")
        def first_token_mass(attention, source_mask, target_mask):
            return attention[..., 0].mean(-1)

    It is called sentence by sentence with ``attention`` ``[layers, heads, target, source]`` of the rows and columns
    that count, so that it may ignore the masks. With ``batched=True`` it is called with leading batch axes and masks
    ``[..., source]`` and ``[..., target]``, which it must honor. A function that also names ``source_special``,
    ``value_norms`` or ``importance`` among its arguments receives them. :func:`check_score` tests it.

    Costs: one call per sentence suits most uses; over a large corpus ``batched=True`` saves calls. With ``numpy=True``
    the attention is copied from the GPU, if it is on one, and the function runs on one CPU core: fine for looking at
    records, slow in a corpus job.

    Args:
        function: the function; its first docstring line is the description.
        name: the score's name; by default the function's.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        description: what it means, a plain sentence that the panel shows below its name.
        batched: see above.
        numpy: whether the function takes and returns numpy arrays.
        scope: ``"head"`` if the value of a head depends on this head alone, ``"layer"`` or ``"model"`` if it needs all
            heads of its layer or all layers. A job that sees one layer at a time relies on it.
        version: the last part of its signatures. Your own score rarely needs one, because a hash of its code is in the
            signature; give it another version if something that the hash leaves out gives other numbers, such as a
            model that the function calls or a new release of another package.

    Raises:
        TypeError: the function cannot be called with the three arguments, or a parameter has a reserved name.
        ValueError: an unknown direction or scope.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction must be 'higher' or 'lower' (which values rank best), got {direction!r}")
    if scope not in get_args(Scope):
        raise ValueError(f"scope must be 'head', 'layer' or 'model' (what a number depends on), got {scope!r}")

    def make(function: Callable[..., Any]) -> Score:
        title = str(name or getattr(function, "__name__", type(function).__name__))
        signature = inspect.signature(function)
        parameters = signature.parameters
        required = {
            parameter.name: None
            for parameter in list(parameters.values())[len(MASK_ARGUMENTS) :]
            if parameter.default is parameter.empty
            and (parameter.kind is parameter.KEYWORD_ONLY or parameter.name in INPUTS)
        }
        try:
            signature.bind(*MASK_ARGUMENTS, **required)
        except TypeError as error:
            raise TypeError(
                f"score {title!r} must take (attention, source_mask, target_mask, **parameters): {error}"
            ) from None
        if reserved := [parameter for parameter in parameters if parameter in RESERVED]:
            raise TypeError(
                f"score {title!r} has a parameter {reserved[0]!r}, which every score has: give it another name"
            )
        text = description if description is not None else (inspect.getdoc(function) or "").partition("\n")[0]
        made = Score(function, title, direction, text, batched, numpy, scope, version)
        remember(made)
        return made

    return make if function is None else make(function)
