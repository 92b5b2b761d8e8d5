from .distribution import plot_distribution as plot_distribution
from .grid import plot_grid as plot_grid
from .heatmap import COLORS as COLORS
from .heatmap import draw_heatmap as draw_heatmap
from .heatmap import plot_heatmap as plot_heatmap
from .lines import plot_lines as plot_lines
