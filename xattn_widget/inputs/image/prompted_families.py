"""Families whose encoder reads an image and a text: Florence-2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import GridFamily, ImageFamily, Seen
from xattn_widget.inputs.image.positions import image_axis, joined
from xattn_widget.inputs.image.tracing import Trace, untouched
from xattn_widget.inputs.text.tokens import special_ids, text_axis


@dataclass(frozen=True, eq=False)
class Florence2Family(ImageFamily):
    """Florence-2, whose encoder reads the patches of an image, and after them the words of a task.

    Attributes:
        whole: the processor of images and texts.
        grid: how the image is cut into patches.
        image_token: the id that stands for a patch.
    """

    whole: Any
    grid: GridFamily
    image_token: int
    encodes_prompts = True

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        made = self.processed(picture, self.whole, text=prompt or "")
        return self._seen(made["input_ids"][0], made["pixel_values"][0], self.grid.traced(picture))

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        missing = {"input_ids", "pixel_values"} - batch.keys()
        if missing:
            raise ValueError(f"the processor's output lacks {', '.join(sorted(missing))}: pass all of it")
        rows = torch.as_tensor(batch["input_ids"]).cpu()
        masks = torch.as_tensor(batch.get("attention_mask", torch.ones_like(rows))).cpu().bool()
        pixels = torch.as_tensor(batch["pixel_values"]).detach().cpu()
        return [
            self._seen(row[mask], part, untouched(*part.shape[1:]))
            for row, mask, part in zip(rows, masks, pixels, strict=True)
        ]

    def _seen(self, ids: torch.Tensor, pixels: torch.Tensor, found: Trace) -> Seen:
        cells = self.grid.cells(found)
        patches = int((ids == self.image_token).sum())
        if patches != len(cells) or not bool((ids[:patches] == self.image_token).all()):
            raise ValueError(
                f"the processor puts {patches} image tokens into the text, and the model makes {len(cells)} positions "
                "of an image: it is the processor of another model. Load both from one place"
            )
        tokenizer = self.whole.tokenizer
        text = text_axis(tokenizer, ids[patches:].tolist(), special_ids(tokenizer))
        arguments = {
            "input_ids": ids.long(),
            "attention_mask": torch.ones_like(ids).long(),
            "pixel_values": pixels.float(),
        }
        padding = tokenizer.pad_token_id or 0
        return Seen(arguments, joined(image_axis(cells), text), {"input_ids": padding, "attention_mask": 0})
