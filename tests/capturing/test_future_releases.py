"""Attention modules that return something other than today: what is still correct is read, anything else is refused.

Each test puts a changed module into a tiny model; the reference is the model as the installed release has it.
"""

import types

import pytest
import torch
from changed_modules import VERSION, assert_same, cross_modules, replace_forward, weights_of
from families import one_thread
from family_models import FAMILY, made_or_skip
from family_parts import BATCH, library, numbers, run
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from xattn_widget import ablate
from xattn_widget.capturing.hooks import altering


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


# --- ProphetNet: logits of all its streams today.


def prophetnet(change):
    """A model whose attention returns ``change(logits)`` instead of logits, its inputs, and the correct weights."""
    made = made_or_skip("prophetnet")
    expected = FAMILY["prophetnet"].reference(made.model, made.inputs)

    def make(forward):
        def changed(
            self,
            hidden_states,
            key_value_states=None,
            attention_mask=None,
            past_key_values=None,
            output_attentions=False,
            **kwargs,
        ):
            kwargs |= {} if past_key_values is None else {"past_key_values": past_key_values}
            output, logits = forward(
                self, hidden_states, key_value_states, attention_mask, output_attentions=output_attentions, **kwargs
            )
            return output, None if logits is None else change(logits)

        return changed

    replace_forward(cross_modules(made.model, "ProphetNetAttention"), make)
    return made.model, made.inputs, expected


def first_stream(weights, streams=3):
    rows = weights.shape[2] // streams
    return weights[:, :, rows : 2 * rows]


PROPHETNET = {
    "logits of all streams": lambda logits: logits,
    "probabilities of all streams": lambda logits: logits.softmax(-1),
    "probabilities of the target's rows": lambda logits: first_stream(logits.softmax(-1)),
    "log-probabilities of all streams": lambda logits: logits.log_softmax(-1),
    "half precision": lambda logits: logits.softmax(-1).bfloat16(),
}


@pytest.mark.parametrize("case", PROPHETNET)
def test_prophetnets_probabilities_are_not_made_probabilities_again(case):
    model, inputs, expected = prophetnet(PROPHETNET[case])
    found = weights_of(model, inputs)
    tolerance = 5e-3 if case == "half precision" else 1e-5
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=0)


