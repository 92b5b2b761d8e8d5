"""Source and target tokens in two columns, with a line for each weight between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from xattn_widget.plot.labels import label_fonts, shown
from xattn_widget.plot.palette import PLOT
from xattn_widget.plot.picking import mean_weights, picked_heads

if TYPE_CHECKING:
    from xattn_widget.record import CrossAttention

# Okabe & Ito's colors, as in the widget; yellow is darkened, because it would vanish on white.
HEAD_COLOURS: tuple[str, ...] = tuple(PLOT["heads"])
_WIDTH = 4.0


def plot_lines(
    record: CrossAttention,
    layer: int | None = None,
    head: int | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    threshold: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw lines between tokens; see :meth:`CrossAttention.plot`."""
    pairs, title = picked_heads(record, layer, head, heads)
    # Named heads have a colour each; a layer's or all heads, and more than there are colours, are drawn as their mean.
    by_head = heads is not None and len(pairs) <= len(HEAD_COLOURS)
    groups = [[pair] for pair in pairs] if by_head else [pairs]
    if ax is None:
        from matplotlib import pyplot

        longest = max(len(record.source), len(record.target))
        _, ax = pyplot.subplots(figsize=(4.6, min(0.9 + 0.26 * longest, 14)), layout="constrained")
    places = [
        [(index + 0.5) / len(axis) for index in range(len(axis))]  # both columns from top to bottom
        for axis in (record.source, record.target)
    ]
    for group, colour in zip(groups, HEAD_COLOURS, strict=False):
        weights = mean_weights(record, group).nan_to_num(0.0)
        cells = (weights >= max(threshold, 1e-6)).nonzero().tolist()
        ax.add_collection(
            LineCollection(
                [[(0, places[0][source]), (1, places[1][target])] for target, source in cells],
                colors=[(*to_rgb(colour), 0.15 + 0.85 * float(weights[target, source])) for target, source in cells],
                linewidths=[_WIDTH * float(weights[target, source]) for target, source in cells],
                capstyle="round",
            )
        )
    _write_tokens(ax, record, places)
    if by_head and len(pairs) > 1:
        title = ""
        ax.legend(
            handles=[
                Line2D([], [], color=colour, linewidth=3, label=f"layer {layer}, head {head}")
                for (layer, head), colour in zip(pairs, HEAD_COLOURS, strict=False)
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=2,
            fontsize=8,
            frameon=False,
        )
    ax.set_title(title, fontsize=10)
    return ax


def _write_tokens(ax: Axes, record: CrossAttention, places: list[list[float]]) -> None:
    """Tokens as tick labels of both sides, for which any layout leaves room."""
    ax.set(xlim=(0, 1), ylim=(1, 0), xticks=[])
    other = ax.secondary_yaxis("right")
    fonts = label_fonts([*record.source_tokens, *record.target_tokens])
    for axis, side, tokens, name in (
        (ax.yaxis, places[0], record.source_tokens, "source"),
        (other.yaxis, places[1], record.target_tokens, f"target ({record.reading})"),
    ):
        axis.set_ticks(side, [shown(token) for token in tokens], fontsize=8 if len(side) <= 40 else 5)
        axis.set_tick_params(length=0)
        axis.set_label_text(name, fontsize=9)
        for text in axis.get_ticklabels():
            text.set_fontfamily(fonts)
    for spine in (*ax.spines.values(), *other.spines.values()):
        spine.set_visible(False)
