"""What the encoder reads, whether text or another kind of input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Literal, Self

from xattn_widget.record.axis import Axis

SideName = Literal["source", "target"]


class Source(ABC):
    """One source of a model. Only this class knows how its positions, its inputs and its axis belong together."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of positions that the encoder gives it, without padding: its columns in cross-attention."""

    @property
    @abstractmethod
    def content(self) -> Any:
        """The value passed to functions that compute arguments of the forward: the token ids of a text."""

    @abstractmethod
    def special(self) -> list[bool]:
        """For each position whether it is special."""

    @abstractmethod
    def axis(self) -> Axis:
        """The axis of its positions."""

    @classmethod
    @abstractmethod
    def inputs(cls, model: Any, sources: Sequence[Self]) -> dict[str, Any]:
        """The encoder's arguments for a batch, padded on the right to the longest source, on the model's device."""

    @abstractmethod
    def hide(self, inputs: dict[str, Any], row: int, position: int) -> None:
        """Change a batch's inputs so that the decoder cannot attend to a position of this source in a row."""


def source_inputs(model: Any, sources: Sequence[Source]) -> dict[str, Any]:
    """The encoder's arguments for a batch of sources of one kind."""
    return type(sources[0]).inputs(model, sources)
