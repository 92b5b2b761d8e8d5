"""Pictures of the panel, drawn by matplotlib."""

from __future__ import annotations

import io

import torch
from matplotlib.figure import Figure

from xattn_widget.messages.quiet import quiet_warnings
from xattn_widget.panel.picked import joint_weights, picked_title
from xattn_widget.panel.state import PanelState
from xattn_widget.plot.grid import draw_grid
from xattn_widget.plot.heatmap import draw_heatmap, figure_size
from xattn_widget.plot.labels import written
from xattn_widget.plot.palette import PLOT
from xattn_widget.record.data import AttentionData


def summary_picture(state: PanelState) -> bytes:
    """The picture (PNG) for places where no widget runs: the grid of a score next to the matrix of the picked heads.

    A score that cannot be computed leaves the grid gray, and its title says so.
    """
    record, view, score = state.record, state.view, state.score_entry()
    grid: torch.Tensor | None = score.outcome(record).grid
    title = f"{score.name} ({score.score.direction} is better)" if grid is not None else f"{score.name} failed"
    if grid is None:
        grid = torch.full((record.layers, record.heads), torch.nan)
    figure = Figure(figsize=(9.6, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.5])
    image = draw_grid(left, grid)
    left.set_aspect("equal")
    for layer, head in view.heads:
        left.plot(head, layer, marker="s", markersize=8, fillstyle="none", color=PLOT["picked"], markeredgewidth=1.5)
    left.set_title(written(title), fontsize=10)
    figure.colorbar(image, ax=left, shrink=0.7)
    draw_heatmap(right, record, joint_weights(view, record), warn=False)
    right.set_title(picked_title(view), fontsize=10)
    return _saved(figure, "png", dpi=96)


def matrix_picture(state: PanelState, record: AttentionData, kind: str) -> bytes:
    """The matrix of the picked heads.

    Args:
        state: which heads are picked, and how they are combined.
        record: the record as it is shown.
        kind: ``"png"``, ``"svg"`` or ``"pdf"``.
    """
    weights = joint_weights(state.view, record)
    figure = Figure(figsize=figure_size(record, weights), layout="constrained")
    axes = figure.subplots()
    draw_heatmap(axes, record, weights)
    axes.set_title(picked_title(state.view), fontsize=10)
    return _saved(figure, kind, dpi=200)


def _saved(figure: Figure, kind: str, dpi: int) -> bytes:
    file = io.BytesIO()
    # Characters that no font has are drawn as boxes. draw_heatmap warns about them where someone can act on it.
    with quiet_warnings(r"Glyph .* missing from font"):
        figure.savefig(file, format=kind, dpi=dpi)
    return file.getvalue()
