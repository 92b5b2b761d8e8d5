"""What makes score_corpus fast changes none of its numbers: batches with little padding, linear layers by oneDNN."""

from __future__ import annotations

import copy
import itertools
import os
import threading

import numpy as np
import pytest
import torch
from corpus_pool import TRIALS, made_up
from families import Pair
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import MarianConfig, MarianMTModel

from xattn_widget import extract, score_corpus
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.corpus.engine import products
from xattn_widget.corpus.engine.batching import cut_batches

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
def by_onednn(monkeypatch):
    """As on a processor on which MKL is slow; the shapes of what oneDNN multiplied."""
    shapes, own = [], products._by_onednn
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: True)
    monkeypatch.setattr(products, "_by_onednn", lambda states, *rest: shapes.append(states.shape) or own(states, *rest))
    return shapes


# --- Batches.

LENGTHS = st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), min_size=1, max_size=7)


def padded(lengths):
    return len(lengths) * sum(max(side) for side in zip(*lengths, strict=True))


@given(
    LENGTHS,
    st.sampled_from([1, 40, 100, 1000]),
    st.sampled_from([0, 10, 100, 10**6]),
    st.sampled_from([(1, 1), (1, 0), (0.25, 1)]),
    st.booleans(),
)
def test_no_other_cut_of_the_order_costs_less(lengths, budget, overhead, costs, generated):
    def weighted(pair):
        return [cost * length for cost, length in zip(costs, pair, strict=True)]

    def cost(batch):
        within = len(batch) == 1 or padded(batch) <= budget
        forwards = 1 + max(target for _, target in batch) if generated else 1
        tokens = len(batch) * sum(max(side) for side in zip(*map(weighted, batch), strict=True))
        return tokens + overhead * forwards if within else np.inf

    batches = cut_batches(np.array(lengths), budget, overhead, costs=costs, generated=generated)
    places = [place for batch in batches for place in batch]
    assert sorted(places) == list(range(len(lengths)))
    ordered = [lengths[place] for place in places]
    keys = [max(weighted(pair)) for pair in ordered]
    assert keys == sorted(keys)
    others = []
    for count in range(len(ordered)):
        for cuts in itertools.combinations(range(1, len(ordered)), count):
            bounds = itertools.pairwise([0, *cuts, len(ordered)])
            others.append(sum(cost(ordered[start:end]) for start, end in bounds))
    found = sum(cost([lengths[place] for place in batch]) for batch in batches)
    assert found == pytest.approx(min(others))
    assert found < np.inf


def test_a_large_window_is_cut_in_parts():
    lengths = np.random.default_rng(0).integers(1, 60, (9000, 2))
    batches = cut_batches(lengths, 20_000, 100_000)
    assert sorted(place for batch in batches for place in batch) == list(range(9000))
    sizes = [padded(lengths[batch].tolist()) for batch in batches]
    assert max(sizes) <= 20_000
    assert len(batches) < 1.3 * lengths.sum() / 20_000 + 3


def test_no_sentences_no_batches():
    assert cut_batches(np.empty((0, 2), dtype=int), 100, 10) == []


def test_forwards_keep_to_the_budget_and_have_little_padding(demo):
    sources = targets = made_up(200)
    read, decoded = [], []

    def note_source(encoder, args, inputs):
        read.append(inputs["attention_mask"].shape)

    def note_pair(decoder, args, inputs):
        decoded.append((inputs["encoder_attention_mask"].shape, inputs["input_ids"].shape))

    handles = [
        demo.model.model.encoder.register_forward_pre_hook(note_source, with_kwargs=True),
        demo.model.model.decoder.register_forward_pre_hook(note_pair, with_kwargs=True),
    ]
    try:
        table = score_corpus(*demo, sources, targets, "entropy", batch_tokens=600)
    finally:
        for handle in handles:
            handle.remove()
    read, decoded = read[TRIALS:], decoded[3:]  # the first tell what the model is like
    assert sum(rows for rows, _ in read) == sum(source[0] for source, _ in decoded) == 200
    assert max(source.numel() + target.numel() for source, target in decoded) <= 600
    assert max(shape.numel() for shape in read) <= 600
    source, target = (sum(table[name].to_pylist()) for name in ("source_length", "target_length"))
    assert sum(shape.numel() for shape in read) < 1.1 * source
    assert sum(shape.numel() for _, shape in decoded) < 1.1 * target


