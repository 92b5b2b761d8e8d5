"""Keep the memory of a long job from growing. The only place with settings of allocators and of oneDNN's cache."""

from __future__ import annotations

import contextlib
import ctypes
import os

import pyarrow as pa


def give_back_memory() -> None:
    """Make Arrow and the C library return freed memory to the system. Among C libraries, only glibc can.

    Batches of many sizes leave holes between objects that stay alive. glibc keeps the holes, so that a process that
    scores window after window would grow by hundreds of megabytes of unused memory. No setting is changed.
    """
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_fewer_kernels() -> None:
    """Let oneDNN keep the last 128 kernels that it compiled, unless ``ONEDNN_PRIMITIVE_CACHE_CAPACITY`` is set.

    oneDNN compiles a kernel for each shape of a batch and keeps 1,024 of them, about 100 kB each. A corpus keeps
    producing new shapes, and no model needs 128 kernels for one batch. The variable stays set for the life of the
    process, because oneDNN reads it once, when it is first used; after that, this has no effect.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
