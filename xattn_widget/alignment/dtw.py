"""The monotone path of largest weight through attention matrices (dynamic time warping)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

# Where the best path to a cell comes from. In a tie the first wins.
_BOTH, _TARGET, _SOURCE = 0, 1, 2
# Matrices are computed together, but only as many as have this number of cells.
_MOST_CELLS = 2**23


class RowSpans(NamedTuple):
    """Where monotone paths run: through which source columns in each target row.

    Attributes:
        first: ``[stack, target]`` the first column in a row.
        last: ``[stack, target]`` the last one; the next row begins there or one column later.
    """

    first: np.ndarray[Any, np.dtype[np.int64]]
    last: np.ndarray[Any, np.dtype[np.int64]]


def monotone_path(weights: torch.Tensor) -> torch.Tensor:
    """The path from the first to the last cell that never goes back on either side and has the largest sum of weights.

    This is dynamic time warping with the cost ``-weights``, which openai-whisper uses to time words: a step goes to the
    next target row, the next source column, or both. The path visits each row and column at least once. If all weights
    are positive, a detour over more cells pays off: subtract their mean first, as ``record.align(method="monotone")``
    does.

    Time and memory are proportional to ``target * source``. Cells are computed one anti-diagonal at a time in numpy,
    because the maintained libraries for this algorithm need numba or are licensed under the GPL.

    Args:
        weights: ``[target, source]``, any real numbers except NaN.

    Returns:
        ``[steps, 2]`` integer tensor of (target, source) positions in order.

    Raises:
        ValueError: ``weights`` is not a matrix, is empty, or holds NaN.

    Source: Sakoe & Chiba 1978.
    """
    if weights.dim() != 2 or weights.numel() == 0:
        raise ValueError(f"weights must be [target, source], neither of them 0, got {list(weights.shape)}")
    if weights.isnan().any():
        raise ValueError(
            "weights hold NaN, so there is no path: rows without weight on the remaining columns become NaN when "
            "they are renormalized"
        )
    spans = row_spans(weights.detach().cpu().double().numpy()[None])
    columns = [range(first, last + 1) for first, last in zip(spans.first[0], spans.last[0], strict=True)]
    return torch.tensor([(row, column) for row, through in enumerate(columns) for column in through])


def row_spans(weights: np.ndarray[Any, np.dtype[np.floating[Any]]], *, like_whisper: bool = False) -> RowSpans:
    """The monotone paths of several matrices of one size; see :func:`monotone_path`.

    Args:
        weights: ``[stack, target, source]`` real numbers without NaN.
        like_whisper: round sums to float32 and decide ties as openai-whisper does. Its choice is not the best one where
            the steps to both sides and to the next row tie: it then goes along the row. Without this, sums are float64.
    """
    stack, rows, columns = weights.shape
    together = max(1, _MOST_CELLS // ((rows + columns) * rows))
    parts = [_row_spans(weights[start : start + together], like_whisper) for start in range(0, stack, together)]
    return RowSpans(np.concatenate([part.first for part in parts]), np.concatenate([part.last for part in parts]))


def _row_spans(weights: np.ndarray[Any, Any], like_whisper: bool) -> RowSpans:
    stack, rows, columns = weights.shape
    diagonals = rows + columns - 1
    # Anti-diagonal d holds the cells (t, d - t) at [d, :, t], in `total` at [d + 2, :, t + 1]. Other cells stay -inf.
    gains = np.full((diagonals, stack, rows), -np.inf)
    for row in range(rows):
        gains[row : row + columns, :, row] = weights[:, row].T
    total = np.full((diagonals + 2, stack, rows + 1), -np.inf, np.float32 if like_whisper else np.float64)
    total[2, :, 1] = weights[:, 0, 0]
    best = np.empty((stack, rows), total.dtype)
    for diagonal in range(1, diagonals):
        both, to_target, to_source = _before(total[diagonal], total[diagonal + 1])
        np.maximum(both, to_target, out=best)
        np.maximum(best, to_source, out=best)
        if like_whisper:
            np.copyto(best, to_source, where=both == to_target)
        np.add(best, gains[diagonal], out=total[diagonal + 2, :, 1:], casting="same_kind")
    came = _choices(*_before(total[:-2], total[1:-1]), like_whisper)
    first = np.zeros((stack, rows), np.int64)
    last = np.full((stack, rows), columns - 1)
    for number in range(stack):
        row, column = rows - 1, columns - 1
        while row or column:
            step = came[row + column, number, row]
            if step != _SOURCE:
                first[number, row] = column
                last[number, row - 1] = column - (step == _BOTH)
                row -= 1
            if step != _TARGET:
                column -= 1
    return RowSpans(first, last)


def _before(
    second_last: np.ndarray[Any, Any], last: np.ndarray[Any, Any]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The sums from which a step goes to both sides, to the next target row, and to the next source column."""
    return second_last[..., :-1], last[..., :-1], last[..., 1:]


def _choices(
    both: np.ndarray[Any, Any], to_target: np.ndarray[Any, Any], to_source: np.ndarray[Any, Any], like_whisper: bool
) -> np.ndarray[Any, np.dtype[np.int8]]:
    if like_whisper:
        is_both, is_target = (both > to_target) & (both > to_source), (to_target > both) & (to_target > to_source)
    else:
        is_both, is_target = (both >= to_target) & (both >= to_source), to_target >= to_source
    return np.where(is_both, np.int8(_BOTH), np.where(is_target, np.int8(_TARGET), np.int8(_SOURCE)))
