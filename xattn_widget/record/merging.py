"""Several positions or heads of a tensor made one: sums and means over units, and over heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch

from xattn_widget.record.kept import WEIGHT_TYPES

Aggregate = Literal["mean", "max"]


def combined(weights: torch.Tensor, aggregate: str) -> torch.Tensor:
    """The mean or maximum of ``[heads, ...]`` weights over their first axis.

    Raises:
        ValueError: ``aggregate`` is neither ``"mean"`` nor ``"max"``.
    """
    if aggregate not in get_args(Aggregate):
        raise ValueError(f"aggregate must be 'mean' or 'max' (over the heads), got {aggregate!r}")
    return weights.mean(0) if aggregate == "mean" else weights.amax(0)


def added(matrices: torch.Tensor, units: Sequence[Sequence[int]], axis: int) -> torch.Tensor:
    """The sum over the positions of each unit, in one pass over the matrices; units have all positions in order.

    Half precision is added in single precision, because each addition would round.
    """
    unit_of = torch.tensor([number for number, unit in enumerate(units) for _ in unit])
    shape = list(matrices.shape)
    shape[axis] = len(units)
    matrices = matrices.float() if matrices.dtype in WEIGHT_TYPES else matrices
    return torch.zeros(shape, dtype=matrices.dtype).index_add_(axis, unit_of, matrices)


def averaged(values: torch.Tensor, units: Sequence[Sequence[int]], axis: int) -> torch.Tensor:
    """The mean over the positions of each unit along an axis counted from the end, such as ``-1``."""
    sizes = torch.tensor([len(unit) for unit in units], dtype=torch.promote_types(values.dtype, torch.float32))
    return added(values, units, axis) / sizes.reshape(-1, *[1] * (-1 - axis))


def merged(
    matrices: torch.Tensor, source_units: Sequence[Sequence[int]], target_units: Sequence[Sequence[int]]
) -> torch.Tensor:
    """``[..., target, source]`` with units as positions: sums over source positions, means over target positions."""
    return averaged(added(matrices, source_units, -1), target_units, -2).to(matrices.dtype)
