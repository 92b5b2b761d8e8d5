"""Scores as a widget lists them, and their values: computed once for each record, by whoever asks first.

A request of the page is answered when the values are there; until then a thread beside the kernel's own computes them,
so that the widget answers everything else. Scores read records alone, so no model's lock is needed.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from xattn_widget.messages.characters import visible, well_formed
from xattn_widget.panel.background import Background
from xattn_widget.record.data import AttentionData
from xattn_widget.scores import BUILTIN, Score, ScoreGrid, find_score

# A second one, so that a score that takes long does not keep the others waiting.
_threads = Background("xattn-widget-scores", count=2)
_LONGEST_ERROR = 2000
_MOMENT = 0.2  # seconds
logger = logging.getLogger("xattn_widget")


@dataclass(frozen=True)
class Outcome:
    """What came of computing a score: its ``[layers, heads]`` grid, or the error in words."""

    grid: ScoreGrid | None
    error: str = ""

    def reply(self) -> dict[str, Any]:
        """As the page is told of it."""
        if self.grid is None:
            return {"error": self.error}
        return {"values": finite(self.grid.tolist()), "signature": self.grid.signature}


class Computation:
    """One score of one record. Whoever runs it first computes it; everyone else waits for the outcome."""

    def __init__(self, compute: Callable[[], ScoreGrid]) -> None:
        self._compute: Callable[[], ScoreGrid] | None = compute
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = 0
        self._waiting: list[Callable[[Outcome], None]] = []
        self._outcome: Outcome | None = None
        self.interrupted = False

    def run(self) -> Outcome:
        """Compute it here, or wait for the thread that does."""
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
            if self._outcome is None:  # nobody may wait for ever; who asks next computes it
                self.interrupted = True
                self._settle(Outcome(None, "the computation was interrupted"))
            raise
        outcome = self.wait(None)
        assert outcome is not None
        return outcome

    def _settle(self, outcome: Outcome) -> None:
        with self._lock:
            self._outcome = outcome
            waiting, self._waiting = self._waiting, []
        _underway.discard(self)
        self._done.set()
        for tell in waiting:
            try:
                tell(outcome)
            except Exception:  # a page that is gone must not fail whoever computed
                logger.exception("the values of a score could not be sent")

    def wait(self, seconds: float | None) -> Outcome | None:
        """The outcome, or None where it takes longer than this; without end for None."""
        self._done.wait(seconds)
        return self._outcome

    def then(self, tell: Callable[[Outcome], None]) -> None:
        """Call ``tell`` with the outcome: now where it is there, else later in the thread that computes it."""
        with self._lock:
            if self._outcome is None:
                self._waiting.append(tell)
                return
        tell(self._outcome)


@dataclass(frozen=True, eq=False)
class ScoreEntry:
    """A score as it is listed: with its policy for special tokens and its parameters settled."""

    score: Score
    special: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The score's name, with what differs from its defaults."""
        settled = ({} if self.special is None else {"special": self.special}) | dict(self.parameters)
        if not settled:
            return well_formed(self.score.name)
        return well_formed(f"{self.score.name}({', '.join(f'{name}={value}' for name, value in settled.items())})")

    def describe(self) -> dict[str, Any]:
        """What the front end shows of it."""
        return {
            "name": self.name,
            "direction": self.score.direction,
            "description": well_formed(self.score.description),
            "signature": well_formed(self.score.signature(special=self.special, **self.parameters)),
        }

    def grid(self, record: AttentionData) -> ScoreGrid:
        """``[layers, heads]`` values of a record; a copy.

        Raises:
            Exception: whatever the score raises. It is computed again then, so that the error has its traceback.
        """
        grid = self.outcome(record).grid
        return self._compute(record) if grid is None else deepcopy(grid)

    def outcome(self, record: AttentionData) -> Outcome:
        """The values or the error, computed here unless they are known."""
        return self._computation(record).run()

    def start(self, record: AttentionData) -> Computation:
        """Compute the values of a record in a thread beside this one, unless they are known or on their way.

        It waits a moment for quick ones, but not where others are being computed.
        """
        computation = self._computation(record)
        if computation.wait(0) is None:
            busy = bool(_underway)
            _underway.add(computation)
            _threads.put(computation.run)
            computation.wait(0 if busy else _MOMENT)
        return computation

    def forget(self, record: AttentionData) -> None:
        """Compute the values anew the next time: what the score uses may have changed."""
        with _known_lock:
            _known_of(record, self).pop(self._key, None)

    def _compute(self, record: AttentionData) -> ScoreGrid:
        return self.score.of_record(record, special=self.special, **self.parameters)

    def _computation(self, record: AttentionData) -> Computation:
        with _known_lock:
            known = _known_of(record, self)
            computation = known.get(self._key)
            if computation is None or computation.interrupted:
                computation = known[self._key] = Computation(lambda: self._compute(record))
        return computation

    @property
    def _key(self) -> Any:
        """What tells the values of one function apart, without the function itself, which is to be freed."""
        score = self.score
        parameters = tuple((name, _identity(value)) for name, value in sorted(self.parameters.items()))
        return score.name, score.batched, score.numpy, self.special, parameters


