"""Give freed memory back to the system."""

from __future__ import annotations

import contextlib
import ctypes


def give_back_memory() -> None:
    """Have the C library return what was freed; elsewhere than with glibc nothing happens.

    Batches of every size leave holes between the pieces that live on. glibc keeps them, and a process that scores
    window after window would grow by hundreds of megabytes, though nothing of it is in use.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
