"""How Mllama reads images: as tiles of a canvas, each with a class token, at the image token of its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import GridFamily, Seen
from xattn_widget.inputs.image.positions import Cell, grid_cells, image_axis, special_cells
from xattn_widget.inputs.image.tracing import Trace, trace, untouched

_NAMES = ("pixel_values", "aspect_ratio_ids", "aspect_ratio_mask")


@dataclass(frozen=True, eq=False)
class MllamaFamily(GridFamily):
    """Mllama, whose language model has layers of cross-attention to the tiles of an image.

    A picture is resized to a canvas of whole tiles, and padded on the right and at the bottom. Each tile has a class
    token and its patches. Tiles that the canvas lacks are positions without a place, which no row attends to.

    Attributes:
        whole: the processor of images and texts.
        ratios: rows and columns of tiles, by the number that the processor gives each, from 1.
    """

    whole: Any = None
    ratios: tuple[tuple[int, int], ...] = ()
    rereads = False

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        made = self.processed(picture)
        parts = {name: torch.as_tensor(np.asarray(made[name]))[0] for name in _NAMES}
        return self._seen_tiles(parts, self.traced(picture))

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        if "input_ids" in batch:
            raise ValueError(
                "pass what the image processor makes of the images alone, and the text as prompt=: this model's target "
                "begins with it"
            )
        missing = sorted(set(_NAMES) - batch.keys())
        if missing:
            raise ValueError(f"the processor's output lacks {', '.join(missing)}: pass all of it")
        parts = {name: torch.as_tensor(batch[name]).detach().cpu() for name in _NAMES}
        if parts["pixel_values"].dim() != 6 or parts["pixel_values"].shape[1] != 1:
            raise ValueError(
                "pixel_values must be [batch, 1, tiles, channels, rows, columns], with one image for each prompt, got "
                f"shape {list(parts['pixel_values'].shape)}"
            )
        found = []
        for index in range(len(parts["pixel_values"])):
            row = {name: part[index] for name, part in parts.items()}
            found.append(self._seen_tiles(row, untouched(*self._canvas(row).shape[1:])))
        return found

    def pixels(self, picture: PIL.Image.Image, **settings: Any) -> torch.Tensor:
        """``[channels, rows, columns]`` the canvas that the tiles of a picture are cut from."""
        made = self.processed(picture, **settings)
        return self._canvas({name: torch.as_tensor(np.asarray(made[name]))[0] for name in _NAMES})

    def beginning(self, prompt: str | None) -> str | None:
        """The prompt with the image token, which stands before it unless it has one, and the token that begins texts.

        Raises:
            ValueError: a prompt with several image tokens.
        """
        image, start = str(self.whole.image_token), str(self.whole.bos_token)
        text = prompt or ""
        count = text.count(image)
        if count > 1:
            raise ValueError(f"the prompt has {count} times {image}, expected it once: one image goes with a prompt")
        if not count:
            text = image + text
        # As the processor does it.
        if start in text:
            return text
        return image + start + text.removeprefix(image) if text.startswith(image) else start + text

    def start(self, prompt: str | None) -> int | None:
        """The id that the decoder reads first: the prompt may begin with the image."""
        return int(self.whole.tokenizer(self.beginning(prompt), add_special_tokens=False)["input_ids"][0])

    def beside(self, read: torch.Tensor, seen: Sequence[Seen]) -> dict[str, torch.Tensor]:
        """The mask ``[batch, target, 1, tiles]`` of cross-attention: from the image token on, rows see the tiles."""
        tiles = torch.stack([part.arguments["aspect_ratio_mask"] for part in seen]).to(read.device)
        after = (read == self.whole.image_token_id).cumsum(1) > 0
        return {"cross_attention_mask": (after[:, :, None, None] & (tiles[:, None] > 0)).long()}

    def _trace_of_size(self, size: tuple[int, int], **settings: Any) -> Trace:
        found = self._traces.get(size)
        if found is None:
            found, *_ = trace(lambda image: np.asarray(self.pixels(image)[None], np.float64), *size)
            self._traces[size] = found
        return found

    def _ratio(self, row: Mapping[str, torch.Tensor]) -> tuple[int, int]:
        number = int(row["aspect_ratio_ids"].flatten()[0])
        if not 1 <= number <= len(self.ratios):
            raise ValueError(
                f"the processor gives an image the aspect ratio {number}, and the model knows 1 to {len(self.ratios)}: "
                "it is the processor of another model. Load both from one place"
            )
        return self.ratios[number - 1]

    def _canvas(self, row: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """``[channels, rows, columns]`` the tiles of an image side by side."""
        down, across = self._ratio(row)
        tiles = row["pixel_values"][0, : down * across]
        _, channels, height, width = tiles.shape
        placed = tiles.reshape(down, across, channels, height, width).permute(2, 0, 3, 1, 4)
        return placed.reshape(channels, down * height, across * width)

    def _seen_tiles(self, row: dict[str, torch.Tensor], canvas: Trace) -> Seen:
        down, across = self._ratio(row)
        count, _, height, width = row["pixel_values"].shape[1:]
        cells: list[Cell] = []
        for tile in range(down * across):
            top, left = tile // across * height, tile % across * width
            cells += special_cells(self.before) + grid_cells(canvas.part(top, left, height, width), self.step)
        empty = len(cells) // (down * across) * (count - down * across)
        arguments = {
            "pixel_values": row["pixel_values"].float(),
            "aspect_ratio_ids": row["aspect_ratio_ids"].long(),
            "aspect_ratio_mask": row["aspect_ratio_mask"].long(),
        }
        return Seen(arguments, image_axis(cells + [Cell(None)] * empty))