def list_entries(
    scores: Sequence[str | Score | Callable[..., Any]] | None, records: Sequence[AttentionData]
) -> dict[str, ScoreEntry]:
    """Scores by name, as a widget is given them; None for the built-in ones that all records can be scored by.

    Raises:
        TypeError: a score alone, in place of a list.
        ValueError: no score at all, or an unknown name.
    """
    if isinstance(scores, str | Score) or callable(scores):
        raise TypeError(f"scores must be a list, got one alone; write scores=[{scores!r:.60}]")
    if scores is None:
        # Those that need more than attention are offered where all records hold it.
        scores = [score for score in BUILTIN.values() if not any(map(score.missing, records))]
    entries = [ScoreEntry(find_score(score)) for score in scores]
    if not entries:
        raise ValueError("scores is empty: name at least one score, or leave it out for all built-in ones")
    return {entry.name: entry for entry in entries}


# By record and by the score's function, both weakly: what is known goes with either.
_known: WeakKeyDictionary[AttentionData, WeakKeyDictionary[Any, dict[Any, Computation]]] = WeakKeyDictionary()
_known_lock = threading.Lock()
# Those that a thread was asked to compute and that are not done.
_underway: set[Computation] = set()


def start_threads() -> None:
    """Start the threads that compute scores, before any block of the user's that counts new threads as its own."""
    _threads.start()


def error_text(error: BaseException) -> str:
    """An error in words, for people who see no traceback."""
    text = visible(f"{type(error).__name__}: {error}"[: _LONGEST_ERROR + 1])
    return text if len(text) <= _LONGEST_ERROR else f"{text[: _LONGEST_ERROR - 1]}…"


def finite(values: Any) -> Any:
    """Nested lists of numbers with None for what JSON has no number for."""
    if isinstance(values, list):
        return [finite(value) for value in values]
    return values if math.isfinite(values) else None


def _known_of(record: AttentionData, entry: ScoreEntry) -> dict[Any, Computation]:
    functions = _known.setdefault(record, WeakKeyDictionary())
    try:
        return functions.setdefault(entry.score.function, {})
    except TypeError:  # a callable object without a hash or without weak references
        return functions.setdefault(entry, {})


def _identity(value: Any) -> Any:
    """A value of a parameter as part of a key: by what it is where that is plain, else by which object it is."""
    plain = isinstance(value, str | int | float | bool | None)
    return (type(value), value) if plain else _ById(value)


class _ById:
    """Equal where the very same object is meant; keeps it alive, so that its number is not given to another."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _outcome_of(compute: Callable[[], ScoreGrid]) -> Outcome:
    try:
        # A copy: the grid may be a view of the weights, which it would keep alive.
        return Outcome(deepcopy(compute()))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too: what a score does must end nothing but the score
        # The text alone: the error itself would keep the record alive by its traceback.
        return Outcome(None, error_text(error))
