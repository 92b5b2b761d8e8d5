"""Checks that modules of transformers do what taps.py, calls.py and families.py assume.

A release may change what a module takes or returns and keep its names. Each check compares what is read with something
else that the module shows, and raises an error that names the module, its family and the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import transformers
from torch import nn

# Rows in half precision sum to 1 but for this; what is further from it is not rounding.
ROUNDING = 0.01

# The names that attention modules give to what makes queries, keys and values, and position biases.
_INPUTS = ("query", "key", "value", "q", "k", "v", "q_proj", "k_proj", "v_proj", "query_proj", "key_proj", "value_proj")


def unknown(what: str, module: nn.Module, config: Any) -> NotImplementedError:
    """The error for a module that does ``what``, which this package does not know of it."""
    family = getattr(config, "model_type", None) or type(module).__module__
    return NotImplementedError(
        f"{type(module).__name__} ({family}, transformers {transformers.__version__}) {what}. Use an older release of "
        "transformers, or a newer one of xattn_widget"
    )


def are_probabilities(weights: torch.Tensor) -> bool:
    """Whether no weight is negative and all rows sum to 1, but for rounding. Rows with NaN count as either."""
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
    """Which part of a module's output is its weights: of those of their shape the last one that is probabilities.

    T5 returns its position bias before them, of the same shape. Source positions may be more than the states: MVP puts
    prompts before them. FSMT has time before batch. Of ProphetNet's streams there may be only one.

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
            "is given encoder states but returns no attention weights [batch, heads, target, source] over them, so "
            "that it cannot be captured (Autoformer's autocorrelation over time delays and deformable attention over "
            "sampled points have none)",
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
        config: of the model that it is a part of.
        query: what the module gives its attention function, ``[batch, heads, target, dimension]``.
        key: the same, ``[batch, key heads, source, dimension]``.
        queries: what the module was given, ``[batch, target, ...]`` (FSMT: ``[target, batch, ...]``).
        positions: how many keys there must be; None where that is not known.
        again: whether the module has called its attention function in this call before.
    """
    if again:
        raise unknown("calls its attention function more than once a call", module, config)
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
            f"attends to {key.shape[2]} positions where the encoder has {positions}, so that it is unclear which of "
            "them are the encoder's",
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
    """Raise unless attention weights give what the attention function returned.

    Args:
        module: the attention module.
        config: of the model that it is a part of.
        weights: ``[batch, heads, target, source]`` as they are computed here.
        value: ``[batch, key heads, source, dimension]``.
        output: what the attention function returned, ``[batch, target, heads, dimension]``.
        implementation: the name of the attention function where it is not the library's.
    """
    with torch.no_grad():
        value = value.detach().float()
        value = value.repeat_interleave(weights.shape[1] // value.shape[1], dim=1)
        expected = (weights @ value).transpose(1, 2).float()  # autocast may have made it less
        if output.shape == expected.shape:
            # A row that may attend to nothing has zeros in some implementations, and the mean of the values in others.
            expected = expected.masked_fill((output == 0).all(-1, keepdim=True), 0)
            tolerance = 1e-2 if output.dtype == torch.float32 else 5e-2
            largest = float(expected.abs().nan_to_num(0, 0, 0).max())
            close = torch.isclose(output.float(), expected, rtol=tolerance, atol=tolerance * largest)
            if bool((close | output.isnan() | expected.isnan()).all()):  # NaN is reported later, with its reason
                return
    if implementation is None:
        raise unknown("does not give what softmax attention gives, so its weights are not known", module, config)
    raise NotImplementedError(
        f"the attention function {implementation!r} does not give what softmax attention gives, so its weights are not "
        "known: load the model with attn_implementation='sdpa' or 'eager'"
    )


def check_alteration(module: nn.Module, config: Any, heads: Any, weights: torch.Tensor, times: int | None) -> None:
    """Raise unless it is clear which part of a module's output is which head's.

    Args:
        module: the attention module.
        config: of the model that it is a part of.
        heads: how many it says that it has.
        weights: ``[batch, heads, target, source]`` that it returned.
        times: how often its output projection was called; None where it has none.
    """
    others = [
        name for name, child in module.named_children() if name not in _INPUTS and any(True for _ in child.parameters())
    ]
    problem = ""
    if heads != weights.shape[1]:
        problem = f"says that it has {heads} heads and returns weights of {weights.shape[1]}"
    elif times is not None and times != 1:
        problem = f"calls its output projection {times} times, expected once"
    elif times is None and others:
        problem = f"has no output projection of a known name, and it is unclear what {', '.join(others)} does"
    if problem:
        raise unknown(f"{problem}: the outputs of its heads cannot be told apart", module, config)


def value_norms_problem(children: Mapping[str, nn.Module], projection: nn.Module, width: int) -> str | None:
    """Why the norms of projected values cannot be computed from an attention module's output projection, or None."""
    for name in children:
        # Kosmos-2 normalizes all heads together before the projection, so that no head has a share of its own.
        if ("norm" in name or name.endswith("_ln")) and not name.startswith(("q_", "k_", "v_", "query", "key")):
            return f"normalizes the outputs of its heads together ({name})"
    taken = getattr(projection, "in_features", width)
    return None if taken == width else f"has an output projection of {taken} numbers, and heads of {width} in all"
