"""Masks applied to attention, for scores that honour them by themselves."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Kept(NamedTuple):
    """Attention that is zero outside the masks, with the masks ready to multiply."""

    attention: torch.Tensor  # [..., layers, heads, target, source]
    rows: torch.Tensor  # [..., 1, 1, target] float, 1 where the row counts
    columns: torch.Tensor  # [..., 1, 1, source] float, 1 where the column counts

    def mean_over_rows(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of ``[..., layers, heads, target]`` over the rows that count; NaN where none does."""
        # where, not a product: a value outside the mask may be undefined.
        return torch.where(self.rows > 0, values, 0.0).sum(-1) / self.rows.sum(-1)

    def mean_over_columns(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of ``[..., layers, heads, source]`` over the columns that count; NaN where none does."""
        return torch.where(self.columns > 0, values, 0.0).sum(-1) / self.columns.sum(-1)

    def coverage(self) -> torch.Tensor:
        """``c_s``: the mass that each source column got from all rows, ``[..., layers, heads, source]``."""
        return self.attention.sum(-2)

    def wide(self) -> Kept:
        """The same in double precision, for formulas that lose digits (single where the device has no double)."""
        if self.attention.device.type == "mps":
            return self
        return Kept(self.attention.double(), self.rows.double(), self.columns.double())


def keep(attention: torch.Tensor, source_mask: torch.Tensor, target_mask: torch.Tensor) -> Kept:
    """Apply masks ``[..., source]`` and ``[..., target]`` to attention ``[..., layers, heads, target, source]``."""
    rows, columns = _aligned(target_mask, attention), _aligned(source_mask, attention)
    # where, not a product: what is masked out may be NaN.
    inside = (rows[..., :, None] * columns[..., None, :]) > 0
    return Kept(torch.where(inside, attention, 0.0), rows, columns)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """For each position that counts, how many that count stand before it; 0 elsewhere. Of the form of ``mask``."""
    return (mask.cumsum(-1) - 1) * mask


def _aligned(mask: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """A mask with axes for layers and heads before its own, where it has batch axes."""
    mask = mask.to(attention.dtype)
    return mask if mask.dim() == 1 else mask[..., None, None, :]
