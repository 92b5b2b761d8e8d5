"""Scores of single rows, averaged over the target: how sharp they are, and where their mass sits."""

from __future__ import annotations

import torch

from xattn_widget.scores.definition import score
from xattn_widget.scores.masking import keep


@score(direction="lower", batched=True, description="0: each row on one token; 1: spread evenly")
def entropy(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Mean over target rows of the row's entropy by its maximum: ``-sum_s A log A / log S``.

    In ``[0, 1]``; low where rows are sharp. Undefined (NaN) for one source token.

    Source: Ghader & Monz 2017.
    """
    kept = keep(attention, source_mask, target_mask)
    sizes = kept.columns.sum(-1, keepdim=True)
    values = torch.special.entr(kept.attention).sum(-1) / sizes.log()
    return kept.mean_over_rows(torch.where(sizes > 1, values, torch.nan))


@score(direction="higher", batched=True, description="mean of each row's largest weight")
def confidence(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Mean over target rows of the largest weight: ``max_s A[t, s]``.

    In ``[1/S, 1]``; high where rows are sharp.

    Source: Voita et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask)
    return kept.mean_over_rows(kept.attention.amax(-1))


@score(direction="lower", batched=True, description="share of the attention that special tokens take")
def sink_mass(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    source_special: torch.Tensor,
) -> torch.Tensor:
    """Mean over target rows of the mass on special source tokens (end of sentence, language codes).

    In ``[0, 1]``; where it is high, what the other scores say of content words is weak. ``special="drop"`` leaves
    special target rows out; the special columns are what is measured and always count.

    Source: Kobayashi et al. 2020; Ferrando & Costa-jussà 2021.
    """
    kept = keep(attention, torch.ones_like(source_mask), target_mask)
    special = keep(attention, source_special, target_mask)
    return kept.mean_over_rows(special.attention.sum(-1))
