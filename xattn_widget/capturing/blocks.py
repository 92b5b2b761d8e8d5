"""Context managers that leave nothing behind, whenever an interrupt comes.

Ctrl-C may raise KeyboardInterrupt between any two instructions of the main thread: on the first line of ``__exit__``,
or before the interpreter calls it. ``contextlib.contextmanager`` then never resumes its generator. A :class:`Block`

- notes how to undo a change before it makes it, with steps that may run twice;
- holds SIGINT back while it makes or undoes changes, and delivers it afterwards;
- undoes everything once the ``with`` statement is over, even if its ``__exit__`` never ran or did not get to its end.
"""

from __future__ import annotations

import signal
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import ContextDecorator
from functools import partial
from types import FrameType
from typing import Any, Generic, TypeVar

import torch

Value = TypeVar("Value")


class Cleanup:
    """How to undo what a block has changed. A step must not raise, and may run again after an interrupt."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []
        self._guards: list[weakref.ref[Any]] = []

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._steps)

    def add(self, step: Callable[[], object]) -> None:
        """Note how to undo a change. Call this before the change."""
        self._steps.append(step)

    def run(self) -> None:
        """Undo everything, the last change first. After an exception, the next call goes on where this one stopped."""
        uninterrupted(self._run)

    def _run(self) -> None:
        while self._steps:
            self._steps[-1]()
            self._steps.pop()
        self._guards.clear()

    def run_without(self, owner: Any) -> None:
        """Undo everything as soon as ``owner`` is gone, if nobody has done it by then."""
        self._guards.append(weakref.ref(owner, lambda _: self.run()))


class _Exit:
    """``__exit__`` of a block: a new callable each time that a ``with`` statement looks it up.

    The interpreter looks it up before ``__enter__`` and keeps it until the statement is over, and nobody else has it.
    So its end is the end of the statement, however that came about. It must not be a Python function or method: a
    traceback would keep it alive.
    """

    def __get__(self, block: Block[Any] | None, kind: type[Block[Any]]) -> Callable[..., None]:
        if block is None:  # contextlib.ExitStack looks it up on the class
            return lambda block, *error: block._cleanup.run()
        leave = _Leave(_leave, block._cleanup)
        leave.block = block
        if not block._cleanup.is_pending:
            block._cleanup.run_without(leave)
        return leave


class _Leave(partial[None]):
    block: Block[Any]  # kept alive until the statement is over


def _leave(cleanup: Cleanup, *error: object) -> None:
    cleanup.run()


class Block(ContextDecorator, Generic[Value]):
    """A context manager that leaves nothing behind, whenever an interrupt comes. It can be entered again once left."""

    def __init__(self, begin: Callable[[Cleanup], Value]) -> None:
        """Make a block.

        Args:
            begin: makes the block's changes, adds a step to the :class:`Cleanup` before each of them, and returns what
                ``as`` gives. SIGINT is held back while it runs, so it must not wait for anything.
        """
        self.begin = begin
        self._cleanup = Cleanup()

    def __enter__(self) -> Value:
        """Make the changes.

        Raises:
            RuntimeError: the block is open already, or this runs in a function compiled by ``torch.compile``.
        """
        if _is_compiled_here():
            raise RuntimeError(
                "blocks such as capture(model) cannot be opened inside a function that torch.compile has compiled: "
                "open the block around the call of that function"
            )
        if self._cleanup.is_pending:
            raise RuntimeError("this block is open already: make another one for a block inside it")
        try:
            return uninterrupted(self._enter)
        except BaseException:
            self._cleanup.run()
            raise

    def _enter(self) -> Value:
        self._cleanup.run_without(self)
        return self.begin(self._cleanup)

    __exit__ = _Exit()

    def _recreate_cm(self) -> Block[Value]:
        return Block(self.begin)  # as a decorator: one for each call


def _is_compiled_here() -> bool:
    """Whether torch.compile is compiling this, or would compile what is called from here."""
    if torch.compiler.is_compiling():
        return True
    if "torch._dynamo" not in sys.modules:
        return False
    from torch._C._dynamo.eval_frame import get_eval_frame_callback

    return get_eval_frame_callback() not in (None, False)


class _Waiting:
    """A handler that keeps SIGINT for later."""

    def __init__(self) -> None:
        self.frames: list[FrameType | None] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.frames.append(frame)


def uninterrupted(work: Callable[[], Value]) -> Value:
    """Run ``work``. A SIGINT that arrives meanwhile goes to the program's handler afterwards.

    Python runs signal handlers in the main thread alone; in other threads this only runs ``work``.
    """
    handler = signal.getsignal(signal.SIGINT)
    # A handler that is not callable raises nothing (ignore, default, or set by other code than Python's).
    if not _is_main_thread() or not callable(handler) or isinstance(handler, _Waiting):
        return work()
    waiting = _Waiting()
    try:
        try:
            signal.signal(signal.SIGINT, waiting)
            return work()
        finally:
            _deliver(waiting, handler)
    finally:  # again: another exception may have come before the line above
        _deliver(waiting, handler)


def _deliver(waiting: _Waiting, handler: Callable[[int, FrameType | None], Any]) -> None:
    if signal.getsignal(signal.SIGINT) is waiting:
        signal.signal(signal.SIGINT, handler)
    # Not by sending the signal again: a wakeup file descriptor, such as asyncio's, has been told of it.
    while waiting.frames:
        handler(signal.SIGINT, waiting.frames.pop(0))


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
