"""capture in every way of running a model: masks, types, compilers, gradient, copies."""

import copy

import pytest
import torch
from families import GREEDY, STEPS, batch, eager, eager_weights, one_thread, sources, state_of, tiny
from family_models import FAMILY, made_or_skip
from family_parts import run
from torch import nn
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, flash_attention_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from xattn_widget import capture


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield
    torch.compiler.reset()


def assert_same(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected) > 0
    for layer, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(layer, reference, atol=tolerance, rtol=0)


def assert_captured(model, inputs, expected, *, call=None, tolerance=1e-5):
    """Captures a forward: weights as expected, outputs bitwise, the model as before."""
    call = call or model
    plain = call(**inputs).logits
    call(**inputs, output_hidden_states=True)  # the library puts hooks of its own on the model for it
    before = state_of(model)
    with capture(model) as captured:
        seen = call(**inputs).logits
    assert torch.equal(plain, seen)
    assert state_of(model) == before
    assert [len(forward) for forward in captured.forwards] == [len(expected)]
    assert_same(captured.cross_attentions, expected, tolerance)


# --- Attention implementations and the masks that they bring.


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
@pytest.mark.parametrize("name", ["bart", "t5", "whisper"])
@pytest.mark.parametrize("masked", [True, False])
def test_eager_and_sdpa_with_and_without_a_mask(name, implementation, masked):
    model = tiny(name)
    inputs = {key: value for key, value in batch(name, model).items() if masked or "mask" not in key}
    expected = eager_weights(model, inputs)
    model.set_attn_implementation(implementation)
    assert_captured(model, inputs, expected)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("name", ["bart", "whisper"])  # T5's position bias fails in the library's own flex on the CPU
def test_flex_attention_with_its_block_mask(name):
    model = tiny(name)
    inputs = batch(name, model)
    expected = eager_weights(model, inputs)
    steps = eager(model).generate(**sources("bart", model), **GREEDY, **STEPS) if name == "bart" else None
    model.set_attn_implementation("flex_attention")
    with torch.compiler.set_stance("force_eager"):  # its compilation takes half a minute
        assert_captured(model, inputs, expected)
        if steps:
            with capture(model) as captured:
                model.generate(**sources("bart", model), **GREEDY)
            for forward, step in zip(captured.forwards, steps.cross_attentions, strict=True):
                assert_same(forward, step)


def test_two_dimensional_masks_as_flash_attention_takes_them():
    seen = []

    def flash(module, query, key, value, attention_mask, **kwargs):
        seen.append(None if attention_mask is None else attention_mask.dim())
        causal = torch.ones(query.shape[2], key.shape[2]).tril().bool() if module.is_causal else True
        if attention_mask is not None:
            attention_mask = attention_mask[:, None, None, :].bool() & causal
        return ALL_ATTENTION_FUNCTIONS["sdpa"](module, query, key, value, attention_mask, **kwargs)

    AttentionInterface.register("two_dimensional", flash)
    AttentionMaskInterface.register("two_dimensional", flash_attention_mask)
    try:
        model = tiny("bart")
        inputs = batch("bart", model)
        expected = eager_weights(model, inputs)
        model.set_attn_implementation("two_dimensional")
        with capture(model) as captured:
            model(**inputs)
    finally:
        AttentionInterface._global_mapping.pop("two_dimensional")
        AttentionMaskInterface._global_mapping.pop("two_dimensional")
    assert 2 in seen
    assert_same(captured.cross_attentions, expected)


def test_a_mask_of_another_kind_gets_an_error_that_names_it():
    model = tiny("bart")
    AttentionInterface.register("odd", lambda module, query, *_, **__: (query.transpose(1, 2), None))
    AttentionMaskInterface.register("odd", lambda *_, **__: "a mask")
    try:
        model.set_attn_implementation("odd")
        with pytest.raises(TypeError, match="mask of type str"), capture(model):
            model(**batch("bart", model))
    finally:
        AttentionInterface._global_mapping.pop("odd")
        AttentionMaskInterface._global_mapping.pop("odd")


# --- Types and modes.


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["bart", "t5"])
def test_types(name, dtype):
    model = tiny(name).to(dtype)
    inputs = batch(name, model)
    expected = eager(model)(**inputs, output_attentions=True).cross_attentions
    # The library multiplies and rounds in the model's type, capture in float32.
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 0.1, torch.float16: 0.01}[dtype]
    assert_captured(model, inputs, [layer.float() for layer in expected], tolerance=tolerance)


