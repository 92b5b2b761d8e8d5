"""Which threads a block sees: the one that opened it, and for public blocks the threads that it starts inside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, Protocol

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

    ``generate`` with a streamer needs them. What counts is the context: another asyncio task of the same thread does
    not belong to the block; a task that is created inside it does, and so does a call by ``asyncio.to_thread``, in
    whichever thread it runs. A thread that was started inside the block begins in a context that belongs to it. So a
    thread of a pool does too, regardless of who gives it work, unless the work brings a context of its own.
    """

    def __init__(self, cleanup: Cleanup) -> None:
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
        return self in _entered.get()


_open: set[StartedThreads] = set()
_entered: ContextVar[tuple[StartedThreads, ...]] = ContextVar("entered", default=())
_our_start: Any = None


def _follow_starts() -> None:
    """Replace ``threading.Thread.start``, for the process, while blocks are open; put it back after the last one.

    Most threads do not inherit context variables (free-threaded Python 3.14 is an exception), so the replacement lets a
    thread's ``run`` set them. If other code has wrapped the replacement in the meantime, it stays in place and only
    starts threads.
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
        scopes = tuple(scope for scope in _entered.get() if scope in _open)
        if not scopes or thread.ident is not None:  # with an ident it was started before, and start raises an error
            start(thread)
            return
        run, was_replaced = thread.run, "run" in vars(thread)

        def put_back() -> None:
            if was_replaced:
                thread.run = run  # type: ignore[method-assign]
            else:
                vars(thread).pop("run", None)

        def run_inside() -> None:
            put_back()
            before = _entered.set(scopes)
            try:
                run()
            finally:
                _entered.reset(before)  # the thread's context may be one that the user gave it (Python 3.14)

        thread.run = run_inside  # type: ignore[method-assign]
        try:
            start(thread)
        except BaseException:
            put_back()
            raise

    return start_and_include
