"""Context managers that undo everything, no matter when an interrupt arrives.

Ctrl-C may raise KeyboardInterrupt between any two instructions of the main thread: on the first line of ``__exit__``,
or before the interpreter calls it. ``contextlib.contextmanager`` then never resumes its generator. A :class:`Block`

- notes how to undo a change before it makes it, with steps that may run twice;
- holds SIGINT back while it makes or undoes changes, and delivers it afterwards;
- undoes everything once the ``with`` statement is over, even if its ``__exit__`` never ran or did not finish.
"""

from __future__ import annotations

import signal
import threading
import weakref
from collections.abc import Callable
from functools import partial, wraps
from types import FrameType
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from xattn_widget._compat import is_inside_compiled

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Value = TypeVar("Value")


class Cleanup:
    """The steps that undo what a block has changed. A step must not raise, and may run again after an interrupt."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []
        self._guards: list[weakref.ref[Any]] = []

    @property
    def is_pending(self) -> bool:
        """Whether there is anything to undo."""
        return bool(self._steps)

    def add(self, step: Callable[[], object]) -> None:
        """Add a step that undoes a change. Call this before making the change."""
        self._steps.append(step)

    def run(self) -> None:
        """Undo everything, last change first. After an exception, the next call continues where this one stopped."""
        uninterrupted(self._run)

    def _run(self) -> None:
        while self._steps:
            self._steps[-1]()
            self._steps.pop()
        self._guards.clear()

    def run_without(self, owner: Any) -> None:
        """Undo everything when ``owner`` is garbage-collected, unless that has already happened."""
        self._guards.append(weakref.ref(owner, lambda _: self.run()))


class _Exit:
    """``__exit__`` of a block: a new callable each time that a ``with`` statement looks it up.

    The interpreter looks it up before ``__enter__`` and keeps it until the statement is over, and nothing else has a
    reference to it. So it is freed when the statement ends, however it ends. It must not be a Python function or
    method: a traceback would keep that alive.
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


class Block(Generic[Value]):
    """A context manager that undoes everything, no matter when an interrupt arrives.

    It can be entered again after it was left. As a decorator, it opens a block of its own in each call.
    """

    def __init__(self, begin: Callable[[Cleanup], Value]) -> None:
        """Create a block.

        Args:
            begin: makes the block's changes, adds a step to the :class:`Cleanup` before each of them, and returns the
                value for ``as``. SIGINT is held back while it runs, so it must not wait for anything.
        """
        self.begin = begin
        self._cleanup = Cleanup()

    def __enter__(self) -> Value:
        """Make the changes.

        Raises:
            RuntimeError: the block is already open, or this runs in a function compiled by ``torch.compile``.
        """
        if torch.compiler.is_compiling() or is_inside_compiled():
            raise RuntimeError(
                "blocks such as capture(model) cannot be opened inside a function compiled by torch.compile: "
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

    def __call__(self, function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        """Decorate a function that runs inside a block of its own in each call."""

        @wraps(function)
        def inside(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            with Block(self.begin):
                return function(*args, **kwargs)

        return inside


class _Waiting:
    """A handler that keeps SIGINT for later."""

    def __init__(self) -> None:
        self.frames: list[FrameType | None] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.frames.append(frame)


def uninterrupted(work: Callable[[], Value]) -> Value:
    """Run ``work``; a SIGINT that arrives meanwhile goes to the program's handler afterwards.

    Meanwhile the process has a different SIGINT handler. This is the only place that sets one. Python runs signal
    handlers only in the main thread, so in other threads this just runs ``work``.
    """
    handler = signal.getsignal(signal.SIGINT)
    # A handler that is not callable raises nothing (ignored, default, or set by code outside Python).
    if not _is_main_thread() or not callable(handler) or isinstance(handler, _Waiting):
        return work()
    waiting = _Waiting()
    try:
        try:
            signal.signal(signal.SIGINT, waiting)
            return work()
        finally:
            _deliver(waiting, handler)
    finally:  # again: another exception may have arrived before the line above
        _deliver(waiting, handler)


def _deliver(waiting: _Waiting, handler: Callable[[int, FrameType | None], Any]) -> None:
    if signal.getsignal(signal.SIGINT) is waiting:
        signal.signal(signal.SIGINT, handler)
    # Do not send the signal again: a wakeup file descriptor, such as asyncio's, has already got it.
    while waiting.frames:
        handler(signal.SIGINT, waiting.frames.pop(0))


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
