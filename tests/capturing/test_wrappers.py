"""capture of models that other libraries have wrapped: accelerate's hooks, PEFT's adapters, int8 layers, tied parts."""

import copy
import types
import warnings

import accelerate
import peft
import pytest
import torch
from families import batch, cross_attention_modules, eager, eager_weights, one_thread, sources, state_of, tiny
from family_models import FAMILY
from torch import nn

from xattn_widget import ablate, capture, extract, load_demo

# PEFT reads a name of the model that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def assert_same(actual, expected, tolerance=1e-5):
    assert len(actual) == len(expected) > 0
    for layer, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(layer, reference, atol=tolerance, rtol=0)


def assert_captured(model, inputs, expected):
    """Captures a forward. Weights are as expected, outputs the same to the bit, and the model as before."""
    plain = model(**inputs).logits
    model(**inputs, output_hidden_states=True)  # for this the library puts its own hooks on the model
    before = state_of(model)
    with capture(model) as captured:
        seen = model(**inputs).logits
    assert torch.equal(plain, seen)
    assert state_of(model) == before
    assert [len(forward) for forward in captured.forwards] == [len(expected)]
    assert_same(captured.cross_attentions, expected)


def eager_or_own(model, inputs):
    return [layer.clone() for layer in eager(model)(**inputs, output_attentions=True).cross_attentions]


# --- accelerate.


def dispatched(model, folder):
    return accelerate.dispatch_model(model, {"": "cpu"}, force_hooks=True)


def offloaded_to_memory(model, folder):
    return accelerate.cpu_offload(model, torch.device("cpu"))  # a layer's weights are on "meta" except during its call


def offloaded_to_disk(model, folder):
    accelerate.disk_offload(model, folder / "weights", torch.device("cpu"))
    return model


