"""Swap changed attention modules into tiny models, as a future release of transformers might ship them."""

import torch
import transformers
from family_parts import run

from xattn_widget import capture

VERSION = transformers.__version__


def cross_modules(model, name):
    return [module for module in model.modules() if type(module).__name__ == name]


def replace_forward(modules, make):
    """Give the modules a new class whose forward is ``make(original_forward)``."""
    original = type(modules[0])
    changed = type(original.__name__, (original,), {"forward": make(original.forward)})
    for module in modules:
        module.__class__ = changed


def weights_of(model, inputs):
    with capture(model) as captured:
        run(model, inputs)
    return captured.cross_attentions


def assert_same(actual, expected):
    assert len(actual) == len(expected)
    for actual_layer, expected_layer in zip(actual, expected, strict=True):
        torch.testing.assert_close(actual_layer, expected_layer, atol=1e-5, rtol=0)
