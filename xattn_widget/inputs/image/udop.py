"""How UDOP reads documents: as the words on them with their boxes, and after these the patches without a word."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import GridFamily, ImageFamily, Seen
from xattn_widget.inputs.image.positions import Cell, image_axis, joined
from xattn_widget.inputs.image.tracing import Trace, untouched
from xattn_widget.inputs.text.tokens import special_ids, text_axis

_NAMES = ("input_ids", "bbox", "attention_mask", "pixel_values")


@dataclass(frozen=True, eq=False)
class UdopFamily(ImageFamily):
    """UDOP, whose encoder adds the patch under a word to the word, and leaves it out of the patches.

    Attributes:
        whole: the processor of images and texts.
        grid: how the image is cut into patches.
    """

    whole: Any
    grid: GridFamily
    encodes_prompts = True

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        settings: dict[str, Any] = {"text": prompt}
        if not getattr(self.processor, "apply_ocr", False):
            if not prompt:
                raise ValueError(
                    "this model (udop) reads an image with a text: pass a task or a question as prompt=, or what the "
                    "processor makes of the image, the words on it and their boxes"
                )
            words = prompt.split()
            settings = {"text": words, "boxes": [[0, 0, 0, 0]] * len(words)}
        made = self.processed(picture, self.whole, **settings)
        return self._seen({name: torch.as_tensor(made[name])[0] for name in _NAMES}, self.grid.traced(picture))

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        missing = sorted(set(_NAMES) - batch.keys())
        if missing:
            raise ValueError(f"the processor's output lacks {', '.join(missing)}: pass all of it")
        parts = {name: torch.as_tensor(batch[name]).detach().cpu() for name in _NAMES}
        rows = []
        for index in range(len(parts["input_ids"])):
            row = {name: part[index] for name, part in parts.items()}
            words = row["attention_mask"].bool()
            row |= {name: row[name][words] for name in _NAMES[:3]}
            rows.append(self._seen(row, untouched(*row["pixel_values"].shape[1:])))
        return rows

    def _seen(self, row: dict[str, torch.Tensor], found: Trace) -> Seen:
        cells = self.grid.cells(found)
        side = round(len(cells) ** 0.5)
        boxes = row["bbox"].double()
        middles = ((boxes[:, :2] + boxes[:, 2:]) / 2 * side).floor().long().clip(0, side - 1)
        taken = set((middles[:, 1] * side + middles[:, 0]).tolist())
        left = [cell for patch, cell in enumerate(cells) if patch not in taken]
        ids = row["input_ids"].long()
        tokenizer = self.whole.tokenizer
        text = text_axis(tokenizer, ids.tolist(), special_ids(tokenizer))
        arguments = {
            "input_ids": ids,
            "bbox": row["bbox"].float(),
            "attention_mask": torch.ones_like(ids),
            "pixel_values": row["pixel_values"].float(),
        }
        # Patches under words leave padding at the end. Batches of texts of different lengths would move the patches.
        return Seen(arguments, joined(text, image_axis(left + [Cell(None)] * (len(cells) - len(left)))))
