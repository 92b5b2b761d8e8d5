"""Where the tokens of the source stand among the columns of cross-attention, and what else has columns there.

Most models have a column for each token. Prompts that were learned (MVP's, PEFT's) and other inputs have columns too,
before or after the tokens. They are found by their count; where the tokens stand is seen by hiding some of them, which
then have no weight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from xattn_widget.capturing.recorder import ROW_SUM_TOLERANCE, capture_here
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.record.axis import NO_ID, Axis


@dataclass(frozen=True)
class Layout:
    """How many columns stand before and after those of the source's tokens and their padding."""

    before: int = 0
    after: int = 0

    @property
    def extra(self) -> int:
        """The columns that are not the source's."""
        return self.before + self.after

    def columns(self, tokens: int, width: int) -> slice | list[int]:
        """Which of ``width`` columns belong to a source of so many tokens: padding is left out."""
        if not self.after:
            return slice(self.before + tokens)
        return [*range(self.before + tokens), *range(width - self.after, width)]

    def mask(self, rows: Sequence[Sequence[bool]], filling: bool) -> list[list[bool]]:
        """Rows of values, one for each token and its padding, with ``filling`` at the other columns."""
        return [[filling] * self.before + [*row] + [filling] * self.after for row in rows]

    def around(self, axis: Axis) -> Axis:
        """The axis of the source with the other columns as special positions, ``[prompt 0]`` and so on."""
        names = [f"[prompt {index}]" for index in range(self.extra)]
        return axis.surround(names[: self.before], names[self.before :])


def token_ids(axis: Axis) -> list[int]:
    """The ids of an axis's tokens.

    Raises:
        ValueError: an axis without ids.
    """
    if axis.ids is None:
        raise ValueError("this record has no token ids: it was not made by extract, or its subwords were merged")
    return [index for index in axis.ids if index != NO_ID]


def find_layout(model: Any, pair: Pair) -> Layout:
    """The layout of the columns of one pair's source, by a forward in which some of its tokens are hidden.

    Call it inside ``torch.no_grad`` with the model in evaluation mode.

    Raises:
        ValueError: columns that cannot be told from the source's tokens.
    """
    tokens = len(pair.source)
    arguments = {name: part for name, part in pair.arguments.items() if name != "attention_mask"}
    inputs = forward_inputs(model, [replace(pair, arguments=arguments)] * 3)
    inputs["attention_mask"][1, 0] = 0
    inputs["attention_mask"][2, tokens - 1] = 0
    with capture_here(model) as captured:
        model(**inputs, use_cache=False)
    layers = captured.cross_attentions
    widths = {layer.shape[3] for layer in layers}
    if len(widths) == 1:
        weights = torch.stack([layer.amax((1, 2)) for layer in layers]).amax(0)  # [3, columns]
        hidden = [set(torch.nonzero(row == 0)[:, 0].tolist()) for row in weights]
        first, last = hidden[1] - hidden[0], hidden[2] - hidden[0]
        before, width = min(first, default=0), widths.pop()
        expected = ({before}, {before + tokens - 1})
        if (first, last) == expected and before + tokens <= width:
            return Layout(before, width - before - tokens)
    raise ValueError(
        f"the cross-attention of this {type(model).__name__} has {layers[0].shape[3]} columns for a source of {tokens} "
        "tokens, and which of them are the tokens' cannot be told: they do not stand together, or the "
        "model does not hide what attention_mask hides. Use 'with capture(model)' to get the weights as they are"
    )


def check_share(weights: torch.Tensor, whole: torch.Tensor) -> None:
    """Raise a ValueError where rows have weight outside the columns that a record shows.

    Args:
        weights: ``[layers, ..., columns]`` of the record.
        whole: ``[layers, ...]`` sums of the same rows over all columns that the model has.
    """
    missing = (whole - weights.sum(-1)).flatten(1).amax(-1)
    if float(missing.max()) > ROW_SUM_TOLERANCE:
        raise ValueError(
            f"rows of layer {int(missing.argmax())} have up to {float(missing.max()):.3g} of their weight on columns "
            "that are not tokens of their source, such as padding that the model does not mask, or other inputs that "
            "it puts among the tokens: pass the sentences one by one (batch_size=1), or use 'with capture(model)'"
        )
