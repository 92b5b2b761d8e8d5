"""Find the modules of a model that could be cross-attention, by what they take and not by class names."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from xattn_widget._compat import IMPLEMENTATION_FIELD, looks_up_attention
from xattn_widget.capturing.families import KEY_VALUE_ARGUMENTS, key_value_argument
from xattn_widget.capturing.interface import InterfaceTap
from xattn_widget.capturing.returning import ReturningTap
from xattn_widget.capturing.taps import Tap, argument_names, class_forward

_looks_up_attention = cache(looks_up_attention)


def attention_modules(model: nn.Module) -> dict[nn.Module, type[Tap]]:
    """The modules of ``model`` that could be cross-attention, each with the kind of tap that reads its weights."""
    return {module: kind for module in model.modules() if (kind := _tap_class(module))}


def _tap_class(module: nn.Module) -> type[Tap] | None:
    if isinstance(module, PreTrainedModel) or key_value_argument(argument_names(class_forward(module))) is None:
        return None
    # A layer that passes the states, or a mask, to an attention module inside it is not attention itself.
    inner = (name for part in module.modules() if part is not module for name in argument_names(class_forward(part)))
    if any("mask" in name or name in KEY_VALUE_ARGUMENTS for name in inner):
        return None
    kind: Any = type(module)
    by_interface = _looks_up_attention(kind) and hasattr(getattr(module, "config", None), IMPLEMENTATION_FIELD)
    return InterfaceTap if by_interface else ReturningTap


def owner_configs(model: nn.Module) -> dict[nn.Module, Any]:
    """For each module of ``model``, the config of the innermost transformers model that it is part of."""
    owners = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    return {module: owner.config for owner in owners for module in owner.modules()}
