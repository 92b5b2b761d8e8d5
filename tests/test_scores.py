"""The built-in scores against plain numpy and known answers; masks, policies, signatures, a user's own."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, score, scores
from xattn_widget.axes import Axis

NAMES = ("coverage_penalty", "entropy", "confidence", "sink_mass", "ignored_source", "marginal_divergence")

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
}


def in_numpy(name, attention, special, *, eps=1e-8, threshold=0.2):
    """One head's score by the formula, [target, source] in double precision."""
    rows, columns = attention.shape
    coverage = attention.sum(0)
    if name == "coverage_penalty":
        return -np.log(np.clip(coverage, eps, 1)).sum() / columns
    if name == "entropy":
        terms = np.where(attention > 0, attention * np.log(np.where(attention > 0, attention, 1)), 0)
        return -terms.sum(1).mean() / math.log(columns) if columns > 1 else math.nan
    if name == "confidence":
        return attention.max(1).mean()
    if name == "sink_mass":
        return attention[:, special].sum(1).mean()
    if name == "ignored_source":
        return (coverage < threshold).mean()
    return 0.5 * np.abs(coverage / rows - 1 / columns).sum()


def random_attention(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


def record_of(attention, source_special=(), target_special=()):
    *_, rows, columns = attention.shape
    return CrossAttention(
        weights=attention,
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
    assert values[0].tolist() == pytest.approx(KNOWN[name], abs=1e-3)


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


@settings(max_examples=40, deadline=None)
@given(rows=sizes, columns=sizes, seed=st.integers(0, 10**6), name=st.sampled_from(NAMES))
def test_scores_equal_their_formula_in_numpy(rows, columns, seed, name):
    attention = random_attention((2, 3, rows, columns), seed)
    special = torch.rand(columns, generator=torch.Generator().manual_seed(seed)) < 0.3
    record = record_of(attention, source_special=set(special.nonzero()[:, 0].tolist()))
    values = record.score(name)
    for layer in range(2):
        for head in range(3):
            expected = in_numpy(name, attention[layer, head].double().numpy(), special.numpy())
            assert float(values[layer, head]) == pytest.approx(expected, abs=1e-5, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(
    lengths=st.lists(st.tuples(sizes, sizes), min_size=1, max_size=4),
    seed=st.integers(0, 10**6),
    name=st.sampled_from(NAMES),
)
def test_padding_and_batching_do_not_change_a_score(lengths, seed, name):
    rows, columns = (max(length[side] for length in lengths) for side in (0, 1))
    # Padding rows hold numbers too, as a model's do: they must not count.
    batch = random_attention((len(lengths), 2, 3, rows + 1, columns + 1), seed)
    source_mask = torch.zeros(len(lengths), columns + 1, dtype=torch.bool)
    target_mask = torch.zeros(len(lengths), rows + 1, dtype=torch.bool)
    special = torch.zeros(len(lengths), columns + 1, dtype=torch.bool)
    alone = []
    for index, (length, width) in enumerate(lengths):
        sentence = random_attention((2, 3, length, width), seed + index)
        batch[index, :, :, :length, :width] = sentence
        batch[index, :, :, :length, width:] = 0
        source_mask[index, :width] = True
        target_mask[index, :length] = True
        special[index, width - 1] = True
        alone.append(getattr(scores, name)(sentence, source_special=special[index, :width]))
    before = batch.clone()
    batched = getattr(scores, name)(batch, source_mask, target_mask, source_special=special)
    assert torch.allclose(batched, torch.stack(alone), atol=1e-6, equal_nan=True)
    assert torch.equal(batch, before)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sink_mass"])
@pytest.mark.parametrize("special", ["keep", "drop", "renormalize"])
def test_each_policy_for_special_tokens_is_the_formula_on_what_it_leaves(name, special):
    attention = random_attention((1, 1, 5, 6), 3)
    record = record_of(attention, source_special={0, 5}, target_special={4})
    left = attention[0, 0].double().numpy()
    if special != "keep":
        left = left[:4, 1:5]
    if special == "renormalize":
        left = left / left.sum(1, keepdims=True)
    expected = in_numpy(name, left, np.zeros(left.shape[1], bool))
    assert float(record.score(name, special=special)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_undefined_values_are_nan(name):
    record = record_of(random_attention((1, 2, 3, 2), 0), source_special={0, 1}, target_special={0, 1, 2})
    assert record.score(name, special="drop").isnan().all()
    with_nan = record_of(torch.full((1, 2, 3, 2), math.nan))
    if name != "sink_mass":  # nothing special here: no column of NaN is looked at
        assert with_nan.score(name).isnan().all()


def test_entropy_is_undefined_for_one_source_token():
    assert scores.entropy(torch.ones(1, 1, 4, 1)).isnan().all()


def test_sink_mass_refuses_the_policy_that_takes_its_columns_away():
    record = record_of(random_attention((1, 1, 3, 3), 0), source_special={2})
    with pytest.raises(ValueError, match="renormalize"):
        record.score("sink_mass", special="renormalize")


def test_half_precision_is_computed_in_single():
    attention = random_attention((1, 2, 6, 7), 1).half()
    for name in ("coverage_penalty", "entropy", "confidence", "marginal_divergence"):
        values = getattr(scores, name)(attention)
        assert values.dtype == torch.float32
        assert torch.equal(values, getattr(scores, name)(attention.float()))


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


@score(direction="lower")
def first_column(attention, source_mask, target_mask, *, power=1):
    """Mass on the first source token."""
    return attention[..., 0].pow(power).mean(-1)


def test_a_users_score_ignores_masks_and_is_right_in_a_batch():
    batch = random_attention((2, 3, 4, 5, 6), 5)
    source_mask, target_mask = torch.ones(2, 6, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    target_mask[1, 2:] = False
    values = first_column(batch, source_mask, target_mask)
    assert torch.allclose(values[0], batch[0, ..., 0].mean(-1))
    assert torch.allclose(values[1], batch[1, :, :, :2, 0].mean(-1))


def test_a_users_score_has_direction_description_parameters_and_a_signature_of_its_code():
    record = record_of(random_attention((2, 3, 4, 5), 5))
    assert (first_column.direction, first_column.description) == ("lower", "Mass on the first source token.")
    assert first_column.parameters == {"power": 1}
    plain, squared = record.score(first_column), record.score(first_column, power=2)
    assert torch.allclose(squared, record.weights[..., 0].pow(2).mean(-1))
    assert "power:2" in squared.signature
    assert "code:" in plain.signature

    def first_column_too(attention, source_mask, target_mask, *, power=1):
        return attention[..., 1].pow(power).mean(-1)

    same_name = score(name="first_column")(first_column_too)
    assert record.score(same_name).signature != plain.signature


def test_numpy_and_plain_functions_are_scores_too():
    record = record_of(random_attention((2, 3, 4, 5), 5))
    values = record.score(lambda attention, source_mask, target_mask: attention.numpy().max(-1).mean(-1))
    assert torch.allclose(values, record.score("confidence"))


def test_a_score_that_writes_into_its_input_does_not_reach_the_record():
    record = record_of(random_attention((2, 3, 4, 5), 5))
    before = record.weights.clone()
    record.score(lambda attention, source_mask, target_mask: attention.zero_().sum((-1, -2)))
    assert torch.equal(record.weights, before)


def test_wrong_shapes_names_and_parameters_are_told():
    record = record_of(random_attention((2, 3, 4, 5), 5))
    with pytest.raises(ValueError, match=r"line \d+ of .*test_scores.*returned shape \[2, 3, 4\].*\[2, 3\]"):
        record.score(lambda attention, source_mask, target_mask: attention.mean(-1))
    with pytest.raises(ValueError, match="returned str"):
        record.score(lambda attention, source_mask, target_mask: "high")
    with pytest.raises(ValueError, match="did you mean 'entropy'"):
        record.score("entropi")
    with pytest.raises(TypeError, match=r"'epsilon'.*eps"):
        record.score("coverage_penalty", epsilon=1)
    with pytest.raises(ValueError, match=r"keep.*drop.*renormalize"):
        record.score("entropy", special="fade")
    with pytest.raises(TypeError, match="attention, source_mask, target_mask"):
        score(lambda attention: attention)
    with pytest.raises(ValueError, match=r"higher.*lower"):
        score(direction="up")
    with pytest.raises(ValueError, match="source_mask covers 4 positions, the attention has 5"):
        scores.entropy(record.weights, torch.ones(4))