# --- Linear layers.


def in_float64(layer, states):
    bias = None if layer.bias is None else layer.bias.double()
    return nn.functional.linear(states.double(), layer.weight.double(), bias)


def test_layers_run_by_onednn_give_the_same_scores(wide, by_onednn):
    sources = targets = made_up(60)
    names = ["coverage_penalty", "entropy", "marginal_divergence"]
    table = score_corpus(*wide, sources, targets, names, statistics="logprob_mean")
    ran = len(by_onednn)
    assert ran > 40  # of two layers and more than one batch
    for row in range(0, 60, 7):
        record = extract(*wide, sources[row], targets[row])
        for name in names:
            np.testing.assert_allclose(grids(table, name)[row], np.asarray(record.score(name)), atol=1e-5)
        assert table["logprob_mean"][row].as_py() == pytest.approx(float(record.logprobs.mean()), abs=1e-5)
    assert len(by_onednn) == ran  # the model is as it was


@pytest.mark.parametrize(
    "states", [torch.randn(300, 256), torch.randn(3, 100, 256), torch.randn(256, 9, 7).permute(1, 2, 0)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_run_by_onednn_gives_its_product(by_onednn, states, bias):
    layer = nn.Linear(256, 320, bias=bias)
    with products.faster_products(layer), torch.no_grad():
        actual = layer(states)
    assert by_onednn
    torch.testing.assert_close(actual.double(), in_float64(layer, states), atol=1e-5, rtol=1e-5)


def test_where_mkl_is_slow_onednn_is_another_library():
    """On such a processor, with one thread too: what it gives differs in the last bits."""
    if not products._mkl_is_slow():
        pytest.skip("for AMD's processors with AVX-512")
    layer, states = nn.Linear(512, 512), torch.randn(500, 512)
    with torch.no_grad():
        plain = layer(states)
        with products.faster_products(layer):
            other = layer(states)
    assert not torch.equal(plain, other)
    torch.testing.assert_close(other.double(), in_float64(layer, states), atol=1e-5, rtol=1e-5)


def test_layers_that_are_not_to_be_touched_run_as_they_are(by_onednn):
    class Own(nn.Linear):
        pass

    offloaded = nn.Linear(256, 256)
    offloaded.forward = lambda states: states + 1
    plain = nn.Linear(256, 256)
    layers = nn.ModuleList([Own(256, 256), offloaded, nn.Linear(8, 8), nn.Linear(256, 256).bfloat16(), plain])
    many = torch.randn(300, 256)
    with products.faster_products(layers):
        with torch.no_grad():
            layers[0](many)
            assert (layers[1](torch.zeros(300, 256)) == 1).all()
            layers[2](torch.randn(300, 8))
            layers[3](many.bfloat16())
            plain(many[:3])
            with torch.autocast("cpu"):
                assert plain(many).dtype == torch.bfloat16
        assert plain(many).requires_grad
    assert not by_onednn
    assert (offloaded(torch.zeros(300, 256)) == 1).all()


def test_the_model_has_its_own_layers_again_after_an_error(wide, by_onednn):
    with pytest.raises(ValueError, match="row 1 cannot be scored"):
        score_corpus(*wide, ["Hallo.", ""], ["Hello.", ""], on_error="raise")
    with pytest.raises(RuntimeError, match="stop"), products.faster_products(wide.model):
        raise RuntimeError("stop")
    assert not any("forward" in vars(module) for module in wide.model.modules())


def test_blocks_of_several_threads_overlap(by_onednn):
    layers, failures = nn.ModuleList([nn.Linear(256, 256) for _ in range(20)]), []

    def enter(times):
        try:
            for _ in range(times):
                with products.faster_products(layers), torch.no_grad():
                    layers[0](torch.ones(32, 256))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=enter, args=(200,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert not any("forward" in vars(layer) for layer in layers)
    with products.faster_products(layers):
        with products.faster_products(layers):
            pass
        by_onednn.clear()
        with torch.no_grad():
            layers[0](torch.ones(32, 256))
        assert by_onednn


def test_a_forward_that_someone_else_sets_meanwhile_stays_and_a_copy_runs_as_its_class_does(by_onednn):
    layers = nn.ModuleList([nn.Linear(256, 256), nn.Linear(256, 256)])
    states = torch.randn(300, 256)
    with products.faster_products(layers):
        layers[0].forward = other = lambda states: states
        copied = copy.deepcopy(layers)
    assert layers[0].forward is other
    assert "forward" not in vars(layers[1])
    with torch.no_grad():
        assert torch.equal(copied[1](states), layers[1](states))
        layers[1].weight.zero_()
        assert copied[1](states).abs().sum() > 0
    assert not by_onednn


def test_other_processors_keep_torchs_own_choice(wide, by_onednn, monkeypatch):
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: False)
    score_corpus(*wide, made_up(60), made_up(60), "entropy")
    assert not by_onednn


# --- Memory.


@pytest.mark.parametrize(("given", "kept"), [(None, "128"), ("500", "500")])
def test_onednn_is_asked_to_keep_fewer_kernels_unless_told_otherwise(demo, monkeypatch, given, kept):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.setenv(name, given or "")
    if given is None:
        monkeypatch.delenv(name)
    score_corpus(*demo, ["Ja."], ["Yes."], "entropy")
    assert os.environ[name] == kept


# --- Integers of 8 bits.


def test_int8_gives_nearly_the_same_scores_whatever_the_batch(demo):
    sources = targets = made_up(40)
    names = ["coverage_penalty", "entropy"]
    exact = score_corpus(*demo, sources, targets, names)
    together = score_corpus(*demo, sources, targets, names, precision="int8")
    alone = score_corpus(*demo, sources, targets, names, precision="int8", batch_tokens=1)
    for name in names:
        # Where float32 noise moves a state to the next of its 255 steps, a batch makes a small difference after all.
        by_batch = np.abs(grids(together, name) - grids(alone, name))
        assert by_batch.mean() < 1e-3
        assert by_batch.max() < 0.03
        difference = np.abs(grids(together, name) - grids(exact, name))
        assert 0 < difference.mean() < 0.01
    info = corpus_info(together)
    assert info["precision"]["rank correlation with float32, demo model"].keys() == set(names)
    assert "int8 linear layers" in info["job"]["number type"]
    assert "precision" not in corpus_info(exact)


@given(st.integers(1, 5), st.integers(0, 10**6), st.booleans())
def test_an_int8_layer_rounds_each_row_by_itself(rows, seed, bias):
    generator = torch.Generator().manual_seed(seed)
    layer = nn.Linear(160, 144, bias=bias)
    scales = torch.logspace(-3, 3, rows)[:, None]
    states = torch.randn(rows, 160, generator=generator) * scales
    with torch.no_grad(), products.int8_products(layer):
        together = layer(states)
        alone = torch.cat([layer(row[None]) for row in states])
    torch.testing.assert_close(together, alone)
    # In numpy: states of 8 bits by row, weights of 7 bits by output.
    weight, values = layer.weight.detach().double().numpy(), states.double().numpy()
    steps = [np.abs(part).max(1, keepdims=True) / most for part, most in ((values, 127), (weight, 63))]
    rounded = [np.rint(part / step) * step for part, step in zip((values, weight), steps, strict=True)]
    expected = rounded[0] @ rounded[1].T + (layer.bias.detach().double().numpy() if bias else 0)
    error = np.abs(together.double().numpy() - expected) / np.abs(values).max(1, keepdims=True)
    assert error.max() < 0.02  # numbers half way between two steps


def test_int8_needs_a_float32_model(demo):
    with pytest.raises(ValueError, match=r"precision='int8' is for float32 models on the CPU, .* is torch.bfloat16"):
        score_corpus(copy.deepcopy(demo.model).bfloat16(), demo.tokenizer, ["a"], ["b"], precision="int8")
    with pytest.raises(ValueError, match=r"precision must be one of 'model', 'int8', got 'int4'"):
        score_corpus(*demo, ["a"], ["b"], precision="int4")
