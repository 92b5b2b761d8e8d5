"""Value zeroing in families whose attention or layers differ from most, against zeroing values by hand."""

from __future__ import annotations

import pytest
import torch
from family_models import made_or_skip
from torch import nn

from xattn_widget.capturing.families import value_projection
from xattn_widget.capturing.hooks import listening
from xattn_widget.extraction.contributions.layers import layers_of
from xattn_widget.extraction.contributions.value_zeroing import value_zeroing

pytestmark = pytest.mark.usefixtures("single_thread")

FAMILIES = [
    "fsmt",  # time before batch
    "prophetnet",  # several streams
    "t5gemma2",  # one softmax with self-attention
    "nllb_moe",  # routes the tokens of a batch together
    "blip",  # no output projection, returns its weights
    "led",  # returns its weights
    "moonshine",  # rotary positions
    "seamless_m4t",
    "pix2struct",
    "encoder_decoder (RoBERTa)",
]


def first(output):
    return output[0] if isinstance(output, tuple) else output


def changes_by_hand(layer, values, axis, positions, run):
    """``[rows, positions]`` changes of a layer's output without each of the values."""
    seen = []
    watch = layer.register_forward_hook(lambda module, args, output: seen.append(first(output).double()))

    def unit_states():
        run()
        return nn.functional.normalize(seen.pop(), dim=-1).flatten(0, 1)

    unchanged, changes = unit_states(), []
    for position in range(positions):

        def zero(module, args, output, position=position):
            if output.shape[axis] != positions:  # the target's own values
                return output
            return output.index_fill(axis, torch.tensor([position]), 0)

        hook = values.register_forward_hook(zero)
        changes.append((unit_states() - unchanged).square().sum(-1) / 2)
        hook.remove()
    watch.remove()
    return torch.stack(changes, -1)


@pytest.mark.parametrize("name", FAMILIES)
def test_value_zeroing_is_that_of_zeroing_values_by_hand(name):
    model, inputs, _ = made_or_skip(name)
    one = {key: value[:1] if isinstance(value, torch.Tensor) else value for key, value in inputs.items()}

    def run():
        return model(**one, use_cache=False)

    calls = []
    with torch.no_grad():
        found = value_zeroing(model, run, lambda layer, heads: [None])
        with listening(model, calls.append):
            run()
        assert len(found) == len(calls)
        layers = layers_of(model)
        for result, call in zip(found, calls, strict=True):
            values, positions = value_projection(call.module), call.weights.shape[-1]
            changes = changes_by_hand(layers[call.module], values, 0 if name == "fsmt" else 1, positions, run)
            rows = result.shape[1]
            changes = changes[rows : 2 * rows] if name == "prophetnet" else changes
            expected = (changes / changes.sum(-1, keepdim=True)).float()
            torch.testing.assert_close(result[0], expected, rtol=0, atol=1e-5)
