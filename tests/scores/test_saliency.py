"""The rank correlation of attention with saliency, against scipy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from score_formulas import random_attention

from xattn_widget import CrossAttention, scores
from xattn_widget.record.axis import Axis
from xattn_widget.record.contributed import Contributed

sizes = st.integers(2, 7)


def by_scipy(attention, saliency):
    """The mean over the rows of one head in which neither side is constant."""
    values = [
        spearmanr(row, reference).statistic
        for row, reference in zip(attention, saliency, strict=True)
        if len(set(row)) > 1 and len(set(reference)) > 1
    ]
    return np.mean(values) if values else np.nan


@given(rows=sizes, columns=sizes, seed=st.integers(0, 10**6), levels=st.integers(1, 6))
def test_it_is_the_mean_rank_correlation_of_the_rows(rows, columns, seed, levels):
    generator = torch.Generator().manual_seed(seed)
    # Few levels: equal values share the mean of their ranks.
    attention = torch.randint(0, levels, (2, 3, rows, columns), generator=generator) / 8
    saliency = torch.randint(0, levels, (rows, columns), generator=generator) / 4
    values = scores.faithfulness(attention, saliency=saliency)
    for layer, head in np.ndindex(2, 3):
        expected = by_scipy(attention[layer, head].tolist(), saliency.tolist())
        assert float(values[layer, head]) == pytest.approx(expected, abs=1e-5, nan_ok=True)


@given(rows=sizes, columns=sizes, seed=st.integers(0, 10**6))
def test_batches_and_padding_change_nothing(rows, columns, seed):
    first = random_attention((2, 3, rows, columns), seed)
    saliency = random_attention((rows, columns), seed + 1)
    padded = torch.full((2, 2, 3, 8, 9), torch.nan)
    padded[0, :, :, :rows, :columns], padded[1] = first, random_attention((2, 3, 8, 9), seed + 2)
    reference = torch.rand(2, 8, 9, generator=torch.Generator().manual_seed(seed))
    reference[0, :rows, :columns] = saliency
    masks = {
        "source_mask": torch.arange(9) < torch.tensor([[columns], [9]]),
        "target_mask": torch.arange(8) < torch.tensor([[rows], [8]]),
    }
    batch = scores.faithfulness(padded, **masks, saliency=reference)
    torch.testing.assert_close(batch[0], scores.faithfulness(first, saliency=saliency).values, equal_nan=True)
    alone = scores.faithfulness(padded[1], saliency=reference[1])
    torch.testing.assert_close(batch[1], alone.values)


def test_special_tokens_of_a_record_are_left_out():
    attention, saliency = random_attention((1, 2, 4, 5), 0), random_attention((1, 1, 4, 5), 1)
    record = CrossAttention(
        attention,
        Axis((*"abcd", "</s>"), (False,) * 4 + (True,)),
        {"output": Axis(("x", "y", "z", "</s>"), (False,) * 3 + (True,))},
        contributed=Contributed({"gradient": saliency}),
    )
    found = record.faithfulness
    for head in range(2):
        expected = by_scipy(attention[0, head, :3, :4].tolist(), saliency[0, 0, :3, :4].tolist())
        assert float(found[0, head]) == pytest.approx(expected, abs=1e-5)
    assert torch.equal(record.drop_special().faithfulness.values, found.values)
    with pytest.raises(ValueError, match="leaves special tokens out itself"):
        record.score("faithfulness", special="drop")
    with pytest.raises(ValueError, match=r"needs saliency: use extract\(\.\.\., faithfulness=True\)"):
        _ = CrossAttention.from_tokens(attention, list("abcde"), list("wxyz")).faithfulness
