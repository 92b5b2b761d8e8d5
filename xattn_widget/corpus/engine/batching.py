"""Divide sentences into batches so that padding and the number of forwards together cost least."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from torch import nn

# The fixed cost of a forward (reading the weights, launching its operations), in tokens that take the same time. For
# CPUs it was measured with the model of tests/benchmarks/bench_corpus.py. Accelerators are idle between forwards, so
# they get as few forwards as the budget allows.
CPU_OVERHEAD, ACCELERATOR_OVERHEAD = 70, 100_000
# How many sentences are divided at a time: the effort grows with this number times the sentences in a batch.
_AT_ONCE = 4096


def depends_on_batch(model: nn.Module) -> bool:
    """Whether a sentence's values depend on its batch: dynamic int8 layers round a whole batch with one scale."""
    return any(".quantized.dynamic." in f"{type(module).__module__}." for module in model.modules())


def cut_batches(
    lengths: Any, budget: int, overhead: int, *, costs: tuple[float, float] = (1, 1), generated: bool = False
) -> list[list[int]]:
    """The positions of sentences, one list per batch.

    Sentences are sorted by the side that costs more, so that the sides of a batch have similar lengths. The list is cut
    so that the sum of the costs of all padded tokens and of the forwards' overheads is minimal.

    Args:
        lengths: ``[sentences, 2]`` tokens of source and target.
        budget: the most tokens of a batch, with padding and both sides; a longer sentence gets a batch of its own.
        overhead: the fixed cost of a forward, in tokens.
        costs: what a token of a source and one of a target cost.
        generated: whether targets are generated, so that a batch takes one forward per token of its longest target.
    """
    weighted = lengths * np.array(costs)
    order = np.lexsort((weighted.sum(1), weighted.max(1)))
    batches = []
    for first in range(0, len(order), _AT_ONCE):
        places = order[first : first + _AT_ONCE]
        starts = _best_starts(lengths[places], budget, overhead, costs, generated)
        batches += [places[start:end].tolist() for start, end in pairwise([*starts, len(places)])]
    return batches


def _best_starts(
    ordered: Any, budget: int, overhead: int, token_costs: tuple[float, float], generated: bool
) -> list[int]:
    """The positions where the batches of the cheapest cut begin."""
    count = len(ordered)
    # least[end]: the cost of the best cut of the first ``end`` sentences, whose last batch begins at start[end].
    least, start = np.zeros(count + 1), np.zeros(count + 1, dtype=np.intp)
    for end in range(1, count + 1):
        most = max(1, int(budget // (ordered[end - 1].max() + 1)))  # the other side has at least one token
        first = max(0, end - most)
        widest = np.maximum.accumulate(ordered[first:end][::-1])  # of batches with the last 1, 2, 3 ... sentences
        sizes = np.arange(1, len(widest) + 1)
        tokens = widest.sum(1) * sizes
        costs = (
            widest @ token_costs * sizes + overhead * (1 + widest[:, 1] if generated else 1) + least[first:end][::-1]
        )
        costs[(tokens > budget) & (sizes > 1)] = np.inf
        cheapest = int(costs.argmin())
        least[end], start[end] = costs[cheapest], end - 1 - cheapest
    starts = []
    end = count
    while end:
        end = int(start[end])
        starts.append(end)
    return starts[::-1]
