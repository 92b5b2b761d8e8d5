"""Keep other libraries quiet inside a block. Afterwards, and after an error, they report as before.

Warnings, logging levels and progress bars belong to the whole process: while a block is open, other threads are quiet
too. This is the only place of the package that changes them.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_warnings(message: str = "") -> Iterator[None]:
    """Ignore warnings whose text begins with ``message``, a regular expression; all warnings if it is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=message)
        yield


@contextmanager
def quiet_logger(name: str, level: int = logging.CRITICAL) -> Iterator[None]:
    """Let the logger ``name`` report nothing below ``level``."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def no_loading_bars() -> Iterator[None]:
    """Let transformers draw no progress bars, such as those of ``from_pretrained``."""
    from transformers.utils import logging as bars

    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()  # type: ignore[no-untyped-call]
