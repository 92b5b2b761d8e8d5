"""How one model reads images: ``ImageFamily``, and ``GridFamily``, whose encoder cuts pixels into a grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
import torch

from xattn_widget.inputs.image.positions import Cell, grid_cells, image_axis, special_cells
from xattn_widget.inputs.image.tracing import Trace, trace, untouched
from xattn_widget.record.axis import Axis

# Sizes of pictures whose traces are kept: measuring one takes as long as reading four pictures.
_KEPT_TRACES = 64


@dataclass(frozen=True, eq=False)
class Seen:
    """What the encoder reads of one image.

    Attributes:
        arguments: the arguments of the model's forward, without the axis of the batch.
        axis: the positions that the encoder gives them.
    """

    arguments: dict[str, torch.Tensor]
    axis: Axis


@dataclass(frozen=True, eq=False)
class ImageFamily(ABC):
    """How one model reads images.

    Attributes:
        name: the model's ``config.model_type``, with that of its encoder where there are several.
        processor: the image processor.
    """

    name: str
    processor: Any
    argument = "pixel_values"  # the argument of the forward by which a processor's output is recognized
    encodes_prompts = False  # whether the prompt of an image is read by the encoder; the target begins with it if not

    @abstractmethod
    def read(self, picture: PIL.Image.Image) -> Seen:
        """What the encoder reads of an RGB picture.

        Raises:
            ValueError: a picture that the processor cannot read, or a processor that makes something unexpected.
        """

    @abstractmethod
    def split(self, batch: Mapping[str, Any]) -> list[Seen]:
        """What the encoder reads of each image of a processor's output. Places are pixels of the arrays.

        Raises:
            ValueError: another model's output, or arrays of an unexpected shape.
        """

    def processed(self, picture: PIL.Image.Image) -> Mapping[str, Any]:
        """What the image processor makes of one picture.

        Raises:
            ValueError: it cannot read a picture of this size.
        """
        try:
            return self.processor(images=picture, return_tensors="pt")  # type: ignore[no-any-return]
        except (ValueError, ZeroDivisionError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"{type(self.processor).__name__} cannot read a picture of {picture.width} x {picture.height} pixels: "
                f"{error}"
            ) from error


@dataclass(frozen=True, eq=False)
class GridFamily(ImageFamily):
    """A family whose encoder cuts ``pixel_values`` ``[3, rows, columns]`` into a grid.

    Attributes:
        step: height and width of a cell in pixels.
        before: the labels of positions that come before those of the grid, such as ``"[CLS]"``.
    """

    step: tuple[int, int]
    before: tuple[str, ...] = ()
    _traces: dict[tuple[int, int], Trace] = field(default_factory=dict, repr=False)

    def read(self, picture: PIL.Image.Image) -> Seen:  # noqa: D102
        pixels = self._pixels(picture)
        return self._seen(pixels, self.traced(picture))

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        values = torch.as_tensor(batch[self.argument]).detach().cpu()
        if values.dim() == 3:
            values = values[None]
        if values.dim() != 4 or not values.numel():
            raise ValueError(
                f"{self.argument} must be [images, channels, rows, columns], got shape {list(values.shape)}"
            )
        return [self._seen(pixels, untouched(*pixels.shape[1:])) for pixels in values]

    def cells(self, found: Trace) -> list[Cell]:
        """The positions of an array of pixels."""
        return special_cells(self.before) + grid_cells(found, self.step)

    def traced(self, picture: PIL.Image.Image) -> Trace:
        """Where the pixels of a picture come from, which depends on its size alone.

        Raises:
            ValueError: a processor whose places cannot be measured.
        """
        found = self._traces.get(picture.size)
        if found is None:
            found, *_ = trace(self._array, *picture.size)
            if len(self._traces) >= _KEPT_TRACES:
                self._traces.pop(next(iter(self._traces)), None)
            self._traces[picture.size] = found
        return found

    def _array(self, picture: PIL.Image.Image) -> np.ndarray:
        return np.asarray(self._pixels(picture)[None], np.float64)

    def _pixels(self, picture: PIL.Image.Image) -> torch.Tensor:
        values = torch.as_tensor(np.asarray(self.processed(picture)[self.argument]))
        if values.dim() != 4 or len(values) != 1:
            raise ValueError(
                f"{type(self.processor).__name__} makes {self.argument} of shape {list(values.shape)}, expected one "
                f"array [1, channels, rows, columns]: is it the processor of another model than this {self.name}?"
            )
        return values[0]

    def _seen(self, pixels: torch.Tensor, found: Trace) -> Seen:
        return Seen({self.argument: pixels.float()}, image_axis(self.cells(found)))


def same_forms(rows: Sequence[Seen]) -> bool:
    """Whether what is read of these images can be put into one batch."""
    return len({tuple((name, part.shape) for name, part in row.arguments.items()) for row in rows}) < 2
