"""The monotone path of largest weight through an attention matrix (dynamic time warping)."""

from __future__ import annotations

import numpy as np
import torch

# Where the best path to a cell comes from. Of equal ones the first wins.
_BOTH, _TARGET, _SOURCE = 0, 1, 2


def monotone_path(weights: torch.Tensor) -> torch.Tensor:
    """The path from the first to the last cell, never back on either side, that has the largest sum of weights.

    It is dynamic time warping with the cost ``-weights``, as openai-whisper times words with: steps go to the next
    target row, the next source column, or both. Each row and column is on the path at least once. Where all weights are
    positive, a detour over more cells gains: take off their mean first, as ``record.align(method="monotone")`` does.

    Time and memory are proportional to ``target * source``. Cells are computed an anti-diagonal at a time in numpy, for
    the well-kept libraries of this algorithm ask for numba or are under the GPL.

    Args:
        weights: ``[target, source]``, any real numbers but NaN.

    Returns:
        ``[steps, 2]`` integer tensor of (target, source) positions in order.

    Raises:
        ValueError: no matrix, an empty one, or one that holds NaN.

    Source: Sakoe & Chiba 1978.
    """
    if weights.dim() != 2 or weights.numel() == 0:
        raise ValueError(f"weights must be [target, source], neither of them 0, got {list(weights.shape)}")
    if weights.isnan().any():
        raise ValueError("weights hold NaN (rows without weight on the columns that are left?): no path can be told")
    gains = weights.detach().cpu().double().numpy()
    rows, columns = gains.shape
    # Skewed: anti-diagonal d holds the cells (t, d - t), at position t + 1; position 0 and what is unset stay -inf.
    total = np.full((rows + columns - 1, rows + 1), -np.inf)
    came = np.zeros((rows + columns - 1, rows + 1), dtype=np.int8)
    total[0, 1] = gains[0, 0]
    for diagonal in range(1, rows + columns - 1):
        targets = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        both = total[diagonal - 2, targets] if diagonal > 1 else np.full(len(targets), -np.inf)
        choices = np.stack([both, total[diagonal - 1, targets], total[diagonal - 1, targets + 1]])
        came[diagonal, targets + 1] = choices.argmax(0)
        total[diagonal, targets + 1] = choices.max(0) + gains[targets, diagonal - targets]
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        target, source = path[-1]
        step = came[target + source, target + 1]
        path.append((target - (step != _SOURCE), source - (step != _TARGET)))
    return torch.tensor(path[::-1])
