"""How one model reads images: ``ImageFamily``, and ``GridFamily``, whose encoder cuts pixels into a grid."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import PIL.Image
import torch

from xattn_widget.inputs.image.margins import content_box, crops_margins
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
        paddings: for arguments with a value for each position, what a batch pads them with. The others of a batch have
            one shape.
    """

    arguments: dict[str, torch.Tensor]
    axis: Axis
    paddings: Mapping[str, float] = field(default_factory=dict)


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
    takes_prompts = True
    rereads = True  # whether experiments can read other targets of an image
    encodes_prompts = False  # whether the prompt of an image is read by the encoder; the target begins with it if not

    def beginning(self, prompt: str | None) -> str | None:
        """The text that a target begins with, of a family whose encoder does not read prompts."""
        return prompt

    def start(self, prompt: str | None) -> int | None:
        """The id that the decoder reads first, where it is not the model's start token."""
        return None

    def beside(self, read: torch.Tensor, seen: Sequence[Seen]) -> dict[str, torch.Tensor]:
        """Arguments of the forward that depend on the images and on the ids ``[batch, target]`` of the decoder."""
        return {}

    @abstractmethod
    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:
        """What the encoder reads of an RGB picture, and of its prompt if it reads prompts.

        Raises:
            ValueError: a picture that the processor cannot read, or a processor that makes something unexpected.
        """

    @abstractmethod
    def split(self, batch: Mapping[str, Any]) -> list[Seen]:
        """What the encoder reads of each image of a processor's output. Places are pixels of the arrays.

        Raises:
            ValueError: another model's output, or arrays of an unexpected shape.
        """

    def processed(self, picture: PIL.Image.Image, processor: Any = None, **settings: Any) -> Mapping[str, Any]:
        """What the image processor, or a processor of images and text, makes of one picture.

        Raises:
            ValueError: it cannot read a picture of this size.
        """
        if min(picture.size) <= 4:  # which processors could take for the channels of a picture
            settings["input_data_format"] = "channels_last"
        try:
            return (processor or self.processor)(images=picture, return_tensors="pt", **settings)  # type: ignore[no-any-return]
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

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        return self._seen(self.pixels(picture), self.traced(picture))

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
        """Where the pixels of a picture come from. It depends on its size alone, apart from margins that are cut off.

        Raises:
            ValueError: a processor whose places cannot be measured.
        """
        if not crops_margins(self.processor):
            return self._trace_of_size(picture.size)
        left, top, right, bottom = content_box(self.processor, picture)
        return self._trace_of_size((right - left, bottom - top), do_crop_margin=False).inside_of(
            left, top, picture.size
        )

    def _trace_of_size(self, size: tuple[int, int], **settings: Any) -> Trace:
        found = self._traces.get(size)
        if found is None:
            found, *_ = trace(lambda image: np.asarray(self.pixels(image, **settings)[None], np.float64), *size)
            if len(self._traces) >= _KEPT_TRACES:
                self._traces.pop(next(iter(self._traces)), None)
            self._traces[size] = found
        return found

    def pixels(self, picture: PIL.Image.Image, **settings: Any) -> torch.Tensor:
        """``[channels, rows, columns]`` what the image processor makes of a picture.

        Raises:
            ValueError: it makes several arrays, or cannot read the picture.
        """
        values = torch.as_tensor(np.asarray(self.processed(picture, **settings)[self.argument]))
        if values.dim() != 4 or len(values) != 1:
            raise ValueError(
                f"{type(self.processor).__name__} makes {self.argument} of shape {list(values.shape)}, expected one "
                f"array [1, channels, rows, columns]: is it the processor of another model than this {self.name}?"
            )
        return values[0]

    def _seen(self, pixels: torch.Tensor, found: Trace) -> Seen:
        return Seen({self.argument: pixels.float()}, image_axis(self.cells(found)))
