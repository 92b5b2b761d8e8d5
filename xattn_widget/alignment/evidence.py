"""Evidence on which heads align, without gold: sums of a predictor of the error rate, and the guess that they give.

Figures for the rule of the guess, on the demo model: draws of n training sentences, and the alignment error rate of the
guess on the 50 sentence pairs of ``examples/alignment``, mean over the draws (``examples/alignment/guess.py``)::

    sentences (words)       1 (7)  3 (21)  5 (35)  10 (71)  20 (142)  50 (357)  500 (3556)
    best head and reading   .370   .287    .269    .269     .248      .243      .238
    mean of the 2 best      .321   .259    .243    .229     .221      .214      .202
    mean of the 4 best      .256   .206    .200    .186     .176      .172      .170
    mean of the 6 best      .234   .196    .189    .181     .178      .178      .174
    mean of the 8 best      .226   .192    .187    .182     .181      .180      .175
    the rule below          .208   .208    .208    .190     .176      .172      .170

The mean of the last layer has .208, and so has the rule where it finds the evidence weak; the best single head that
gold can find has .183. One head is a poor guess however many sentences there are: the three best have nearly the same
value, and error rates from .18 to .32. Adding heads as long as the value of their mean rises (on 50 and on 300
sentences) stops at three or four heads with .200 and .188. The mean of the four best under one reading is no worse than
the last layer in 92 of 100 draws of 10 sentences, and in 75 of 100 draws of 5. Heads of random models (Marian, BART and
T5, 4 to 48 heads, two scales of the weights) have values of at most .38, and a mean of the four best of at most .33; in
the demo model that mean is .62.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, get_args

import torch

from xattn_widget.alignment.links import numbered_positions
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.special import Special, cut, read_policy
from xattn_widget.scores.mutual import linked_mutually, nearness

# The rule of the guess, from the figures above: the mean of at most this many heads, each of at least this value and
# this share of the best one's.
GUESSED_HEADS = 4
LEAST_VALUE = 0.45
# Where one head alone fits a reading, the mean with others would hide it: (0, 6) of the demo model read as input.
LEAST_SHARE = 0.85
# Fewer words are too few to guess from.
LEAST_WORDS = 60
# More words hardly change the guess: records of the sentences shown are not measured beyond them.
ENOUGH_WORDS = 500
# Records with more weights (24 layers of 16 heads over 150 x 150 tokens) are not measured either. They take longer than
# half a second, and they are documents, in which words do not stay near the diagonal.
MOST_WEIGHTS = 2**23


class Guess(NamedTuple):
    """The heads whose mean is the best guess of an alignment, and how to label its rows.

    Attributes:
        heads: (layer, head) pairs under one reading, the best one last.
        reading: that reading.
    """

    heads: list[tuple[int, int]]
    reading: Reading


@dataclass(frozen=True, eq=False)
class Evidence:
    """Sums of the one-to-one predictor (:func:`one_to_one`) over records of one model; sums can be added.

    Attributes:
        linked: for each reading, ``[layers, heads]`` sums of links.
        words: for each reading, the number of words that could be linked; at least 1.

    Raises:
        ValueError: sums that do not fit each other, or that no records can have.
    """

    linked: Mapping[Reading, torch.Tensor]
    words: Mapping[Reading, int]

    def __post_init__(self) -> None:
        shapes = {tuple(sums.shape) for sums in self.linked.values()}
        if self.linked.keys() != self.words.keys() or len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise ValueError("evidence needs a [layers, heads] grid and a number of words for each reading")
        for reading, sums in self.linked.items():
            words = self.words[reading]
            if reading not in get_args(Reading):
                raise ValueError(f"{reading!r} is not a reading")
            if not (sums.numel() and words > 0 and bool(((sums >= 0) & (sums <= words + 0.01)).all())):
                raise ValueError(f"the sums of a head over {words} words must be in 0 to {words}")

    def __add__(self, other: Evidence) -> Evidence:
        """The sums over both, for the readings that both have.

        Raises:
            ValueError: they are of models with different layers or heads, or have no reading in common.
        """
        if self.grid != other.grid:
            raise ValueError(f"evidence of models with (layers, heads) = {self.grid} and {other.grid} cannot be added")
        shared = [reading for reading in self.linked if reading in other.linked]
        return Evidence(
            {reading: self.linked[reading] + other.linked[reading] for reading in shared},
            {reading: self.words[reading] + other.words[reading] for reading in shared},
        )

    @property
    def grid(self) -> tuple[int, int]:
        """The number of layers, and of heads per layer."""
        layers, heads = next(iter(self.linked.values())).shape
        return layers, heads

    def values(self, reading: Reading) -> torch.Tensor:
        """``[layers, heads]`` values of the predictor under a reading, in [0, 1]."""
        return self.linked[reading] / self.words[reading]

    def guess(self, reading: str | None = None) -> Guess | None:
        """The heads to show first, or None where the evidence is weak.

        Args:
            reading: guess under this reading; the better one when left out.
        """
        guesses = []
        for known, words in self.words.items():
            if words < LEAST_WORDS or reading not in (None, known):
                continue
            values, order = self.values(known).flatten().sort(descending=True, stable=True)
            best = values[:GUESSED_HEADS]
            kept = int((best >= max(LEAST_VALUE, LEAST_SHARE * float(best[0]))).sum())
            heads = [divmod(number, self.grid[1]) for number in order[:kept].tolist()]
            if heads:
                guesses.append((float(best.mean()), Guess(heads[::-1], known)))
        return max(guesses, key=lambda item: item[0])[1] if guesses else None

    def describe(self) -> dict[str, Any]:
        """The sums as JSON has them; :meth:`read` reads them again."""
        return {
            reading: {
                "words": self.words[reading],
                "linked": [[round(value, 3) for value in row] for row in sums.tolist()],
            }
            for reading, sums in self.linked.items()
        }

    @classmethod
    def read(cls, described: Any) -> Self:
        """The evidence that :meth:`describe` gave.

        Raises:
            ValueError, TypeError, KeyError: something else.
        """
        linked = {
            reading: torch.tensor(part["linked"], dtype=torch.float64) for reading, part in dict(described).items()
        }
        words = {reading: part["words"] for reading, part in described.items()}
        if any(type(count) is not int for count in words.values()):
            raise ValueError("the number of words must be a whole number")
        return cls(linked, words)


def one_to_one(record: AttentionData, special: Special = "renormalize", words: bool = True) -> tuple[torch.Tensor, int]:
    """What a record says about how well each of its heads aligns under its reading.

    The predictor is the share of words with a mutual link (see ``record.align``), where a link counts ``(1 - distance
    from the diagonal)^2``.

    Args:
        record: the record.
        special: policy for special tokens, see ``record.align``.
        words: link words, or else tokens.

    Returns:
        ``[layers, heads]`` float64 sums of links (NaN for heads that the record does not keep), and the number of words
        (those of the shorter side).
    """
    policy = read_policy(special)
    record = record.words() if words else record
    source, target = record.source, record.target
    columns = numbered_positions(source.groups if words else range(len(source)), policy.left_out(source))
    rows = numbered_positions(target.groups if words else range(len(target)), policy.left_out(target))
    # Links number the words of the text, including words that have no position on the axis.
    lengths = [len(axis.words) if words else len(axis) for axis in (source, target)]
    count = min(len(axis.word_spans()) if words else len(axis) for axis in (source, target))
    weights = record.head_weights()
    if not rows or not columns:
        return record.on_grid(torch.zeros(len(weights), dtype=torch.float64)), count
    column_numbers, row_numbers = _numbers(columns, len(source)), _numbers(rows, len(target))
    if policy.action != "keep":
        weights = cut(weights, list(rows), list(columns), policy.action)
        column_numbers, row_numbers = column_numbers[list(columns)], row_numbers[list(rows)]
    # For every head the links of align_weights(..., "mutual").
    chosen, best = linked_mutually(weights.nan_to_num(0.0))
    linked_columns = column_numbers[best]
    chosen &= (row_numbers >= 0) & (linked_columns >= 0)
    value = nearness((linked_columns + 0.5).double() / lengths[0], (row_numbers + 0.5).double() / lengths[1])
    return record.on_grid((value * chosen).sum(-1)), count


def _numbers(numbered: Mapping[int, int], count: int) -> torch.Tensor:
    """``[count]`` the number of each position, -1 for one that has none."""
    numbers = torch.full((count,), -1)
    numbers[list(numbered)] = torch.tensor(list(numbered.values()))
    return numbers


def gather_evidence(
    records: Iterable[AttentionData],
    known: Evidence | None = None,
    seen: set[tuple[str, ...]] | None = None,
    *,
    enough: float = ENOUGH_WORDS,
) -> Evidence | None:
    """The evidence of records of one model, added to what is known; None where they say nothing.

    Records count until there are enough words, a source counts once, and records that are too large (see the constants
    above) or do not keep all heads are left out.

    Args:
        records: the records.
        known: evidence of other records of the same model.
        seen: the sources (as labels) that it counts; those of the records are added.
        enough: how many words are enough.
    """
    seen = set() if seen is None else seen
    for record in records:
        if "audio" in record.source.kinds:  # its positions are no words to align
            continue
        if known is not None:
            fits = known.grid == (record.layers, record.heads) and known.linked.keys() <= record.targets.keys()
            if not fits or min(known.words.values()) >= enough:
                continue
        if record.source.labels in seen:
            continue
        seen.add(record.source.labels)
        evidence = _evidence_of(record)
        if evidence is not None:
            known = evidence if known is None else known + evidence
    return known


def _evidence_of(record: AttentionData) -> Evidence | None:
    if record.kept is not None or record.weights.numel() > MOST_WEIGHTS or not record.source.words:
        return None
    linked: dict[Reading, torch.Tensor] = {}
    words: dict[Reading, int] = {}
    for reading in record.targets:
        linked[reading], words[reading] = one_to_one(record.read_as(reading))
    return Evidence(linked, words) if min(words.values()) else None
