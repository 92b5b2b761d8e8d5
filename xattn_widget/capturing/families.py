"""Everything specific to individual families: the names that their modules use, and one function for each quirk.

A family is recognized by the arguments of its modules or by its config, so that related families are covered too. What
a function assumes about the family is checked: a later release may keep the names and change what they mean. To add a
family whose modules use other names, add the names below. To add one that computes or returns attention in another way,
add a function with its reason. ``tests/helpers/family_*.py`` has a tiny model of every family; the tests run with each
of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from xattn_widget.capturing.checks import are_probabilities, unknown

# --- Names that modules use.

# Arguments through which attention modules receive states from outside.
KEY_VALUE_ARGUMENTS = ("key_value_states", "encoder_hidden_states", "cross_attention_states", "key")
# Attributes with the number of heads, of modules outside the attention interface.
_HEAD_COUNTS = ("num_heads", "n_heads", "num_attention_heads", "num_attn_heads")
# Parts of attention modules that compute queries, keys and values (needed only for modules without an output projection
# of their own), those that compute values, and parts that project the heads' outputs.
_INPUT_PROJECTIONS = (
    *("query", "key", "value", "query_proj", "key_proj", "value_proj"),
    *("q", "k", "v", "q_proj", "k_proj", "v_proj"),
)
_VALUE_PROJECTIONS = ("v_proj", "value_proj", "value", "v")
_OUTPUT_PROJECTIONS = ("out_proj", "o_proj", "o", "c_proj", "output", "dense")


def key_value_argument(names: Sequence[str]) -> str | None:
    """The argument for states from outside, or None. The first argument holds the module's own states and never counts.

    Args:
        names: the arguments of a module's forward in order, without ``self``.
    """
    return next((name for name in KEY_VALUE_ARGUMENTS if name in names[1:]), None)


def head_count(module: nn.Module) -> int | None:
    """The number of heads that an attention module declares; None if it declares none."""
    return next((getattr(module, name) for name in _HEAD_COUNTS if hasattr(module, name)), None)


def output_projection(module: nn.Module) -> nn.Module | None:
    """The part of an attention module that projects its heads' outputs; None if its layer does that (BERT, BLIP)."""
    children = dict(module.named_children())
    return next((children[name] for name in _OUTPUT_PROJECTIONS if name in children), None)


def value_projection(module: nn.Module) -> nn.Module | None:
    """The part of an attention module that computes values from the states it attends to; None if its name is unknown.

    It is needed only for modules outside the attention interface, which passes the values on.
    """
    children = dict(module.named_children())
    return next((children[name] for name in _VALUE_PROJECTIONS if name in children), None)


def parts_of_unknown_use(module: nn.Module) -> list[str]:
    """The names of an attention module's parts that have parameters and are not known to make its inputs."""
    return [
        name
        for name, child in module.named_children()
        if name not in _INPUT_PROJECTIONS and any(True for _ in child.parameters())
    ]


def joint_norm(module: nn.Module) -> str | None:
    """The part that normalizes all heads together before Kosmos-2's output projection; None in other families.

    With it, no head has a separate share of the output. Norms of queries, keys and values do not count.
    """
    inputs = ("q_", "k_", "v_", "query", "key")
    for name, _ in module.named_children():
        if ("norm" in name or name.endswith("_ln")) and not name.startswith(inputs):
            return name
    return None


# --- Mllama.


def reads_states_from_cache(argument: str) -> bool:
    """Mllama's cross-attention gets states in the first step only; from the second on, their keys are in the cache.

    Other families pass the states in every step, and a call without them is self-attention. Modules that call them
    ``cross_attention_states`` are never self-attention, so each of their calls counts.
    """
    return argument == "cross_attention_states"


def is_causal(module: nn.Module, options: Mapping[str, Any]) -> bool:
    """Whether transformers' sdpa function, without a mask, lets row ``t`` attend to the first ``t + 1`` columns only.

    It does so for modules that do not set ``is_causal = False``, such as Mllama's cross-attention (which usually has a
    mask).
    """
    option = options.get("is_causal")
    return bool(getattr(module, "is_causal", True) if option is None else option)


