"""What pages of the panel hold."""

import json
import re
from pathlib import Path
from typing import Any


def traits_of(page: Path) -> dict[str, Any]:
    """Return the traits that a page starts with."""
    state = re.search(r'class="xattn-state"[^>]*>(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1]
    return json.loads(state)["traits"]
