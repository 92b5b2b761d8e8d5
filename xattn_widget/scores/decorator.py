"""The decorator that makes a function a score: ``score``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_args, overload

from xattn_widget.scores.definition import INPUTS, MASK_ARGUMENTS, RESERVED, Direction, Scope, Score


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
) -> Score | Callable[[Callable[..., Any]], Score]:
    """Make a function a score, as ``@score`` or ``@score(direction="lower")``.

    The function takes ``(attention, source_mask, target_mask, **parameters)`` and returns one number a head::

        @score(direction="lower")
        def first_token_mass(attention, source_mask, target_mask):
            return attention[..., 0].mean(-1)

    It is called sentence by sentence with ``attention`` ``[layers, heads, target, source]`` of the rows and columns
    that count, so that it may ignore the masks. With ``batched=True`` it is called with leading batch axes and masks
    ``[..., source]`` and ``[..., target]``, which it must honour. A function that also names ``source_special``,
    ``value_norms`` or ``importance`` among its arguments gets them. :func:`check_score` tries it out.

    What it costs: a call a sentence is what most users want; over a large corpus ``batched=True`` saves the calls. With
    ``numpy=True`` the attention is copied off the GPU if it is on one, and the function runs on one CPU core: fine for
    looking at records, a brake on a corpus job.

    Args:
        function: the function; its first docstring line is the description.
        name: the score's name; the function's own when left out.
        direction: which values rank best, ``"higher"`` or ``"lower"``.
        description: one line for people.
        batched: see above.
        numpy: the function takes and gives numpy arrays.
        scope: ``"head"`` where a head's number depends on that head alone, ``"layer"`` or ``"model"`` where it needs
            all heads of its layer or all layers; jobs that see one layer at a time go by it.

    Raises:
        TypeError: the function cannot be called with the three arguments, or a parameter has a name that is taken.
        ValueError: a direction or scope that is none.
    """
    if direction not in get_args(Direction):
        raise ValueError(f"direction must be 'higher' or 'lower' (which values rank best), got {direction!r}")
    if scope not in get_args(Scope):
        raise ValueError(f"scope must be 'head', 'layer' or 'model' (what a number depends on), got {scope!r}")

    def make(function: Callable[..., Any]) -> Score:
        title = str(name or getattr(function, "__name__", type(function).__name__))
        parameters = inspect.signature(function).parameters
        required = {
            parameter.name: None
            for parameter in list(parameters.values())[len(MASK_ARGUMENTS) :]
            if parameter.default is parameter.empty
            and (parameter.kind is parameter.KEYWORD_ONLY or parameter.name in INPUTS)
        }
        try:
            inspect.signature(function).bind(*MASK_ARGUMENTS, **required)
        except TypeError as error:
            raise TypeError(
                f"score {title!r} must take (attention, source_mask, target_mask, **parameters): {error}"
            ) from None
        if taken := [each for each in parameters if each in RESERVED]:
            raise TypeError(
                f"score {title!r} has a parameter {taken[0]!r}, which every score has: give it another name"
            )
        text = description if description is not None else (inspect.getdoc(function) or "").partition("\n")[0]
        return Score(function, title, direction, text, batched, numpy, scope)

    return make if function is None else make(function)
