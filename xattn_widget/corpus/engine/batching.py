"""Which sentences run in one forward: as little padding, in as few forwards, as is worth it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from torch import nn

# What a forward costs however little it holds (reading the weights, launching its operations), as tokens that the same
# time would do. On CPUs as measured by tests/benchmarks/bench_corpus.py's model; accelerators are idle in between, and
# best have as few forwards as the budget allows.
CPU_OVERHEAD, ACCELERATOR_OVERHEAD = 200, 100_000
# So many sentences are cut at a time: the effort grows with their number times that of a batch.
_AT_ONCE = 4096


def depends_on_batch(model: nn.Module) -> bool:
    """Whether a sentence's values depend on its batch: dynamic int8 layers round a whole batch to one scale."""
    return any(".quantized.dynamic." in f"{type(module).__module__}." for module in model.modules())


def cut_batches(lengths: Any, budget: int, overhead: int, *, generated: bool = False) -> list[list[int]]:
    """Places of sentences, a list for each batch.

    Sentences are put in order of their longer side, which keeps both sides of a batch alike, and that order is cut
    where the padded tokens of all batches and the overheads of their forwards come to the least.

    Args:
        lengths: ``[sentences, 2]`` tokens of source and target.
        budget: the most tokens of a batch, padding and both sides counted; a longer sentence is a batch by itself.
        overhead: of a forward, in tokens.
        generated: whether targets are generated, so that a batch takes a forward for each token of its longest one.
    """
    order = np.lexsort((lengths.sum(1), lengths.max(1)))
    batches = []
    for first in range(0, len(order), _AT_ONCE):
        places = order[first : first + _AT_ONCE]
        starts = _best_starts(lengths[places], budget, overhead, generated)
        batches += [places[start:end].tolist() for start, end in pairwise([*starts, len(places)])]
    return batches


def _best_starts(ordered: Any, budget: int, overhead: int, generated: bool) -> list[int]:
    """Where the batches of the cheapest cut begin."""
    count = len(ordered)
    # least[end]: the cost of the best cut of the first ``end`` sentences, whose last batch begins at start[end].
    least, start = np.zeros(count + 1), np.zeros(count + 1, dtype=np.intp)
    for end in range(1, count + 1):
        most = max(1, int(budget // (ordered[end - 1].max() + 1)))  # for the other side has a token at least
        first = max(0, end - most)
        widest = np.maximum.accumulate(ordered[first:end][::-1])  # of the batch of the last 1, 2, 3 ... sentences
        sizes = np.arange(1, len(widest) + 1)
        tokens = widest.sum(1) * sizes
        costs = tokens + overhead * (1 + widest[:, 1] if generated else 1) + least[first:end][::-1]
        costs[(tokens > budget) & (sizes > 1)] = np.inf
        taken = int(costs.argmin())
        least[end], start[end] = costs[taken], end - 1 - taken
    starts = []
    end = count
    while end:
        end = int(start[end])
        starts.append(end)
    return starts[::-1]
