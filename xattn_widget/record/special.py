"""The policies for special tokens: keep them, drop them, or drop them and renormalize the rows.

Every policy is applied by a function of this module: :func:`apply_policy` where masks say what counts, and
:func:`cut` where rows and columns are taken out of the tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch

Special = Literal["keep", "drop", "renormalize"]


def checked_policy(special: str | None) -> Special:
    """The policy with this name; ``"keep"`` for None.

    Raises:
        ValueError: there is no such policy.
    """
    if special is None:
        return "keep"
    if special not in get_args(Special):
        raise ValueError(f"special must be 'keep', 'drop' or 'renormalize', got {special!r}")
    return special  # type: ignore[return-value]


def apply_policy(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    source_special: torch.Tensor,
    target_special: torch.Tensor,
    policy: Special,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Apply a policy to attention whose rows and columns are chosen by masks.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]`` bool, True for the columns that count.
        target_mask: ``[..., target]`` bool, True for the rows that count.
        source_special: ``[..., source]`` bool, True at special tokens.
        target_special: ``[..., target]`` bool, True at special tokens.
        policy: what to do with special tokens.

    Returns:
        Attention, source mask and target mask. With ``"renormalize"`` each row is divided by its sum over the
        remaining columns; a row without weight there becomes NaN.
    """
    if policy == "keep":
        return attention, source_mask, target_mask
    source_mask, target_mask = source_mask & ~source_special, target_mask & ~target_special
    if policy == "renormalize":
        columns = source_mask if source_mask.dim() == 1 else source_mask[..., None, None, None, :]
        attention = renormalized(torch.where(columns, attention, 0.0))
    return attention, source_mask, target_mask


def cut(weights: torch.Tensor, rows: Sequence[int], columns: Sequence[int], policy: Special) -> torch.Tensor:
    """The rows and columns of ``[..., target, source]`` that a policy leaves, renormalized if it says so.

    Args:
        weights: the weights.
        rows: positions of the remaining rows.
        columns: positions of the remaining columns.
        policy: with ``"renormalize"`` each row is divided by its sum; a row without weight becomes NaN.
    """
    part = weights[..., list(rows), :][..., list(columns)]
    return renormalized(part) if policy == "renormalize" else part


def renormalized(weights: torch.Tensor) -> torch.Tensor:
    """Each row of ``[..., source]`` divided by its sum, which is NaN for a row without weight.

    Rows in half precision are added in single precision, which avoids a second rounding.
    """
    sums = weights.sum(-1, keepdim=True, dtype=torch.promote_types(weights.dtype, torch.float32))
    return (weights / sums).to(weights.dtype)
