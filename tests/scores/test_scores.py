"""The built-in scores against plain numpy and known answers."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance
from score_formulas import NAMES, in_numpy, random_attention, record_of

from xattn_widget import CrossAttention, scores

sizes = st.integers(1, 9)
IDENTITY = torch.eye(8)
FIXTURES = {
    "identity": IDENTITY,
    "uniform": torch.full((8, 8), 1 / 8),
    "last column": IDENTITY[-1].expand(8, 8),
    "reversed identity": IDENTITY.flip(0),
}
KNOWN = {
    "coverage_penalty": (0, 0, 16.118, 0),
    "entropy": (0, 1, 0, 0),
    "confidence": (1, 0.125, 1, 1),
    "marginal_divergence": (0, 0, 0.875, 0),
    "ignored_source": (0, 0, 0.875, 0),
    "overcoverage": (0, 0, 0.875, 0),
    "distraction": (-6.143, math.nan, -6.143, -6.143),
    "monotonicity": (1, math.nan, math.nan, -1),
    "diagonality": (1, 0.672, 0.5625, 0.5),
    "alignment_norm": (2, 2 / math.sqrt(8), math.sqrt(8) / 8 + 1, 2),
}


@pytest.mark.parametrize("name", KNOWN)
def test_fixtures_have_their_known_values(name):
    attention = torch.stack(list(FIXTURES.values()))[None]  # one layer, one head per fixture
    values = (
        getattr(scores, name)(attention, eps=1e-8) if name == "coverage_penalty" else getattr(scores, name)(attention)
    )
    assert values[0].tolist() == pytest.approx(KNOWN[name], abs=1e-3, nan_ok=True)


def test_sink_mass_is_the_mass_on_special_columns():
    record = record_of(torch.stack(list(FIXTURES.values()))[None], source_special={7})
    assert record.score("sink_mass")[0].tolist() == pytest.approx([1 / 8, 1 / 8, 1, 1 / 8])


def test_a_uniform_head_has_perfect_coverage_only_with_enough_rows():
    assert float(scores.coverage_penalty(torch.full((1, 1, 8, 4), 0.25))) == 0
    assert float(scores.coverage_penalty(torch.full((1, 1, 4, 8), 0.125))) == pytest.approx(math.log(2))


def test_eps_sets_what_a_dead_source_token_costs():
    attention = torch.zeros(1, 1, 2, 2)
    attention[..., 0] = 1
    assert float(scores.coverage_penalty(attention, eps=1e-3)) == pytest.approx(-math.log(1e-3) / 2)


@settings(max_examples=150, deadline=None)
@given(rows=sizes, columns=sizes, seed=st.integers(0, 10**6), name=st.sampled_from(NAMES))
def test_scores_equal_their_formula_in_numpy(rows, columns, seed, name):
    attention = random_attention((2, 3, rows, columns), seed)
    special = torch.rand(columns, generator=torch.Generator().manual_seed(seed)) < 0.3
    record = record_of(attention, source_special=set(special.nonzero()[:, 0].tolist()))
    values = record.score(name)
    heads = attention.double().numpy()
    for layer in range(2):
        for head in range(3):
            expected = in_numpy(
                name,
                heads[layer, head],
                special.numpy(),
                others=np.delete(heads[layer], head, axis=0),
                norms=record.value_norms[layer, head].numpy(),
            )
            assert float(values[layer, head]) == pytest.approx(expected, rel=1e-5, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("entropy", (1, 1, 4, 1)),
        ("distraction", (1, 1, 4, 1)),
        ("distraction", (1, 1, 4, 7)),
        ("monotonicity", (1, 1, 1, 7)),
        ("monotonicity", (1, 1, 4, 7)),
        ("agreement", (2, 1, 4, 7)),
    ],
)
def test_scores_are_undefined_for_uniform_rows_or_too_few_of_something(name, shape):
    assert getattr(scores, name)(torch.ones(shape).softmax(-1)).isnan().all()


def test_rounding_is_no_movement_and_no_peak():
    generator = torch.Generator().manual_seed(0)
    uniform = (torch.randn(1, 1, 40, 300, generator=generator) * 1e-7).softmax(-1)
    assert scores.monotonicity(uniform).isnan().all()
    assert scores.distraction(uniform).isnan().all()


def test_overcoverage_by_length_does_not_grow_with_the_target():
    sharp = torch.eye(4)[None, None]
    doubled = sharp.repeat_interleave(2, dim=-2)
    assert float(scores.overcoverage(doubled)) == 1
    assert float(scores.overcoverage(doubled, by_length=True)) == float(scores.overcoverage(sharp)) == 0


def test_importance_is_what_was_measured_and_says_by_which_method():
    record = record_of(random_attention((2, 3, 4, 5), 0))
    values = record.score("importance")
    assert torch.equal(values, torch.ones(2, 3))
    assert values.signature.startswith("importance|special:keep|method:gradient|v:")
    with pytest.raises(ValueError, match=r"extract\(..., importance='ablation'\)"):
        record.score("importance", method="ablation")
    with pytest.raises(ValueError, match="does not look at tokens"):
        record.score("importance", special="drop")


@pytest.mark.parametrize("name", ["value_norm", "importance"])
def test_what_a_record_does_not_hold_is_named_with_the_call_that_makes_it(name):
    record = CrossAttention.from_tokens(random_attention((1, 2, 3, 2), 0), ["a", "b"], ["x", "y", "z"])
    with pytest.raises(ValueError, match=r"needs (value_norms|importance): use extract\(\.\.\., "):
        record.score(name)


def marginal(attention):
    return attention.double().numpy().mean(-2)


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=8),
    rows=sizes,
    columns=sizes,
    nearest=st.integers(1, 5),
)
def test_divergence_to_a_reference_is_the_mean_wasserstein_distance_to_the_nearest(lengths, rows, columns, nearest):
    others = [random_attention((2, 2, *length), index) for index, length in enumerate(lengths)]
    reference = scores.reference_marginals([record_of(other) for other in others])
    attention = random_attention((2, 2, rows, columns), 99)
    padded = torch.nn.functional.pad(attention, (0, 2, 0, 3))
    values = scores.marginal_divergence(attention, reference=reference, nearest=nearest, length_window=0.3)
    batched = scores.marginal_divergence(
        torch.stack([padded, padded]),
        torch.arange(columns + 2) < columns,
        (torch.arange(rows + 3) < rows).expand(2, -1),
        reference=reference,
        nearest=nearest,
        length_window=0.3,
    )
    near = [other for other in others if abs(other.shape[-2] - rows) < 0.3 * rows] or others
    for layer in range(2):
        for head in range(2):
            distances = sorted(
                wasserstein_distance(
                    np.arange(columns),
                    np.arange(other.shape[-1]),
                    marginal(attention)[layer, head],
                    marginal(other)[layer, head],
                )
                for other in near
            )
            assert float(values[layer, head]) == pytest.approx(np.mean(distances[:nearest]), abs=1e-5)
    assert torch.allclose(batched[1], values, atol=1e-6)


def test_half_precision_is_computed_in_single():
    attention = random_attention((1, 2, 6, 7), 1).half()
    inputs = {"source_special": torch.zeros(7, dtype=torch.bool), "value_norms": attention}
    for name in NAMES:
        values = getattr(scores, name)(attention, **inputs)
        assert values.dtype == torch.float32
        assert torch.equal(values, getattr(scores, name)(attention.float(), **inputs))


def test_double_precision_stays_double():
    assert scores.distraction(random_attention((1, 2, 6, 7), 1).double()).dtype == torch.float64