@pytest.mark.parametrize("way", [dispatched, offloaded_to_memory, offloaded_to_disk])
@pytest.mark.parametrize("name", ["bart", "t5", "mvp", "fsmt"])
def test_accelerates_hooks(name, way, tmp_path):
    model, inputs, layers = FAMILY[name].make()
    expected = eager_or_own(model, inputs)
    with ablate(model, [(layers - 1, 0)]):
        without = model(**inputs).logits
    wrapped = way(copy.deepcopy(model), tmp_path)
    assert any(hasattr(module, "_hf_hook") for module in wrapped.modules())
    assert any(parameter.is_meta for parameter in wrapped.parameters()) == (way is not dispatched)
    assert_captured(wrapped, inputs, expected)
    with ablate(wrapped, [(layers - 1, 0)]):
        torch.testing.assert_close(wrapped(**inputs).logits, without, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_a_model_that_is_loaded_with_a_device_map(name, tmp_path):
    model, inputs, _ = FAMILY[name].make()
    expected = eager_or_own(model, inputs)
    model.save_pretrained(tmp_path)
    assert_captured(type(model).from_pretrained(tmp_path, device_map="cpu").eval(), inputs, expected)


@pytest.mark.parametrize("way", [dispatched, offloaded_to_memory, offloaded_to_disk])
def test_value_norms_of_weights_that_are_elsewhere_between_the_calls(way, tmp_path):
    model, inputs, _ = FAMILY["bart"].make()
    with capture(model, value_norms=True) as captured:
        model(**inputs)
    wrapped = way(copy.deepcopy(model), tmp_path)
    with capture(wrapped, value_norms=True) as seen:
        wrapped(**inputs)
    assert_same(seen.value_norms, captured.value_norms)


# --- PEFT.

PROJECTIONS = {"bart": ["q_proj", "k_proj", "v_proj", "out_proj"], "t5": ["q", "k", "v", "o"], "fsmt": ["q_proj"]}
ADAPTERS = {
    "LoRA": lambda names: peft.LoraConfig(r=2, target_modules=names, init_lora_weights=False),
    "DoRA": lambda names: peft.LoraConfig(r=2, target_modules=names, init_lora_weights=False, use_dora=True),
}


def adapted(model, name, adapter="LoRA"):
    torch.manual_seed(0)
    return peft.get_peft_model(copy.deepcopy(model), ADAPTERS[adapter](PROJECTIONS[name])).eval()


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("name", PROJECTIONS)
def test_pefts_adapters_on_the_attention_projections(name, adapter):
    model, inputs, _ = FAMILY[name].make()
    plain = eager_or_own(model, inputs)
    wrapped = adapted(model, name, adapter)
    reference = copy.deepcopy(wrapped)
    reference.get_base_model().set_attn_implementation("eager")
    expected = reference(**inputs, output_attentions=True).cross_attentions
    assert float((plain[0] - expected[0]).abs().max()) > 1e-2
    assert_captured(wrapped, inputs, expected)
    assert_captured(wrapped.get_base_model(), inputs, expected)
    with wrapped.disable_adapter():
        assert_captured(wrapped, inputs, plain)


def test_pefts_adapters_generate_with_weights_of_every_step():
    model = adapted(tiny("bart", seed=3), "bart")
    inputs = sources("bart", model.get_base_model())
    with capture(model) as captured:
        sequences = model.generate(**inputs, do_sample=False, max_new_tokens=5, min_new_tokens=5)
    with capture(model) as whole:
        model(**inputs, decoder_input_ids=sequences[:, :-1], use_cache=False)
    assert len(captured.forwards) == 5
    steps = [torch.cat(layer, dim=2) for layer in zip(*captured.forwards, strict=True)]
    assert_same(steps, whole.cross_attentions)


def test_value_norms_of_an_adapted_output_projection_are_those_of_the_merged_one():
    model, inputs, _ = FAMILY["bart"].make()
    wrapped = adapted(model, "bart")
    merged = copy.deepcopy(wrapped).merge_and_unload()
    assert type(merged.model.decoder.layers[0].encoder_attn.out_proj) is nn.Linear
    with capture(merged, value_norms=True) as expected:
        merged(**inputs)
    with capture(wrapped, value_norms=True) as seen:
        wrapped(**inputs)
    assert_same(seen.value_norms, expected.value_norms, 1e-4)


def test_extract_asks_for_the_model_inside_and_reads_it_with_its_adapters():
    model, tokenizer = load_demo()
    config = peft.LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    before = extract(model, tokenizer, "Ich lese.", "I read.").weights
    wrapped = peft.get_peft_model(copy.deepcopy(model), config).eval()
    with pytest.raises(TypeError, match=r"PeftModel: pass its \.model"):
        extract(wrapped, tokenizer, "Ich lese.")
    merged = copy.deepcopy(wrapped).merge_and_unload()
    seen = extract(wrapped.model, tokenizer, "Ich lese.", "I read.").weights
    torch.testing.assert_close(seen, extract(merged, tokenizer, "Ich lese.", "I read.").weights, atol=1e-5, rtol=0)
    assert not torch.allclose(seen, before, atol=1e-3)


@pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated")
def test_value_norms_of_int8_layers_are_near_those_of_the_layers_they_were_made_of():
    model, inputs, _ = FAMILY["bart"].make()
    with capture(model, value_norms=True) as expected:
        model(**inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantised = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    with capture(quantised, value_norms=True) as seen:
        quantised(**inputs)
    largest = float(expected.value_norms[0].max())
    assert_same(seen.value_norms[:1], expected.value_norms[:1], 0.1 * largest)


# --- Others.


def test_a_forward_replaced_on_the_instance_as_accelerate_does():
    model = tiny("bart")
    inputs = batch("bart", model)
    expected = eager_weights(model, inputs)
    for module in model.modules():
        module._old_forward = module.forward

        def forward(self, *args, **kwargs):
            return self._old_forward(*args, **kwargs)

        module.forward = types.MethodType(forward, module)
    assert_captured(model, inputs, expected)


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_dynamic_int8_linear_layers(name):
    model = tiny(name)
    inputs = batch(name, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.ao.quantization.quantize_dynamic(model, {nn.Linear}, dtype=torch.qint8)
    projection = cross_attention_modules(model)[0].get_submodule("q_proj" if name == "bart" else "q")
    assert "quantized" in type(projection).__module__
    expected = eager_or_own(model, inputs)
    # In later layers the library's two paths round to different int8 numbers; the first layer reads the same.
    with capture(model) as captured:
        seen = model(**inputs).logits
    assert torch.equal(seen, model(**inputs).logits)
    assert_same(captured.cross_attentions[:1], expected[:1])
    assert len(captured.cross_attentions) == len(expected)


def test_a_decoder_that_shares_its_parameters_and_its_attention_with_others():
    model, inputs, _ = FAMILY["encoder_decoder (BERT2BERT)"].make()
    for ours, theirs in zip(model.encoder.encoder.layer, model.decoder.bert.encoder.layer, strict=False):
        theirs.attention.self.query = ours.attention.self.query
        theirs.attention.self.key = ours.attention.self.key
    layers = model.decoder.bert.encoder.layer
    layers[2] = layers[0]  # one module, called twice
    inputs["use_cache"] = False  # it has only one place in a cache
    assert_captured(model, inputs, eager_or_own(model, inputs))
