"""What the scripts that draw the pictures of the guide share."""

from pathlib import Path

PICTURES = Path(__file__).parents[2] / "docs" / "_static"


def mark_links(axis, links) -> None:
    """A dot at each (source, target) link."""
    axis.scatter(*zip(*sorted(links), strict=True), s=14, color="white", edgecolor="black", linewidth=0.7, zorder=3)


def save(figure, name: str) -> None:
    figure.savefig(PICTURES / f"{name}.png", dpi=110)
    print(f"{name}.png")
