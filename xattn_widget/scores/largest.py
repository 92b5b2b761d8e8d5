"""Where rows have their largest weight, which several scores ask for."""

from __future__ import annotations

import torch

from xattn_widget.scores.masking import keep

# A row is uniform if its entropy is at least this share of the largest possible one. Its largest weight says little.
UNIFORM_ENTROPY = 0.9
# What rows without a telling largest weight have instead of its column.
UNIFORM, UNDEFINED = -1, -2


def largest_columns(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """The column of each row's largest weight, the first of equal ones.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]`` bool, True for the columns that count.
        target_mask: ``[..., target]`` bool, True for the rows that count.

    Returns:
        ``[..., layers, heads, target]`` numbers of columns; ``UNIFORM`` for a row with nearly even weights and
        ``UNDEFINED`` for one of NaN.
    """
    kept = keep(attention, source_mask, target_mask)
    weights = kept.attention
    largest, best = weights.max(-1)
    entropy = -(weights * weights.clamp(min=torch.finfo(weights.dtype).tiny).log_()).sum(-1)
    sizes = kept.source_length()
    uniform = (sizes > 1) & (entropy >= UNIFORM_ENTROPY * sizes.log())
    return best.masked_fill(uniform, UNIFORM).masked_fill(largest.isnan(), UNDEFINED)
