"""The side of a model that sees images: what users pass as images becomes sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import PIL.Image

from xattn_widget.inputs.image.image_family import ImageFamily
from xattn_widget.inputs.image.image_source import ImageSource
from xattn_widget.inputs.image.pictures import is_encoded, open_picture, pictures
from xattn_widget.inputs.media_side import MediaSide, within_limit
from xattn_widget.record.data import AttentionData


class ImageItem(NamedTuple):
    """One image as a user passed it, and the text that goes with it."""

    image: Any
    prompt: str | None = None


@dataclass(frozen=True)
class ImageSide(MediaSide):
    """The side of an encoder that sees images.

    Attributes:
        family: how the model reads images.
        limit: None; processors give images the sizes that their model reads.
    """

    family: ImageFamily
    limit: int | None = None
    sees = True

    @property
    def rereads(self) -> bool:  # type: ignore[override]
        """Whether a record says all that a target of its image begins with."""
        return self.family.rereads

    @property
    def reader(self) -> Any:
        """The image processor."""
        return self.family.processor

    def collect(self, given: Any) -> tuple[list[ImageItem], bool]:
        """The images, or those of a processor's output, which counts as one image if it holds one."""
        if isinstance(given, Mapping) and self.family.argument in given:
            sources = [ImageSource(self.family, seen) for seen in self.family.split(given)]
            return [ImageItem(source) for source in sources], len(sources) == 1
        if isinstance(given, Mapping) and not is_encoded(given):
            raise ValueError(
                f"this model ({self.family.name}) reads {self.family.argument}, and the dictionary has "
                f"{', '.join(map(str, given)) or 'nothing'}: pass an image, or the output of the model's processor"
            )
        items, single = pictures(given)
        return [ImageItem(item) for item in items], single

    def prompted(self, items: Sequence[ImageItem], prompts: Sequence[str]) -> list[ImageItem]:
        """The images, each with its prompt.

        Raises:
            ValueError: a processor's output, of which only what it made is known.
        """
        if not self.family.takes_prompts:
            raise ValueError(f"what reads images in this model ({self.family.name}) reads no prompt: leave out prompt=")
        if any(isinstance(item.image, ImageSource) for item in items) and self.family.encodes_prompts:
            raise ValueError("the processor has already read the prompt of its output: leave out prompt=")
        return [
            ImageItem(replace(item.image, prompt=text) if isinstance(item.image, ImageSource) else item.image, text)
            for item, text in zip(items, prompts, strict=True)
        ]

    def read(self, items: Sequence[ImageItem], truncation: bool = False) -> list[ImageSource]:
        """The source of each image.

        Raises:
            FileNotFoundError, TypeError, ValueError: as :func:`open_picture`, or an image that the processor cannot
                read.
        """
        return [
            self._source(item, "image" if len(items) == 1 else f"image[{index}]") for index, item in enumerate(items)
        ]

    def try_read(
        self, items: Sequence[Any], limit: int | None, in_windows: bool = False
    ) -> Iterator[ImageSource | str]:
        """For each image, as users pass one or with its prompt, its source, or the reason why it cannot be run."""
        return (self._try_source(item, limit) for item in items)

    def read_again(self, record: AttentionData) -> ImageSource:
        """The source that a record was made from.

        Raises:
            ValueError: the record does not hold the picture as it was.
        """
        if record.image is None:
            raise ValueError(
                "this record does not hold the picture that it was made from: it was made from a processor's output"
            )
        prompt = record.prompt
        if prompt is None and self.family.encodes_prompts:  # earlier files hold it on the axis alone
            prompt = record.source.text
        if self.family.encodes_prompts and prompt is None:
            raise ValueError("this record does not hold the question that the encoder read with its picture")
        return ImageSource(
            self.family, self.family.read(record.image.exact(), prompt), kept=record.image, prompt=prompt
        )

    def trial(self, prompt: str | None = None) -> ImageSource:
        """A small grey picture, with a prompt."""
        return self._source(ImageItem(PIL.Image.linear_gradient("L").resize((64, 48)), prompt), "image")

    def _source(self, item: ImageItem, name: str) -> ImageSource:
        if isinstance(item.image, ImageSource):
            return item.image
        opened = open_picture(item.image, name)
        return ImageSource(self.family, self.family.read(opened, item.prompt), opened, prompt=item.prompt)

    def _one_source(self, given: Any, limit: int | None, in_windows: bool) -> ImageSource | str:
        image, prompt = given if isinstance(given, ImageItem) else (given, None)
        items, _ = self.collect(image)
        if len(items) != 1:
            return f"is {len(items)} images, expected one: list each in a row of its own"
        if prompt is not None:
            items = self.prompted(items, [prompt])
        return within_limit(self._source(items[0], "image"), limit)
