"""Checks that modules of transformers do what the taps and families.py assume.

A release may change what a module takes or returns and keep its names. Each check compares what was read with other
evidence from the module, and raises an error that names the module, its family and the release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers
from torch import nn

# Rounding to half precision moves the sum of a row away from 1 by less than this.
ROUNDING = 0.01


def unknown(behavior: str, module: nn.Module, config: Any) -> NotImplementedError:
    """The error for a module whose behavior, described by ``behavior``, this package does not know."""
    family = getattr(config, "model_type", None) or type(module).__module__
    return NotImplementedError(
        f"{type(module).__name__} ({family}, transformers {transformers.__version__}) {behavior}. Use an older release "
        "of transformers or a newer one of xattn_widget, or add the family in capturing/families.py"
    )


def are_probabilities(weights: torch.Tensor) -> bool:
    """Whether no weight is negative and all rows sum to 1 up to rounding. Rows with NaN count as probabilities."""
    with torch.no_grad():
        sums = weights.sum(dim=-1, dtype=torch.float32)
        good = (weights.amin(dim=-1) >= 0) & ((sums - 1).abs() < ROUNDING)
        return bool((good | sums.isnan()).all())


def weights_part(
    module: nn.Module,
    config: Any,
    output: Any,
    queries: torch.Tensor,
    states: torch.Tensor | None,
    rows: slice | None,
) -> int:
    """The index of the weights in a module's output: the last part that has their shape and holds probabilities.

    T5 returns its position bias before them, in the same shape. There may be more source positions than states: MVP
    puts prompts before them. FSMT has time before batch. ProphetNet may return only one of its streams.

    Raises:
        NotImplementedError: no part has the shape of weights.
    """
    targets = [] if rows is None else [rows.stop - rows.start]

    def fits(part: Any) -> bool:
        if not isinstance(part, torch.Tensor) or part.dim() != 4:
            return False
        batch, _, target, source = part.shape
        return any(
            batch == queries.shape[first]
            and target in (queries.shape[time], *targets)
            and (states is None or source >= states.shape[time])
            for first, time in ((0, 1), (1, 0))
        )

    fitting = [place for place, part in enumerate(output) if fits(part)] if isinstance(output, tuple) else []
    if not fitting:
        raise unknown(
            "gets encoder states but returns no attention weights [batch, heads, target, source] over them, so it "
            "cannot be captured (Autoformer's autocorrelation over time delays and deformable attention over sampled "
            "points have none)",
            module,
            config,
        )
    if len(fitting) > 1:
        fitting = [place for place in fitting if are_probabilities(output[place])] or fitting
    return fitting[-1]


def check_interface_call(
    module: nn.Module,
    config: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    queries: torch.Tensor,
    positions: int | None,
    again: bool,
) -> None:
    """Raise unless a module calls its attention function once, with a query for each row and a key for each position.

    Args:
        module: the attention module.
        config: the config of the model that it is part of.
        query: what the module passes to its attention function, ``[batch, heads, target, dimension]``.
        key: the same, ``[batch, key heads, source, dimension]``.
        queries: the states that the module got, ``[batch, target, ...]`` (FSMT: ``[target, batch, ...]``).
        positions: how many keys there must be; None if that is unknown.
        again: whether the module has already called its attention function in this call.
    """
    if again:
        raise unknown("calls its attention function more than once per call", module, config)
    sides = tuple(queries.shape[:2])
    if query.dim() != 4 or (query.shape[0], query.shape[2]) not in (sides, sides[::-1]):
        raise unknown(
            f"calls its attention function with queries of shape {list(query.shape)}, expected [batch, heads, target, "
            f"dimension] for states of shape {list(queries.shape)}",
            module,
            config,
        )
    if positions is not None and key.shape[2] != positions:
        raise unknown(
            f"attends to {key.shape[2]} positions where the encoder has {positions}, so it is unclear which of them "
            "are the encoder's",
            module,
            config,
        )


def check_softmax(
    module: nn.Module,
    config: Any,
    weights: torch.Tensor,
    value: torch.Tensor,
    output: torch.Tensor,
    implementation: str | None,
) -> None:
    """Raise unless attention weights, applied to the values, reproduce the attention function's output.

    Args:
        module: the attention module.
        config: the config of the model that it is part of.
        weights: ``[batch, heads, target, source]``, as computed here.
        value: ``[batch, key heads, source, dimension]``.
        output: what the attention function returned, ``[batch, target, heads, dimension]``.
        implementation: the name of the attention function if it is not the library's.
    """
    with torch.no_grad():
        value = value.detach().float()
        value = value.repeat_interleave(weights.shape[1] // value.shape[1], dim=1)
        expected = (weights @ value).transpose(1, 2).float()  # autocast may have lowered its precision
        if output.shape == expected.shape:
            # A row with nothing to attend to gives zeros in some implementations and the mean of the values in others.
            expected = expected.masked_fill((output == 0).all(-1, keepdim=True), 0)
            tolerance = 1e-2 if output.dtype == torch.float32 else 5e-2
            largest = float(expected.abs().nan_to_num(0, 0, 0).max())
            close = torch.isclose(output.float(), expected, rtol=tolerance, atol=tolerance * largest)
            if bool((close | output.isnan() | expected.isnan()).all()):  # NaN is reported later, with a reason
                return
    if implementation is None:
        raise unknown("does not compute softmax attention, so its weights are unknown", module, config)
    raise NotImplementedError(
        f"the attention function {implementation!r} does not compute softmax attention, so its weights are "
        "unknown: load the model with attn_implementation='sdpa' or 'eager'"
    )


def check_alteration(
    module: nn.Module, config: Any, heads: int | None, weights: torch.Tensor, times: int | None, others: Sequence[str]
) -> None:
    """Raise unless it is clear which part of a module's output belongs to which head.

    Args:
        module: the attention module.
        config: the config of the model that it is part of.
        heads: how many heads the module says that it has.
        weights: ``[batch, heads, target, source]``, as the module returned them.
        times: how often its output projection was called; None if it has none.
        others: the names of its parts whose purpose is unknown.
    """
    problem = ""
    if heads != weights.shape[1]:
        problem = f"says that it has {heads} heads and returns weights of {weights.shape[1]} heads"
    elif times is not None and times != 1:
        problem = f"calls its output projection {times} times, expected once"
    elif times is None and others:
        problem = f"has no output projection of a known name, and it is unclear what {', '.join(others)} does"
    if problem:
        raise unknown(f"{problem}: the outputs of its heads cannot be told apart", module, config)
