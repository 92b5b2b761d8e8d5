"""What the encoder reads, whether text or another kind of input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import torch

from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData
from xattn_widget.record.picture import Picture
from xattn_widget.record.sound import Sound

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

    def counted(self) -> list[bool]:
        """For each position whether scores count it. Those after the end of a sound are cut off."""
        return [True] * len(self)

    @abstractmethod
    def axis(self) -> Axis:
        """The axis of its positions."""

    @property
    def sound(self) -> Sound | None:
        """What can be heard of it; None for sources that are not sound."""
        return None

    @property
    def image(self) -> Picture | None:
        """What can be seen of it; None for sources that are not images."""
        return None

    @property
    def prompt(self) -> str | None:
        """The text that goes with it; None for sources without one."""
        return None

    @property
    def start(self) -> int | None:
        """The id that the decoder reads first, where it is not the model's start token."""
        return None

    @property
    def form(self) -> Any:
        """What the sources of one batch must have in common, such as the shape of images that cannot be padded."""
        return None

    def bare(self) -> Source:
        """The source with only what a forward needs: without what records keep for people to see and hear."""
        return self

    @classmethod
    @abstractmethod
    def inputs(cls, model: Any, sources: Sequence[Self]) -> dict[str, Any]:
        """The encoder's arguments for a batch, padded on the right to the longest source, on the model's device."""

    @classmethod
    def beside(cls, sources: Sequence[Self], read: torch.Tensor) -> dict[str, Any]:
        """Arguments of the forward that depend on the sources and on the ids ``[batch, target]`` of the decoder."""
        return {}

    @abstractmethod
    def hide(self, inputs: dict[str, Any], row: int, position: int) -> None:
        """Change a batch's inputs so that the decoder cannot attend to a position of this source in a row."""


class SourceSide(ABC):
    """The side of a model's encoder, which turns what users pass into sources."""

    limit: int | None  # the most positions of a source, or None without a limit
    hears: bool = False  # whether its sources are sound
    sees: bool = False  # whether its sources are images
    rereads: bool = True  # whether a source that is made again from a record can be read with another target
    batches: bool = True  # whether sources of different lengths give the same weights in a batch as one at a time

    @property
    @abstractmethod
    def reader(self) -> Any:
        """The tokenizer or feature extractor that makes the model's inputs."""

    @property
    @abstractmethod
    def usual_limit(self) -> int | None:
        """The most positions that the reader expects a source to have, for models without a limit of their own."""

    @property
    @abstractmethod
    def padding_side(self) -> str:
        """Where the user's own arrays for a batch are padded: ``"left"`` or ``"right"``."""

    @abstractmethod
    def collect(self, given: Any) -> tuple[list[Any], bool]:
        """What a user passed as a list of items, and whether it was one item instead of a list.

        Raises:
            TypeError: something that this side does not read.
        """

    def prompted(self, items: Sequence[Any], prompts: Sequence[str]) -> list[Any]:
        """Items as :meth:`collect` lists them, each with a prompt.

        Raises:
            ValueError: a model whose sources have no prompts.
        """
        raise ValueError(
            "prompt= is the text that goes with an image, and this model reads none: pass decoder_input_ids in "
            "generation for the beginning of a target"
        )

    def is_long(self, item: Any) -> bool:
        """Whether an item is too long for one forward and is read in several windows."""
        return False

    @abstractmethod
    def read(self, items: Sequence[Any], truncation: bool = False) -> Sequence[Source]:
        """The source of each item.

        Args:
            items: what :meth:`collect` returned.
            truncation: cut items that are too long for the model instead of raising an error.

        Raises:
            ValueError: an item that the model cannot read.
        """

    @abstractmethod
    def try_read(self, items: Sequence[Any], limit: int | None, in_windows: bool = False) -> Iterable[Any]:
        """For each item its source, or the reason why it cannot be run, such as more positions than ``limit``.

        Args:
            items: what users pass as single sources.
            limit: the most positions of a source.
            in_windows: give the windows of an item that is too long for one forward instead of a reason.
        """

    @abstractmethod
    def trial(self, prompt: str | None = None) -> Source:
        """A short source to try the model with, and with a prompt.

        Raises:
            ValueError: a model that reads nothing without a prompt, and there is none.
        """

    @abstractmethod
    def read_again(self, record: AttentionData) -> Source:
        """The source that a record was made from.

        Raises:
            ValueError: the record does not hold what is needed.
        """


def source_inputs(model: Any, sources: Sequence[Source]) -> dict[str, Any]:
    """The encoder's arguments for a batch of sources of one kind."""
    return type(sources[0]).inputs(model, sources)
