"""A model that reads and writes text, with the tokenizer of each of its sides, checked against the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from xattn_widget.inputs.text.encoding import (
    check_is_tokenizer,
    check_model,
    check_tokenizer,
    embedded_ids,
    encode,
    position_limit,
)
from xattn_widget.inputs.text.tokens import special_ids, text_axis
from xattn_widget.inputs.text.vocabularies import split_tokenizer
from xattn_widget.record.axis import Axis

SideName = Literal["source", "target"]


@dataclass(frozen=True)
class Side:
    """One side of a model: the texts that its encoder reads (source) or that its decoder writes (target).

    Attributes:
        name: ``"source"`` or ``"target"``.
        tokenizer: the tokenizer of this side, which has one vocabulary.
        special: ids that are no content, those of the model's configuration included.
        limit: the most tokens, None without limit.
        ids: how many ids the model embeds on this side.
    """

    name: SideName
    tokenizer: Any
    special: set[int]
    limit: int | None
    ids: int

    def encode(self, sentences: list[str], truncation: bool = False) -> list[list[int]]:
        """Ids of each sentence, without padding.

        Raises:
            ValueError: an empty sentence, one that is too long, or ids that the model does not embed.
        """
        return encode(self.tokenizer, sentences, self.name, self.limit, truncation, self.ids)

    def axis(self, ids: Sequence[int], text: str | None = None) -> Axis:
        """The axis of a text of this side; decoded from the ids where it is left out."""
        return text_axis(self.tokenizer, ids, self.special, target=self.name == "target", text=text)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, without special tokens. A model may embed, and generate, more ids than there are tokens."""
        known = [token for token in ids if token < len(self.tokenizer)]
        return str(self.tokenizer.decode(known, skip_special_tokens=True))


@dataclass(frozen=True)
class TextModel:
    """A model with its two sides."""

    model: Any
    source: Side
    target: Side

    @property
    def padding_sides(self) -> tuple[str, str]:
        """Where the tokenizers of source and target pad: ``"left"`` or ``"right"``."""
        return self.source.tokenizer.padding_side, self.target.tokenizer.padding_side


def pair_model(model: Any, tokenizer: Any, target_tokenizer: Any = None) -> TextModel:
    """Pair a model with its tokenizer, or with those of its two sides.

    Raises:
        TypeError: not a model or a tokenizer of transformers.
        ValueError: a model that cannot be read with text, a tokenizer of another model, or one tokenizer for a model
            whose sides have different vocabularies.
    """
    check_model(model)
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
    # With two vocabularies the ids in the model's configuration are the target's: those that it generates.
    source_special = special_ids(source, model.config if source is target else None)
    return TextModel(
        model,
        _side(model, "source", source, source_special),
        _side(model, "target", target, special_ids(target, model.config)),
    )


def _side(model: Any, name: SideName, tokenizer: Any, special: set[int]) -> Side:
    return Side(name, tokenizer, special, position_limit(model, name), embedded_ids(model, name))


def _one_vocabulary(tokenizer: Any) -> Any:
    source, target = split_tokenizer(tokenizer)
    if source is not target:
        raise ValueError(
            f"target_tokenizer ({type(tokenizer).__name__}) has two vocabularies, and which of them is the target's is "
            "unclear: pass a tokenizer with one vocabulary"
        )
    return tokenizer


def _check_one_vocabulary(model: Any, tokenizer: Any) -> None:
    """Tell a model whose encoder and decoder were made for different vocabularies, and which got one tokenizer."""
    sizes = [embedded_ids(model, "source"), embedded_ids(model, "target")]
    kinds = ["", ""]
    if getattr(model.config, "model_type", "") == "encoder-decoder":  # of two models that were trained before
        kinds = [f" ({part.model_type})" for part in (model.config.encoder, model.config.decoder)]
    if sizes[0] == sizes[1] and kinds[0] == kinds[1]:
        return
    raise ValueError(
        f"the encoder of this {type(model).__name__} embeds {sizes[0]} ids{kinds[0]} and its decoder {sizes[1]} "
        f"ids{kinds[1]}: they read different vocabularies, and the tokenizer ({type(tokenizer).__name__}) has one. "
        "Pass the tokenizer of the target texts as target_tokenizer= (the same one again if both sides do share it)"
    )
