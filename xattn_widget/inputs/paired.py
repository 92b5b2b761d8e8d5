"""A model paired with what reads its sources and what reads and writes its targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xattn_widget.inputs.sources import SourceSide
from xattn_widget.inputs.text.checks import check_model
from xattn_widget.inputs.text.sides import Side, text_sides


@dataclass(frozen=True)
class PairedModel:
    """A model with its two sides."""

    model: Any
    source: SourceSide
    target: Side

    @property
    def padding_sides(self) -> tuple[str, str]:
        """Where the user's arrays for sources and for targets are padded: ``"left"`` or ``"right"``."""
        return self.source.padding_side, str(self.target.tokenizer.padding_side)


def pair_model(model: Any, tokenizer: Any, target_tokenizer: Any = None) -> PairedModel:
    """Pair a model with its tokenizer or processor, or with the tokenizers of its two sides.

    Raises:
        TypeError: not a model or a tokenizer of transformers.
        ValueError: a model that has no cross-attention or reads something unknown, a tokenizer of another model, or one
            tokenizer for a model whose sides have different vocabularies.
    """
    check_model(model)
    return PairedModel(model, *text_sides(model, tokenizer, target_tokenizer))
