"""Which threads a block sees: the one that opened it, and for public blocks the threads that it starts inside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Protocol
from weakref import WeakSet

from xattn_widget.capturing.blocks import Cleanup

lock = threading.RLock()  # guards what blocks change outside themselves


class Scope(Protocol):
    """Tells code that runs in a block from code that runs in other threads."""

    def has_current(self) -> bool:
        """Whether the running code belongs to the block."""
        ...


class CallingThread:
    """The thread that opened the block, and no other."""

    def __init__(self, cleanup: Cleanup) -> None:
        self._here = threading.local()
        self._here.is_inside = True

    def has_current(self) -> bool:
        """Whether the running code belongs to the block."""
        return getattr(self._here, "is_inside", False)


class StartedThreads:
    """The thread that opened the block, the threads that it starts inside the block, and the threads that these start.

    ``generate`` with a streamer needs them. In the block's own thread the context counts: another asyncio task does not
    belong to the block; a task that is created inside it does, and so does a call by ``asyncio.to_thread``. A thread of
    a pool belongs to the block if it was started inside the block, regardless of who gives it work.
    """

    def __init__(self, cleanup: Cleanup) -> None:
        self._started: WeakSet[threading.Thread] = WeakSet()
        cleanup.add(self._close)
        with lock:
            _open.add(self)
            _follow_starts()
        _entered.set((*_entered.get(), self))

    def _close(self) -> None:
        _entered.set(tuple(scope for scope in _entered.get() if scope is not self and scope in _open))
        with lock:
            _open.discard(self)
            _follow_starts()

    def has_current(self) -> bool:
        """Whether the running code belongs to the block."""
        return self in _entered.get() or threading.current_thread() in self._started

    def include(self, thread: threading.Thread) -> None:
        """Count a thread that is about to start as part of the block."""
        self._started.add(thread)


_open: set[StartedThreads] = set()
_entered: ContextVar[tuple[StartedThreads, ...]] = ContextVar("entered", default=())
_our_start: Any = None


def _follow_starts() -> None:
    """Replace ``threading.Thread.start``, for the process, while blocks are open; put it back after the last one.

    Before Python 3.14, threads do not inherit context variables. If other code has wrapped the replacement in the
    meantime, it stays in place and only starts threads.
    """
    global _our_start
    current: Any = threading.Thread.start
    if _open and current is not _our_start:
        _our_start = _including(current)
        threading.Thread.start = _our_start  # type: ignore[method-assign]
    elif not _open and current is _our_start:
        threading.Thread.start = current.__wrapped__  # type: ignore[method-assign]


def _including(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @wraps(start)
    def start_and_include(thread: threading.Thread) -> None:
        if thread.ident is None:  # otherwise it was started before, and start raises an error
            for scope in tuple(_open):
                if scope.has_current():
                    scope.include(thread)
        start(thread)

    return start_and_include
