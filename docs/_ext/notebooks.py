"""Makes pages of the example notebooks.

A notebook that was just executed (``make docs`` and the tests write those to ``build/notebooks``) is shown with these
outputs, any other with the outputs that were committed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]


def copy(app: Sphinx, config: Any) -> None:
    """Copy the notebooks into a folder of the sources that git ignores."""
    pages = Path(app.srcdir, "notebooks")
    shutil.rmtree(pages, ignore_errors=True)
    pages.mkdir()
    for committed in ROOT.glob("examples/*.ipynb"):
        executed = ROOT / "build/notebooks" / committed.name
        is_newer = executed.exists() and executed.stat().st_mtime > committed.stat().st_mtime
        shutil.copyfile(executed if is_newer else committed, pages / committed.name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Copy before the sources are listed."""
    app.connect("config-inited", copy)
    return {"parallel_read_safe": True}
