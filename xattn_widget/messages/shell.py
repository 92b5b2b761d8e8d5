"""The shell of IPython that runs this process, in a notebook or a terminal."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:
    """The shell, or None where none runs. Whoever runs one has imported IPython, so it is not imported here."""
    interactive = sys.modules.get("IPython")
    return interactive.get_ipython() if interactive is not None else None