REFUSED = {
    "rows that are not those of streams": lambda logits: logits.softmax(-1)[:, :, :-1],
    "logits of the target's rows": first_stream,
    "probabilities without a share": lambda logits: logits.softmax(-1) * 0.9,
    "a step of sampling": lambda logits: (logits.softmax(-1) > 0.5).float(),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_prophetnet_may_return_and_nobody_knows_is_refused_by_name(case):
    model, inputs, _ = prophetnet(REFUSED[case])
    with pytest.raises(NotImplementedError, match=rf"ProphetNetAttention \(prophetnet, transformers {VERSION}\)"):
        weights_of(model, inputs)


def attention_of(module, hidden_states, states, mask, names, **more):
    """Calls an attention function as modules with transformers' attention interface do."""
    heads = module.num_attn_heads if hasattr(module, "num_attn_heads") else module.num_heads

    def project(name, x):
        return getattr(module, name)(x).unflatten(-1, (heads, -1)).transpose(1, 2)

    query, key, value = (project(name, x) for name, x in zip(names, (hidden_states, states, states), strict=True))
    interface = ALL_ATTENTION_FUNCTIONS.get(module.config._attn_implementation, eager_attention_forward)
    output, weights = interface(module, query, key, value, mask, dropout=0.0, scaling=query.shape[-1] ** -0.5, **more)
    return module.out_proj(output.flatten(2)), weights


def eager_attention_forward(module, query, key, value, mask, scaling, dropout=0.0, **kwargs):
    logits = query @ key.transpose(2, 3) * scaling + (0 if mask is None else mask)
    weights = logits.softmax(-1)
    return (weights @ value).transpose(1, 2).contiguous(), weights


def test_prophetnet_on_the_attention_interface_gives_the_rows_of_the_same_stream():
    model, inputs, expected = prophetnet(lambda logits: logits)
    found = cross_modules(model, "ProphetNetAttention")
    for module in found:
        module.config = model.config

    def make(forward):
        def changed(self, hidden_states, key_value_states=None, attention_mask=None, **kwargs):
            states = hidden_states if key_value_states is None else key_value_states
            return attention_of(self, hidden_states, states, attention_mask, ("query_proj", "key_proj", "value_proj"))

        return changed

    model.config._attn_implementation_internal = "eager"
    replace_forward(found, make)
    assert_same(weights_of(model, inputs), expected)


# --- FSMT: time before batch today.


class FromTimeFirst(nn.Module):
    """Lets a decoder that has time first call an attention module that has the batch first."""

    def __init__(self, attention):
        super().__init__()
        self.attention, self.cache_key = attention, attention.cache_key

    def forward(self, query, key, **kwargs):
        output, *rest = self.attention(query.transpose(0, 1), key.transpose(0, 1), **kwargs)
        return output.transpose(0, 1), *rest


def shapes_altered(model, inputs):
    """The shapes of the outputs that alterations of heads get."""
    shapes = []

    def note(layer, output):
        shapes.append(tuple(output.shape))
        return output

    with altering(model, note):
        run(model, inputs)
    return shapes


def test_fsmt_may_come_to_work_batch_first():
    made = made_or_skip("fsmt")
    expected = library(made.model, made.inputs)
    before = shapes_altered(made.model, made.inputs)
    assert all(shape[0] == BATCH and shape[2:] == (4, 4) for shape in before)
    layers = made.model.model.decoder.layers
    for layer in layers:
        inner = layer.encoder_attn

        def forward(self, query, key, key_padding_mask=None, output_attentions=False, **kwargs):
            q, k, v = (
                projection(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
                for projection, x in ((self.q_proj, query), (self.k_proj, key), (self.v_proj, key))
            )
            logits = q @ k.transpose(2, 3) * self.scaling
            if key_padding_mask is not None:
                logits = logits.masked_fill(key_padding_mask[:, None, None], torch.finfo(logits.dtype).min)
            weights = logits.softmax(-1)
            return self.out_proj((weights @ v).transpose(1, 2).flatten(2)), weights

        inner.__class__ = type("Attention", (type(inner),), {"forward": forward})
        layer.encoder_attn = FromTimeFirst(inner)
    assert_same(weights_of(made.model, made.inputs), expected)
    assert shapes_altered(made.model, made.inputs) == before


# --- Modules that return their weights: which part of the output they are, and what belongs to which head.


def led(make):
    made = made_or_skip("led")
    expected = library(made.model, made.inputs)
    replace_forward([layer.encoder_attn for layer in made.model.led.decoder.layers], make)
    return made.model, made.inputs, expected


class FirstPart(nn.Module):
    """Lets a layer that expects three parts call an attention module that returns more."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, **kwargs):
        return self.attention(**kwargs)[0], None, None


@pytest.mark.parametrize("place", ["before", "behind"])
def test_of_parts_of_one_shape_the_probabilities_are_taken(place):
    def make(forward):
        def changed(self, hidden_states, key_value_states=None, output_attentions=False, **kwargs):
            output, weights, *rest = forward(
                self, hidden_states, key_value_states, output_attentions=output_attentions, **kwargs
            )
            bias = None if weights is None else numbers(*weights.shape)
            return output, *((weights, bias) if place == "behind" else (bias, weights)), *rest

        return changed

    model, inputs, expected = led(make)
    for layer in model.led.decoder.layers:
        layer.encoder_attn = FirstPart(layer.encoder_attn)
    assert_same(weights_of(model, inputs), expected)


def alteration_refused(model, inputs, message):
    with (
        pytest.raises(NotImplementedError, match=rf"LED.* \(led, transformers {VERSION}\) {message}"),
        ablate(model, [(0, 1)]),
    ):
        run(model, inputs)


def unchanged(forward):
    def changed(self, hidden_states, key_value_states=None, output_attentions=False, **kwargs):
        return forward(self, hidden_states, key_value_states, output_attentions=output_attentions, **kwargs)

    return changed


def test_another_number_of_heads_than_the_module_says_is_refused():
    model, inputs, _ = led(unchanged)

    def make(forward):
        def changed(self, hidden_states, key_value_states=None, output_attentions=False, **kwargs):
            self.num_heads, said = 4, self.num_heads
            try:
                return forward(self, hidden_states, key_value_states, output_attentions=output_attentions, **kwargs)
            finally:
                self.num_heads = said

        return changed

    attentions = [layer.encoder_attn for layer in model.led.decoder.layers]
    replace_forward(attentions, make)
    for attention in attentions:
        attention.num_heads = 2
        attention.out_proj.register_forward_pre_hook(lambda module, args: None)
    alteration_refused(model, inputs, "says that it has 2 heads and returns weights of 4")


def test_a_projection_that_is_not_called_as_a_module_is_refused():
    model, inputs, _ = led(unchanged)
    for layer in model.led.decoder.layers:
        projection = layer.encoder_attn.out_proj

        def bypassing(self, *args, made_by=projection):
            return nn.functional.linear(args[0], made_by.weight, made_by.bias)

        layer.encoder_attn.__dict__["project"] = types.MethodType(bypassing, layer.encoder_attn)

    def make(forward):
        def changed(self, hidden_states, key_value_states=None, output_attentions=False, **kwargs):
            kept = self._modules["out_proj"]
            self._modules["out_proj"] = self.project
            try:
                return forward(self, hidden_states, key_value_states, output_attentions=output_attentions, **kwargs)
            finally:
                self._modules["out_proj"] = kept

        return changed

    replace_forward([layer.encoder_attn for layer in model.led.decoder.layers], make)
    alteration_refused(model, inputs, "calls its output projection 0 times")


def test_a_projection_of_an_unknown_name_is_refused_and_its_weights_are_still_read():
    model, inputs, expected = led(unchanged)
    attentions = [layer.encoder_attn for layer in model.led.decoder.layers]
    for attention in attentions:
        attention.to_residual = attention.out_proj
        del attention.out_proj

    def make(forward):
        def changed(self, hidden_states, key_value_states=None, output_attentions=False, **kwargs):
            self._modules["out_proj"] = self.to_residual
            try:
                return forward(self, hidden_states, key_value_states, output_attentions=output_attentions, **kwargs)
            finally:
                del self._modules["out_proj"]

        return changed

    replace_forward(attentions, make)
    assert_same(weights_of(model, inputs), expected)
    alteration_refused(model, inputs, "has no output projection of a known name.*to_residual")
