"""What single families need beyond the mechanism of hooks.py: one small function each, with its reason.

A family is told by what its modules take or its config holds, so that relatives of it are served too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch


def reads_states_from_cache(argument: str) -> bool:
    """Mllama's cross-attention: from the second step on it gets no states, their keys are in the cache.

    Other families pass the states at every step, and a call without them is self-attention. Modules that name them
    ``cross_attention_states`` are never self-attention, so each of their calls counts.
    """
    return argument == "cross_attention_states"


def encoder_columns(argument_names: Sequence[str], states: torch.Tensor) -> slice | None:
    """T5Gemma 2's merged attention: one softmax over the target's own keys and, behind them, the encoder's.

    The cross-attention is the encoder's columns, as in the library's ``cross_attentions``: rows that sum to less than
    1, for the rest of the attention stays in the target. None for other families: all columns are the encoder's.
    """
    return slice(-states.shape[1], None) if "merged_attention_mask" in argument_names else None


def token_rows(weights: torch.Tensor, config: Any) -> torch.Tensor:
    """ProphetNet's decoder: several streams at once, and logits in place of probabilities.

    It returns ``[batch, heads, (1 + ngram) * target, source]`` logits: the rows of the main stream, which reads the
    target, then of ``ngram`` streams, which predict 1, 2, ... tokens ahead. Those of the first of these are given, as
    probabilities: the model's logits come from it, so a row belongs to the token predicted, as in every family.
    """
    streams = getattr(config, "ngram", None)
    if streams is None:
        return weights
    rows = weights.shape[2] // (1 + streams)
    return weights[:, :, rows : 2 * rows].softmax(dim=-1)


def has_time_first(config: Any) -> bool:
    """FSMT's attention works on ``[target, batch, ...]``, every other family's on ``[batch, target, ...]``."""
    return getattr(config, "model_type", None) == "fsmt"
