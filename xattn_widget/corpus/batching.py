"""Which sentences run in one forward: as little padding, in as few forwards, as is worth it."""

from __future__ import annotations

from typing import Any

import numpy as np

# What a forward costs however little it holds (reading the weights, launching its operations), as tokens that the same
# time would do. On CPUs as measured by tests/benchmarks/bench_corpus.py's model; accelerators are idle in between, and
# best have as few forwards as the budget allows.
CPU_OVERHEAD, ACCELERATOR_OVERHEAD = 200, 100_000


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
    ordered = lengths[order]
    # least[end]: the cost of the best cut of the first ``end`` sentences, whose last batch begins at start[end].
    least, start = np.zeros(len(order) + 1), np.zeros(len(order) + 1, dtype=np.intp)
    for end in range(1, len(order) + 1):
        most = max(1, int(budget // (ordered[end - 1].max() + 1)))  # for the other side has a token at least
        first = max(0, end - most)
        widest = np.maximum.accumulate(ordered[first:end][::-1])  # of the batch of the last 1, 2, 3 ... sentences
        tokens = widest.sum(1) * np.arange(1, len(widest) + 1)
        forwards = 1 + widest[:, 1] if generated else 1
        costs = np.where(tokens > budget, np.inf, tokens + overhead * forwards + least[first:end][::-1])
        costs[0] = tokens[0] + overhead * (1 + widest[0, 1] if generated else 1) + least[end - 1]
        taken = int(costs.argmin())
        least[end], start[end] = costs[taken], end - 1 - taken
    batches = []
    end = len(order)
    while end:
        batches.append(order[start[end] : end].tolist())
        end = start[end]
    return batches[::-1]
