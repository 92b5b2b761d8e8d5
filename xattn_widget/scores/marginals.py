"""Marginals of a reference set, and the distance from them (for ``marginal_divergence``)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from xattn_widget.record.data import AttentionData
from xattn_widget.record.kept import KeptHeads
from xattn_widget.record.special import Special, apply_policy, read_policy
from xattn_widget.scores.masking import Kept


@dataclass(frozen=True, eq=False)
class MarginalReference:
    """Source marginals of reference sentences; :func:`reference_marginals` makes it.

    Attributes:
        marginals: ``[layers, heads, source]`` float64 for each sentence.
        target_lengths: the number of target rows of each sentence.
        special: the policy for special tokens.
    """

    marginals: tuple[torch.Tensor, ...]
    target_lengths: tuple[int, ...]
    special: str

    def __str__(self) -> str:
        """Its form in signatures: the policy, the number of sentences, and a hash of the numbers."""
        return f"{self.special}/{len(self.marginals)}/{self._hash}"

    def of_heads(self, kept: KeptHeads) -> MarginalReference:
        """The reference for some of the heads; their marginals have the first axes of a record that keeps them.

        Raises:
            ValueError: the reference is of a model with other numbers of layers or heads.
        """
        expected = tuple(self.marginals[0].shape[:2])
        if expected != (kept.layers, kept.heads):
            raise ValueError(
                f"the reference set has [layers, heads] = {list(expected)}, the attention [{kept.layers}, "
                f"{kept.heads}]: pass a reference set of the same model"
            )
        return replace(self, marginals=tuple(kept.cut(grid) for grid in self.marginals))

    @cached_property
    def _hash(self) -> str:
        digest = hashlib.sha256()
        for marginal in self.marginals:
            digest.update(marginal.numpy().tobytes())
        return digest.hexdigest()[:8]


def reference_marginals(records: Sequence[AttentionData], *, special: Special = "keep") -> MarginalReference:
    """The source marginals of records, as the reference set of ``marginal_divergence``.

    Args:
        records: a few hundred records of one model, on sentences that it translates well.
        special: the policy for special tokens, see ``xattn_widget.scores``; use the same in the score.

    Raises:
        ValueError: no records, records of different models, or nothing but special tokens.
    """
    if not records:
        raise ValueError("a reference set needs at least one record")
    policy = read_policy(special)
    shapes = {(record.layers, record.heads) for record in records}
    if len(shapes) > 1:
        raise ValueError(f"records must come from one model, got [layers, heads] = {sorted(shapes)}")
    marginals, lengths = [], []
    for record in records:
        weights, columns, rows = apply_policy(
            record.weights.float(),
            torch.ones(record.weights.shape[3], dtype=torch.bool),
            torch.ones(record.weights.shape[2], dtype=torch.bool),
            torch.tensor(policy.left_out(record.source)),
            torch.tensor(policy.left_out(record.target)),
            policy.action,
        )
        if rows.any() and columns.any():
            marginals.append(record.on_grid(weights[:, :, rows][..., columns].double().mean(-2).flatten(0, 1)))
            lengths.append(int(rows.sum()))
    if not marginals:
        raise ValueError(f"special={special!r} leaves no row or no column of any record: use 'keep'")
    return MarginalReference(tuple(marginals), tuple(lengths), policy.name)


def distance_to_reference(kept: Kept, reference: MarginalReference, nearest: int, length_window: float) -> torch.Tensor:
    """Mean distance to the nearest reference marginals, ``[..., layers, heads]``; see ``marginal_divergence``."""
    kept = kept.wide()
    grid = tuple(kept.attention.shape[-4:-2])
    expected = tuple(reference.marginals[0].shape[:2])
    if grid != expected:
        raise ValueError(
            f"the reference set has [layers, heads] = {list(expected)}, the attention {list(grid)}: pass all layers at "
            "once, and a reference set of the same model"
        )
    if nearest < 1:
        raise ValueError(f"nearest must be at least 1, got {nearest}")
    width = max(kept.attention.shape[-1], *(marginal.shape[-1] for marginal in reference.marginals))
    lengths = kept.target_mask.sum(-1)  # [..., 1, 1], or no axes
    marginal = _left_aligned(kept) / kept.target_length()
    cumulated = torch.nn.functional.pad(marginal, (0, width - marginal.shape[-1])).cumsum(-1)
    distances, near = [], []
    for other, length in zip(reference.marginals, reference.target_lengths, strict=True):
        other = torch.nn.functional.pad(other.to(cumulated), (0, width - other.shape[-1])).cumsum(-1)
        distances.append((cumulated - other).abs().sum(-1))
        near.append(((length - lengths).abs() < length_window * lengths).expand(distances[-1].shape))
    distance, allowed = torch.stack(distances, dim=-1), torch.stack(near, dim=-1)
    allowed = allowed | ~allowed.any(-1, keepdim=True)
    smallest = distance.masked_fill(~allowed, torch.inf).sort(-1).values[..., :nearest]
    finite = smallest.isfinite()
    result = torch.where(finite, smallest, 0.0).sum(-1) / finite.sum(-1)
    return torch.where(marginal.isnan().any(-1), torch.nan, result)


def _left_aligned(kept: Kept) -> torch.Tensor:
    """The coverage of the columns that count, moved to the left without gaps, followed by zeros."""
    coverage = kept.coverage()
    order = (kept.source_mask == 0).to(torch.uint8).sort(dim=-1, stable=True).indices
    return coverage.gather(-1, order.expand(coverage.shape))
