"""The built-in scores against plain numpy and known answers; masks, policies, signatures, a user's own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr
from scipy.stats import kurtosis, wasserstein_distance

from xattn_widget import CrossAttention, scores
from xattn_widget.record.axis import Axis

# All that are computed from attention (and norms) alone; importance is what the model gave.
NAMES = tuple(name for name in scores.BUILTIN if name != "importance")

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


def in_numpy(name, attention, special, *, others=None, norms=None, eps=1e-8, threshold=0.2):
    """One head's score by the formula, [target, source] in double precision; ``others`` are the layer's other heads."""
    rows, columns = attention.shape
    coverage = attention.sum(0)
    if name == "coverage_penalty":
        return -np.log(np.clip(coverage, eps, 1)).sum() / columns
    if name == "overcoverage":
        return np.maximum(coverage - 1, 0).mean()
    if name == "ignored_source":
        return (coverage < threshold).mean()
    if name == "entropy":
        terms = np.where(attention > 0, attention * np.log(np.where(attention > 0, attention, 1)), 0)
        return -terms.sum(1).mean() / math.log(columns) if columns > 1 else math.nan
    if name == "confidence":
        return attention.max(1).mean()
    if name == "distraction":
        return -np.mean(kurtosis(attention, axis=1, fisher=False)) if columns > 1 else math.nan
    if name == "marginal_divergence":
        return 0.5 * np.abs(coverage / rows - 1 / columns).sum()
    if name == "sink_mass":
        return attention[:, special].sum(1).mean()
    if name == "monotonicity":
        steps = np.diff(attention @ np.arange(columns))
        return steps.sum() / np.abs(steps).sum() if np.abs(steps).sum() > 1e-6 else math.nan
    if name == "diagonality":
        down, across = (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns
        return 1 - (attention * np.abs(down[:, None] - across)).sum(1).mean()
    if name == "agreement":
        mean = others.mean(0)
        middle = (attention + mean) / 2
        divergence = (rel_entr(attention, middle) + rel_entr(mean, middle)).sum(1) / 2 / math.log(2)
        return 1 - divergence.mean()
    if name == "alignment_norm":
        return np.linalg.norm(attention, axis=0).mean() + np.linalg.norm(attention, axis=1).mean()
    assert name == "value_norm"
    return norms.sum(1).mean()


def random_attention(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


def record_of(attention, source_special=(), target_special=()):
    *_, rows, columns = attention.shape
    return CrossAttention(
        weights=attention,
        value_norms=attention * torch.arange(1.0, columns + 1),
        importance={"gradient": torch.ones(attention.shape[:2])},
        source=Axis(tuple(f"s{i}" for i in range(columns)), special=tuple(i in source_special for i in range(columns))),
        targets={
            "output": Axis(tuple(f"t{i}" for i in range(rows)), special=tuple(i in target_special for i in range(rows)))
        },
    )


@pytest.mark.parametrize("name", KNOWN)
def test_fixtures_have_their_known_values(name):
    attention = torch.stack(list(FIXTURES.values()))[None]  # one layer, a head a fixture
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


sizes = st.integers(1, 9)
policies = st.sampled_from(["keep", "drop", "renormalize"])


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


def takes(name, special):
    """Whether a score has this policy for special tokens."""
    return special != "renormalize" or name not in ("sink_mass", "value_norm")


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(NAMES),
    special=policies,
)
def test_padding_and_batching_do_not_change_a_score(lengths, seed, name, special):
    if not takes(name, special):
        return
    function = scores.BUILTIN[name]
    rows, columns = (max(length[side] for length in lengths) for side in (0, 1))
    # Padding rows hold numbers too, as a model's do: they must not count. Nor must those of padding columns.
    batch = random_attention((len(lengths), 2, 3, rows + 1, columns + 1), seed)
    norms = batch * 2
    masks = {
        "source_mask": torch.zeros(len(lengths), columns + 1, dtype=torch.bool),
        "target_mask": torch.zeros(len(lengths), rows + 1, dtype=torch.bool),
        "source_special": torch.ones(len(lengths), columns + 1, dtype=torch.bool),
        "target_special": torch.ones(len(lengths), rows + 1, dtype=torch.bool),
    }
    alone = []
    for index, (length, width) in enumerate(lengths):
        generator = torch.Generator().manual_seed(seed + index)
        sentence = random_attention((2, 3, length, width), seed + index)
        # Any position may be special, all of a side too.
        source_special = torch.rand(width, generator=generator) < 0.3
        target_special = torch.rand(length, generator=generator) < 0.3
        batch[index, :, :, :length, :width] = sentence
        norms[index, :, :, :length, :width] = sentence + 1
        masks["source_mask"][index, :width] = True
        masks["target_mask"][index, :length] = True
        masks["source_special"][index, :width] = source_special
        masks["target_special"][index, :length] = target_special
        alone.append(
            function(
                sentence,
                source_special=source_special,
                target_special=target_special,
                value_norms=sentence + 1,
                special=special,
            )
        )
    before = batch.clone(), norms.clone(), {key: mask.clone() for key, mask in masks.items()}
    batched = function(batch, **masks, value_norms=norms, special=special)
    torch.testing.assert_close(batched, torch.stack(alone), atol=1e-6, rtol=1e-6, equal_nan=True)
    assert torch.equal(batch, before[0])
    assert torch.equal(norms, before[1])
    assert all(torch.equal(masks[key], mask) for key, mask in before[2].items())


@settings(max_examples=60, deadline=None)
@given(rows=sizes, columns=sizes, seed=st.integers(0, 10**6), name=st.sampled_from(NAMES))
def test_a_score_of_some_layers_or_heads_is_that_of_all(rows, columns, seed, name):
    function = scores.BUILTIN[name]
    attention = random_attention((2, 3, 4, rows, columns), seed)
    special = torch.zeros(2, columns, dtype=torch.bool)
    whole = function(attention, source_special=special, value_norms=attention)
    part = (slice(None), slice(1, 2), slice(None) if function.scope == "layer" else slice(2, 3))
    alone = function(attention[part], source_special=special, value_norms=attention[part])
    torch.testing.assert_close(alone, whole[part], atol=1e-6, rtol=1e-6, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("special", ["keep", "drop", "renormalize"])
def test_each_policy_for_special_tokens_is_the_formula_on_what_it_leaves(name, special):
    if not takes(name, special):
        return
    attention = random_attention((1, 3, 5, 6), 3)
    record = record_of(attention, source_special={0, 5}, target_special={4})
    left, norms, flags = attention[0].double().numpy(), record.value_norms[0, 0].numpy(), np.zeros(6, bool)
    flags[[0, 5]] = True
    if special != "keep":
        left, norms = left[:, :4], norms[:4, 1:5]
        if name != "sink_mass":  # which measures the columns that the policy takes from others
            left, flags = left[..., 1:5], flags[1:5]
    if special == "renormalize":
        left = left / left.sum(-1, keepdims=True)
    expected = in_numpy(name, left[0], flags, others=left[1:], norms=norms)
    assert float(record.score(name, special=special)[0, 0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_undefined_values_are_nan(name):
    record = record_of(random_attention((1, 2, 3, 2), 0), source_special={0, 1}, target_special={0, 1, 2})
    assert record.score(name, special="drop").isnan().all()
    with_nan = record_of(torch.full((1, 2, 3, 2), math.nan))
    if name != "sink_mass":  # nothing special here: no column of NaN is looked at
        assert with_nan.score(name).isnan().all()


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


def test_a_reference_stands_in_the_signature_and_must_fit():
    records = [record_of(random_attention((2, 2, 4, 5), seed), source_special={4}) for seed in range(3)]
    reference = scores.reference_marginals(records, special="renormalize")
    signature = records[0].score("marginal_divergence", special="renormalize", reference=reference).signature
    assert "reference:renormalize/3/" in signature
    assert str(scores.reference_marginals(records[:2], special="renormalize")) not in signature
    with pytest.raises(ValueError, match=r"\[2, 2\], the attention \[1, 2\]"):
        scores.marginal_divergence(records[0].weights[:1], reference=reference)
    with pytest.raises(ValueError, match="at least one record"):
        scores.reference_marginals([])


def test_a_grid_is_reduced_over_layers_or_heads_and_says_so():
    record = record_of(random_attention((3, 4, 5, 6), 0))
    grid = record.score("coverage_penalty")
    by_head, by_layer = (record.score("coverage_penalty", reduce=axis) for axis in ("layers", "heads"))
    assert torch.allclose(by_head, grid.mean(0))
    assert torch.allclose(by_layer, grid.mean(1))
    assert "|reduce:layers|" in by_head.signature
    batch = record.weights.expand(2, -1, -1, -1, -1)
    assert scores.coverage_penalty(batch, reduce="heads").shape == (2, 3)
    with pytest.raises(ValueError, match="'layers' or 'heads'"):
        record.score("entropy", reduce="mean")


def test_contributions_put_norms_in_the_place_of_weights():
    record = record_of(random_attention((2, 3, 4, 5), 0))
    contributions = record.contributions()
    expected = record.value_norms / record.value_norms.sum(-1, keepdim=True)
    assert torch.allclose(contributions.weights, expected)
    values = contributions.score("entropy")
    assert torch.allclose(values, scores.entropy(expected))
    assert "|record:contributions|" in values.signature
    with pytest.raises(ValueError, match=r"extract\(\.\.\., value_norms=True\)"):
        CrossAttention.from_tokens(record.weights, list("abcde"), list("wxyz")).contributions()


def test_sink_mass_refuses_the_policy_that_takes_its_columns_away():
    record = record_of(random_attention((1, 1, 3, 3), 0), source_special={2})
    with pytest.raises(ValueError, match="renormalize"):
        record.score("sink_mass", special="renormalize")


def test_half_precision_is_computed_in_single():
    attention = random_attention((1, 2, 6, 7), 1).half()
    inputs = {"source_special": torch.zeros(7, dtype=torch.bool), "value_norms": attention}
    for name in NAMES:
        values = getattr(scores, name)(attention, **inputs)
        assert values.dtype == torch.float32
        assert torch.equal(values, getattr(scores, name)(attention.float(), **inputs))


def test_double_precision_stays_double():
    assert scores.distraction(random_attention((1, 2, 6, 7), 1).double()).dtype == torch.float64


def test_a_signature_names_what_was_made_of_the_record():
    record = record_of(random_attention((1, 1, 3, 3), 0), source_special={2}, target_special={2})
    made = record.words().drop_special()
    assert "|record:words+renormalize|" in made.score("entropy").signature
    assert "|record:drop|" in record.drop_special(renormalize=False).score("entropy").signature
    assert "record:" not in record.score("entropy").signature
    read = CrossAttention(record.weights, record.source, {"output": record.target, "input": record.target}, "input")
    assert "|reading:input|record:words|" in read.words().score("entropy").signature


def test_signatures_say_what_makes_the_number_again():
    record = record_of(random_attention((1, 1, 3, 3), 0))
    version = scores.coverage_penalty.signature().rpartition("|v:")[2]
    assert record.score("coverage_penalty").signature == f"coverage_penalty|special:keep|eps:1e-08|v:{version}"
    assert record.score("ignored_source", special="drop", threshold=0.1).signature == (
        f"ignored_source|special:drop|threshold:0.1|v:{version}"
    )


def test_the_signature_names_the_reading_where_rows_were_chosen_by_it():
    labels = Axis(("a", "b"), special=(False, True))
    record = CrossAttention(
        random_attention((1, 1, 2, 2), 0), Axis(("x", "y")), {"output": labels, "input": labels}, reading="input"
    )
    assert "reading:input" in record.score("entropy", special="drop").signature
    assert "reading" not in record.score("entropy").signature
