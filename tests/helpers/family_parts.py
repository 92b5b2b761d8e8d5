"""Building blocks of the tiny models: random weights, random inputs and reference attention weights."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from families import FAMILIES
from torch import nn

BATCH, SOURCE, TARGET = 3, 9, 7
BART: dict[str, Any] = FAMILIES["bart"].settings
# The encoder has more layers, because the library uses its number of layers for the size of the decoder's cache.
T5: dict[str, Any] = FAMILIES["t5"].settings | {"num_layers": 3, "num_decoder_layers": 2}
FLORENCE2_VISION: dict[str, Any] = {
    "depths": (1, 1),
    "patch_prenorm": (False, True),
    "embed_dim": (8, 16),
    "num_heads": (2, 2),
    "num_groups": (2, 2),
    "window_size": 2,
    "projection_dim": 16,
}
BERT: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "pad_token_id": 1,
}
VIT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 8,
    "patch_size": 4,
}

# The query and key projections of cross-attention, by the names that families use.
_CROSS = re.compile(
    r"(encoder_attn|EncDecAttention|encoder_decoder_attention|[cC]ross_?[aA]tt(entio)?n|x_attn|cross_attn|"
    r"layers\.[13]\.cross_attn)\S*\.(q|k|q_proj|k_proj|query|key|query_proj|key_proj|q_attn)\.weight$"
)


def draw(model: Any, *, scale: float = 3.0, std: float = 0.15, seed: int = 0) -> Any:
    """Draw random weights large enough for attention far from uniform; norms keep their initial values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.dim() >= 2:
                parameter.normal_(std=std, generator=generator)
            if _CROSS.search(name):
                parameter.mul_(scale)
    return model.eval()


def ids(rows: int = BATCH, columns: int = SOURCE, *, low: int = 4, high: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, (rows, columns), generator=torch.Generator().manual_seed(seed))


def mask(columns: int, shortest: int = 3) -> torch.Tensor:
    """Return 1 for tokens and 0 for padding: three rows of different lengths, padded on the right."""
    lengths = torch.tensor([columns, shortest, (columns + shortest) // 2])
    return (torch.arange(columns) < lengths[:, None]).long()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Made(NamedTuple):
    """A model, the arguments of a forward, and the number of cross-attention calls in that forward."""

    model: Any
    inputs: dict[str, Any]
    modules: int


def image(size: int = 8, **more: Any) -> dict[str, Any]:
    return {"pixel_values": numbers(BATCH, 3, size, size), **more}


class Family(NamedTuple):
    """How to make a family's model, and what is special about its weights."""

    make: Callable[[], Made]
    remark: str = ""
    # For families whose weights the library does not return as probabilities: uses its logits, or computes the weights.
    reference: Callable[[Any, dict[str, Any]], tuple[torch.Tensor, ...]] | None = None
    refused: str = ""  # part of the error message if the family cannot be captured


def library(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return the library's own weights from its eager path."""
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        output = eager(**inputs, output_attentions=True)
    # From transformers 5.24 on, Kosmos-2 returns them among the image outputs.
    image_outputs = output.get("image_outputs")
    for weights in (
        output.get("cross_attentions"),
        output.get("projection_attentions"),
        getattr(image_outputs, "projection_attentions", None),
    ):
        if weights is None:
            continue
        if isinstance(weights, torch.Tensor):
            return (weights,)
        return tuple(layer for layer in weights if layer is not None)
    raise AssertionError(f"{type(model).__name__} returns no cross_attentions, only {list(output)}")


def projected(
    query: str, key: str, module_name: str, *, scaled: bool = True
) -> Callable[[Any, dict[str, Any]], tuple[torch.Tensor, ...]]:
    """Return a reference: softmax of q k from the modules' own projections, their inputs and their additive mask."""

    def reference(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        weights: list[torch.Tensor] = []

        def compute(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            states = kwargs.get("key_value_states", kwargs.get("encoder_hidden_states"))
            hidden = args[0] if args else kwargs["hidden_states"]
            additive_mask = kwargs.get("mask", kwargs.get("encoder_attention_mask", kwargs.get("attention_mask")))
            heads = next(getattr(module, name) for name in ("num_attention_heads", "n_heads") if hasattr(module, name))
            q, k = (
                getattr(module, name)(x).unflatten(-1, (heads, -1)).transpose(1, 2)
                for name, x in ((query, hidden), (key, states))
            )
            logits = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5 if scaled else 1)
            weights.append((logits if additive_mask is None else logits + additive_mask).softmax(-1))

        modules = [module for name, module in model.named_modules() if name.endswith(module_name)]
        handles = [module.register_forward_pre_hook(compute, with_kwargs=True) for module in modules]
        run(model, inputs)
        for handle in handles:
            handle.remove()
        return tuple(weights)

    return reference


def run(model: nn.Module, inputs: dict[str, Any]) -> Any:
    torch.manual_seed(0)  # some families sample in the forward: Informer samples keys
    with torch.no_grad():
        return model(**inputs)
