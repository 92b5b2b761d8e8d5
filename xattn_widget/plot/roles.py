"""The roles of heads as a grid, layers down and heads across, with a color for each role."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Patch

from xattn_widget.plot.palette import PALETTE, PLOT

# Up to this many heads per layer, shares are written into the cells.
_WRITTEN = 16


def plot_roles(roles: Sequence[Sequence[str]], shares: Any, known: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw the grid of roles; see ``HeadProfile.plot``.

    Args:
        roles: ``[layers][heads]``.
        shares: ``[layers, heads]`` shares of rows that follow the roles.
        known: all roles, in the order of the legend; the last one, of heads without a role, is gray.
        ax: the axes; new ones by default.
    """
    layers, heads = len(roles), len(roles[0])
    if ax is None:
        from matplotlib import pyplot

        _, ax = pyplot.subplots(figsize=(min(4 + 0.5 * heads, 14), min(1.5 + 0.45 * layers, 14)), layout="constrained")
    colors = dict(zip(known, [*PALETTE["roles"]["light"][: len(known) - 1], PLOT["undefined"]], strict=True))
    ax.imshow([[to_rgb(colors[role]) for role in row] for row in roles], aspect="auto", interpolation="nearest")
    for layer, row in enumerate(roles):
        for head, role in enumerate(row if heads <= _WRITTEN else []):
            red, green, blue = to_rgb(colors[role])
            light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
            share, color = f"{shares[layer][head]:.2f}", "black" if light else "white"
            ax.text(head, layer, share, ha="center", va="center", fontsize=7, color=color)
    ax.set(xlabel="head", ylabel="layer", title="Roles of heads, with the share of rows that follow them")
    ax.title.set_fontsize(10)
    ax.set_xticks(range(0, heads, max(1, heads // 16)))
    ax.set_yticks(range(0, layers, max(1, layers // 16)))
    ax.tick_params(labelsize=8)
    present = {role for row in roles for role in row}
    patches = [Patch(color=colors[role], label=role) for role in known if role in present]
    ax.legend(handles=patches, loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False)
    return ax
