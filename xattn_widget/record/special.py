"""The policies for special tokens and punctuation: keep them, drop them, or drop them and renormalize the rows.

Every policy is read by :func:`read_policy`, says itself which positions of an axis it leaves out, and is applied by a
function of this module: :func:`apply_policy` where masks say what counts, and :func:`cut` where rows and columns are
taken out of the tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from xattn_widget.record.axis import Axis
from xattn_widget.record.token_kinds import is_punctuation, punctuation_flags

Action = Literal["keep", "drop", "renormalize"]
NamedPolicy = Literal["keep", "drop", "renormalize", "drop_punctuation", "renormalize_punctuation"]
# Whether a position is left out besides the special tokens, by its text.
LeavesOut = Callable[[str], bool]
_NO_NAME = re.compile(r"\W")


@dataclass(frozen=True)
class Policy:
    """What to do with special tokens, and which other positions are treated like them.

    Attributes:
        action: keep them, drop them, or drop them and divide each row by what remains of it.
        leaves_out: tells from the text of a position whether it is left out like a special token; None for none.
    """

    action: Action = "keep"
    leaves_out: LeavesOut | None = None

    @property
    def name(self) -> str:
        """The policy in signatures and errors, such as ``renormalize_punctuation``."""
        if self.leaves_out is None:
            return self.action
        if self.leaves_out is is_punctuation:
            return next(name for name, policy in _NAMED.items() if policy == self)
        name = getattr(self.leaves_out, "__name__", type(self.leaves_out).__name__)
        return f"{self.action}_{_NO_NAME.sub('', name) or 'function'}"  # "lambda" for "<lambda>"

    @property
    def is_users(self) -> bool:
        """Whether a function of the user decides what it leaves out."""
        return self.leaves_out not in (None, is_punctuation)

    def left_out(self, axis: Axis) -> tuple[bool, ...]:
        """For each position whether it is special or treated like special tokens. Under ``"keep"`` it stays, too.

        Raises:
            TypeError: the user's function returned something other than True or False.
        """
        if self.leaves_out is None:
            return axis.special
        if self.leaves_out is is_punctuation:
            return tuple(map(any, zip(axis.special, punctuation_flags(axis), strict=True)))
        return tuple(
            special or _flag(self.leaves_out(axis.text_at(position)), self.name)
            for position, special in enumerate(axis.special)
        )


# What users pass as ``special=``.
Special = NamedPolicy | LeavesOut | tuple[Literal["drop", "renormalize"], LeavesOut] | Policy


def read_policy(special: Special | None) -> Policy:
    """The policy that a user passed as ``special=``; ``"keep"`` for None.

    Raises:
        ValueError: there is no such policy.
        TypeError: something else.
    """
    if special is None:
        return Policy()
    if isinstance(special, Policy):
        return special
    if callable(special):
        return Policy("renormalize", special)
    if isinstance(special, tuple):
        parts: tuple[Any, ...] = special  # users pass others, too
        if len(parts) != 2 or parts[0] not in ("drop", "renormalize") or not callable(parts[1]):
            raise ValueError(
                f"special=(action, function) takes 'drop' or 'renormalize' and a function, got {special!r:.60}"
            )
        return Policy(*special)
    if not isinstance(special, str):
        raise TypeError(f"special must be a policy or a function of a token's text, got {special!r:.60}; {_KNOWN}")
    if special not in _NAMED:
        raise ValueError(f"there is no policy special={special!r:.60}; {_KNOWN}")
    return _NAMED[special]


_NAMED: dict[str, Policy] = {
    "keep": Policy("keep"),
    "drop": Policy("drop"),
    "renormalize": Policy("renormalize"),
    "drop_punctuation": Policy("drop", is_punctuation),
    "renormalize_punctuation": Policy("renormalize", is_punctuation),
}
_KNOWN = (
    "use 'keep', 'drop' or 'renormalize' for special tokens, 'drop_punctuation' or 'renormalize_punctuation' for "
    "punctuation as well, or a function that takes the text of a token and returns True to leave it out"
)


def _flag(value: object, name: str) -> bool:
    if isinstance(value, bool | int) or (hasattr(value, "dtype") and getattr(value, "ndim", 1) == 0):
        return bool(value)
    raise TypeError(f"the function of special={name!r} must return True or False, got {value!r:.60}")


def apply_policy(
    attention: torch.Tensor,
    source_mask: torch.Tensor,
    target_mask: torch.Tensor,
    source_left_out: torch.Tensor,
    target_left_out: torch.Tensor,
    action: Action,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Apply a policy to attention whose rows and columns are chosen by masks.

    Args:
        attention: ``[..., layers, heads, target, source]``.
        source_mask: ``[..., source]`` bool, True for the columns that count.
        target_mask: ``[..., target]`` bool, True for the rows that count.
        source_left_out: ``[..., source]`` bool, True at special tokens and what the policy treats like them.
        target_left_out: ``[..., target]`` bool, the same for rows.
        action: what to do with them.

    Returns:
        Attention, source mask and target mask. With ``"renormalize"`` each row is divided by its sum over the
        remaining columns; a row without weight there becomes NaN.
    """
    if action == "keep":
        return attention, source_mask, target_mask
    source_mask, target_mask = source_mask & ~source_left_out, target_mask & ~target_left_out
    if action == "renormalize":
        columns = source_mask if source_mask.dim() == 1 else source_mask[..., None, None, None, :]
        attention = renormalized(torch.where(columns, attention, 0.0))
    return attention, source_mask, target_mask


def cut(weights: torch.Tensor, rows: Sequence[int], columns: Sequence[int], action: Action) -> torch.Tensor:
    """The rows and columns of ``[..., target, source]`` that a policy leaves, renormalized if it says so.

    Args:
        weights: the weights.
        rows: positions of the remaining rows.
        columns: positions of the remaining columns.
        action: with ``"renormalize"`` each row is divided by its sum; a row without weight becomes NaN.
    """
    part = weights[..., list(rows), :][..., list(columns)]
    return renormalized(part) if action == "renormalize" else part


def renormalized(weights: torch.Tensor) -> torch.Tensor:
    """Each row of ``[..., source]`` divided by its sum, which is NaN for a row without weight.

    Rows in half precision are added in single precision, which avoids a second rounding.
    """
    sums = weights.sum(-1, keepdim=True, dtype=torch.promote_types(weights.dtype, torch.float32))
    return (weights / sums).to(weights.dtype)
