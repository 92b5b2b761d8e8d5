"""Positions that get attention whatever is there: their mean over records, and records without it."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import CrossAttention, position_sinks
from xattn_widget.record.axis import Axis


def random_record(rows, columns=5, seed=0, heads=2):
    weights = torch.randn(3, heads, rows, columns, generator=torch.Generator().manual_seed(seed)).softmax(-1)
    target = Axis(tuple(f"t{row}" for row in range(rows)), special=(False,) * (rows - 1) + (rows > 1,))
    return CrossAttention.from_tokens(weights, [f"s{column}" for column in range(columns)], target)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(0, 10**6))
def test_the_mean_is_over_all_rows_that_are_not_special(rows, seed):
    records = [random_record(count, seed=seed + index) for index, count in enumerate(rows)]
    sinks = position_sinks(iter(records))
    kept = torch.cat(
        [record.weights[:, :, : max(1, count - 1)] for record, count in zip(records, rows, strict=True)], 2
    )
    torch.testing.assert_close(sinks.mean, kept.mean(2))
    assert sinks.records == len(records)
    divided = sinks.divide(records[0])
    expected = records[0].weights / kept.mean(2)[:, :, None]
    torch.testing.assert_close(divided.weights, expected / expected.sum(-1, keepdim=True))
    assert "sinks" in divided.score("entropy").signature


def test_a_constant_sink_no_longer_stands_out():
    sink = torch.tensor([0.9, 0.05, 0.03, 0.02])
    others = [CrossAttention.from_tokens(sink.roll(0).expand(1, 1, 2, 4), list("abcd"), list("xy")) for _ in range(3)]
    looking = CrossAttention.from_tokens(torch.tensor([[[[0.8, 0.05, 0.03, 0.12]]]]), list("abcd"), ["x"])
    assert int(position_sinks(others).divide(looking).weights.argmax()) == 3
    # A position that never got attention has none to divide.
    unread = CrossAttention.from_tokens(torch.tensor([[[[1.0, 0.0]]]]), ["a", "b"], ["x"])
    assert position_sinks([unread]).divide(unread).weights.flatten().tolist() == [1, 0]


def test_records_of_other_shapes_are_errors():
    with pytest.raises(ValueError, match="at least one record"):
        position_sinks([])
    with pytest.raises(ValueError, match=r"expected .* = \[3, 2, 5\], got \[3, 2, 4\]"):
        position_sinks([random_record(2), random_record(2, columns=4)])
    with pytest.raises(ValueError, match="positions of one model"):
        position_sinks([random_record(2)]).divide(random_record(2, heads=1))
