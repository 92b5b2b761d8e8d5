"""The sides of a model that read and write text, with the tokenizer of each, checked against the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from xattn_widget.inputs.sources import SideName, Source, SourceSide
from xattn_widget.inputs.text.checks import check_is_tokenizer, check_sentences, check_tokenizer
from xattn_widget.inputs.text.encoding import (
    embedded_ids,
    encode,
    pad_ids,
    padding_id,
    position_limit,
    try_encode,
    try_ids,
)
from xattn_widget.inputs.text.tokens import special_ids, text_axis, token_ids
from xattn_widget.inputs.text.vocabularies import split_tokenizer
from xattn_widget.record.axis import Axis
from xattn_widget.record.data import AttentionData


@dataclass(frozen=True)
class Side:
    """One side of a model: the texts that its encoder reads (source) or that its decoder writes (target).

    Attributes:
        name: ``"source"`` or ``"target"``.
        tokenizer: the tokenizer of this side, which has one vocabulary.
        special_ids: ids that are not content, including those of the model's configuration.
        limit: the most tokens, or None without a limit.
        embedded: the number of ids that the model embeds on this side.
    """

    name: SideName
    tokenizer: Any
    special_ids: set[int]
    limit: int | None
    embedded: int

    @property
    def usual_limit(self) -> int | None:
        """The most tokens that the tokenizer expects, or None if it does not say."""
        length = int(self.tokenizer.model_max_length)
        return length if length < 10**9 else None  # tokenizers without a limit say 10**30

    def encode(self, sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence, without padding.

        Raises:
            ValueError: an empty sentence, one that is too long, or ids that the model does not embed.
        """
        return encode(self.tokenizer, sentences, self.name, self.limit, truncation, self.embedded)

    def encode_for(self, sources: Sequence[Source], sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of the target of each source; the ids may depend on the source.

        Raises:
            ValueError: what :meth:`encode` raises.
        """
        return self.encode(sentences, truncation)

    def check_alone(self) -> None:
        """Raise a ValueError if the ids of a target can be known only together with its source."""

    def prompt_length(self, ids: Sequence[int]) -> int:
        """How many of the ids of a given target, at the beginning, are a prompt and not part of its text.

        Those that the vocabulary knows as special tokens need not be counted.
        """
        return 0

    def prompt_ids(self, source: Source) -> list[int]:
        """The ids that the target of a source begins with, after the decoder's start token."""
        return []

    def after_prompt(self, source: Source, ids: list[int]) -> list[int]:
        """The ids of a given target with those that the target of this source begins with."""
        return ids

    def prompt_of(self, source: Source, ids: Sequence[int]) -> int:
        """How many of the ids of a given target of this source, at the beginning, are not part of its text."""
        return len(self.prompt_ids(source)) or self.prompt_length(ids)

    def encode_like(self, record: AttentionData, source: Source, sentence: str) -> tuple[list[int], int]:
        """Ids of another target for the source of a record, and how many of them are not part of its text.

        They begin as those of the record's target do before its text: with its prompt, and with its language.

        Raises:
            ValueError: what :meth:`encode_for` raises.
        """
        [ids] = self.encode_for([source], [sentence])
        return ids, self.prompt_of(source, ids)

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings of ``generate``: those that are given, and what this side adds to them."""
        return dict(given)

    def try_encode(self, sentences: list[str], limit: int | None) -> list[list[int] | str]:
        """For each sentence its ids, without padding, or the reason why it cannot be run."""
        return try_encode(self.tokenizer, sentences, self.name, limit, self.embedded)

    def try_ids(self, ids: list[int], limit: int | None) -> list[int] | str:
        """Ids that were not made from a text, or the reason why they cannot be run."""
        return try_ids(self.tokenizer, ids, limit, self.embedded)

    def special(self, ids: Sequence[int]) -> list[bool]:
        """For each id whether it is special."""
        return [index in self.special_ids for index in ids]

    def axis(self, ids: Sequence[int], text: str | None = None, prompt: int = 0) -> Axis:
        """The axis of a text of this side.

        Args:
            ids: its token ids.
            text: the text that they were made from; decoded from them if it is left out.
            prompt: how many of the ids, at the beginning, are not part of the text. They are special.
        """
        special = {index for index, flag in zip(ids, self.special(ids), strict=True) if flag}
        axis = text_axis(self.tokenizer, ids[prompt:], special, target=self.name == "target", text=text)
        if not prompt:
            return axis
        labels = text_axis(self.tokenizer, ids[:prompt], special, target=self.name == "target").labels
        return replace(axis.surround(labels, ()), ids=tuple(ids))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens. A model may embed, and generate, more ids than there are tokens."""
        known = [token for token in ids if token < len(self.tokenizer)]
        return str(self.tokenizer.decode(known, skip_special_tokens=True))


class TextSide(Side, SourceSide):
    """The side of an encoder that reads text."""

    @property
    def reader(self) -> Any:
        """The tokenizer."""
        return self.tokenizer

    @property
    def padding_side(self) -> str:
        """Where the tokenizer pads."""
        return str(self.tokenizer.padding_side)

    def collect(self, given: Any) -> tuple[list[str], bool]:
        """The sentences.

        Raises:
            TypeError: something other than a string or a list of strings.
        """
        return check_sentences(given, "source"), isinstance(given, str)

    def read(self, items: Sequence[str], truncation: bool = False) -> list[TextSource]:
        """The source of each sentence.

        Raises:
            ValueError: what :meth:`encode` raises.
        """
        rows = self.encode(list(items), truncation)
        return [TextSource(self, ids, sentence) for ids, sentence in zip(rows, items, strict=True)]

    def try_read(self, items: Sequence[str], limit: int | None, in_windows: bool = False) -> list[TextSource | str]:
        """For each sentence its source, or the reason why it cannot be run."""
        rows = self.try_encode(list(items), limit)
        return [
            ids if isinstance(ids, str) else TextSource(self, ids, sentence)
            for ids, sentence in zip(rows, items, strict=True)
        ]

    def read_again(self, record: AttentionData) -> TextSource:
        """The source that a record was made from.

        Raises:
            ValueError: its source axis has no token ids.
        """
        return TextSource(self, token_ids(record.source))

    def trial(self, prompt: str | None = None) -> TextSource:
        """A short source to try the model with: 3 tokens."""
        return TextSource(self, [self.tokenizer.eos_token_id or 0] * 3)


@dataclass(frozen=True, eq=False)
class TextSource(Source):
    """A text to be encoded.

    Attributes:
        side: the side that it belongs to.
        ids: its token ids, without padding.
        text: the text that was encoded, or None.
    """

    side: Side
    ids: list[int]
    text: str | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def content(self) -> list[int]:
        """The token ids."""
        return list(self.ids)

    def special(self) -> list[bool]:
        """For each position whether its token is special."""
        return self.side.special(self.ids)

    def axis(self) -> Axis:
        """The axis of its tokens."""
        return self.side.axis(self.ids, self.text)

    @classmethod
    def inputs(cls, model: Any, sources: Sequence[Self]) -> dict[str, Any]:
        """``input_ids`` and ``attention_mask``, ``[batch, source]``, padded on the right."""
        ids = pad_ids([source.ids for source in sources], padding_id(model, "source"), model.device)
        mask = pad_ids([[1] * len(source) for source in sources], 0, model.device)
        return {"input_ids": ids, "attention_mask": mask}

    def hide(self, inputs: dict[str, Any], row: int, position: int) -> None:
        """Mask a token."""
        inputs["attention_mask"][row, position] = 0


def text_sides(model: Any, tokenizer: Any, target_tokenizer: Any = None) -> tuple[TextSide, Side]:
    """The source and target sides of a model that reads text; see :func:`xattn_widget.inputs.paired.pair_model`."""
    check_is_tokenizer(tokenizer)
    source, target = split_tokenizer(tokenizer)
    if target_tokenizer is None and source is target:
        _check_one_vocabulary(model, tokenizer)
        check_tokenizer(model, tokenizer)
    else:
        if target_tokenizer is not None and target_tokenizer is not tokenizer:
            check_is_tokenizer(target_tokenizer, "target_tokenizer")
            target = _one_vocabulary(target_tokenizer)
        check_tokenizer(model, source, "source")
        check_tokenizer(model, target, "target")
    # With two vocabularies, the ids in the model's configuration are those that it generates, the target's.
    source_special = special_ids(source, model.config if source is target else None)
    return (
        TextSide("source", source, source_special, position_limit(model, "source"), embedded_ids(model, "source")),
        Side(
            "target",
            target,
            special_ids(target, model.config),
            position_limit(model, "target"),
            embedded_ids(model, "target"),
        ),
    )


def _one_vocabulary(tokenizer: Any) -> Any:
    source, target = split_tokenizer(tokenizer)
    if source is not target:
        raise ValueError(
            f"target_tokenizer ({type(tokenizer).__name__}) has two vocabularies, and which of them is the target's is "
            "unclear: pass a tokenizer with one vocabulary"
        )
    return tokenizer


def _check_one_vocabulary(model: Any, tokenizer: Any) -> None:
    """Raise a ValueError for one tokenizer if the encoder and the decoder were made for different vocabularies."""
    sizes = [embedded_ids(model, "source"), embedded_ids(model, "target")]
    kinds = ["", ""]
    if getattr(model.config, "model_type", "") == "encoder-decoder":  # made of two models that were trained before
        kinds = [f" ({part.model_type})" for part in (model.config.encoder, model.config.decoder)]
    if sizes[0] == sizes[1] and kinds[0] == kinds[1]:
        return
    raise ValueError(
        f"the encoder of this {type(model).__name__} embeds {sizes[0]} ids{kinds[0]} and its decoder {sizes[1]} "
        f"ids{kinds[1]}: they read different vocabularies, and the tokenizer ({type(tokenizer).__name__}) has one. "
        "Pass the tokenizer of the target texts as target_tokenizer= (the same one again if both sides do share it)"
    )
