"""Scores of how well attention agrees with what the predictions depend on."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score


@score(
    direction="higher",
    batched=True,
    description=(
        "Whether its rows order the source as the gradients do: 1 if they do, 0 if they have nothing in common."
    ),
)
def faithfulness(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, saliency: torch.Tensor
) -> torch.Tensor:
    """Mean over target rows of Spearman's rank correlation between a head's row and the row of a saliency method.

    In ``[-1, 1]``. The saliency is ``abs(sum_d g[s, d] x[s, d])``: input x gradient of the log-probability of the
    predicted token, which ``extract(..., faithfulness=True)`` keeps. Special tokens are left out on both sides. Equal
    values share the mean of their ranks. A row in which all columns are equal has no correlation and does not count;
    undefined where no row counts. Saliency is a reference, not ground truth: gradients say what a small change of an
    embedding would do.

    Source: Jain & Wallace 2019, who use Kendall's rank correlation.
    """
    saliency = saliency.to(attention.dtype)[..., None, None, :, :]
    columns = source_mask if source_mask.dim() == 1 else source_mask[..., None, None, None, :]
    counts = (columns & ~saliency.isnan() & ~attention.isnan()).expand(attention.shape)
    first, second = (_ranks(values.expand(attention.shape), counts) for values in (attention, saliency))
    correlation = _correlation(first, second, counts)
    rows = target_mask if target_mask.dim() == 1 else target_mask[..., None, None, :]
    return torch.where(rows, correlation, torch.nan).nanmean(-1).to(attention.dtype)


def _ranks(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Ranks along the last axis among the values that count, double; equal values share the mean of their ranks."""
    # Those that do not count come last, and so change no rank.
    ordered = values.masked_fill(~counts, torch.inf).contiguous()
    place = ordered.sort(dim=-1).values
    below = torch.searchsorted(place, ordered, side="left")
    up_to = torch.searchsorted(place, ordered, side="right")
    return (below + up_to).double() / 2


def _correlation(first: torch.Tensor, second: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Pearson's correlation along the last axis of the values that count; NaN where either does not vary."""
    number = counts.sum(-1, keepdim=True)
    centered = [
        torch.where(counts, values - torch.where(counts, values, 0.0).sum(-1, keepdim=True) / number, 0.0)
        for values in (first, second)
    ]
    spread = centered[0].square().sum(-1) * centered[1].square().sum(-1)
    # Ranks are multiples of one half and their means are not exact: what does not vary is nearly 0.
    return torch.where(spread > 1e-9, (centered[0] * centered[1]).sum(-1) / spread.sqrt(), torch.nan)


@score(
    direction="higher",
    batched=True,
    description=(
        "Whether the words that it attends to matter more than others: above 0 if the target gets less likely when "
        "they are masked than when random words are."
    ),
)
def masking_drop(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, masking_drop: torch.Tensor
) -> torch.Tensor:
    """How much more a target token's log-probability drops without the words that a head attends to most.

    Mean over target tokens of the drop when the source words with the most weight in the token's row are masked, minus
    the mean drop when as many random words are. In nats; near 0 if the head points at the words that matter no better
    than chance, below 0 if worse. Masked words are hidden from the encoder and from cross-attention. Special tokens are
    left out on both sides. This score reads what ``extract(..., faithfulness=True)`` measured.

    Source: DeYoung et al. 2020, whose comprehensiveness is the first of the two drops.
    """
    return masking_drop.to(attention, copy=True)  # values must not share the record's memory
