"""Ablation, head importance and value norms: exact zeros, independent recomputation, and an unchanged model."""

import pytest
import torch
from families import batch, state_of, tiny

from xattn_widget import ablate, capture, extract, head_importance, load_demo

GERMAN = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?", "Das Kind spielt."]
FAMILIES = ["marian", "bart", "mbart", "m2m_100", "pegasus", "t5", "mt5", "whisper"]
# Where each family's cross-attention keeps its output projection.
PROJECTIONS = {"t5": "EncDecAttention.o", "mt5": "EncDecAttention.o"}


pytestmark = pytest.mark.usefixtures("single_thread")


def projections(name, model):
    ending = PROJECTIONS.get(name, "encoder_attn.out_proj")
    return [module for path, module in model.named_modules() if path.endswith(ending)]


def without_columns(name, model, heads):
    """Expected logits: the columns of the output projection that read the heads are set to zero."""
    layers = projections(name, model)
    with torch.no_grad():
        for layer, head in heads:
            weight = layers[layer].weight
            width = weight.shape[1] // heads_of(model)
            weight[:, head * width : (head + 1) * width] = 0


def heads_of(model):
    config = model.config
    return getattr(config, "decoder_attention_heads", None) or config.num_heads


@pytest.mark.parametrize("name", FAMILIES)
def test_an_ablated_head_is_exactly_one_whose_output_is_not_read(name):
    model = tiny(name)
    inputs = batch(name, model)
    last = len(projections(name, model)) - 1
    heads = [(0, 1), (last, 0), (last, 3)]
    before = state_of(model)
    with torch.no_grad():
        plain = model(**inputs).logits
        with ablate(model, heads):
            ablated = model(**inputs).logits
        assert state_of(model) == before
        assert torch.equal(model(**inputs).logits, plain)
        without_columns(name, model, heads)
        reference = model(**inputs).logits
    assert not torch.allclose(ablated, plain, atol=1e-4)
    assert torch.allclose(ablated, reference, atol=1e-5)


@pytest.mark.parametrize("name", ["marian", "t5"])
def test_an_empty_list_changes_nothing(name):
    model = tiny(name)
    inputs = batch(name, model)
    with torch.no_grad(), ablate(model, []):
        inside = model(**inputs).logits
    with torch.no_grad():
        assert torch.equal(inside, model(**inputs).logits)


def test_generation_runs_without_the_head():
    model, tokenizer = load_demo()
    inputs = tokenizer(GERMAN, return_tensors="pt", padding=True)
    everything = [(2, head) for head in range(8)]
    with ablate(model, everything):
        ablated = model.generate(**inputs, max_new_tokens=12)
    assert not torch.equal(ablated, model.generate(**inputs, max_new_tokens=12))
    without_columns("marian", model, everything)
    assert torch.equal(ablated, model.generate(**inputs, max_new_tokens=12))


def test_weights_can_be_captured_while_heads_are_off():
    model = tiny("bart")
    inputs = batch("bart", model)
    with torch.no_grad():
        with capture(model) as plain:
            model(**inputs)
        with ablate(model, [(1, 2)]), capture(model) as captured:
            model(**inputs)
    assert torch.equal(captured.cross_attentions[1], plain.cross_attentions[1])  # its own weights do not change
    assert not torch.allclose(captured.cross_attentions[2], plain.cross_attentions[2])  # later layers do


def test_heads_that_are_not_there_are_told():
    model = tiny("bart")
    inputs = batch("bart", model)
    for heads, message in (([(0, 99)], "no head 99"), ([(9, 0)], "no layer 9")):
        before = state_of(model)
        with pytest.raises(ValueError, match=message), ablate(model, heads):
            model(**inputs)
        assert state_of(model) == before
    for heads in ([(-1, 0)], [3], ["ab"], None):
        with pytest.raises(ValueError, match=r"counted from 0|pairs"), ablate(model, heads):
            pass


def loss_of(model, tokenizer, source, target):
    encoded = tokenizer(source, text_target=target, return_tensors="pt")
    logits = model(**encoded).logits[0].log_softmax(-1)
    return -logits.gather(-1, encoded["labels"][0][:, None]).sum(), encoded["labels"].shape[1]


def test_importance_by_ablation_is_the_difference_of_losses(demo):
    model, tokenizer = demo
    targets = ["I read the book.", "When do you get up tomorrow?", "The child plays."]
    importance = head_importance(model, tokenizer, GERMAN, targets, "ablation", batch_size=2)
    assert importance.shape == (3, 8)
    expected = torch.zeros(3, 8)
    positions = 0
    with torch.no_grad():
        for source, target in zip(GERMAN, targets, strict=True):
            loss, length = loss_of(model, tokenizer, source, target)
            positions += length
            for layer, head in [(0, 0), (2, 6)]:
                with ablate(model, [(layer, head)]):
                    expected[layer, head] += loss_of(model, tokenizer, source, target)[0] - loss
    for layer, head in [(0, 0), (2, 6)]:
        assert float(importance[layer, head]) == pytest.approx(float(expected[layer, head] / positions), abs=1e-4)


