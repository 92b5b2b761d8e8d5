"""What tiny models of families are made with, random weights and inputs, and the references of their weights."""

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
# More layers in the encoder: the library's cache counts its layers, even for the decoder.
T5: dict[str, Any] = FAMILIES["t5"].settings | {"num_layers": 3, "num_decoder_layers": 2}
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

# The projections of queries and keys of cross-attention, in the names that families give them.
_CROSS = re.compile(
    r"(encoder_attn|EncDecAttention|encoder_decoder_attention|[cC]ross_?[aA]tt(entio)?n|x_attn|cross_attn|"
    r"layers\.[13]\.cross_attn)\S*\.(q|k|q_proj|k_proj|query|key|query_proj|key_proj|q_attn)\.weight$"
)


def draw(model: Any, *, scale: float = 3.0, std: float = 0.15, seed: int = 0) -> Any:
    """Random weights large enough for attention that is far from even; norms as they were made."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.dim() >= 2:
                parameter.normal_(std=std, generator=random)
            if _CROSS.search(name):
                parameter.mul_(scale)
    return model.eval()


def ids(rows: int = BATCH, columns: int = SOURCE, *, low: int = 4, high: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, (rows, columns), generator=torch.Generator().manual_seed(seed))


def mask(columns: int, shortest: int = 3) -> torch.Tensor:
    """Ones for the tokens of three rows of different lengths, padded on the right."""
    lengths = torch.tensor([columns, shortest, (columns + shortest) // 2])
    return (torch.arange(columns) < lengths[:, None]).long()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Made(NamedTuple):
    """A model, the arguments of a forward, and how many calls of cross-attention that has."""

    model: Any
    inputs: dict[str, Any]
    modules: int


def image(size: int = 8, **more: Any) -> dict[str, Any]:
    return {"pixel_values": numbers(BATCH, 3, size, size), **more}


class Family(NamedTuple):
    """How a family's model is made, and what is special about its weights."""

    make: Callable[[], Made]
    remark: str = ""
    # Where the library returns no weights, or none that are probabilities: its own logits or an own computation.
    reference: Callable[[Any, dict[str, Any]], tuple[torch.Tensor, ...]] | None = None
    refused: str = ""  # what the error says where it cannot be captured


def library(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """The library's own weights, on its eager path."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        output = twin(**inputs, output_attentions=True)
    # Kosmos-2's are among the image's outputs from transformers 5.24 on.
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
    """Softmax of q k with the modules' own projections, from the inputs and the additive mask that they were given."""

    def reference(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        found: list[torch.Tensor] = []

        def compute(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            states = kwargs.get("key_value_states", kwargs.get("encoder_hidden_states"))
            hidden = args[0] if args else kwargs["hidden_states"]
            hiding = kwargs.get("mask", kwargs.get("encoder_attention_mask", kwargs.get("attention_mask")))
            heads = next(getattr(module, name) for name in ("num_attention_heads", "n_heads") if hasattr(module, name))
            q, k = (
                getattr(module, name)(x).unflatten(-1, (heads, -1)).transpose(1, 2)
                for name, x in ((query, hidden), (key, states))
            )
            logits = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5 if scaled else 1)
            found.append((logits if hiding is None else logits + hiding).softmax(-1))

        modules = [module for name, module in model.named_modules() if name.endswith(module_name)]
        handles = [module.register_forward_pre_hook(compute, with_kwargs=True) for module in modules]
        run(model, inputs)
        for handle in handles:
            handle.remove()
        return tuple(found)

    return reference


def run(model: nn.Module, inputs: dict[str, Any]) -> Any:
    torch.manual_seed(0)  # some sample in the forward: Informer its keys
    with torch.no_grad():
        return model(**inputs)
