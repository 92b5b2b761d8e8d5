"""Long calls of a widget's model: one at a time, off the kernel's own thread, told of as they go, and stoppable.

A notebook delivers a widget's messages on the thread that runs the cells, or (JupyterLab 4.4 with ipykernel 7) on one
beside it. A thread of our own is right for both: a message to stop comes in while the model runs. Cells may go on using
the model: what a call mutes or captures is seen in its own thread alone (see scopes.py).
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

_POLL = 0.05  # seconds between two looks whether a waiting call is to stop
_TELL_EVERY = 0.15  # seconds between two messages of progress


Result = TypeVar("Result")


class Stopped(Exception):  # noqa: N818 - no error: somebody asked for it
    """A call was stopped before it came to its end."""


class Call(StoppingCriteria):
    """One long call: whether it is to stop, and what it is at. It is a criterion by which ``generate`` stops, too."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._stop = threading.Event()
        self._tell = tell
        self._told = 0.0

    def __deepcopy__(self, memo: Any) -> Call:
        return self  # PEFT copies the arguments of generate: a copy would not hear that it is to stop

    def stop(self) -> None:
        """Ask it to stop; it does at the next step of generating, or before the next forward."""
        self._stop.set()

    def check(self) -> None:
        """Raise :class:`Stopped` if it is to stop."""
        if self._stop.is_set():
            raise Stopped

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def tell(self, text: str) -> None:
        """Say what it is at, now."""
        self.check()
        self._told = time.monotonic()
        self._tell(text)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        """A step of generating: say how far it is, and whether each row is to end here."""
        if time.monotonic() - self._told > _TELL_EVERY and not self.is_stopped:
            self.tell(f"Generating: {input_ids.shape[1]} tokens")
        return torch.full((input_ids.shape[0],), self.is_stopped, dtype=torch.bool, device=input_ids.device)


class Worker:
    """Runs the calls of one widget with a model; a new one ends the one before."""

    def __init__(self, model: Any, tell: Callable[[str], None], failed: Callable[[str], None]) -> None:
        """Make a worker.

        Args:
            model: what the calls use; calls of all widgets that share it take turns.
            tell: is told what the running call is at, and "" when there is none.
            failed: is told in words why one failed, and "" when the next begins.
        """
        self._lock = lock_of(model)
        self._tell, self._failed = tell, failed
        self._call: Call | None = None
        self._state = threading.Lock()
        _calls.start()

    def start(self, work: Callable[[Call], object]) -> None:
        """Run ``work`` in the thread for calls; an error is told in words."""
        call = Call(self._tell)

        def run() -> None:
            try:
                self._take_turn(call, work)
            except Stopped:
                pass
            except Exception as error:  # in a thread nobody would see it
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
            if self._call is not call:  # another took its place, and has the word
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
        held: list[bool] = []

        def release() -> None:
            if held and held.pop():
                self._lock.release()

        cleanup.add(release)
        held.append(self._lock.acquire(blocking=False))
        return held[0]


# One thread for the calls of all widgets, there before any block of the user's that captures or mutes: such a block
# sees threads that start inside it.
_calls = Background("xattn-widget")