@pytest.mark.parametrize("name", ["mvp", "fsmt", "prophetnet", "blip", "led"])
def test_returned_weights_of_half_precision_are_float32_rows_that_sum_to_one(name):
    model, inputs, modules = FAMILY[name].make()
    model.to(torch.bfloat16)
    inputs = {key: value.bfloat16() if value.is_floating_point() else value for key, value in inputs.items()}
    with capture(model) as captured:
        run(model, inputs)
    assert len(captured.cross_attentions) == modules
    for layer in captured.cross_attentions:
        assert layer.dtype == torch.float32
        torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:-1]), atol=1e-5, rtol=0)


def test_inference_mode():
    model = tiny("bart")
    inputs = batch("bart", model)
    expected = eager_weights(model, inputs)
    with torch.inference_mode():
        assert_captured(model, inputs, expected)


# Families whose modules return their weights themselves.
RETURNING = ["mvp", "led", "fsmt", "prophetnet", "speecht5", "vision_encoder_decoder (ViT, TrOCR)", "blip"]


@pytest.mark.parametrize("name", RETURNING)
def test_in_training_mode_returned_weights_too_are_those_before_dropout(name):
    model, inputs, modules = FAMILY[name].make()
    with capture(model) as captured:
        run(model, inputs)
    expected = captured.cross_attentions
    for module in model.modules():
        if name == "blip" and isinstance(module, nn.Dropout) and module.p == 0:
            module.p = 0.5
        if hasattr(module, "attention_dropout") and isinstance(module.attention_dropout, float):
            module.attention_dropout = 0.5
    cross = [module for module in model.modules() if "Attention" in type(module).__name__]
    for module in cross:
        if isinstance(getattr(module, "dropout", None), float):
            module.dropout = 0.5
        module.train()
    plain = run(model, inputs)
    with capture(model) as captured:
        seen = run(model, inputs)
    assert torch.equal(plain["logits"], seen["logits"])
    assert len(captured.cross_attentions) == modules
    for layer in captured.cross_attentions:
        assert float((layer.sum(-1) - 1).abs().max()) < 1e-5
        assert layer.shape == expected[0].shape


# --- torch.compile: the model runs uncompiled inside the block.


def compiled(model, way):
    if way == "function":
        return torch.compile(lambda **inputs: model(**inputs), backend="eager")
    if way == "forward":
        model.forward = torch.compile(model.forward, backend="eager")
        return model
    if way == "in place":
        model.compile(backend="eager")
        return model
    return torch.compile(model, backend="eager")


@pytest.mark.parametrize("way", ["model", "in place", "forward", "function"])
def test_a_compiled_model_is_captured_as_if_it_were_not(way):
    model = tiny("bart")
    inputs = batch("bart", model)
    expected = eager_weights(model, inputs)
    call = compiled(model, way)
    plain = call(**inputs).logits
    with capture(call if isinstance(call, nn.Module) else model) as captured:
        call(**inputs)
        call(**inputs)
    assert len(captured.forwards) == 2
    assert_same(captured.cross_attentions, expected)
    assert torch.equal(call(**inputs).logits, plain)
    assert len(captured.forwards) == 2


def test_what_is_compiled_inside_the_block_keeps_no_hooks():
    model = tiny("bart")
    inputs = batch("bart", model)
    with capture(model) as captured:
        call = torch.compile(model, backend="eager")
        call(**inputs)
    assert_same(captured.cross_attentions, eager_weights(model, inputs))
    for _ in range(2):
        call(**inputs)
    assert len(captured.forwards) == 1


# --- Gradient.


def gradient_of(weights, parameters):
    loss = sum((layer * torch.arange(layer.shape[-1])).square().mean() for layer in weights)
    return torch.autograd.grad(loss, parameters)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_weights_carry_gradient_when_asked(name):
    model = tiny(name)
    inputs = batch(name, model)
    twin = eager(model)
    names = [key for key, _ in model.named_parameters() if "k_proj.weight" in key or "EncDecAttention.k" in key]
    with torch.enable_grad():
        theirs = twin(**inputs, output_attentions=True).cross_attentions
        expected = gradient_of(theirs, [twin.get_parameter(key) for key in names])
        plain = model(**inputs).logits
        with capture(model, gradients=True) as captured:
            seen = model(**inputs).logits
        found = gradient_of(captured.cross_attentions, [model.get_parameter(key) for key in names])
    assert torch.equal(plain, seen)
    assert max(float(part.abs().max()) for part in expected) > 1e-3
    for ours, reference in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, reference, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["fsmt", "prophetnet", "blip", "t5gemma2", "speecht5", "mllama", "detr"])
