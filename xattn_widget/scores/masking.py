"""Masks applied to attention, for scores that honor them themselves."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Kept(NamedTuple):
    """Attention that is zero outside the masks, with the masks ready to multiply.

    The masks have axes for layers and heads only if they have batch axes.
    """

    attention: torch.Tensor  # [..., layers, heads, target, source]
    target_mask: torch.Tensor  # [..., 1, 1, target] float, 1 where the row counts
    source_mask: torch.Tensor  # [..., 1, 1, source] float, 1 where the column counts

    def target_length(self) -> torch.Tensor:
        """How many rows count, ``[..., 1, 1, 1]``."""
        return self.target_mask.sum(-1, keepdim=True)

    def source_length(self) -> torch.Tensor:
        """How many columns count, ``[..., 1, 1, 1]``."""
        return self.source_mask.sum(-1, keepdim=True)

    def mean_over_rows(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of ``[..., layers, heads, target]`` over the rows that count; NaN if none does."""
        # Not a product: a value outside the mask may be undefined.
        return torch.where(self.target_mask > 0, values, 0.0).sum(-1) / self.target_mask.sum(-1)

    def mean_over_columns(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of ``[..., layers, heads, source]`` over the columns that count; NaN if none does."""
        return torch.where(self.source_mask > 0, values, 0.0).sum(-1) / self.source_mask.sum(-1)

    def coverage(self) -> torch.Tensor:
        """``c_s``: the mass that all rows together put on each column, ``[..., layers, heads, source]``."""
        return self.attention.sum(-2)

    def wide(self) -> Kept:
        """The same in double precision, for formulas that lose digits; single on devices without double precision."""
        if self.attention.device.type == "mps":
            return self
        return Kept(self.attention.double(), self.target_mask.double(), self.source_mask.double())


def keep(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> Kept:
    """Apply masks ``[..., source]`` and ``[..., target]`` to attention ``[..., layers, heads, target, source]``."""
    rows, columns = _aligned(target_mask, attention), _aligned(source_mask, attention)
    # Not a product of the three: attention outside the masks may be NaN.
    inside = (rows[..., :, None] * columns[..., None, :]) > 0
    return Kept(torch.where(inside, attention, 0.0), rows, columns)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """For each position that counts, the number of those before it that count; 0 elsewhere. Shaped like ``mask``."""
    return (mask.cumsum(-1) - 1) * mask


def beside_heads(values: torch.Tensor) -> torch.Tensor:
    """``[..., source]`` with axes for layers and heads if it has batch axes, as the masks of :class:`Kept`."""
    return values if values.dim() == 1 else values[..., None, None, :]


def _aligned(mask: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """The mask as numbers; with batch axes it gets axes for layers and heads before its own."""
    mask = mask.to(attention.dtype)
    return mask if mask.dim() == 1 else mask[..., None, None, :]
