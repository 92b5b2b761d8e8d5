"""What makes score_corpus fast changes none of its numbers: batches with little padding, linear layers by oneDNN."""

from __future__ import annotations

import itertools
import os

import numpy as np
import pytest
import torch
from corpus_pool import made_up
from families import Pair
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import MarianConfig, MarianMTModel

from xattn_widget import extract, score_corpus
from xattn_widget.corpus import grids, products
from xattn_widget.corpus.batching import cut_batches

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def wide(demo):
    """A model with linear layers of the size that oneDNN is asked to run."""
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=len(demo.tokenizer),
        d_model=256,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=512,
        decoder_ffn_dim=512,
        pad_token_id=demo.tokenizer.pad_token_id,
        eos_token_id=demo.tokenizer.eos_token_id,
        decoder_start_token_id=demo.tokenizer.pad_token_id,
    )
    return Pair(MarianMTModel(config).eval(), demo.tokenizer)


@pytest.fixture
def slow_mkl(monkeypatch):
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: True)


@pytest.fixture
def convolutions(monkeypatch):
    """The shapes of the inputs of all convolutions."""
    shapes, own = [], nn.functional.conv2d
    monkeypatch.setattr(
        nn.functional, "conv2d", lambda states, *rest: shapes.append(states.shape) or own(states, *rest)
    )
    return shapes


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


# --- Linear layers.


def test_layers_run_by_onednn_give_the_same_scores(wide, slow_mkl, convolutions):
    sources = targets = made_up(60)
    names = ["coverage_penalty", "entropy", "marginal_divergence"]
    table = score_corpus(*wide, sources, targets, names, statistics="logprob_mean")
    assert convolutions
    ran = len(convolutions)
    for row in range(0, 60, 7):
        record = extract(*wide, sources[row], targets[row])
        for name in names:
            np.testing.assert_allclose(grids(table, name)[row], np.asarray(record.score(name)), atol=1e-5)
        assert table["logprob_mean"][row].as_py() == pytest.approx(float(record.logprobs.mean()), abs=1e-5)
    assert len(convolutions) == ran  # the model is as it was


@pytest.mark.parametrize("shape", [(300, 256), (3, 100, 256), (2, 3, 50, 256)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_run_by_onednn_gives_what_it_gives(slow_mkl, convolutions, shape, bias):
    layer, states = nn.Linear(256, 320, bias=bias), torch.randn(shape)
    expected = layer(states)
    with products.faster_products(layer):
        actual = layer(states)
    assert convolutions
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_layers_that_are_not_to_be_touched_run_as_they_are(slow_mkl, convolutions):
    class Own(nn.Linear):
        pass

    offloaded = nn.Linear(256, 256)
    offloaded.forward = lambda states: states + 1
    layers = nn.ModuleList(
        [Own(256, 256), offloaded, nn.Linear(8, 8), nn.Linear(256, 256).bfloat16(), nn.Linear(256, 256)]
    )
    with products.faster_products(layers):
        layers[0](torch.randn(300, 256))
        assert (layers[1](torch.zeros(300, 256)) == 1).all()
        layers[2](torch.randn(300, 8))
        layers[3](torch.randn(300, 256, dtype=torch.bfloat16))
        layers[4](torch.randn(3, 256))
    assert not convolutions
    assert (offloaded(torch.zeros(300, 256)) == 1).all()


def test_the_model_has_its_own_layers_again_after_an_error(wide, slow_mkl):
    with pytest.raises(ValueError, match="row 1 cannot be scored"):
        score_corpus(*wide, ["Hallo.", ""], ["Hello.", ""], on_error="raise")
    with pytest.raises(RuntimeError, match="stop"), products.faster_products(wide.model):
        raise RuntimeError("stop")
    assert not any("forward" in vars(module) for module in wide.model.modules())


def test_other_processors_keep_torchs_own_choice(wide, convolutions, monkeypatch):
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: False)
    score_corpus(*wide, made_up(60), made_up(60), "entropy")
    assert not convolutions


# --- Memory.


@pytest.mark.parametrize(("given", "kept"), [(None, "128"), ("500", "500")])
def test_onednn_is_asked_to_keep_fewer_kernels_unless_told_otherwise(demo, monkeypatch, given, kept):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    score_corpus(*demo, ["Ja."], ["Yes."], "entropy")
    assert os.environ[name] == kept
