"""The monotone path of largest weight through an attention matrix (dynamic time warping)."""

from __future__ import annotations

import numpy as np
import torch

# Where the best path to a cell comes from. In a tie the first wins.
_BOTH, _TARGET, _SOURCE = 0, 1, 2


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
    gains = weights.detach().cpu().double().numpy()
    rows, columns = gains.shape
    # Anti-diagonal d holds the cells (t, d - t) at position t + 1. Position 0 and unset cells stay -inf.
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
