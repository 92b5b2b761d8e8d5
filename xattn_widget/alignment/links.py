"""Alignment links from an attention matrix, and from the heads of a record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch

from xattn_widget.alignment.dtw import monotone_path
from xattn_widget.alignment.pharaoh import Link
from xattn_widget.record.data import AttentionData, combined
from xattn_widget.record.fewest import fewest
from xattn_widget.record.heads import head_pairs, whole_numbers
from xattn_widget.record.special import Special, cut, read_policy

Method = Literal["argmax", "mutual", "threshold", "mass", "assignment", "monotone"]
Heads = tuple[int, int] | Sequence[tuple[int, int]] | None

# The default of `at_least`: a weight, or for "mass" a share of the row.
_AT_LEAST = {"argmax": 0.0, "mutual": 0.0, "threshold": 0.25, "mass": 0.5, "assignment": 0.0, "monotone": 0.0}


def align_weights(weights: torch.Tensor, method: Method = "argmax", *, at_least: float | None = None) -> list[Link]:
    """Links (source, target) of one attention matrix, in order.

    Args:
        weights: ``[target, source]``, each row a distribution or part of one. NaN counts as zero weight.
        method: how links are chosen:

            - ``"argmax"``: for each target position the source position with the largest weight (the first in a tie);
            - ``"mutual"``: only those ``"argmax"`` links that are also the largest of their column: fewer and more
              precise;
            - ``"threshold"``: all weights of at least ``at_least``;
            - ``"mass"``: for each target position the fewest source positions, largest first, that together hold a
              share ``at_least`` of its row;
            - ``"assignment"``: one to one, with the largest sum of weights (needs scipy);
            - ``"monotone"``: the monotone path with the largest sum of weights above the row means (see
              :func:`monotone_path`).
        at_least: leave out links with less weight (for ``"mass"``: the share of a row). The default is 0.25 for
            ``"threshold"``, 0.5 for ``"mass"`` and 0 otherwise. Links with zero weight are never returned.

    Raises:
        ValueError: an unknown method, weights that are not a matrix, or ``at_least`` outside [0, 1].
        ImportError: ``"assignment"`` without scipy.
    """
    if method not in get_args(Method):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Method)))}, got {method!r}")
    if weights.dim() != 2:
        raise ValueError(f"weights must be [target, source], got {list(weights.shape)}")
    least = _AT_LEAST[method] if at_least is None else at_least
    if not 0 <= least <= 1:
        raise ValueError(f"at_least must be in 0 to 1, got {at_least!r}")
    if weights.numel() == 0:
        return []
    weights = weights.float().nan_to_num(0.0)
    chosen = torch.zeros(weights.shape, dtype=torch.bool)
    if method in ("argmax", "mutual"):
        rows = torch.arange(weights.shape[0])
        best = weights.argmax(1)
        chosen[rows, best] = True
        if method == "mutual":
            chosen &= weights == weights.amax(0)
            chosen &= chosen.cumsum(0) == 1  # the first of equal ones
    elif method == "threshold":
        chosen[:] = True
    elif method == "mass":
        chosen = torch.from_numpy(fewest(weights.numpy(), least))
        least = 0.0
    elif method == "assignment":
        chosen[_assignment(weights)] = True
    else:
        # Subtract row means: with positive weights alone, a detour over more cells would pay off.
        chosen[tuple(monotone_path(weights - weights.mean(1, keepdim=True)).T)] = True
    chosen &= (weights >= least) & (weights > 0)
    return sorted((source, target) for target, source in chosen.nonzero().tolist())


def _assignment(weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError as error:
        raise ImportError(
            "method='assignment' needs scipy: pip install 'xattn-widget[alignment]', or use method='mutual'"
        ) from error
    rows, columns = linear_sum_assignment(weights.numpy(), maximize=True)
    return torch.from_numpy(rows), torch.from_numpy(columns)


def align_record(
    record: AttentionData,
    heads: Heads = None,
    *,
    method: Method = "argmax",
    words: bool = True,
    special: Special = "renormalize",
    aggregate: str = "mean",
    at_least: float | None = None,
) -> list[Link]:
    """The links of a record by some of its heads; see :meth:`CrossAttention.align`."""
    policy = read_policy(special)
    merged = record.words() if words else record
    weights = _picked(merged, heads, aggregate)
    source, target = merged.source, merged.target
    columns = numbered_positions(source.groups if words else range(len(source)), policy.left_out(source))
    rows = numbered_positions(target.groups if words else range(len(target)), policy.left_out(target))
    if policy.action != "keep":
        weights = cut(weights, list(rows), list(columns), policy.action)
        rows, columns = (dict(enumerate(side.values())) for side in (rows, columns))
    # With "keep" special tokens compete for links, and a link to one is left out.
    return sorted(
        (columns[source], rows[target])
        for source, target in align_weights(weights, method, at_least=at_least)
        if source in columns and target in rows
    )


def numbered_positions(numbers: Sequence[int], left_out: Sequence[bool]) -> dict[int, int]:
    """The number (of a word or token) of each position that is not left out."""
    return {
        position: number
        for position, (number, flag) in enumerate(zip(numbers, left_out, strict=True))
        if not flag and number >= 0
    }


def _picked(record: AttentionData, heads: Heads, aggregate: str) -> torch.Tensor:
    """``[target, source]`` weights of the heads combined."""
    pairs = None
    if heads is not None:
        pair = whole_numbers(heads)
        form = "a (layer, head) pair or a list of them"
        pairs = head_pairs([heads] if pair is not None and len(pair) == 2 else heads, form=form)
        if not pairs:
            raise ValueError(f"heads must be {form}, got {heads!r:.80}")
    return combined(record.head_weights(pairs), aggregate)
