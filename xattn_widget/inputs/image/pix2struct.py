"""How Pix2Struct reads images: as patches with the numbers of their row and column, under a header with a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import ImageFamily, Seen
from xattn_widget.inputs.image.positions import Cell, image_axis
from xattn_widget.inputs.image.tracing import Box

HEADER = "[header]"


class Pix2StructFamily(ImageFamily):
    """Pix2Struct, which resizes a picture to as many patches as it reads, and normalizes it by its own mean.

    Models that answer questions read them in the picture: the processor draws the prompt as a header above it.
    """

    argument = "flattened_patches"

    @property
    def encodes_prompts(self) -> bool:  # type: ignore[override]
        """Whether the processor draws the prompt into the picture."""
        return bool(getattr(self.processor, "is_vqa", False))

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        settings, box = {}, (0.0, 0.0, 1.0, 1.0)
        if self.encodes_prompts:
            if not prompt:
                raise ValueError(
                    "this Pix2Struct answers questions (its image processor has is_vqa=True): pass one as prompt="
                )
            settings = {"header_text": prompt}
            box = self._below_header(picture, prompt)
        made = self.processed(picture, **settings)
        return self._seen(made["flattened_patches"][0], picture.size, box)

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        patches = torch.as_tensor(batch[self.argument]).detach().cpu()
        if patches.dim() != 3 or patches.shape[2] < 3:
            raise ValueError(
                f"{self.argument} must be [images, patches, values] with the row and the column of a patch before its "
                f"pixels, got shape {list(patches.shape)}"
            )
        patch = getattr(self.processor, "patch_size", None) or {"height": 16, "width": 16}
        height, width = (int(patch[side]) for side in ("height", "width"))
        return [
            self._seen(row, (int(row[:, 1].max()) * width, int(row[:, 0].max()) * height), (0.0, 0.0, 1.0, 1.0))
            for row in patches
        ]

    def _below_header(self, picture: PIL.Image.Image, prompt: str) -> Box:
        """The part of the picture with its header that shows the picture, from 0 to 1."""
        pixels = np.ascontiguousarray(np.asarray(picture).transpose(2, 0, 1))
        try:
            shape = self.processor.render_header(pixels, prompt).shape
        except OSError as error:
            raise ValueError(
                "the question cannot be drawn into the picture, because the font that the image processor downloads "
                f"for it is not available: {error}"
            ) from error
        height, width = shape[-2:] if shape[0] == 3 else shape[:2]
        # The picture is resized to the width of the header, or the header to that of the picture.
        shown = int(picture.height * (width / picture.width))
        return 0.0, (height - shown) / height, 1.0, 1.0

    def _seen(self, patches: torch.Tensor, size: tuple[int, int], shown: Box) -> Seen:
        """What is read of patches whose whole shows a picture of a size in one part."""
        numbers = patches[:, :2].round().int()
        rows, columns = (int(numbers[:, side].max()) for side in (0, 1))
        cells = []
        for row, column in numbers.tolist():
            if row == 0:
                cells.append(Cell(None))
                continue
            ends = []
            for number, count, length, low, high in (
                (column, columns, size[0], shown[0], shown[2]),
                (row, rows, size[1], shown[1], shown[3]),
            ):
                seen = [((number - 1 + end) / count - low) / (high - low) for end in (0, 1)]
                ends.append([min(max(value, 0.0), 1.0) * length for value in seen])
            (x0, x1), (y0, y1) = ends
            cells.append(Cell((x0, y0, x1, y1)) if y1 > y0 else Cell(None, HEADER))
        arguments = {"flattened_patches": patches.float(), "attention_mask": (numbers[:, 0] > 0).float()}
        return Seen(arguments, image_axis(cells))
