"""Keep the memory use of a long job from growing."""

from __future__ import annotations

import contextlib
import ctypes
import os

import pyarrow as pa


def give_back_memory() -> None:
    """Make Arrow and glibc return freed memory to the system; other C libraries are left alone.

    Batches of varying size leave holes between blocks that are still in use. glibc keeps these, so a process that
    scores window after window would grow by hundreds of megabytes of unused memory.
    """
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_fewer_kernels() -> None:
    """Limit oneDNN's cache to 128 compiled kernels, unless the environment sets another limit.

    oneDNN compiles a kernel of about 100 kB for each shape of a batch and keeps 1,024 of them. A corpus has ever new
    shapes, and no model needs 128 kernels for one batch. oneDNN reads the environment variable once, so this has no
    effect in a process that has already used oneDNN.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
