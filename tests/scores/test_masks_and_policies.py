"""The built-in scores with masks, in batches, on parts of the heads, and under each policy for special tokens."""

import math
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from score_formulas import NAMES, in_numpy, random_attention, record_of, takes

from xattn_widget import scores
from xattn_widget.cli import cli
from xattn_widget.record.special import NamedPolicy

sizes = st.integers(1, 9)
policies = st.sampled_from(["keep", "drop", "renormalize"])


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


def test_sink_mass_refuses_the_policy_that_takes_its_columns_away():
    record = record_of(random_attention((1, 1, 3, 3), 0), source_special={2})
    with pytest.raises(ValueError, match="renormalize"):
        record.score("sink_mass", special="renormalize")


def test_the_command_line_offers_every_policy():
    [option] = [option for option in cli.commands["score"].params if option.name == "special"]
    assert tuple(option.type.choices) == get_args(NamedPolicy)
