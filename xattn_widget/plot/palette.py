"""Colors of the pictures, from the file that the panel's style sheet and canvases read as well."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

PALETTE: dict[str, Any] = json.loads(Path(__file__).with_name("palette.json").read_text(encoding="utf-8"))
# The colors of matplotlib's pictures.
PLOT: dict[str, Any] = PALETTE["plot"]