def test_importance_by_gradient_is_the_product_of_gradient_and_output(demo):
    """Recomputed with a plain forward hook on the output projection, one sentence at a time."""
    model, tokenizer = demo
    targets = ["I read the book.", "When do you get up tomorrow?", "The child plays."]
    importance = head_importance(model, tokenizer, GERMAN, targets, batch_size=3)
    total, positions = torch.zeros(3, 8), 0
    for source, target in zip(GERMAN, targets, strict=True):
        seen = []

        def keep(module, arguments, seen=seen):
            arguments[0].retain_grad()
            seen.append(arguments[0])

        handles = [layer.register_forward_pre_hook(keep) for layer in projections("marian", model)]
        loss, length = loss_of(model, tokenizer, source, target)
        loss.backward()
        for handle in handles:
            handle.remove()
        model.zero_grad(set_to_none=True)
        products = torch.stack([(x * x.grad)[0].reshape(length, 8, -1).sum(-1).abs().sum(0) for x in seen])
        total, positions = total + products.detach(), positions + length
    assert torch.allclose(importance, total / positions, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("method", ["gradient", "ablation"])
def test_a_planted_useless_head_has_importance_zero(method):
    model, tokenizer = load_demo()
    without_columns("marian", model, [(1, 4)])
    importance = head_importance(model, tokenizer, GERMAN[:2], method=method)
    assert importance[1, 4] == 0
    assert (importance != 0).sum() == 23


@pytest.mark.parametrize("method", ["gradient", "ablation"])
def test_importance_leaves_the_model_as_it_was_and_reads_its_own_translation(demo, method):
    model, tokenizer = demo
    model.train()
    before = state_of(model)
    own = head_importance(model, tokenizer, GERMAN[0], method=method)
    assert state_of(model) == before
    assert all(parameter.grad is None for parameter in model.parameters())
    model.eval()
    text = tokenizer.decode(extract(model, tokenizer, GERMAN[0]).target.ids, skip_special_tokens=True)
    assert torch.allclose(own, head_importance(model, tokenizer, GERMAN[0], text, method), atol=1e-5)


def test_bad_arguments_are_told(demo):
    with pytest.raises(ValueError, match="'gradient' or 'ablation'"):
        head_importance(*demo, GERMAN[0], method="shapley")
    with pytest.raises(ValueError, match="at least one sentence"):
        head_importance(*demo, [])
    with pytest.raises(ValueError, match=r"source\[0\] is empty"):
        head_importance(*demo, "")


@pytest.mark.parametrize("name", FAMILIES)
def test_value_norms_are_those_of_each_weighted_and_projected_value(name):
    """The norms, directly: of the vector that each head adds for each pair of positions, in the model's dimension."""
    model = tiny(name)
    inputs = batch(name, model)
    values = []
    modules = [path.rpartition(".")[0] for path, module in model.named_modules() if module in projections(name, model)]
    for path in modules:
        attention = model.get_submodule(path)
        project = attention.v if hasattr(attention, "v") else attention.v_proj
        project.register_forward_hook(lambda _, args, output: values.append(output))
    if not model._supports_sdpa:  # T5 in transformers 5.0 computes its attention itself
        with pytest.raises(NotImplementedError, match="value norms are unavailable"), capture(model, value_norms=True):
            model(**inputs)
        return
    with torch.no_grad(), capture(model, value_norms=True) as captured:
        model(**inputs)
    assert len(captured.value_norms) == len(values)
    for layer, norms in enumerate(captured.value_norms):
        weights, heads = captured.cross_attentions[layer], heads_of(model)
        value = values[layer].unflatten(-1, (heads, -1)).transpose(1, 2)  # [batch, heads, source, dimension]
        columns = projections(name, model)[layer].weight.unflatten(1, (heads, -1))  # [model, heads, dimension]
        projected = torch.einsum("bhsd,mhd->bhsm", value, columns)
        direct = (weights[..., None] * projected[:, :, None]).norm(dim=-1)
        assert torch.allclose(norms, direct, rtol=1e-3, atol=1e-5)


def test_value_norms_come_only_when_asked_for():
    model = tiny("bart")
    with capture(model) as captured:
        model(**batch("bart", model))
    with pytest.raises(RuntimeError, match="value_norms=True"):
        _ = captured.value_norms
