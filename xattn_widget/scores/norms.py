"""Scores of size: norms of the attention matrix, of what a head writes, and its share in the loss."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from xattn_widget.scores.decorator import score
from xattn_widget.scores.masking import keep


@score(
    direction="higher",
    batched=True,
    description="How much it looks like a word alignment: high if each target word has a source word of its own.",
)
def alignment_norm(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> torch.Tensor:
    """``(sum_s ||A[:, s]||_2) / S + (sum_t ||A[t, :]||_2) / T``: norms of columns and of rows, averaged.

    In ``(0, 1 + sqrt(T / S)]``; 2 for a one-to-one alignment. High if rows are sharp (second term) and cover all
    columns (first term): sharp rows on one column lower the first term, a uniform head has neither. Good for finding
    aligning heads without gold. It grows with ``T / S``: compare heads on the same sentences.

    Source: Yeh et al. 2025 (speech).
    """
    kept = keep(attention, source_mask, target_mask)
    columns = kept.mean_over_columns(kept.attention.norm(dim=-2))
    rows = kept.mean_over_rows(kept.attention.norm(dim=-1))
    return columns + rows


@score(
    direction="higher",
    batched=True,
    description="How much the head adds to what the decoder computes: high if much, near 0 if hardly anything.",
)
def value_norm(
    attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor, *, value_norms: torch.Tensor
) -> torch.Tensor:
    """Mean over target rows of ``sum_s ||A[t, s] f(x_s)||_2``; ``f`` is the head's value and output projection.

    In ``[0, inf)``, in the units of the decoder's state: how much the head writes, while attention only says from
    where. A head that puts its mass on a token with small values (a sink) is low, however sharp it is. Needs the norms,
    which ``extract(..., value_norms=True)`` and ``capture(model, value_norms=True)`` keep. Not comparable between
    models. To show, score or align the norms instead of the weights, use ``record.contributions()``.

    Source: Kobayashi et al. 2020.
    """
    kept = keep(value_norms.to(attention.dtype), source_mask, target_mask)
    return kept.mean_over_rows(kept.attention.sum(-1))


@score(
    direction="higher",
    batched=True,
    description="How much the model needs the head: high if the target is harder to predict without it, 0 if not.",
)
def importance(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    *,
    importance: Mapping[str, torch.Tensor],
    method: str = "gradient",
) -> torch.Tensor:
    """How much the loss on the target depends on the head, in nats per target position.

    ``"gradient"``: ``E |sum_d g_d o_d|`` over target positions, with the head's output ``o`` and the gradient ``g`` of
    the loss with respect to it, in ``[0, inf)``. ``"ablation"``: the loss with the head's output set to zero, minus the
    loss, per target token; negative if the model does better without the head. This score reads what
    ``extract(..., importance="gradient")`` measured on the sentence and keeps in the record;
    :func:`xattn_widget.head_importance` measures over many sentences. The attention itself plays no part in it.

    Source: Michel et al. 2019; Voita et al. 2019.
    """
    if method not in importance:
        raise ValueError(
            f"importance by {method!r} was not measured (only {', '.join(map(repr, importance)) or 'nothing'} was): "
            f"use extract(..., importance={method!r})"
        )
    return importance[method].to(attention, copy=True)  # values must not share the record's memory
