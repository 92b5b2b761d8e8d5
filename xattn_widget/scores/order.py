"""Scores of order: whether attention moves through the source along with the target."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep, positions

# Less movement per row than this share of the source is rounding.
_STILL = 1e-6


@score(
    direction="higher",
    batched=True,
    description="Whether attention moves along with the target: 1 if only forward, -1 if only backward.",
)
def monotonicity(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """``sum_t (e_{t+1} - e_t) / sum_t |e_{t+1} - e_t|`` with the mean position ``e_t = sum_s s A[t, s]``.

    In ``[-1, 1]``: 1 if attention moves only forward through the source, -1 if only backward. Undefined (NaN) for fewer
    than two target rows, and if nothing moves (less than 1e-6 of the source per row). Good for speech and for languages
    with the same word order; reordering is not an error but lowers it. ``e_t`` depends on the mass of the row: if
    you leave out special tokens, use ``special="renormalize"`` to compare rows of equal mass.

    Source: this project's own form.
    """
    kept = keep(attention, source_mask, target_mask).wide()
    means = (kept.attention * positions(kept.source_mask)[..., None, :]).sum(-1)
    # Move the rows that count together, so that each is compared with the next one that counts.
    order = (kept.target_mask == 0).to(torch.uint8).sort(dim=-1, stable=True).indices
    means = means.gather(-1, order.expand(means.shape))
    steps = means.diff(dim=-1)
    count = kept.target_length()
    inside = torch.arange(steps.shape[-1], device=steps.device) < count - 1
    steps = torch.where(inside, steps, 0.0)
    moved = steps.abs().sum(-1)
    still = moved <= _STILL * (kept.source_mask.sum(-1) * (count[..., 0] - 1)).clamp(min=0)
    return torch.where(still, torch.nan, steps.sum(-1) / moved)


@score(
    direction="higher",
    batched=True,
    description="How close attention stays to the line from start to end: high if both sides have the same order.",
)
def diagonality(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """``1 - mean_t sum_s A[t, s] |(t + .5) / T - (s + .5) / S|``: how close attention stays to the diagonal.

    About ``[.5, 1]``; high if attention goes straight from start to end. A uniform head has about 2/3. Good as a first
    guess at which heads align; reordering is not an error but lowers it. A row that lost mass (``special="drop"``)
    seems nearer than it is.

    Source: this project's own form.
    """
    kept = keep(attention, source_mask, target_mask).wide()
    down = (positions(kept.target_mask) + 0.5) / kept.target_length()
    across = (positions(kept.source_mask) + 0.5) / kept.source_length()
    away = (down[..., :, None] - across[..., None, :]).abs()
    return 1 - kept.mean_over_rows((kept.attention * away).sum(-1))
