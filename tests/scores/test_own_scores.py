"""Scores that users write: right in any batch, tested by check_score, with errors that say what is wrong."""

import numpy as np
import pytest
import torch

from xattn_widget import CrossAttention, check_score, score, scores


def random_attention(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


def record_of(attention):
    *_, rows, columns = attention.shape
    return CrossAttention.from_tokens(attention, [f"s{i}" for i in range(columns)], [f"t{i}" for i in range(rows)])


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


def test_wrong_shapes_names_and_parameters_are_reported():
    record = record_of(random_attention((2, 3, 4, 5), 5))
    with pytest.raises(ValueError, match=r"line \d+ of .*test_own_scores.*returned shape \[2, 3, 4\].*\[2, 3\]"):
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


def test_the_line_that_returns_is_named():
    def many_lines(attention, source_mask, target_mask):
        largest = attention.amax(-1)
        return largest + 0

    line = many_lines.__code__.co_firstlineno + 2
    with pytest.raises(ValueError, match=rf"line {line} of .*returned shape \[2, 3, 4\]"):
        record_of(random_attention((2, 3, 4, 5), 5)).score(many_lines)


def test_an_error_inside_gets_a_note_with_the_shapes_and_how_to_write_numpy():
    def in_numpy(attention, source_mask, target_mask):
        return np.max(attention, axis=-1).mean(axis=-1)

    with pytest.raises(TypeError) as raised:
        record_of(random_attention((2, 3, 4, 5), 5)).score(in_numpy)
    note = raised.value.__notes__[0]
    assert "[2, 3, 4, 5]" in note
    assert "@score(numpy=True)" in note
    values = record_of(random_attention((2, 3, 4, 5), 5)).score(score(numpy=True)(in_numpy))
    assert torch.allclose(values, scores.confidence(random_attention((2, 3, 4, 5), 5)))


def test_numpy_functions_get_arrays_batched_too():
    @score(numpy=True, batched=True)
    def in_numpy(attention, source_mask, target_mask):
        assert all(type(argument) is np.ndarray for argument in (attention, source_mask, target_mask))
        inside = target_mask[..., None, None, :]
        largest = (attention * source_mask[..., None, None, None, :]).max(-1)
        largest = np.where(inside, largest, 0)  # what is outside may be NaN
        return largest.sum(-1) / np.maximum(inside.sum(-1), 1)

    check_score(in_numpy)


def test_a_score_that_asks_for_special_tokens_or_norms_gets_them():
    @score
    def mass_of_special(attention, source_mask, target_mask, source_special, value_norms):
        return (attention * source_special).sum(-1).mean(-1) + 0 * value_norms.sum((-1, -2))

    assert mass_of_special.needs == ("source_special", "value_norms")
    assert mass_of_special.parameters == {}
    check_score(mass_of_special)


def test_names_that_every_score_has_are_reserved():
    with pytest.raises(TypeError, match="'reduce', which every score has"):
        score(lambda attention, source_mask, target_mask, reduce=None: attention)


def test_a_signature_has_the_hash_of_an_array():
    @score
    def weighted(attention, source_mask, target_mask, *, by=None):
        return (attention * by).sum(-1).mean(-1)

    record = record_of(random_attention((2, 3, 4, 5), 5))
    ones, twos = record.score(weighted, by=torch.ones(5)), record.score(weighted, by=2 * torch.ones(5))
    assert "|by:5/" in ones.signature
    assert ones.signature != twos.signature


@pytest.mark.parametrize("name", scores.BUILTIN)
def test_the_built_in_scores_pass_the_check(name):
    properties = check_score(scores.BUILTIN[name])
    assert any("padded batch" in text for text in properties)


def test_the_check_passes_a_users_score_and_takes_parameters():
    assert check_score(first_column, power=2)
    assert check_score(lambda attention, source_mask, target_mask: attention.amax(-1).mean(-1))


def forgets_padding(attention, source_mask, target_mask):
    return attention.sum(-2).clamp(max=1).mean(-1)


def needs_two_rows(attention, source_mask, target_mask):
    return attention[..., 1, :].amax(-1)


def looks_at_other_heads(attention, source_mask, target_mask):
    return attention.amax(-1).mean(-1) - attention.amax(-1).mean(-1).mean(-1, keepdim=True)


def looks_at_other_layers(attention, source_mask, target_mask):
    return attention.amax(-1).mean(-1) - attention.amax(-1).mean()


def draws_random_numbers(attention, source_mask, target_mask):
    return attention.amax(-1).mean(-1) + torch.rand(attention.shape[:-2])


@pytest.mark.parametrize(
    ("function", "options", "broken"),
    [
        (forgets_padding, {"batched": True}, "a different value padded in a batch than alone"),
        (needs_two_rows, {}, r"does not return one number per head for attention .* \[2, 3, 1, 1\]"),
        (looks_at_other_heads, {}, r"scope is not 'head': say @score\(scope='layer'\)"),
        (looks_at_other_layers, {"scope": "layer"}, r"scope is not 'layer': say @score\(scope='model'\)"),
        (draws_random_numbers, {}, "returns two different numbers for one input"),
    ],
)
def test_the_check_names_the_property_that_fails(function, options, broken):
    with pytest.raises(AssertionError, match=broken):
        check_score(score(**options)(function))


def test_the_check_passes_scores_of_wider_scope_that_say_so():
    check_score(score(scope="layer")(looks_at_other_heads))
    check_score(score(scope="model")(looks_at_other_layers))
