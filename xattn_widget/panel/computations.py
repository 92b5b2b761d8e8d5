"""Computations of scores: each runs once, in the first thread that needs it or in one of two threads for scores.

A request of the page is answered when the values are known. A thread other than the kernel's computes them, so the
widget can answer everything else meanwhile. Scores read records alone, so no model has to be locked.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from copy import deepcopy
from typing import Any, NamedTuple

from xattn_widget.panel.background import Background
from xattn_widget.panel.json_values import error_text, finite
from xattn_widget.scores import ScoreGrid

logger = logging.getLogger("xattn_widget")

# Two, so that a slow score does not keep the others waiting.
_threads = Background("xattn-widget-scores", count=2)
_MOMENT = 0.2  # seconds


class Outcome(NamedTuple):
    """The result of computing a score: its ``[layers, heads]`` grid, or None and the error as text."""

    grid: ScoreGrid | None
    error: str = ""

    def reply(self) -> dict[str, Any]:
        """The outcome in the form that the page receives."""
        if self.grid is None:
            return {"error": self.error}
        return {"values": finite(self.grid.tolist()), "signature": self.grid.signature}


class Computation:
    """A score of a record. The first to run it computes it; everyone else waits for the outcome."""

    def __init__(self, compute: Callable[[], ScoreGrid]) -> None:
        self._compute: Callable[[], ScoreGrid] | None = compute
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = 0
        self._waiting: list[Callable[[Outcome], None]] = []
        self._outcome: Outcome | None = None
        self.interrupted = False

    @property
    def is_running(self) -> bool:
        """Whether a thread computes it right now."""
        return self._compute is None and self._outcome is None

    def run(self) -> Outcome:
        """Compute it here, or wait for the thread that computes it."""
        try:
            with self._lock:
                compute, self._compute = self._compute, None
                if compute is not None:
                    self._thread = threading.get_ident()
            if compute is not None:
                self._settle(_outcome_of(compute))
            elif self._outcome is None and self._thread == threading.get_ident():
                raise RuntimeError("the score asks for its own values")
        except KeyboardInterrupt:
            if self._outcome is None:  # nobody may wait forever; the next caller computes it
                self.interrupted = True
                self._settle(Outcome(None, "the computation was interrupted"))
            raise
        outcome = self.wait(None)
        assert outcome is not None
        return outcome

    def start(self) -> None:
        """Compute it in a thread for scores, unless the outcome is known or on its way.

        This waits a moment for quick scores, unless other scores are being computed.
        """
        if self.wait(0) is None:
            busy = bool(_underway)
            _underway.add(self)
            _threads.put(self.run)
            self.wait(0 if busy else _MOMENT)

    def _settle(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcome = outcome
            waiting, self._waiting = self._waiting, []
        _underway.discard(self)
        self._done.set()
        for tell in waiting:
            try:
                tell(outcome)
            except Exception:  # a closed page must not break the computation
                logger.exception("the values of a score could not be sent")

    def wait(self, seconds: float | None) -> Outcome | None:
        """The outcome, or None if it takes longer than this; None waits without a limit."""
        self._done.wait(seconds)
        return self._outcome

    def then(self, tell: Callable[[Outcome], None]) -> None:
        """Call ``tell`` with the outcome: now if it is known, or else later in the thread that computes it."""
        with self._lock:
            if self._outcome is None:
                self._waiting.append(tell)
                return
        tell(self._outcome)


# Computations that were handed to a thread and are not done.
_underway: set[Computation] = set()


def run_later(job: Callable[[], object]) -> None:
    """Run ``job`` in a thread for scores."""
    _threads.put(job)


def start_threads() -> None:
    """Start the threads for scores, before any block of the user that treats new threads as its own."""
    _threads.start()


def _outcome_of(compute: Callable[[], ScoreGrid]) -> Outcome:
    try:
        return Outcome(deepcopy(compute()))  # a view of the weights would keep them alive
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: a score must not end more than itself
        # The text alone: the traceback of the error would keep the record alive.
        return Outcome(None, error_text(error))
