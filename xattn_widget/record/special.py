"""What is done with special tokens before a score looks: kept, dropped, or dropped and rows renormalised."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Special = Literal["keep", "drop", "renormalize"]


def checked_policy(special: str | None) -> Special:
    """The policy of this name; ``"keep"`` for None.

    Raises:
        ValueError: another word.
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
    special: str | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Attention ``[..., layers, heads, target, source]`` and masks as the policy leaves them.

    With ``"renormalize"`` each row is divided by its sum over the columns that are left; a row that has no weight there
    becomes NaN.
    """
    policy = checked_policy(special)
    if policy == "keep":
        return attention, source_mask, target_mask
    source_mask, target_mask = source_mask & ~source_special, target_mask & ~target_special
    if policy == "renormalize":
        columns = source_mask if source_mask.dim() == 1 else source_mask[..., None, None, None, :]
        attention = torch.where(columns, attention, 0.0)
        attention = attention / attention.sum(-1, keepdim=True)
    return attention, source_mask, target_mask
