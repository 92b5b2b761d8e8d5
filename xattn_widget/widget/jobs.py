"""Long calls of a widget's model: one at a time, outside the thread of the kernel, with progress, and stoppable.

A notebook delivers the messages of a widget on the thread that runs the cells, or (JupyterLab 4.4 with ipykernel 7) on
another one. A separate thread for the calls works with both: a message to stop arrives while the model runs. Cells can
go on using the model, since what a call mutes or captures affects only its own thread (see ``capturing/threads.py``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from transformers import StoppingCriteria

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.inputs.locks import lock_of
from xattn_widget.panel.background import Background

_POLL = 0.05  # seconds between checks whether a waiting call should stop
_TELL_EVERY = 0.15  # seconds between messages of progress


Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818 - not an error: someone asked for it
    """A call was stopped before its end."""


class Call(StoppingCriteria):
    """A long call: whether it should stop, and its progress. It is also a stopping criterion for ``generate``."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._stop = threading.Event()
        self._tell = tell
        self._told = 0.0

    def __deepcopy__(self, memo: Any) -> Call:
        return self  # PEFT copies the arguments of generate, and a copy would not be stopped

    def stop(self) -> None:
        """Ask it to stop; it does so at the next step of generating, or before the next forward."""
        self._stop.set()

    def check(self) -> None:
        """Raise :class:`Stopped` if it should stop."""
        if self._stop.is_set():
            raise Stopped

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def tell(self, text: str) -> None:
        """Report what it is doing, now."""
        self.check()
        self._told = time.monotonic()
        self._tell(text)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """At a step of generating: report the progress, and return whether each row should end here."""
        if time.monotonic() - self._told > _TELL_EVERY and not self.is_stopped:
            self.tell(f"Generating: {input_ids.shape[1]} tokens")
        return torch.full((input_ids.shape[0],), self.is_stopped, dtype=torch.bool, device=input_ids.device)


class Worker:
    """Runs the calls of a widget with its model; a new call stops the previous one."""

    def __init__(self, model: Any, tell: Callable[[str], None], failed: Callable[[str], None]) -> None:
        """Create a worker.

        Args:
            model: the model that the calls use; calls of all widgets that share it take turns.
            tell: called with what the running call is doing, and with "" at its end.
            failed: called with the error of a call as text, and with "" when the next call begins.
        """
        self._lock = lock_of(model)
        self._tell, self._failed = tell, failed
        self._call: Call | None = None
        self._state = threading.Lock()
        _calls.start()

    def start(self, work: Callable[[Call], object]) -> None:
        """Run ``work`` in the thread for calls; an error is reported as text."""
        call = Call(self._tell)

        def run() -> None:
            try:
                self._take_turn(call, work)
            except Stopped:
                pass
            except Exception as error:  # nobody would see it in a thread
                self._failed(f"{type(error).__name__}: {error}")
            finally:
                self._done(call)

        try:
            self._replace(call)
            self._failed("")
            self._tell("Starting")
            _calls.put(run)
        except BaseException:
            self._done(call)
            raise

    def run(self, work: Callable[[Call], Result]) -> Result:
        """Run ``work`` here and now, and return what it returns."""
        call = Call(self._tell)

        def begin(cleanup: Cleanup) -> None:
            cleanup.add(partial(self._done, call))
            self._replace(call)

        try:
            with Block(begin):
                self._failed("")
                return self._take_turn(call, work)
        except Stopped:
            raise RuntimeError("stopped in the panel before it was done") from None

    def stop(self) -> None:
        """Stop the running call, if there is one."""
        with self._state:
            if self._call:
                self._call.stop()

    @property
    def is_busy(self) -> bool:
        """Whether a call runs or waits."""
        return self._call is not None

    def _replace(self, call: Call) -> None:
        with self._state:
            if self._call:
                self._call.stop()
            self._call = call

    def _done(self, call: Call) -> None:
        with self._state:
            if self._call is not call:  # another call has replaced it, and reports now
                return
            self._call = None
        self._tell("")

    def _take_turn(self, call: Call, work: Callable[[Call], Result]) -> Result:
        while True:
            with Block(self._try_lock) as is_mine:
                call.check()
                if is_mine:
                    return work(call)
            time.sleep(_POLL)

    def _try_lock(self, cleanup: Cleanup) -> bool:
        locked: list[bool] = []

        def release() -> None:
            if locked and locked.pop():
                self._lock.release()

        cleanup.add(release)
        locked.append(self._lock.acquire(blocking=False))
        return locked[0]


# One thread for the calls of all widgets. It starts before any block of the user that captures or mutes, since such a
# block affects threads that start inside it.
_calls = Background("xattn-widget")
