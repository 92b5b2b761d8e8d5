"""What makes score_corpus fast changes none of its numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from corpus_pool import made_up
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import score_corpus
from xattn_widget.corpus.batching import cut_batches

pytestmark = pytest.mark.usefixtures("single_thread")


# --- Batches.

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=7)


def padded(lengths):
    return len(lengths) * sum(max(side) for side in zip(*lengths, strict=True))


@given(LENGTHS, st.sampled_from([1, 40, 100, 1000]), st.sampled_from([0, 10, 100, 10**6]), st.booleans())
def test_no_other_cut_of_the_order_costs_less(lengths, budget, overhead, generated):
    def cost(batch):
        within = len(batch) == 1 or padded(batch) <= budget
        forwards = 1 + max(target for _, target in batch) if generated else 1
        return padded(batch) + overhead * forwards if within else np.inf

    batches = cut_batches(np.array(lengths), budget, overhead, generated=generated)
    places = [place for batch in batches for place in batch]
    assert sorted(places) == list(range(len(lengths)))
    ordered = [lengths[place] for place in places]
    assert [max(pair) for pair in ordered] == sorted(max(pair) for pair in ordered)
    others = []
    for count in range(len(ordered)):
        for cuts in itertools.combinations(range(1, len(ordered)), count):
            bounds = itertools.pairwise([0, *cuts, len(ordered)])
            others.append(sum(cost(ordered[start:end]) for start, end in bounds))
    found = sum(cost([lengths[place] for place in batch]) for batch in batches)
    assert found == min(others) < np.inf


def test_no_sentences_no_batches():
    assert cut_batches(np.empty((0, 2), dtype=int), 100, 10) == []


def test_forwards_keep_to_the_budget_and_have_little_padding(demo):
    sources = targets = made_up(200)
    seen = []

    def note(model, args, inputs):
        seen.append((inputs["input_ids"].shape, inputs["decoder_input_ids"].shape, inputs["attention_mask"].sum()))

    handle = demo.model.register_forward_pre_hook(note, with_kwargs=True)
    try:
        table = score_corpus(*demo, sources, targets, "entropy", batch_tokens=600)
    finally:
        handle.remove()
    seen = seen[1:]  # the first tells the number of layers and heads
    assert sum(source[0] for source, _, _ in seen) == 200
    tokens = [source.numel() + target.numel() for source, target, _ in seen]
    assert max(tokens) <= 600
    real = sum(sum(table[name].to_pylist()) for name in ("source_length", "target_length"))
    assert sum(tokens) < 1.25 * real
