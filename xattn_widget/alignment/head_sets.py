"""The best set of heads for alignment, by a beam search over sets: with gold, or by the predictor of the error rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, get_args

import torch

from xattn_widget.alignment.aer import Corpus, read_links
from xattn_widget.alignment.given_records import record_list
from xattn_widget.alignment.links import Method, align_weights, numbered_positions
from xattn_widget.alignment.pharaoh import GoldAlignment, Link
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.heads import check_whole, head_pairs
from xattn_widget.record.special import Policy, Special, read_policy, renormalized
from xattn_widget.scores.mutual import linked_mutually, nearness


class ReadHead(NamedTuple):
    """A head under one reading.

    Attributes:
        layer: counted from 0.
        head: counted from 0.
        reading: whether its rows are named by the token written (``"output"``) or read (``"input"``).
    """

    layer: int
    head: int
    reading: Reading


@dataclass(frozen=True)
class HeadSet:
    """Heads whose mean aligns words, each under its own reading.

    Attributes:
        heads: the heads, in the order in which the search added them.
        value: what the search rated the set by.
        measure: what the value is: ``"aer"`` (lower is better) or ``"one_to_one"`` (higher is better).
    """

    heads: tuple[ReadHead, ...]
    value: float
    measure: str

    def weights(self, record: AttentionData, *, special: Special = "renormalize") -> torch.Tensor:
        """``[target words, source words]`` mean of the heads, which is 0 for words that the policy leaves out.

        Args:
            record: a record of the model, with both readings.
            special: policy for special tokens; ``"keep"`` is not possible, because only words have a row.

        Raises:
            ValueError: the record lacks a reading or a head, or the policy keeps special tokens.
        """
        policy = _policy(special)
        mean = _by_words(record, self.heads, policy).mean(0)
        return renormalized(mean).nan_to_num(0.0) if policy.action == "renormalize" else mean

    def align(
        self, record: AttentionData, *, method: Method = "argmax", special: Special = "renormalize"
    ) -> list[Link]:
        """Links (source word, target word) of a record by the mean of the heads; see ``record.align``.

        Raises:
            ValueError: as :meth:`weights`, or an unknown method.
        """
        return align_weights(self.weights(record, special=special), method)

    def describe(self) -> dict[str, Any]:
        """The set as JSON has it; :meth:`read` reads it again."""
        return {"heads": [list(head) for head in self.heads], "value": self.value, "measure": self.measure}

    @classmethod
    def read(cls, described: Any) -> Self:
        """The set that :meth:`describe` gave.

        Raises:
            ValueError: a head that is not a layer, a head and a reading.
        """
        pairs = head_pairs([head[:2] for head in described["heads"]])
        readings = [reading for _, _, reading in described["heads"]]
        if not pairs or not set(readings) <= set(get_args(Reading)):
            raise ValueError(f"heads must be [layer, head, reading] lists, got {described['heads']!r:.100}")
        heads = tuple(ReadHead(*pair, reading) for pair, reading in zip(pairs, readings, strict=True))
        return cls(heads, float(described["value"]), str(described["measure"]))


# Rates sets of heads, given as numbers of candidates [sets, heads in a set]: [sets], higher is better.
_Rate = Callable[[torch.Tensor], torch.Tensor]


def best_head_set(
    records: Sequence[AttentionData],
    sure: Corpus | None = None,
    possible: Corpus | None = None,
    *,
    most_heads: int = 4,
    beam: int = 8,
    mixed: bool = True,
    special: Special = "renormalize",
) -> HeadSet:
    """The set of heads whose mean aligns words best, by a beam search over sets.

    The search starts with every head under each reading. In each step it adds one more head to each of the ``beam``
    best sets of the step before. The best set of any size is returned, and the smallest of equal ones. With ``beam=1``
    this is greedy search.

    With gold, sets are rated by their alignment error rate, by the argmax of each row of the mean. Without gold, they
    are rated by a predictor of it, which assumes languages with mostly the same word order: the share of words with a
    mutual link (see ``record.align``), where a link counts ``(1 - distance from the diagonal)^2``.

    A set looks better on the records that it was chosen on than it is. Report its error rate on others.

    Example:
        >>> from xattn_widget import best_head_set, extract, load_demo
        >>> model, tokenizer = load_demo()
        >>> records = extract(model, tokenizer, ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"])
        >>> best = best_head_set(records, most_heads=3)
        >>> links = best.align(records[0])  # source and target words

    Args:
        records: records of one model, of text. For gold, the targets must be the gold targets (teacher forcing), with
            the words that gold counts (see ``record.with_words``).
        sure: gold links for each record, as :func:`best_alignment_heads` takes them.
        possible: further gold links.
        most_heads: the most heads of a set.
        beam: how many sets the search continues with.
        mixed: whether the heads of a set may have different readings. Under ``"input"``, a head's row for a word is the
            one after it was read. A head is in a set at most once.
        special: policy for special tokens, see ``record.align``; they must be left out.

    Raises:
        ValueError: no records, records of different models, of sound, without words or without a head and a reading
            that all have, a setting out of range, a policy that keeps special tokens, gold that does not fit, or
            possible links without sure ones.
        TypeError: gold in another form, or something other than a list of records.

    Source: the error rate is that of Och & Ney 2003.
    """
    records = record_list(records)
    policy = _policy(special)
    _check(records, {"most_heads": most_heads, "beam": beam})
    if sure is None and possible is not None:
        raise ValueError("possible links add to sure ones: pass sure= as well")
    pairs = sorted(set.intersection(*(set(record.kept_heads) for record in records)))
    readings = [reading for reading in records[0].targets if all(reading in record.targets for record in records)]
    if not pairs or not readings:
        raise ValueError("the records have no head or no reading in common: extract them with the same heads")
    candidates = [ReadHead(*pair, reading) for reading in readings for pair in pairs]
    matrices = [_by_words(record, candidates, policy) for record in records]
    if sure is None:
        rate, measure = _rate_without_gold(matrices, policy), "one_to_one"
    else:
        rate, measure = _rate_by_gold(matrices, _gold(sure, possible, len(records))), "aer"
    numbers = range(len(candidates))
    parts = [list(numbers)]
    if not mixed:
        parts = [[number for number in numbers if candidates[number].reading == reading] for reading in readings]
    found = [_search(part, [head[:2] for head in candidates], rate, most_heads, beam) for part in parts]
    best, value = max(found, key=lambda item: item[1])
    heads = tuple(candidates[number] for number in best)
    return HeadSet(heads, value if measure == "one_to_one" else 1 - value, measure)


def _search(
    numbers: Sequence[int], names: Sequence[tuple[int, int]], rate: _Rate, most: int, beam: int
) -> tuple[tuple[int, ...], float]:
    """The best set of some candidates and its rating; ``names`` says which candidates are the same head."""
    sets: list[tuple[int, ...]] = [()]
    best: tuple[int, ...] = ()
    best_value = -math.inf
    for _ in range(min(most, len({names[number] for number in numbers}))):
        # Each set once, in the order in which it was first reached.
        longer = {
            frozenset((*known, number)): (*known, number)
            for known in reversed(sets)
            for number in reversed(numbers)
            if names[number] not in {names[other] for other in known}
        }
        extended = list(reversed(longer.values()))
        values = rate(torch.tensor(extended))
        order = values.argsort(descending=True, stable=True)[:beam].tolist()
        sets = [extended[place] for place in order]
        if float(values[order[0]]) > best_value + 1e-9:
            best, best_value = sets[0], float(values[order[0]])
    return best, best_value


def _rate_by_gold(matrices: Sequence[torch.Tensor], gold: Sequence[GoldAlignment]) -> _Rate:
    """Rates sets by one minus the alignment error rate of the argmax of their mean."""
    known = []
    for matrix, links in zip(matrices, gold, strict=True):
        grids = torch.zeros(2, *matrix.shape[1:])
        for grid, part in zip(grids, (links.sure, links.possible), strict=True):
            for source, target in part:
                if target < grid.shape[0] and source < grid.shape[1]:
                    grid[target, source] = 1
        known.append(grids.sum(0))
    sure = sum(len(links.sure) for links in gold)

    def rate(sets: torch.Tensor) -> torch.Tensor:
        right, links = torch.zeros(len(sets)), torch.zeros(len(sets))
        for matrix, grid in zip(matrices, known, strict=True):
            if matrix.numel():
                values, best = _mean(matrix, sets).max(-1)
                linked = values > 0
                right += (grid.expand(len(sets), -1, -1).gather(-1, best[..., None])[..., 0] * linked).sum(-1)
                links += linked.sum(-1)
        return right / (links + sure).clamp(min=1)

    return rate


def _rate_without_gold(matrices: Sequence[torch.Tensor], policy: Policy) -> _Rate:
    """Rates sets by the predictor of the error rate of their mean."""
    words = max(1, sum(min(matrix.shape[1:]) for matrix in matrices))

    def rate(sets: torch.Tensor) -> torch.Tensor:
        linked = torch.zeros(len(sets), dtype=torch.float64)
        for matrix in matrices:
            if matrix.numel():
                mean = _mean(matrix, sets)
                if policy.action == "renormalize":
                    mean = renormalized(mean).nan_to_num(0.0)
                chosen, best = linked_mutually(mean)
                rows, columns = mean.shape[-2:]
                value = nearness((best + 0.5).double() / columns, (torch.arange(rows) + 0.5).double() / rows)
                linked += (value * chosen).sum(-1)
        return linked / words

    return rate


def _mean(matrix: torch.Tensor, sets: torch.Tensor) -> torch.Tensor:
    """``[sets, target words, source words]`` mean of the candidates of each set."""
    total = matrix[sets[:, 0]]
    for place in range(1, sets.shape[1]):
        total = total + matrix[sets[:, place]]
    return total / sets.shape[1]


def _by_words(record: AttentionData, heads: Sequence[ReadHead], policy: Policy) -> torch.Tensor:
    """``[heads, target words, source words]`` weights, 0 for words that have no row or that the policy leaves out."""
    merged = {reading: record.read_as(reading).words() for reading in {head.reading for head in heads}}
    sizes = [len(axis.words) for axis in (record.target, record.source)]
    weights = torch.zeros(len(heads), *sizes)
    for reading, data in merged.items():
        places = [place for place, head in enumerate(heads) if head.reading == reading]
        rows, columns = (numbered_positions(axis.groups, policy.left_out(axis)) for axis in (data.target, data.source))
        part = data.head_weights([heads[place][:2] for place in places])[:, list(rows)][..., list(columns)]
        row_numbers, column_numbers = (torch.tensor([*side.values()], dtype=torch.long) for side in (rows, columns))
        weights[torch.tensor(places)[:, None, None], row_numbers[:, None], column_numbers] = part.nan_to_num(0.0)
    return weights


def _policy(special: Special) -> Policy:
    policy = read_policy(special)
    if policy.action == "keep":
        raise ValueError("a set of heads links words, so special tokens cannot be kept: use special='renormalize'")
    return policy


def _check(records: Sequence[AttentionData], settings: dict[str, int]) -> None:
    for name, value in settings.items():
        check_whole(value, name)
    if not records:
        raise ValueError("there are no records to choose heads by")
    grids = {(record.layers, record.heads) for record in records}
    if len(grids) > 1:
        raise ValueError(f"records must come from one model, got (layers, heads) = {sorted(grids)}")
    if any(record.source.kind != "text" or not record.source.words or not record.target.words for record in records):
        raise ValueError("records must be of text with words, which a set of heads links")


def _gold(sure: Corpus, possible: Corpus | None, count: int) -> list[GoldAlignment]:
    """The gold links of each record; the possible ones include the sure ones."""
    given = [read_links(sure, "sure").alignments]
    if possible is not None:
        given.append(read_links(possible, "possible").alignments)
    for part in given:
        if len(part) != count:
            raise ValueError(f"there are {count} records and {len(part)} gold alignments: give one of each")
    if len(given) == 1:
        return given[0]
    return [GoldAlignment(first.sure, first.possible | other.possible) for first, other in zip(*given, strict=True)]
