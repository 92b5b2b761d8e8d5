"""The matrix of the picked heads, drawn by matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

from xattn_widget.messages.quiet import quiet_warnings
from xattn_widget.panel.picked import joint_weights, moved_note, picked_title
from xattn_widget.panel.state import PanelState
from xattn_widget.plot.heatmap import draw_heatmap, figure_size
from xattn_widget.record.data import AttentionData


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
    axes.set_title(f"{picked_title(state)}{moved_note(state)}", fontsize=10)
    return _saved(figure, kind, dpi=200)


def _saved(figure: Figure, kind: str, dpi: int) -> bytes:
    file = io.BytesIO()
    # Characters that no font has are drawn as boxes. draw_heatmap warns about them where someone can act on it.
    with quiet_warnings(r"Glyph .* missing from font"):
        figure.savefig(file, format=kind, dpi=dpi)
    return file.getvalue()
