"""The distribution of a score over a corpus, for each head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes

from xattn_widget.plot.labels import written
from xattn_widget.plot.palette import PLOT
from xattn_widget.scores.signatures import current_form

# The number of head labels that an axis has room for.
_NUMBERS = 96
# Neighboring layers have two colors that can be told apart with any color vision and in gray.
_LAYER_COLORS: list[str] = PLOT["layers"]


def plot_distribution(
    values: Sequence[torch.Tensor] | torch.Tensor | np.ndarray[Any, Any],
    *,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of a score over sentences: one box per head, layer by layer.

    A box spans the quartiles, its line is the median, and its whiskers reach the 5th and 95th percentiles. Sentences
    where the score is undefined are left out.

    Args:
        values: ``[sentences, layers, heads]``, as returned by ``xattn_widget.corpus.grids(table, name)`` for a corpus,
            or a list with the result of ``record.score`` for each sentence.
        label: the title; by default the signature of the scores.
        ax: matplotlib axes to draw into; created by default.

    Returns:
        The axes drawn into.

    Raises:
        ValueError: values of another shape, or scores with different signatures.
    """
    signatures = sorted({current_form(str(getattr(grid, "signature", "score"))) for grid in values})
    if len(signatures) > 1:
        raise ValueError(f"the sentences were scored in different ways: {', '.join(signatures)}")
    grids = np.stack([np.asarray(grid, dtype=float) for grid in values]) if len(values) else np.zeros((0, 0, 0))
    if grids.ndim != 3 or grids.size == 0:
        raise ValueError(f"values must be [sentences, layers, heads], none of them 0, got {list(grids.shape)}")
    layers, heads = int(grids.shape[1]), int(grids.shape[2])
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(min(1.6 + 0.24 * layers * heads, 16), 3.2), layout="constrained")
    for layer in range(layers):
        columns = [grids[:, layer, head] for head in range(heads)]
        ax.boxplot(
            [column[np.isfinite(column)] for column in columns],
            positions=[_place(layer, head, heads) for head in range(heads)],
            widths=0.7,
            whis=(5, 95),
            showfliers=False,
            patch_artist=True,
            manage_ticks=False,
            boxprops={"facecolor": _LAYER_COLORS[layer % 2], "alpha": 0.6, "linewidth": 0.6},
            medianprops={"color": "black", "linewidth": 1.4},
            whiskerprops={"linewidth": 0.8},
            capprops={"linewidth": 0.8},
        )
    step = -(-layers * heads // _NUMBERS)  # thinned out, so that numbers never overlap
    places = [(_place(layer, head, heads), head) for layer in range(layers) for head in range(0, heads, step)]
    ax.set_xticks([place for place, _ in places], [str(head) for _, head in places], fontsize=7)
    ax.xaxis.remove_overlapping_locs = False  # the label of a layer may be under that of a head
    ax.set_xticks([_place(layer, (heads - 1) / 2, heads) for layer in range(layers)], minor=True)
    ax.set_xticklabels([f"layer {layer}" for layer in range(layers)], minor=True, fontsize=9)
    ax.tick_params(axis="x", which="minor", length=0, pad=16)
    ax.set_xlim(-1, _place(layers - 1, heads, heads))
    ax.set_xlabel("head", fontsize=8)
    ax.set_title(written(label or signatures[0]), fontsize=9)
    ax.tick_params(axis="y", labelsize=8)
    return ax


def _place(layer: int, head: float, heads: int) -> float:
    return layer * (heads + 1) + head
