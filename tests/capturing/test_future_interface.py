"""Modules that use transformers' attention interface differently, and decoders that read or generate differently.

What differs from the package's assumptions is refused with an error that names the module and the release.
"""

import types

import pytest
import torch
import transformers
from changed_modules import VERSION, cross_modules, replace_forward, weights_of
from families import GREEDY, byte_level_tokenizer, one_thread, tiny
from family_models import made_or_skip
from family_parts import numbers, run
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from xattn_widget import capture, extract


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def t5_with_sdpa():
    if VERSION.startswith("5.0."):
        pytest.skip("T5 stands outside the attention interface in transformers 5.0")
    made = made_or_skip("t5")
    made.model.set_attn_implementation("sdpa")
    return made


def test_t5gemma2s_columns_are_known_to_be_the_encoders():
    made = made_or_skip("t5gemma2")
    module_of = transformers.models.t5gemma2.modeling_t5gemma2
    original = torch.cat

    def encoder_first(tensors, *args, **kwargs):
        behind = len(tensors) == 2 and tensors[0].dim() == 4
        return original(list(reversed(tensors)) if behind else tensors, *args, **kwargs)

    shadow = types.SimpleNamespace(**{name: getattr(torch, name) for name in dir(torch)})
    shadow.cat = encoder_first
    module_of.torch = shadow
    try:
        with pytest.raises(NotImplementedError, match=rf"T5Gemma2Merged.*{VERSION}\).*encoder's keys after its own"):
            weights_of(made.model, made.inputs)
    finally:
        module_of.torch = torch


def test_keys_that_are_not_all_the_encoders_are_refused():
    made = made_or_skip("t5gemma2")

    def make(forward):
        def changed(self, hidden_states, position_embeddings, mask, encoder_hidden_states, **kwargs):
            return forward(self, hidden_states, position_embeddings, mask, encoder_hidden_states, **kwargs)

        return changed

    modules = cross_modules(made.model, "T5Gemma2MergedAttention")

    def by_name(forward):
        inner = make(forward)

        def changed(self, hidden_states, position_embeddings, mask=None, encoder_hidden_states=None, **kwargs):
            mask = kwargs.pop("merged_attention_mask", mask)
            return inner(self, hidden_states, position_embeddings, mask, encoder_hidden_states, **kwargs)

        changed.__globals__.setdefault("ALL_ATTENTION_FUNCTIONS", ALL_ATTENTION_FUNCTIONS)
        return changed

    replace_forward(modules, by_name)
    with pytest.raises(NotImplementedError, match=r"attends to 16 positions where the encoder has 9"):
        weights_of(made.model, made.inputs)


def sink(module, query, key, value, mask, **kwargs):
    """A softmax in which a learned sink takes a share, as in some newer decoders."""
    output, weights = sdpa(module, query, key, value, mask, **kwargs)
    return output * 0.8, weights


sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]


def cubed(module, query, key, value, mask, **kwargs):
    return sdpa(module, query, key, value**3, mask, **kwargs)


@pytest.mark.parametrize("function", [sink, cubed])
@pytest.mark.parametrize("name", ["bart", "t5", "t5gemma2"])
def test_an_attention_function_of_the_library_that_does_something_else_is_noticed(name, function, monkeypatch):
    made = t5_with_sdpa() if name == "t5" else made_or_skip(name)
    made.model.set_attn_implementation("sdpa")
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "sdpa", function)
    with pytest.raises(NotImplementedError, match=rf"transformers {VERSION}\) does not compute softmax attention"):
        weights_of(made.model, made.inputs)


def test_a_bias_that_is_added_elsewhere_is_noticed(monkeypatch):
    made = t5_with_sdpa()

    def with_bias(module, query, key, value, mask, **kwargs):
        bias = numbers(1, query.shape[1], query.shape[2], key.shape[2])
        return sdpa(module, query, key, value, bias if mask is None else bias.masked_fill(mask == 0, -1e9), **kwargs)

    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, "sdpa", with_bias)
    with pytest.raises(NotImplementedError, match="does not compute softmax attention"):
        weights_of(made.model, made.inputs)


def test_mllamas_calls_without_states_are_known_to_read_their_keys_from_the_cache():
    made = made_or_skip("mllama")
    inputs = {name: value for name, value in made.inputs.items() if name != "cross_attention_mask"}
    with capture(made.model) as captured:
        made.model.generate(**inputs, max_new_tokens=2, do_sample=False, pad_token_id=0)
    assert [len(forward) for forward in captured.forwards] == [2, 2]
    # Without a mask the library's sdpa function treats this attention as causal, so the weights must be causal too.
    assert all(bool((layer.triu(1) == 0).all()) for layer in captured.forwards[0])
    modules = cross_modules(made.model, "MllamaTextCrossAttention")

    def make(forward):
        def changed(self, hidden_states, cross_attention_states=None, **kwargs):
            # Without other states it attends to its own: self-attention.
            states = hidden_states if cross_attention_states is None else cross_attention_states
            return forward(self, hidden_states, states, **kwargs)

        return changed

    replace_forward(modules, make)
    with (
        pytest.raises(NotImplementedError, match=r"MllamaTextCrossAttention.* attends to \d+ positions where"),
        capture(made.model),
    ):
        made.model.generate(**inputs, max_new_tokens=2, do_sample=False, pad_token_id=0)


# --- What a decoder reads and generates.


@pytest.fixture(scope="module")
def bart():
    tokenizer = byte_level_tokenizer()
    return tiny("bart", vocab_size=len(tokenizer)), tokenizer


def test_a_decoder_that_shifts_its_target_differently_is_refused(bart, monkeypatch):
    model, tokenizer = bart
    monkeypatch.setattr(model, "prepare_decoder_input_ids_from_labels", lambda labels: labels)
    with pytest.raises(NotImplementedError, match=rf"Bart.*{VERSION}\) does not shift the target"):
        extract(model, tokenizer, "Hund", "dog")


@pytest.mark.parametrize("change", [lambda ids: ids[:, 1:], lambda ids: ids[0]])
def test_generated_sequences_without_the_start_token_are_refused(bart, change, monkeypatch):
    model, tokenizer = bart
    generate = type(model).generate
    monkeypatch.setattr(model, "generate", lambda **inputs: change(generate(model, **inputs)))
    with pytest.raises(NotImplementedError, match=rf"Bart.*{VERSION}\) generates sequences"):
        extract(model, tokenizer, "Hund", generation=GREEDY)


def test_heads_that_are_normalized_together_have_no_value_norms():
    made = made_or_skip("bart")
    for layer in made.model.model.decoder.layers:  # as in Kosmos-2's text decoder
        layer.encoder_attn.inner_attn_ln = nn.LayerNorm(16)
    refused = pytest.raises(NotImplementedError, match=r"inner_attn_ln.*value norms are unavailable")
    with refused, capture(made.model, value_norms=True):
        run(made.model, made.inputs)
