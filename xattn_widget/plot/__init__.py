"""Pictures with matplotlib, for papers and for places where no widget runs."""

from xattn_widget.plot.distribution import plot_distribution
from xattn_widget.plot.grid import plot_grid
from xattn_widget.plot.heatmap import COLORS, draw_heatmap, plot_heatmap
from xattn_widget.plot.lines import plot_lines

__all__ = ["COLORS", "draw_heatmap", "plot_distribution", "plot_grid", "plot_heatmap", "plot_lines"]
