"""Families whose language model does not attend to the image: something else reads it first, and fills its input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import PIL.Image
import torch

from xattn_widget.inputs.image.image_family import GridFamily, Seen
from xattn_widget.inputs.image.positions import Cell, special_cells
from xattn_widget.inputs.image.tracing import Trace
from xattn_widget.inputs.text.tokens import special_ids, text_axis
from xattn_widget.record.axis import Axis


@dataclass(frozen=True, eq=False)
class ReaderFamily(GridFamily):
    """A family with cross-attention from latent queries, or from a question, to the positions of an image.

    Attributes:
        latents: the number of latent queries.
        after: the labels of positions that come after the image, such as the latents themselves.
        from_question: whether the rows are the tokens of a question, not latents.
    """

    latents: int = 0
    after: tuple[str, ...] = ()
    from_question: bool = False
    takes_prompts = False

    def cells(self, found: Trace) -> list[Cell]:  # noqa: D102
        return super().cells(found) + special_cells(self.after)

    def rows(self, seen: Seen) -> Axis:
        """The axis of what reads an image, which takes the place of a target."""
        return Axis(latent_labels(self.latents))

    def run(self, model: Any, inputs: dict[str, Any]) -> None:
        """Run the part of the model that reads images."""
        model.get_image_features(**inputs)


class Kosmos2Family(ReaderFamily):
    """Kosmos-2, whose latents become the first tokens that its language model reads."""

    def run(self, model: Any, inputs: dict[str, Any]) -> None:
        """Run the model over the latents alone."""
        ids = torch.zeros(len(inputs[self.argument]), self.latents, dtype=torch.long, device=model.device)
        model(**inputs, input_ids=ids, image_embeds_position_mask=torch.ones_like(ids, dtype=torch.bool))


@dataclass(frozen=True, eq=False)
class PromptedReaderFamily(ReaderFamily):
    """A family in which a question is read together with the image: InstructBLIP, and BLIP for questions.

    Attributes:
        tokenizer: the tokenizer of the question.
        ids_name: what the model calls the ids of the question.
        mask_name: what it calls their mask.
    """

    tokenizer: Any = None
    ids_name: str = "input_ids"
    mask_name: str = "attention_mask"
    encodes_prompts = takes_prompts = True

    def read(self, picture: PIL.Image.Image, prompt: str | None = None) -> Seen:  # noqa: D102
        if not prompt:
            raise ValueError(f"this model ({self.name}) reads an image with a question: pass it as prompt=")
        ids = torch.tensor(self.tokenizer(prompt)["input_ids"], dtype=torch.long)
        return self._with_question(super().read(picture), ids)

    def split(self, batch: Mapping[str, Any]) -> list[Seen]:  # noqa: D102
        if self.ids_name not in batch:
            raise ValueError(f"the processor's output lacks {self.ids_name}: pass it an image and a question, text=")
        rows = torch.as_tensor(batch[self.ids_name]).cpu().long()
        masks = torch.as_tensor(batch.get(self.mask_name, torch.ones_like(rows))).cpu().bool()
        return [
            self._with_question(seen, row[mask])
            for seen, row, mask in zip(super().split(batch), rows, masks, strict=True)
        ]

    def rows(self, seen: Seen) -> Axis:
        """The tokens of the question, or the latents."""
        if not self.from_question:
            return super().rows(seen)
        return text_axis(self.tokenizer, seen.arguments[self.ids_name].tolist(), special_ids(self.tokenizer))

    def run(self, model: Any, inputs: dict[str, Any]) -> None:
        """Run the part of the model that reads images."""
        if not self.from_question:
            return super().run(model, inputs)
        start = torch.full_like(inputs[self.ids_name][:, :1], model.config.text_config.bos_token_id)
        model(**inputs, decoder_input_ids=start)
        return None

    def _with_question(self, seen: Seen, ids: torch.Tensor) -> Seen:
        arguments = {self.ids_name: ids, self.mask_name: torch.ones_like(ids)}
        padding = {self.ids_name: self.tokenizer.pad_token_id or 0, self.mask_name: 0}
        return replace(seen, arguments=seen.arguments | arguments, paddings=padding)


def latent_labels(count: int) -> tuple[str, ...]:
    """The labels of latent queries."""
    return tuple(f"[latent {index}]" for index in range(count))
