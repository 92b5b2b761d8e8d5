"""What single families need beyond the mechanism of hooks.py: one small function each, with its reason.

A family is recognized by what its modules take or its config holds, so that its relatives are served too. What a
function assumes of the family is checked first: a later release may keep the names and change the values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from xattn_widget.capturing.checks import are_probabilities, unknown


def reads_states_from_cache(argument: str) -> bool:
    """Mllama's cross-attention: from the second step on it gets no states, their keys are in the cache.

    Other families pass the states at every step, and a call without them is self-attention. Modules that name them
    ``cross_attention_states`` are never self-attention, so each of their calls counts.
    """
    return argument == "cross_attention_states"


def is_causal(module: nn.Module, options: Mapping[str, Any]) -> bool:
    """Whether transformers' sdpa function, given no mask, lets row ``t`` attend to the first ``t + 1`` columns only.

    It does so for modules that do not deny it, such as Mllama's cross-attention (which usually has a mask).
    """
    said = options.get("is_causal")
    return bool(getattr(module, "is_causal", True) if said is None else said)


def causal_mask(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor | None:
    """The mask of that, ``[1, 1, target, source]``, True where a row may attend; None for a step of decoding."""
    rows, columns = query.shape[2], key.shape[2]
    return torch.ones(1, 1, rows, columns, dtype=torch.bool, device=query.device).tril() if rows > 1 else None


def cached_positions(module: nn.Module, config: Any, given: Sequence[Any]) -> int:
    """How many keys Mllama's cross-attention has in the cache: a call without states must add none to them.

    The cache is found among the arguments by what it holds: ``past_key_values`` was renamed to ``cache`` in 5.24.
    """
    layer = getattr(module, "layer_idx", None)
    for each in given:
        layers = getattr(each, "layers", None)
        if layers is not None and layer is not None and layer < len(layers):
            keys = getattr(layers[layer], "keys", None)
            if isinstance(keys, torch.Tensor):
                return keys.shape[-2]
    raise unknown("is given neither encoder states nor a cache that holds their keys", module, config)


def may_add_positions(argument_names: Sequence[str], argument: str) -> bool:
    """Whether a module may attend to more than the states of this call.

    Mllama adds those of an image to those before it, MVP puts learned prompts before them.
    """
    return reads_states_from_cache(argument) or any("prompt" in name or "prefix" in name for name in argument_names)


def encoder_columns(argument_names: Sequence[str], states: torch.Tensor) -> slice | None:
    """T5Gemma 2's merged attention: one softmax over the target's own keys and, behind them, the encoder's.

    The cross-attention is the encoder's columns, as in the library's ``cross_attentions``: rows that sum to less than
    1, for the rest of the attention stays in the target. None for other families: all columns are the encoder's.
    """
    return slice(-states.shape[1], None) if "merged_attention_mask" in argument_names else None


def check_encoder_columns(module: Any, config: Any, key: torch.Tensor, states: torch.Tensor) -> None:
    """Raise unless the last keys of T5Gemma 2's merged attention are those of the encoder's states."""
    try:
        with torch.no_grad():
            made = module.k_proj(states).unflatten(-1, (-1, module.head_dim)).transpose(1, 2)
            expected = module.k_norm(made)
    except (AttributeError, RuntimeError):
        expected = None
    found = key[:, :, -states.shape[1] :]
    if (
        expected is None
        or found.shape != expected.shape
        or key.shape[2] <= states.shape[1]
        or not torch.allclose(found, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()), equal_nan=True)
    ):
        raise unknown(
            "does not have the encoder's keys behind its own, so that it is unclear which columns are the encoder's",
            module,
            config,
        )


def token_rows(rows: int, module: nn.Module, config: Any) -> slice | None:
    """ProphetNet's decoder works on several streams at once: which rows are those of the target's tokens.

    There are ``(1 + ngram) * target`` rows: those of the main stream, which reads the target, then of ``ngram``
    streams, which predict 1, 2, ... tokens ahead. Those of the first of these are taken: the model's logits come from
    it, so a row belongs to the token predicted, as in every family. None for other families: all rows are tokens.
    """
    streams = getattr(config, "ngram", None)
    if streams is None:
        return None
    if rows % (1 + streams):
        raise unknown(
            f"works on {rows} rows, which are not the {1 + streams} streams (1 + ngram) of a target", module, config
        )
    target = rows // (1 + streams)
    return slice(target, 2 * target)


def returned_rows(weights: torch.Tensor, rows: slice | None, module: nn.Module, config: Any) -> torch.Tensor:
    """The probabilities of the target's tokens in what a module returns.

    ProphetNet returns logits of all streams in place of probabilities. Probabilities are taken as they are, and so are
    those of the target's rows alone, which is the form of every other family.

    Args:
        weights: ``[batch, heads, rows, source]``, as returned.
        rows: see :func:`token_rows`.
        module: the attention module.
        config: of the model that it is a part of.
    """
    if rows is None:
        return weights
    whole = weights.shape[2] != rows.stop - rows.start
    if are_probabilities(weights):
        return weights[:, :, rows] if whole else weights
    least, largest = float(weights.detach().amin()), float(weights.detach().amax())
    if not whole or (least >= 0 and (largest <= 1 or module.training)):
        raise unknown(
            "returns neither the probabilities of its rows (these do not sum to 1) nor the logits of all its streams"
            + (": dropout changes probabilities in training mode, call model.eval()" if module.training else ""),
            module,
            config,
        )
    return weights[:, :, rows].softmax(dim=-1)


def has_time_first(queries: torch.Tensor, states: torch.Tensor | None, config: Any) -> bool:
    """FSMT's attention works on ``[target, batch, ...]``, every other family's on ``[batch, target, ...]``.

    The batch is the axis on which queries and encoder states agree: FSMT may follow the others some day.
    """
    if getattr(config, "model_type", None) != "fsmt":
        return False
    return states is None or queries.shape[1] == states.shape[1] or queries.shape[0] != states.shape[0]


def check_time_first(
    weights: torch.Tensor, queries: torch.Tensor, time_first: bool, module: nn.Module, config: Any
) -> None:
    """Raise unless returned weights ``[batch, heads, target, source]`` confirm which axis is the batch."""
    batch, time = queries.shape[:2][::-1] if time_first else queries.shape[:2]
    if weights.shape[0] != batch and weights.shape[0] == time:
        raise unknown(
            f"works on states {list(queries.shape)} and returns weights {list(weights.shape)}: it is unclear which "
            "axis is the batch",
            module,
            config,
        )
