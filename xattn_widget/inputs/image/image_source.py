"""An image that a model reads: ``ImageSource``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import ImageFamily, Seen
from xattn_widget.inputs.sources import Source
from xattn_widget.record.axis import Axis
from xattn_widget.record.picture import Picture


@dataclass(frozen=True, eq=False)
class ImageSource(Source):
    """An image, with the text that goes with it.

    Attributes:
        family: how the model reads images.
        seen: what the encoder reads.
        opened: the image; None if only a processor's output is known.
        kept: what the record that it is read again for keeps of the image.
        prompt: the task or the question that goes with it, or None.
    """

    family: ImageFamily
    seen: Seen
    opened: PIL.Image.Image | None = None
    kept: Picture | None = None
    prompt: str | None = None

    def __len__(self) -> int:
        return len(self.seen.axis)

    @property
    def content(self) -> dict[str, torch.Tensor]:
        """What the encoder reads, by the names of the forward's arguments."""
        return self.seen.arguments

    @property
    def form(self) -> Any:
        """The shapes of what the encoder reads and a batch does not pad."""
        arguments, padded = self.seen.arguments, self.seen.paddings
        return tuple((name, tuple(part.shape)) for name, part in arguments.items() if name not in padded)

    @property
    def beginning(self) -> str | None:
        """The text that its target begins with: the prompt, unless the encoder reads it."""
        return None if self.family.encodes_prompts else self.family.beginning(self.prompt)

    @property
    def start(self) -> int | None:
        """The id that the decoder reads first, where it is not the model's start token."""
        return self.family.start(self.prompt)

    @cached_property
    def image(self) -> Picture | None:
        """What the model saw, for a record. It is compressed when it is asked for: most corpora do not need it."""
        if self.kept is None and self.opened is not None:
            return Picture.from_image(self.opened)
        return self.kept

    def bare(self) -> ImageSource:
        """The image without the picture that people look at."""
        return replace(self, opened=None, kept=None)

    def special(self) -> list[bool]:
        """For each position whether it is special, such as a class token or padding."""
        return list(self.seen.axis.special)

    def axis(self) -> Axis:
        """The axis of its positions, whose places are pixels of the picture."""
        return self.seen.axis

    @classmethod
    def inputs(cls, model: Any, sources: Sequence[Self]) -> dict[str, Any]:
        """What the encoder reads, in the model's precision.

        Raises:
            ValueError: images of which the encoder reads arrays of different shapes.
        """
        if len({source.form for source in sources}) > 1:
            raise ValueError(
                f"these images cannot share a batch with this model ({sources[0].family.name}), because its processor "
                "gives them different shapes: pass batch_size=1"
            )
        batch = {}
        for name, first in sources[0].seen.arguments.items():
            parts, padding = [source.seen.arguments[name] for source in sources], sources[0].seen.paddings.get(name)
            values = (
                torch.stack(parts)
                if padding is None
                else torch.nn.utils.rnn.pad_sequence(parts, batch_first=True, padding_value=padding)
            )
            batch[name] = values.to(model.device, model.dtype if first.is_floating_point() else None)
        return batch

    @classmethod
    def beside(cls, sources: Sequence[Self], read: torch.Tensor) -> dict[str, Any]:
        """Arguments that depend on the images and on what the decoder reads."""
        return sources[0].family.beside(read, [source.seen for source in sources])

    def hide(self, inputs: dict[str, Any], row: int, position: int) -> None:
        """Mask a position.

        Raises:
            ValueError: a model without a mask over the positions of images.
        """
        # Language models call the mask of what they write the same.
        mask = inputs.get("attention_mask") if "attention_mask" in self.seen.arguments else None
        if mask is not None and mask.shape[1] >= len(self):
            mask[row, position] = 0
            return
        raise ValueError(
            f"single positions of an image cannot be hidden from the decoder of this model ({self.family.name})"
        )
