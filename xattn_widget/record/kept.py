"""Which heads of a model a record keeps, as requested and as found: ``Selection`` and ``KeptHeads``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch

from xattn_widget.messages.characters import brief
from xattn_widget.record.heads import check_heads, head_pairs, whole_number, whole_numbers

# The types that weights may have; half precision takes half the memory.
WEIGHT_TYPES = (torch.float32, torch.float16, torch.bfloat16)
Pair = tuple[int, int]


@dataclass(frozen=True)
class KeptHeads:
    """Some of the heads of a model.

    Attributes:
        layers: how many layers with cross-attention the model has.
        heads: how many heads each of them has.
        pairs: the (layer, head) pairs that are kept, in order.

    Raises:
        ValueError: no pair, a pair twice or out of order, or a head that the model does not have.
    """

    layers: int
    heads: int
    pairs: tuple[Pair, ...]

    def __post_init__(self) -> None:
        check_heads(self.pairs, self.layers, self.heads)
        if not self.pairs or list(self.pairs) != sorted(set(self.pairs)):
            raise ValueError(f"the kept heads must be different (layer, head) pairs in order, got {brief(self.pairs)}")

    @property
    def shape(self) -> Pair:
        """The first two axes of a tensor that holds them.

        ``[kept layers, heads]`` for whole layers, otherwise ``[kept heads, 1]``.
        """
        layers = {layer for layer, _ in self.pairs}
        is_whole = len(self.pairs) == len(layers) * self.heads
        return (len(layers), self.heads) if is_whole else (len(self.pairs), 1)

    def whole_layers(self) -> list[int]:
        """The layers of which every head is kept."""
        counts = [0] * self.layers
        for layer, _ in self.pairs:
            counts[layer] += 1
        return [layer for layer, count in enumerate(counts) if count == self.heads]

    def missing(self) -> list[list[int]]:
        """For each layer of the model, the heads that are not kept."""
        kept = set(self.pairs)
        return [[head for head in range(self.heads) if (layer, head) not in kept] for layer in range(self.layers)]

    def cut(self, grid: torch.Tensor) -> torch.Tensor:
        """The kept part of ``[layers, heads, ...]`` values of all heads, with the first axes of :attr:`shape`."""
        return grid.flatten(0, 1)[self._numbers()].reshape(*self.shape, *grid.shape[2:])

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """``[layers, heads, ...]`` with the ``[pairs, ...]`` values of the kept heads, and NaN for the others."""
        grid = values.new_full((self.layers * self.heads, *values.shape[1:]), torch.nan)
        grid[self._numbers()] = values
        return grid.reshape(self.layers, self.heads, *values.shape[1:])

    def _numbers(self) -> list[int]:
        return [layer * self.heads + head for layer, head in self.pairs]

    def describe(self) -> str:
        """The kept heads in words, such as ``"3 of 24 heads: (0, 1), (2, 5), (2, 6)"``."""
        shown = ", ".join(map(str, self.pairs[:_SHOWN])) + (", ..." if len(self.pairs) > _SHOWN else "")
        whole = self.whole_layers()
        if len(whole) * self.heads == len(self.pairs):
            numbers = ", ".join(map(str, whole[:_SHOWN])) + (", ..." if len(whole) > _SHOWN else "")
            shown = f"those of layer{'s' if len(whole) > 1 else ''} {numbers}"
        return f"{len(self.pairs)} of {self.layers * self.heads} heads: {shown}"


_SHOWN = 12


class Selection(NamedTuple):
    """What to keep of a model's cross-attention, before its numbers of layers and heads are known.

    Attributes:
        layers: the layers to keep, as numbers or as a slice; None for all.
        pairs: the (layer, head) pairs to keep; None for all. Only one of the two is set.
        dtype: the number type of the weights.
    """

    layers: tuple[int, ...] | slice | None = None
    pairs: tuple[Pair, ...] | None = None
    dtype: torch.dtype = torch.float32

    @classmethod
    def read(cls, layers: Any, heads: Any, dtype: Any) -> Self:
        """The selection that a user asks for; see :func:`xattn_widget.extract`.

        Raises:
            TypeError: ``layers`` or ``dtype`` of another type.
            ValueError: both layers and heads, none at all, numbers below 0, or a number type that weights cannot have.
        """
        if layers is not None and heads is not None:
            raise ValueError("give layers or heads to keep, not both; heads=[(layer, head), ...] names single heads")
        if dtype is None:
            dtype = torch.float32
        if not isinstance(dtype, torch.dtype):
            raise TypeError(f"dtype must be one of {_type_names()}, got {brief(dtype)}")
        if dtype not in WEIGHT_TYPES:
            raise ValueError(f"dtype must be one of {_type_names()}, got {dtype}")
        if heads is not None:
            pairs = sorted(set(head_pairs(heads)))
            if not pairs:
                raise ValueError("heads is empty: name at least one (layer, head) pair to keep, or leave it out")
            return cls(pairs=tuple(pairs), dtype=dtype)
        return cls(layers=None if layers is None else _layer_numbers(layers), dtype=dtype)

    def heads_of(self, layer: int, count: int) -> list[int]:
        """The heads to keep of a layer that has so many of them."""
        if self.pairs is not None:
            return [head for number, head in self.pairs if number == layer and 0 <= head < count]
        if isinstance(self.layers, slice):
            is_kept = layer in range(*self.layers.indices(layer + 1))
        else:
            is_kept = self.layers is None or layer in self.layers
        return list(range(count)) if is_kept else []

    def kept(self, layers: int, heads: int) -> KeptHeads | None:
        """The heads to keep of a model with so many layers and heads per layer; None for all.

        Raises:
            ValueError: a layer or a head that does not exist.
        """
        if self.pairs is not None:
            check_heads(self.pairs, layers, heads)
        elif isinstance(self.layers, tuple) and self.layers[-1] >= layers:
            raise ValueError(f"there is no layer {brief(self.layers[-1])} to keep: layers are 0 to {layers - 1}")
        pairs = tuple((layer, head) for layer in range(layers) for head in self.heads_of(layer, heads))
        if not pairs:
            raise ValueError(f"layers={self.layers} keeps nothing: layers are 0 to {layers - 1}")
        return None if len(pairs) == layers * heads else KeptHeads(layers, heads, pairs)


def _layer_numbers(layers: Any) -> tuple[int, ...] | slice:
    hint = "layers must be whole numbers counted from 0, or a slice of them such as slice(4, None)"
    if isinstance(layers, slice):
        parts: Sequence[Any] = (layers.start, layers.stop, layers.step)
        numbers = [None if part is None else whole_number(part) for part in parts]
        if numbers != list(parts) or any(number is not None and number < 0 for number in numbers) or numbers[2] == 0:
            raise ValueError(f"{hint}; they are not counted from the end, got {layers}")
        return slice(*numbers)
    found = None if isinstance(layers, str | bytes) else whole_numbers(layers)
    if found is None:
        raise TypeError(f"{hint}, got {brief(layers)}")
    if not found or min(found) < 0:
        raise ValueError(f"{hint}; at least one, and they are not counted from the end, got {brief(layers)}")
    return tuple(sorted(set(found)))


def _type_names() -> str:
    return ", ".join(map(str, WEIGHT_TYPES))
