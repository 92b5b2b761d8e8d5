"""What the setting ``special`` removes from the panel: under which policy, and how much weight it held.

The front end says the same in ``js/src/core/dropping.ts``.
"""

from __future__ import annotations

from typing import Literal, TypeVar, get_args

import torch

from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData
from xattn_widget.record.special import NamedPolicy, read_policy

# The values of the setting that remove positions; the other values leave all of them.
Dropping = Literal["drop", "drop_punctuation"]
SPECIAL_VALUES = ("show", "fade", *get_args(Dropping))

# What each value does to rows and columns, as a policy of scores.
_POLICIES: dict[str, NamedPolicy] = {"drop": "renormalize", "drop_punctuation": "renormalize_punctuation"}
_NAMES = {"drop": "special tokens", "drop_punctuation": "special tokens and punctuation"}

Data = TypeVar("Data", bound=AttentionData)


def shown_policy(special: str) -> NamedPolicy | None:
    """The policy that a value of the setting applies to rows and columns; None where it removes nothing."""
    return _POLICIES.get(special)


def dropped_positions(axis: Axis, special: str) -> tuple[bool, ...]:
    """For each position of an axis whether a value of the setting removes it."""
    policy = shown_policy(special)
    return (False,) * len(axis) if policy is None else read_policy(policy).left_out(axis)


def without_dropped(record: Data, special: str) -> Data:
    """The record without the positions that a value of the setting removes, each row renormalized.

    Raises:
        ValueError: nothing would be left.
    """
    policy = shown_policy(special)
    return record if policy is None else record.drop_special(also=read_policy(policy).leaves_out)


def leaves_any(record: AttentionData, special: str) -> bool:
    """Whether positions remain on both sides under a value of the setting."""
    return not any(all(dropped_positions(axis, special)) for axis in (record.source, record.target))


def dropping_note(special: str, share: float | None = None) -> str:
    """What a value of the setting does, in words; ``share`` is that of :func:`dropped_share`."""
    held = "" if share is None else f" ({_percent(share)} of the weight)"
    return f"{_NAMES[special]}{held} dropped, rows renormalized"


def dropped_share(weights: torch.Tensor, record: AttentionData, special: str) -> float | None:
    """The share of weight on the columns that a value of the setting removes, as a mean over heads and shown rows.

    Args:
        weights: ``[heads, target, source]`` weights of the record.
        record: the record.
        special: the value of the setting.

    Returns:
        A share from 0 to 1; None where no column is removed or no row is shown.
    """
    columns, rows = (torch.tensor(dropped_positions(axis, special)) for axis in (record.source, record.target))
    shown = weights[:, ~rows].nan_to_num(0.0).float()
    if not columns.any() or not shown.numel():
        return None
    return float((shown[..., columns].sum(-1) / shown.sum(-1)).nan_to_num(0.0).mean())


def _percent(share: float) -> str:
    return "less than 1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"
