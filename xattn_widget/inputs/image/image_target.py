"""The target side of a model that sees images: its tokenizer, and the prompt that its targets begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xattn_widget.inputs.decoders import known_start
from xattn_widget.inputs.sources import Source
from xattn_widget.inputs.text.encoding import embedded_ids, position_limit, tokenize
from xattn_widget.inputs.text.sides import Side
from xattn_widget.inputs.text.tokens import special_ids


@dataclass(frozen=True)
class ImageTarget(Side):
    """The side of a decoder that writes about an image.

    Attributes:
        start: the id of the decoder's start token.
        bare: whether the model writes no token that the tokenizer puts before a text, as Donut and BLIP.
    """

    start: int | None = None
    bare: bool = False

    def encode(self, sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence as the model writes them, without the decoder's start token.

        Raises:
            ValueError: what :meth:`Side.encode` raises.
        """
        return [self._as_written(ids) for ids in super().encode(sentences, truncation)]

    def try_encode(self, sentences: list[str], limit: int | None) -> list[list[int] | str]:
        """For each sentence its ids, or the reason why it cannot be run."""
        rows = super().try_encode(sentences, limit)
        return [ids if isinstance(ids, str) else self._as_written(ids) for ids in rows]

    def encode_for(self, sources: Sequence[Source], sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence after the prompt of its source.

        Raises:
            ValueError: what :meth:`encode` raises, or a target that is too long with its prompt.
        """
        rows = []
        for index, (source, ids) in enumerate(zip(sources, self.encode(sentences, truncation), strict=True)):
            row = self.after_prompt(source, ids)
            if self.limit is not None and len(row) > self.limit:
                if not truncation:
                    raise ValueError(
                        f"target[{index}] has {len(row)} tokens with its prompt, the limit is {self.limit} positions: "
                        "shorten it, or pass truncation=True to cut it"
                    )
                row = [*row[: self.limit - 1], row[-1]]
            rows.append(row)
        return rows

    def after_prompt(self, source: Source, ids: list[int]) -> list[int]:
        """The ids of a given target after the prompt of its source."""
        prompt = self.prompt_ids(source)
        if prompt and ids[0] in (self.tokenizer.bos_token_id, self.tokenizer.cls_token_id):
            ids = ids[1:]  # the beginning of the text is that of the prompt
        return [*prompt, *ids]

    def prompt_ids(self, source: Source) -> list[int]:
        """The ids of the prompt of a source, without the decoder's start token."""
        prompt = getattr(source, "beginning", None)
        if not prompt:
            return []
        [ids] = tokenize(self.tokenizer, [prompt], "target", add_special_tokens=False)["input_ids"]
        start = self.start if source.start is None else source.start
        return list(ids[1:] if ids[:1] == [start] else ids)

    def _as_written(self, ids: list[int]) -> list[int]:
        first = [self.start]
        if self.bare:
            first += [self.tokenizer.bos_token_id, self.tokenizer.cls_token_id]
        return ids[1:] if ids[0] in first else ids


def image_target(model: Any, tokenizer: Any) -> ImageTarget:
    """The target side of a model that sees images with this tokenizer."""
    encoder = getattr(getattr(model.config, "encoder", None), "model_type", "")
    return ImageTarget(
        "target",
        tokenizer,
        special_ids(tokenizer, model.config) | special_ids(tokenizer, getattr(model.config, "text_config", None)),
        position_limit(model, "target"),
        embedded_ids(model, "target"),
        known_start(model),
        bare=encoder == "donut-swin" or model.config.model_type == "blip",
    )