def test_weights_of_other_kinds_of_modules_carry_gradient_too(name):
    model, inputs, _ = FAMILY[name].make()
    with torch.enable_grad(), capture(model, gradients=True) as captured, capture(model) as without:
        model(**inputs)
    assert all(layer.requires_grad for layer in captured.cross_attentions)
    assert not any(layer.requires_grad for layer in without.cross_attentions)
    assert_same([layer.detach() for layer in captured.cross_attentions], without.cross_attentions)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_asking_for_gradient_where_there_is_none_gets_an_error(mode):
    model = tiny("bart")
    with mode(), capture(model, gradients=True) as captured:
        model(**batch("bart", model))
    with pytest.raises(RuntimeError, match="ran without gradient"):
        _ = captured.cross_attentions


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated")
@pytest.mark.filterwarnings("ignore:None of the inputs have requires_grad")
@pytest.mark.parametrize(("reentrant", "gradients"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("inside", [True, False], ids=["backward inside", "backward after"])
@pytest.mark.parametrize("name", ["bart", "mvp"])
def test_gradient_checkpointing_adds_no_forwards(name, inside, gradients, reentrant):
    model, inputs, _ = FAMILY[name].make()
    for module in model.modules():
        for dropout in ("dropout", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, dropout, None), float):
                setattr(module, dropout, 0.0)

    def gradient(loss):
        model.zero_grad()
        loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]

    model.train()
    with torch.enable_grad():
        expected = gradient(model(**inputs).logits.square().mean())
        model.gradient_checkpointing_enable({"use_reentrant": reentrant})
        with capture(model, gradients=gradients) as captured:
            loss = model(**inputs, use_cache=False).logits.square().mean()
            if inside:
                found = gradient(loss)
        if not inside:
            found = gradient(loss)
    assert len(captured.forwards) == 1
    assert len(captured.cross_attentions) == 3
    assert_same(found, expected, 1e-4)
    assert all(layer.requires_grad == gradients for layer in captured.cross_attentions)


# --- Reductions, copies, other attention.


def test_a_reduction_is_kept_in_the_place_of_the_weights_and_rows_are_checked_all_the_same():
    model = tiny("bart")
    inputs = batch("bart", model)
    with capture(model) as whole:
        model(**inputs)
    with capture(model, reduce=lambda weights: weights.sum(-2)) as reduced:
        model(**inputs)
    for weights, coverage in zip(whole.cross_attentions, reduced.cross_attentions, strict=True):
        assert torch.equal(coverage, weights.sum(-2))
    with torch.no_grad():
        model.model.decoder.layers[0].encoder_attn.q_proj.weight.fill_(torch.nan)
    with capture(model, reduce=lambda weights: weights.sum(-2)) as reduced:
        model(**inputs)
    with pytest.raises(ValueError, match="NaN"):
        _ = reduced.cross_attentions


def test_a_copy_made_inside_the_block_runs_by_itself_inside_and_after_it():
    for name in ("bart", "led"):
        model, inputs = (tiny(name), batch(name, tiny(name))) if name == "bart" else made_or_skip(name)[:2]
        plain = run(model, inputs).logits
        with capture(model) as captured:
            copied = copy.deepcopy(model)
            assert torch.equal(run(copied, inputs).logits, plain)
            run(model, inputs)
        assert len(captured.forwards) == 1
        assert torch.equal(run(copied, inputs).logits, plain)


def test_an_attention_function_that_is_no_softmax_is_refused():
    def sigmoid_attention(module, query, key, value, attention_mask, scaling=None, **kwargs):
        weights = (query @ key.transpose(-1, -2) * scaling).sigmoid()
        return (weights @ value).transpose(1, 2).contiguous(), weights

    def own_softmax(module, query, key, value, attention_mask, scaling=None, **kwargs):
        weights = (query @ key.transpose(-1, -2) * scaling).softmax(-1)
        return (weights @ value).transpose(1, 2).contiguous(), weights

    functions = {"sigmoid_of_a_test": sigmoid_attention, "softmax_of_a_test": own_softmax}
    for implementation, function in functions.items():
        AttentionInterface.register(implementation, function)
        AttentionMaskInterface.register(implementation, lambda *args, **kwargs: None)
        model = tiny("bart")
        model.config._attn_implementation = implementation
        inputs = {name: value for name, value in batch("bart", model).items() if "mask" not in name}
        try:
            if implementation.startswith("sigmoid"):
                with pytest.raises(NotImplementedError, match="not compute softmax"), capture(model):
                    model(**inputs)
            else:
                with capture(model) as captured:
                    model(**inputs)
                assert captured.cross_attentions
        finally:
            AttentionInterface._global_mapping.pop(implementation)
            AttentionMaskInterface._global_mapping.pop(implementation)
