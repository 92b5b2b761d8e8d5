"""Copies and pickles of a model made inside a block are plain models without any trace of the block."""

import copy
import io
import pickle

import pytest
import torch
from families import batch, cross_attention_modules, one_thread, state_of, tiny
from family_models import FAMILY
from torch import nn

from xattn_widget import ablate, capture
from xattn_widget.corpus.engine import products


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def saved(model):
    """Saved by torch.save and loaded again."""
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


WAYS = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "old pickle": lambda model: pickle.loads(pickle.dumps(model, protocol=2)),
    "torch.save": saved,
}


def assert_plain(copied, model, inputs, plain):
    """Whether it has no hooks, its own config, and no name of the package in its pickle."""
    assert [type(module) for module in copied.modules()] == [type(module) for module in model.modules()]
    for ours, theirs in zip(copied.modules(), model.modules(), strict=True):
        assert sorted(vars(ours)) == sorted(vars(theirs))
        assert not any(len(value) for key, value in vars(ours).items() if "hook" in key and isinstance(value, dict))
        if hasattr(theirs, "config"):
            assert type(ours.config) is type(theirs.config)
            assert vars(ours.config) == vars(theirs.config) or ours.config == theirs.config
    assert b"xattn" not in pickle.dumps(copied)
    assert torch.equal(copied(**inputs).logits, plain)
    assert torch.equal(copy.deepcopy(copied)(**inputs).logits, plain)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["bart", "mvp", "fsmt"])
def test_a_copy_made_inside_a_block_is_a_plain_model(name, way):
    model, inputs, _ = FAMILY[name].make()
    model.eval()
    plain = model(**inputs).logits
    before = state_of(model)
    with capture(model) as captured, ablate(model, [(0, 0)]):
        model(**inputs)
        copied = WAYS[way](model)
        seen = len(captured.forwards)
        assert torch.equal(copied(**inputs).logits, plain)
        assert len(captured.forwards) == seen
    assert state_of(model) == before
    assert_plain(copied, model, inputs, plain)


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_made_in_the_middle_of_a_forward_is_a_plain_model(way):
    model = tiny("bart")
    inputs = batch("bart", model)
    plain = model(**inputs).logits
    attention = cross_attention_modules(model)[1]
    made = []

    def make(*_):
        handle.remove()
        made.append((WAYS[way](model), WAYS[way](attention.config), copy.copy(attention.config)))

    handle = attention.out_proj.register_forward_pre_hook(make)
    with capture(model) as captured:
        assert torch.equal(model(**inputs).logits, plain)
    assert len(captured.forwards) == 1
    copied, config, shallow = made[0]
    assert_plain(copied, model, inputs, plain)
    configs = {id(module.config) for module in copied.modules() if hasattr(module, "config")}
    assert len(configs) == 1  # shared, as the model's is
    for each in (config, shallow):
        assert type(each) is type(model.config)
        assert each is not model.config
        assert vars(each) == vars(model.config)


def test_files_saved_inside_a_block_name_nothing_of_the_package(tmp_path):
    model = tiny("bart")
    inputs = batch("bart", model)
    plain = model(**inputs).logits
    path, state = tmp_path / "model.pt", tmp_path / "state.pt"
    with capture(model):
        model(**inputs)
        torch.save(model, path)
        torch.save(model.state_dict(), state)
    for file in (path, state):
        assert b"xattn" not in file.read_bytes()
    loaded = torch.load(path, weights_only=False)
    loaded.load_state_dict(torch.load(state))
    assert_plain(loaded, model, inputs, plain)


def test_a_model_moves_and_changes_its_attention_inside_a_block():
    model = tiny("bart")
    inputs = batch("bart", model)
    with capture(model) as captured:
        model(**inputs)
        model.to(torch.float64)
        model.set_attn_implementation("eager")
        model(**inputs)
    assert {module.config._attn_implementation for module in model.modules() if hasattr(module, "config")} == {"eager"}
    assert next(model.parameters()).dtype == torch.float64
    first, second = captured.forwards
    for layer, other in zip(first, second, strict=True):
        torch.testing.assert_close(layer, other, atol=1e-5, rtol=0)


def test_a_copy_of_layers_that_run_by_another_library_is_plain(monkeypatch):
    monkeypatch.setattr(products, "_mkl_is_slow", lambda: True)
    layers = nn.ModuleList([nn.Linear(256, 256)])
    with products.faster_products(layers):
        assert "forward" in vars(layers[0])
        copies = [way(layers) for way in WAYS.values()]
    for copied in copies:
        assert sorted(vars(copied[0])) == sorted(vars(layers[0]))
        assert torch.equal(copied[0].weight, layers[0].weight)
