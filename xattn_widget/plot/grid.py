"""The heads of a model as a grid, layers down and heads across, colored by a score."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.image import AxesImage

from xattn_widget.plot.heatmap import COLORS
from xattn_widget.plot.labels import written
from xattn_widget.plot.palette import PLOT
from xattn_widget.record.data import AttentionData
from xattn_widget.scores import Score, find_score

# Up to this many heads per layer, values are written into the cells.
_WRITTEN = 12


def plot_grid(
    record: AttentionData,
    score: str | Score | Callable[..., Any],
    ax: Axes | None = None,
    **parameters: Any,
) -> Axes:
    """Draw the grid of a score's values with its signature; see :meth:`CrossAttention.plot`."""
    found = find_score(score)
    values = found.of_record(record, **parameters)
    if values.dim() != 2:
        raise ValueError("a grid shows all layers and heads: leave out reduce")
    if ax is None:
        from matplotlib import pyplot

        layers, heads = values.shape
        size = (min(2.2 + 0.52 * heads, 14), min(1.5 + 0.46 * layers, 14))
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    image = draw_grid(ax, values)
    if heads_written(values):
        _write_values(ax, values, image)
    ax.set_title(written(f"{found.name} ({found.direction} is better)"), fontsize=10)
    ax.set_xlabel(f"head\n{written(values.signature)}", fontsize=7)
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, pad=0.02).ax.tick_params(labelsize=8)
    return ax


def draw_grid(ax: Axes, values: torch.Tensor) -> AxesImage:
    """``[layers, heads]`` values into axes; undefined values stay gray."""
    ax.set_facecolor(PLOT["undefined"])
    image = ax.imshow(values.numpy(), cmap=COLORS, aspect="auto", interpolation="nearest")
    ax.set(xlabel="head", ylabel="layer")
    ax.set_xticks(range(0, values.shape[1], max(1, values.shape[1] // 16)))
    ax.set_yticks(range(0, values.shape[0], max(1, values.shape[0] // 16)))
    ax.tick_params(labelsize=8)
    return image


def heads_written(values: torch.Tensor) -> bool:
    """Whether there is room for the values in the cells."""
    return values.shape[1] <= _WRITTEN


def _write_values(ax: Axes, values: torch.Tensor, image: AxesImage) -> None:
    for layer, row in enumerate(values.tolist()):
        for head, value in enumerate(row):
            color: Any = image.cmap(image.norm(value)) if math.isfinite(value) else PLOT["undefined"]
            red, green, blue = to_rgb(color)
            light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
            text = f"{value:.2f}" if math.isfinite(value) else "–"
            ax.text(head, layer, text, ha="center", va="center", fontsize=7, color="black" if light else "white")
