"""Scores of single rows, averaged over the target: how sharp they are, and where their mass lies."""

from __future__ import annotations

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep

# A row is uniform if its weights differ by less than this share of the largest: float32 has no more digits.
_UNIFORM = 1e-6


@score(
    direction="lower",
    batched=True,
    description="How scattered attention is: 0 if each target token looks at one source token, 1 if at all equally.",
)
def entropy(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Mean over target rows of the row's entropy divided by its maximum: ``-sum_s A log A / log S``.

    In ``[0, 1]``; low if rows are sharp. Undefined (NaN) for one source token. Good for telling focused from scattered
    heads. A head that looks only at the end of the sentence is perfectly sharp: read it together with ``sink_mass``.

    Source: Ghader & Monz 2017.
    """
    kept = keep(attention, source_mask, target_mask)
    sizes = kept.source_length()
    values = torch.special.entr(kept.attention).sum(-1) / sizes.log()
    return kept.mean_over_rows(torch.where(sizes > 1, values, torch.nan))


@score(
    direction="higher",
    batched=True,
    description="How sharp attention is: high if each target token looks at one source token, low if at many.",
)
def confidence(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Mean over target rows of the largest weight: ``max_s A[t, s]``.

    In ``[1/S, 1]``; high if rows are sharp. Like ``entropy``, it does not see where the mass lies. Its lower bound
    depends on the length: compare heads on the same sentences.

    Source: Voita et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask)
    return kept.mean_over_rows(kept.attention.amax(-1))


@score(
    direction="lower",
    batched=True,
    description="How scattered attention is: high if each target token looks at many source tokens, low if at few.",
)
def distraction(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Minus the mean over target rows of the row's kurtosis ``mean_s d^4 / (mean_s d^2)^2``, ``d = A - mean_s A``.

    Pearson's kurtosis (3 for a normal distribution; Fisher's is 3 less). Between ``-(S - 2 + 1/(S-1))`` (each row on
    one token) and -1; high if rows are scattered. Undefined (NaN) if a row is uniform, and for one source token. The
    kurtosis grows with the source's length: good for ranking sentences of one length, less so across lengths.

    Source: Peris & Casacuberta 2018.
    """
    kept = keep(attention, source_mask, target_mask).wide()
    sizes = kept.source_length()
    away = (kept.attention - kept.attention.sum(-1, keepdim=True) / sizes[..., None]) * kept.source_mask[..., None, :]
    squares = away.square()
    kurtosis = squares.square().sum(-1) * sizes / squares.sum(-1).square()
    uniform = away.abs().amax(-1) <= _UNIFORM * kept.attention.abs().amax(-1)
    return 0 - kept.mean_over_rows(torch.where(uniform, torch.nan, kurtosis))
