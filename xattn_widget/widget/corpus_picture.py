"""A picture of the distributions of a quantity, for places where no widget runs."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from xattn_widget.corpus.quantities import Spread
from xattn_widget.messages.quiet import quiet_warnings
from xattn_widget.plot.labels import written
from xattn_widget.plot.palette import PALETTE, PLOT

# Above this many heads, a wider picture would only be scaled down.
_WIDEST = 14.0
# The colors of the panel on white.
_RAMP = LinearSegmentedColormap.from_list("corpus", ["#ffffff", *PALETTE["sequential"]["light"]])


def distribution_picture(spread: Spread, name: str) -> bytes:
    """A picture (PNG) of how the values of a quantity are spread: a column for each head, layer beside layer.

    It has a single pair of axes: one for each layer would take ten times as long to draw.
    """
    layers, heads, bins = spread.counts.shape
    low, high = spread.edges
    high = high if high > low else low + 1
    if layers * heads == 1:
        return _histogram(spread, name, low, high)
    places = np.array([[layer * (heads + 1) + head for head in range(heads)] for layer in range(layers)])
    columns = np.full((bins, layers * (heads + 1) - 1), np.nan)
    shares = spread.counts / np.maximum(spread.counts.max(-1, keepdims=True), 1)  # of the fullest bin of the head
    columns[:, places.ravel()] = shares.reshape(-1, bins).T
    figure = Figure(figsize=(min(_WIDEST, 1.6 + 0.13 * columns.shape[1]), 2.8))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.9 / figure.get_figwidth(), right=0.99, top=0.9, bottom=0.16)
    axes.imshow(
        columns, origin="lower", aspect="auto", extent=(-0.5, columns.shape[1] - 0.5, low, high), cmap=_RAMP, vmin=0
    )
    axes.plot(places.ravel(), spread.quartiles[..., 2].ravel(), "_", color=PLOT["median"], markeredgewidth=2)
    step = -(-layers // 24)
    word = "layer " if layers < 7 else ""
    axes.set_xticks(places.mean(1)[::step], [f"{word}{layer}" for layer in range(0, layers, step)])
    axes.set_xlabel("heads of each layer (red: the median)" if layers < 7 else "layer (red: the median of each head)")
    return _saved(figure, name)


def _histogram(spread: Spread, name: str, low: float, high: float) -> bytes:
    figure = Figure(figsize=(6, 2.4))
    axes = figure.subplots()
    figure.subplots_adjust(left=0.12, right=0.98, top=0.88, bottom=0.2)
    edges = np.linspace(low, high, spread.counts.shape[2] + 1)
    axes.stairs(spread.counts.ravel(), edges, fill=True, color=PLOT["layers"][0])
    axes.set_ylabel("sentences", fontsize=8)
    return _saved(figure, name)


def _saved(figure: Figure, name: str) -> bytes:
    axes = figure.axes[0]
    axes.set_title(written(name), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.xaxis.label.set_fontsize(8)
    picture = io.BytesIO()
    with quiet_warnings(r"Glyph .* missing from font"):
        figure.savefig(picture, format="png", dpi=96)
    return picture.getvalue()
