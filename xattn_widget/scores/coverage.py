"""Scores of coverage: how much attention each source token got over the whole target."""

from __future__ import annotations

import torch

from xattn_widget.scores.definition import score
from xattn_widget.scores.masking import keep


@score(direction="lower", batched=True, description="high: source words left out")
def coverage_penalty(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, eps: float = 1e-8
) -> torch.Tensor:
    """Coverage penalty: ``-(1/S) sum_s log(clamp(c_s, eps, 1))`` with the coverage ``c_s = sum_t A[t, s]``.

    In ``[0, -log eps]``; high where source tokens were left out. ``eps`` decides the ranking of sentences with one
    dead token. A uniform head has a perfect penalty (0) when there are at least as many target as source tokens, so
    that coverage alone ranks dead heads best: read it beside ``entropy``.

    Source: Wu et al. 2016 (GNMT, eq. 14), in the per-length form of Peris & Casacuberta 2018.
    """
    kept = keep(attention, source_mask, target_mask)
    logs = kept.coverage().clamp(eps, 1).log() * kept.columns
    return kept.undefined_without_rows(0 - logs.sum(-1) / kept.columns.sum(-1))


@score(direction="lower", batched=True, description="share of source tokens that got hardly any attention")
def ignored_source(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, threshold: float = 0.2
) -> torch.Tensor:
    """Share of source tokens whose coverage ``c_s = sum_t A[t, s]`` is below ``threshold``.

    In ``[0, 1]``; high where words were omitted.

    Source: Bérard et al. 2019.
    """
    kept = keep(attention, source_mask, target_mask)
    coverage = kept.coverage()
    ignored = torch.where(coverage.isnan(), coverage, (coverage < threshold).to(coverage.dtype))
    return kept.undefined_without_rows((ignored * kept.columns).sum(-1) / kept.columns.sum(-1))


@score(direction="lower", batched=True, description="high: attention unlike an even spread over the source")
def marginal_divergence(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """Total variation between the marginal ``p_s = c_s / T`` and the uniform one: ``0.5 sum_s |p_s - 1/S|``.

    In ``[0, 1 - 1/S]``; high where the sentence is anomalous (hallucination, omission).

    Source: Guerreiro et al. 2023 (the form to uniform).
    """
    kept = keep(attention, source_mask, target_mask)
    marginal = kept.coverage() / kept.rows.sum(-1, keepdim=True)
    uniform = 1 / kept.columns.sum(-1, keepdim=True)
    return 0.5 * ((marginal - uniform).abs() * kept.columns).sum(-1)
