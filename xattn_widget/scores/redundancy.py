"""Scores that compare a head with the others of its layer."""

from __future__ import annotations

import math

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep

# Numbers that fit into a processor's cache.
_BLOCK = 2**15


@score(
    direction="lower",
    batched=True,
    scope="layer",
    description="How much the head repeats the others of its layer: high if it looks where they look, low if not.",
)
def agreement(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """``1 - JS(A, mean of the layer's other heads)``: Jensen-Shannon divergence in bits, mean over target rows.

    In ``[0, 1]``; high if the head looks where the others look (redundant: it may be pruned), low if it does something
    different (good or bad). Undefined (NaN) for a layer of one head. Needs all heads of the layer.

    Source: Li et al. 2018; Clark et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask)
    divergence = _divergence(kept.attention.flatten(0, -4)).reshape(attention.shape[:-1])
    return 1 - kept.mean_over_rows(divergence)


def similarity_of_heads(weights: torch.Tensor) -> torch.Tensor:
    """``[heads, heads]`` sums over rows of ``1 - JS``, the Jensen-Shannon divergence in bits of each two heads' rows.

    Args:
        weights: ``[heads, target, source]``, rows that sum to 1.
    """
    wide = weights if weights.device.type == "mps" else weights.double()
    alone = _entropy(wide)
    sums = wide.new_zeros(len(wide), len(wide))
    for head in range(len(wide)):
        nats = _entropy((wide[head] + wide[head:]) / 2) - (alone[head] + alone[head:]) / 2
        similarity = (1 - nats.clamp_(min=0) / math.log(2)).sum(-1)
        sums[head, head:] = similarity
        sums[head:, head] = similarity
    return sums


def _divergence(attention: torch.Tensor) -> torch.Tensor:
    """``[layers, heads, target]`` divergence of each row of ``[layers, heads, target, source]`` from the others' mean.

    It takes some rows at a time: the weights of a large model in double precision are gigabytes, which would be read
    and written ten times.
    """
    _, heads, rows, columns = attention.shape
    block = _BLOCK if attention.device.type == "cpu" else 64 * _BLOCK
    parts = [
        torch.cat([_row_divergence(part) for part in torch.split(layers, max(1, block // (heads * columns)), -2)], -1)
        for layers in torch.split(attention, max(1, block // (heads * rows * columns)))
    ]
    return torch.cat(parts)


def _row_divergence(attention: torch.Tensor) -> torch.Tensor:
    # Differences of logarithms are small: they need double precision, if the device has it.
    weights = attention if attention.device.type == "mps" else attention.double()
    heads = weights.shape[-3]
    if heads > 1:
        others = (weights.sum(-3, keepdim=True) - weights).clamp_(min=0).div_(heads - 1)
    else:
        others = weights * torch.nan
    middle = (weights + others).div_(2)
    nats = _entropy(middle) - (_entropy(weights) + _entropy(others)) / 2
    return nats.clamp_(min=0) / math.log(2)


def _entropy(weights: torch.Tensor) -> torch.Tensor:
    """Entropy of rows in nats; equal to ``torch.special.entr``, which takes three times as long on the CPU."""
    smallest = torch.finfo(weights.dtype).tiny
    return -(weights * weights.clamp(min=smallest).log_()).sum(-1)
