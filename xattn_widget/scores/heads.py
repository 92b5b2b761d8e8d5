"""Scores of a head beside others: whether it repeats its layer."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep


@score(direction="lower", batched=True, scope="layer", description="high: looks where the layer's other heads look")
def agreement(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """``1 - JS(A, mean of the layer's other heads)``, the Jensen-Shannon divergence to base 2, mean over target rows.

    In ``[0, 1]``; high where the head looks where the others look (redundant: it may be pruned), low where it does
    something of its own (good or bad). Undefined (NaN) for a layer of one head. Needs all heads of the layer.

    Source: Li et al. 2018; Clark et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask).wide()
    own, heads = kept.attention, attention.shape[-3]
    others = (own.sum(-3, keepdim=True) - own).clamp(min=0) / (heads - 1) if heads > 1 else own * torch.nan
    middle = (own + others) / 2
    entr = torch.special.entr
    nats = (entr(middle) - (entr(own) + entr(others)) / 2).sum(-1)
    divergence = nats.clamp(min=0) / torch.log(torch.tensor(2.0, dtype=nats.dtype))
    return 1 - kept.mean_over_rows(divergence)