def causal_mask(query: torch.Tensor, key: torch.Tensor) -> torch.Tensor | None:
    """The causal mask ``[1, 1, target, source]``, True where a row may attend; None for a step of decoding."""
    rows, columns = query.shape[2], key.shape[2]
    return torch.ones(1, 1, rows, columns, dtype=torch.bool, device=query.device).tril() if rows > 1 else None


def cached_positions(module: nn.Module, config: Any, arguments: Sequence[Any]) -> int:
    """How many keys Mllama's cross-attention has in the cache. A call without states must not add any.

    The cache is identified among the arguments by its content: ``past_key_values`` was renamed to ``cache`` in 5.24.
    """
    layer = getattr(module, "layer_idx", None)
    for value in arguments:
        layers = getattr(value, "layers", None)
        if layers is not None and layer is not None and layer < len(layers):
            keys = getattr(layers[layer], "keys", None)
            if isinstance(keys, torch.Tensor):
                return keys.shape[-2]
    raise unknown("gets neither encoder states nor a cache with their keys", module, config)


def may_add_positions(argument_names: Sequence[str], argument: str) -> bool:
    """Whether a module may attend to more than the states of this call.

    Mllama appends the states of an image to those of earlier ones; MVP puts learned prompts before them.
    """
    return reads_states_from_cache(argument) or any("prompt" in name or "prefix" in name for name in argument_names)


# --- T5Gemma 2.


def encoder_columns(argument_names: Sequence[str], states: torch.Tensor) -> slice | None:
    """T5Gemma 2 has one softmax over the target's own keys followed by the encoder's.

    Cross-attention is the encoder's columns, as in the library's ``cross_attentions``: its rows sum to less than 1,
    because the rest of the attention stays in the target. None for other families: all columns are the encoder's.
    """
    return slice(-states.shape[1], None) if "merged_attention_mask" in argument_names else None


def check_encoder_columns(module: Any, config: Any, key: torch.Tensor, states: torch.Tensor) -> None:
    """Raise unless the last keys of T5Gemma 2's merged attention are those of the encoder's states."""
    try:
        with torch.no_grad():
            encoder_keys = module.k_proj(states).unflatten(-1, (-1, module.head_dim)).transpose(1, 2)
            expected = module.k_norm(encoder_keys)
    except (AttributeError, RuntimeError):
        expected = None
    last_keys = key[:, :, -states.shape[1] :]
    if (
        expected is None
        or last_keys.shape != expected.shape
        or key.shape[2] <= states.shape[1]
        or not torch.allclose(last_keys, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()), equal_nan=True)
    ):
        raise unknown(
            "does not have the encoder's keys after its own, so it is unclear which columns are the encoder's",
            module,
            config,
        )


# --- ProphetNet.


def token_rows(rows: int, module: nn.Module, config: Any) -> slice | None:
    """The rows of the target's tokens, because ProphetNet's decoder works on several streams at once.

    There are ``(1 + ngram) * target`` rows: first the main stream, which reads the target, then ``ngram`` streams that
    predict 1, 2, ... tokens ahead. The first of these is used. The model's logits come from it, so a row belongs to
    the token that it predicts, as in every other family. None for other families: all rows are tokens.
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

    ProphetNet returns the logits of all streams instead of probabilities. If a release returns probabilities, or only
    the rows of the target, as every other family does, they are used unchanged.

    Args:
        weights: ``[batch, heads, rows, source]``, as returned.
        rows: see :func:`token_rows`.
        module: the attention module.
        config: the config of the model that it is part of.
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


# --- FSMT.


def has_time_first(queries: torch.Tensor, states: torch.Tensor | None, config: Any) -> bool:
    """Whether states are ``[target, batch, ...]``, as in FSMT's attention; ``[batch, target, ...]`` elsewhere.

    The batch is the axis on which queries and encoder states agree: FSMT may follow the others one day.
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
