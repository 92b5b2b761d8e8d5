"""Source and target tokens in two columns, with one line per weight."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from xattn_widget.plot.labels import label_fonts, shown, target_title
from xattn_widget.plot.palette import PLOT
from xattn_widget.plot.picking import mean_weights, picked_heads
from xattn_widget.record.data import AttentionData

# The palette of Okabe & Ito, as in the widget; yellow is darker, since it is hard to see on white.
HEAD_COLORS: tuple[str, ...] = tuple(PLOT["heads"])
_WIDTH = 4.0


def plot_lines(
    record: AttentionData,
    layer: int | None = None,
    head: int | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
    threshold: float = 0.05,
    ax: Axes | None = None,
) -> Axes:
    """Draw lines between tokens; see :meth:`CrossAttention.plot`."""
    pairs, title = picked_heads(record, layer, head, heads)
    # Named heads get one color each. A whole layer, all heads, or more heads than colors are drawn as their mean.
    by_head = heads is not None and len(pairs) <= len(HEAD_COLORS)
    groups = [[pair] for pair in pairs] if by_head else [pairs]
    if ax is None:
        from matplotlib import pyplot

        longest = max(len(record.source), len(record.target))
        _, ax = pyplot.subplots(figsize=(4.6, min(0.9 + 0.26 * longest, 14)), layout="constrained")
    places = [
        [(index + 0.5) / len(axis) for index in range(len(axis))]  # both columns span the full height
        for axis in (record.source, record.target)
    ]
    for group, color in zip(groups, HEAD_COLORS, strict=False):
        weights = mean_weights(record, group).nan_to_num(0.0)
        cells = (weights >= max(threshold, 1e-6)).nonzero().tolist()
        ax.add_collection(
            LineCollection(
                [[(0, places[0][source]), (1, places[1][target])] for target, source in cells],
                colors=[(*to_rgb(color), 0.15 + 0.85 * float(weights[target, source])) for target, source in cells],
                linewidths=[_WIDTH * float(weights[target, source]) for target, source in cells],
                capstyle="round",
            )
        )
    _write_tokens(ax, record, places)
    if by_head and len(pairs) > 1:
        title = ""
        ax.legend(
            handles=[
                Line2D([], [], color=color, linewidth=3, label=f"layer {layer}, head {head}")
                for (layer, head), color in zip(pairs, HEAD_COLORS, strict=False)
            ],
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=2,
            fontsize=8,
            frameon=False,
        )
    ax.set_title(title, fontsize=10)
    return ax


def _write_tokens(ax: Axes, record: AttentionData, places: list[list[float]]) -> None:
    """Write tokens as tick labels on both sides, so that any layout leaves room for them."""
    ax.set(xlim=(0, 1), ylim=(1, 0), xticks=[])
    other = ax.secondary_yaxis("right")
    fonts = label_fonts([*record.source_tokens, *record.target_tokens])
    for axis, side, tokens, name in (
        (ax.yaxis, places[0], record.source_tokens, "source"),
        (other.yaxis, places[1], record.target_tokens, target_title(record)),
    ):
        axis.set_ticks(side, [shown(token) for token in tokens], fontsize=8 if len(side) <= 40 else 5)
        axis.set_tick_params(length=0)
        axis.set_label_text(name, fontsize=9)
        for text in axis.get_ticklabels():
            text.set_fontfamily(fonts)
    for spine in (*ax.spines.values(), *other.spines.values()):
        spine.set_visible(False)
