"""Pictures with matplotlib: a heat map of attention, and the static picture that stands in for the widget."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from xattn_widget.record import CrossAttention

# Perceptually even and readable with colour blindness (Nuñez, Anderton & Renslow 2018).
COLOURS = "cividis"
# Beyond this many labels on a side they are thinned, so that they never overlap.
_LABELS = 40
# A longer label is cut: it would leave no room for the map.
_LABEL_LENGTH = 24


def plot_attention(
    record: CrossAttention, *, layer: int | None = None, head: int | None = None, ax: Axes | None = None
) -> Axes:
    """Draw attention as a heat map; see :meth:`CrossAttention.plot`.

    Raises:
        ValueError: a layer or head that is not there, or a head without its layer.
    """
    weights, title = _pick(record, layer, head)
    if ax is None:
        from matplotlib import pyplot

        height, width = weights.shape
        size = (min(2 + 0.35 * width, 14), min(1.5 + 0.3 * height, 14))
        _, ax = pyplot.subplots(figsize=size, layout="constrained")
    draw_weights(ax, record, weights)
    ax.set_title(title, fontsize=10)
    return ax


def summary_picture(
    record: CrossAttention, heads: Sequence[Sequence[int]], aggregate: str, grid: torch.Tensor, title: str
) -> bytes:
    """The picture (PNG) that stands in for the widget: the grid of a score beside the picked heads' heat map.

    Args:
        record: what is shown.
        heads: the picked (layer, head) pairs.
        aggregate: ``"mean"`` or ``"max"`` over them.
        grid: ``[layers, heads]`` values of the score.
        title: what to write over the grid.
    """
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    image = left.imshow(grid.numpy(), cmap=COLOURS, aspect="equal")
    for layer, head in heads:
        left.plot(head, layer, marker="s", markersize=8, fillstyle="none", color="white", markeredgewidth=1.5)
    left.set(xlabel="head", ylabel="layer")
    left.set_xticks(range(0, grid.shape[1], max(1, grid.shape[1] // 8)))
    left.set_yticks(range(0, grid.shape[0], max(1, grid.shape[0] // 8)))
    left.set_title(title, fontsize=10)
    figure.colorbar(image, ax=left, shrink=0.7)
    picked = torch.stack([record.weights[layer, head] for layer, head in heads])
    draw_weights(right, record, picked.mean(0) if aggregate == "mean" else picked.amax(0))
    what = f"layer {heads[0][0]}, head {heads[0][1]}" if len(heads) == 1 else f"{aggregate} of {len(heads)} heads"
    right.set_title(what, fontsize=10)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes here; the widget shows it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure.savefig(picture, format="png", dpi=96)
    return picture.getvalue()


def _pick(record: CrossAttention, layer: int | None, head: int | None) -> tuple[torch.Tensor, str]:
    if layer is None:
        if head is not None:
            raise ValueError(f"head {head} of which layer? The same head of other layers is unrelated: give layer too")
        return record.weights.mean((0, 1)), "mean of all heads"
    if not 0 <= layer < record.layers:
        raise ValueError(f"layer must be 0 to {record.layers - 1}, got {layer}")
    if head is None:
        return record.weights[layer].mean(0), f"layer {layer}, mean of its heads"
    if not 0 <= head < record.heads:
        raise ValueError(f"head must be 0 to {record.heads - 1}, got {head}")
    return record.weights[layer, head], f"layer {layer}, head {head}"


def draw_weights(ax: Axes, record: CrossAttention, weights: torch.Tensor) -> None:
    """Draw ``[target, source]`` weights as a heat map under the record's tokens."""
    ax.imshow(weights.numpy(), cmap=COLOURS, vmin=0, vmax=1, aspect="auto")
    for axis, labels in ((ax.xaxis, record.source_tokens), (ax.yaxis, record.target_tokens)):
        step = max(1, -(-len(labels) // _LABELS))
        shown = [_short(label) for label in labels[::step]]
        axis.set_ticks(range(0, len(labels), step), shown, fontsize=8)
    ax.tick_params(axis="x", rotation=90)
    ax.set(xlabel="source", ylabel=f"target ({record.reading})")


def _short(label: str) -> str:
    cut = label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 1] + "…"
    return cut.replace("$", r"\$")  # a dollar sign would start a formula
