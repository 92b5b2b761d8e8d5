"""The static picture that stands in for the widget where none runs."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from matplotlib.figure import Figure

from xattn_widget.plot.grid import draw_grid
from xattn_widget.plot.heatmap import draw_heatmap
from xattn_widget.plot.labels import written
from xattn_widget.plot.palette import PLOT

if TYPE_CHECKING:
    from xattn_widget.entries import ScoreEntry
    from xattn_widget.record import CrossAttention


def summary_picture(record: CrossAttention, heads: Sequence[Sequence[int]], aggregate: str, entry: ScoreEntry) -> bytes:
    """The picture (PNG) that stands in for the widget: the grid of a score beside the picked heads' heat map.

    Args:
        record: what is shown.
        heads: the picked (layer, head) pairs.
        aggregate: ``"mean"`` or ``"max"`` over them.
        entry: the score of the grid; one that cannot be computed leaves it grey, and the title says so.
    """
    grid = entry.outcome(record).grid
    title = f"{entry.name} ({entry.score.direction} is better)" if grid is not None else f"{entry.name} failed"
    if grid is None:
        grid = torch.full((record.layers, record.heads), torch.nan)
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    image = draw_grid(left, grid)
    left.set_aspect("equal")
    for layer, head in heads:
        left.plot(head, layer, marker="s", markersize=8, fillstyle="none", color=PLOT["picked"], markeredgewidth=1.5)
    left.set_title(written(title), fontsize=10)
    figure.colorbar(image, ax=left, shrink=0.7)
    picked = torch.stack([record.weights[layer, head] for layer, head in heads])
    draw_heatmap(right, record, picked.mean(0) if aggregate == "mean" else picked.amax(0), warn=False)
    what = f"layer {heads[0][0]}, head {heads[0][1]}" if len(heads) == 1 else f"{aggregate} of {len(heads)} heads"
    right.set_title(what, fontsize=10)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A script that the font lacks is drawn as boxes here; the widget shows it.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from font")
        figure.savefig(picture, format="png", dpi=96)
    return picture.getvalue()
