"""The list of scores in the panel, and their values: computed once for each record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any
from weakref import WeakKeyDictionary

from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.computations import Computation, Outcome
from xattn_widget.panel.dropping import shown_policy
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.special import Special, read_policy
from xattn_widget.scores import BUILTIN, Score, ScoreGrid, find_score

# The score that colors the grid at first, unless the user lists scores: a built-in one that ranks sharp aligning heads
# first and smeared ones last. Rank correlation over the 24 heads of the demo model with their alignment error rate on
# the 50 pairs of examples/alignment (under each head's better reading), and with their importance by ablation and by
# gradient on 300 other sentences; the rank that a uniform head and a head that only reads the end of the sentence get:
#     alignment_norm     .92   .65   .76   last, 7th
#     confidence         .91   .67   .77   last, 1st
#     entropy            .90   .64   .74   last, 1st
#     distraction        .89   .71   .80   undefined, 1st
#     diagonality        .77   .36   .54   last, last
#     coverage_penalty  -.59  -.63  -.58   1st, last
# `examples/alignment/measure.py` prints these figures for all built-in scores and policies. Special tokens are kept:
# without them a head that only reads the end has no weights left to judge it by.
DEFAULT_SCORE = "alignment_norm"


@dataclass(frozen=True, eq=False)
class ScoreEntry:
    """A listed score, with its policy for special tokens and its parameters.

    Attributes:
        score: the score.
        special: its own policy for special tokens, or None.
        parameters: its parameters, where they differ from its defaults.
        reading: the reading of the record to compute it under; None for that of the record.
    """

    score: Score
    special: Special | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    reading: Reading | None = None
    _as_shown: dict[tuple[Reading, Special], ScoreEntry] = field(default_factory=dict, init=False, repr=False)

    @property
    def name(self) -> str:
        """The score's name, with the parameters that differ from its defaults."""
        policy = {} if self.special is None else {"special": read_policy(self.special).name}
        settled = policy | dict(self.parameters)
        if not settled:
            return well_formed(self.score.name)
        return well_formed(f"{self.score.name}({', '.join(f'{name}={value}' for name, value in settled.items())})")

    @property
    def follows_view(self) -> bool:
        """Whether it can leave out what the view drops: it has no policy of its own against it."""
        return self.special is None and "renormalize" in self.score.policies

    def as_shown(self, reading: Reading, special: str) -> ScoreEntry:
        """The same score of the rows that are shown under a reading and a value of the setting ``special``.

        A score with a policy of its own, or for which dropping special tokens has no meaning, keeps its own; so does
        every score where the setting drops nothing.
        """
        policy = shown_policy(special)
        if policy is None or not self.follows_view:
            return self
        key = (reading, policy)
        with _known_lock:
            if key not in self._as_shown:
                self._as_shown[key] = replace(self, special=policy, reading=reading)
            return self._as_shown[key]

    def describe(self) -> dict[str, Any]:
        """The entry in the form that the front end reads."""
        # Nothing can be said about special tokens of a score that looks at no tokens.
        own = read_policy(self.special)
        policy: dict[str, Any] = {}
        if "drop" in self.score.policies:
            policy = {"special": own.action, "punctuation": own.leaves_out is not None}
        return policy | {
            "follows_view": self.follows_view,
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
        return self.computation(record).run()

    def computation(self, record: AttentionData) -> Computation:
        """The computation of a record's values, shared by all entries of the same score."""
        with _known_lock:
            known = _known_of(record, self)
            computation = known.get(self._key)
            if computation is None or computation.interrupted:
                computation = known[self._key] = Computation(lambda: self._compute(record))
        return computation

    def forget(self, record: AttentionData) -> None:
        """Compute all values of the function again the next time: what it uses may have changed."""
        with _known_lock:
            _known_of(record, self).clear()

    def _compute(self, record: AttentionData) -> ScoreGrid:
        read = record.read_as(self.reading) if self.reading is not None and self.reading in record.targets else record
        return self.score.of_record(read, special=self.special, **self.parameters)

    @property
    def _key(self) -> Any:
        """The key of the values of one function, without the function itself, so that it can be freed."""
        score = self.score
        parameters = tuple((name, _identity(value)) for name, value in sorted(self.parameters.items()))
        return score.name, score.batched, score.numpy, self.special, self.reading, parameters


def list_scores(
    scores: Sequence[str | Score | ScoreEntry | Callable[..., Any]] | None, records: Sequence[AttentionData]
) -> dict[str, ScoreEntry]:
    """Listed scores by name; None lists the built-in ones that can be computed for all records.

    An entry is listed as it is: it may have values from elsewhere.

    Raises:
        TypeError: a single score instead of a list.
        ValueError: no score at all, or an unknown name.
    """
    if isinstance(scores, str | Score) or callable(scores):
        raise TypeError(f"scores must be a list, got one alone; write scores=[{scores!r:.60}]")
    if scores is None:
        scores = [score for score in BUILTIN.values() if not any(map(score.missing, records))]
    entries = [score if isinstance(score, ScoreEntry) else ScoreEntry(find_score(score)) for score in scores]
    if not entries:
        raise ValueError("scores is empty: name at least one score, or leave it out for all built-in ones")
    return {entry.name: entry for entry in entries}


# By record and by the function of the score, both weakly, so that the values are freed with either of them.
_known: WeakKeyDictionary[AttentionData, WeakKeyDictionary[Any, dict[Any, Computation]]] = WeakKeyDictionary()
_known_lock = threading.Lock()


def _known_of(record: AttentionData, entry: ScoreEntry) -> dict[Any, Computation]:
    functions = _known.setdefault(record, WeakKeyDictionary())
    try:
        return functions.setdefault(entry.score.function, {})
    except TypeError:  # a callable object without a hash or without weak references
        return functions.setdefault(entry, {})


def _identity(value: Any) -> Any:
    """A value of a parameter as part of a key: simple values by type and value, others by identity."""
    simple = isinstance(value, str | int | float | bool | None)
    return (type(value), value) if simple else _ById(value)


class _ById:
    """Equal only for the very same object, which it keeps alive, so that its id is not given to another."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)
