"""A heatmap of attention with tokens on both sides."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes

from xattn_widget.plot.labels import label_fonts, label_room, set_labels, shown, target_title
from xattn_widget.plot.palette import PLOT
from xattn_widget.plot.picking import mean_weights, picked_heads
from xattn_widget.record.contributed import CONTRIBUTION_TITLES
from xattn_widget.record.data import AttentionData

# Perceptually uniform and readable with color blindness (Nuñez, Anderton & Renslow 2018).
COLORS: str = PLOT["colormap"]
# With more labels than this on a side, only some are drawn, so that they never overlap.
_LABELS = 40


def plot_heatmap(
    record: AttentionData,
    layer: int | None = None,
    head: int | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the mean of heads as a heatmap; see :meth:`CrossAttention.plot`."""
    pairs, title = picked_heads(record, layer, head, heads)
    weights = mean_weights(record, pairs)
    own_figure = ax is None
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=figure_size(record, weights), layout="constrained")
    draw_heatmap(ax, record, weights)
    ax.set_title(title, fontsize=10)
    if own_figure and ax.figure is not None:
        bar = ax.figure.colorbar(ax.images[0], ax=ax, pad=0.02)
        bar.set_label(_unit(record), fontsize=8)
        bar.ax.tick_params(labelsize=8)
    return ax


def figure_size(record: AttentionData, weights: torch.Tensor) -> tuple[float, float]:
    """Width and height in inches, with room for every cell, the labels and a color bar."""
    height, width = weights.shape
    return (
        min(2.6 + label_room(record.target_tokens) + 0.3 * width, 14),
        min(1.6 + label_room(record.source_tokens) + 0.27 * height, 14),
    )


def draw_heatmap(ax: Axes, record: AttentionData, weights: torch.Tensor, *, warn: bool = True) -> None:
    """``[target, source]`` weights with their labels, into axes."""
    ax.imshow(weights.numpy(), cmap=COLORS, vmin=0, vmax=1, aspect="auto", interpolation="nearest")
    fonts = label_fonts([*record.source_tokens, *record.target_tokens], warn=warn)
    for axis, labels in ((ax.xaxis, record.source_tokens), (ax.yaxis, record.target_tokens)):
        step = max(1, -(-len(labels) // _LABELS))
        axis.set_ticks(range(0, len(labels), step), [shown(label) for label in labels[::step]], fontsize=8)
        set_labels(axis.get_ticklabels(), fonts)
    ax.tick_params(axis="x", rotation=90)
    ax.set(xlabel="source", ylabel=target_title(record))


def _unit(record: AttentionData) -> str:
    if "contributions" in record.steps:
        return "share of the value norms"
    kind = next((step for step in record.steps if step in CONTRIBUTION_TITLES), None)
    return "attention weight" if kind is None else f"contribution by {CONTRIBUTION_TITLES[kind]}"
