"""Colors of the pictures, from the file that the panel's style sheet and canvases read as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Color = tuple[int, int, int]

PALETTE: dict[str, Any] = json.loads(Path(__file__).with_name("palette.json").read_text(encoding="utf-8"))
# The colors of matplotlib's pictures.
PLOT: dict[str, Any] = PALETTE["plot"]


def rgb(color: str) -> Color:
    """The channels of a color such as ``"#0072b2"``, each from 0 to 255."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
