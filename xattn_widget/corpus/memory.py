"""Keep the memory of a long job from growing."""

from __future__ import annotations

import contextlib
import ctypes
import os

import pyarrow as pa


def give_back_memory() -> None:
    """Have Arrow and the C library return what was freed (of C libraries glibc alone).

    Batches of every size leave holes between the pieces that live on. glibc keeps them, and a process that scores
    window after window would grow by hundreds of megabytes, though nothing of it is in use.
    """
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_fewer_kernels() -> None:
    """Have oneDNN keep the last 128 kernels that it compiled, unless the environment says otherwise.

    It compiles one for each shape of a batch and keeps 1,024, some 100 kB each; a corpus has ever new shapes, and no
    model needs 128 for one batch. It looks at the environment once: a process that has used oneDNN before is as it was.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
