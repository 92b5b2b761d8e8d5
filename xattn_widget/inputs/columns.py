"""Which columns of cross-attention belong to the positions of the source, and which to something else.

Most models have one column per position. Learned prompts (MVP's, PEFT's) and other inputs have columns too, before or
after the source's. The number of columns shows that they exist; hiding some positions, which then get no weight, shows
where the source begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from xattn_widget.capturing.recorder import ROW_SUM_TOLERANCE, capture_here
from xattn_widget.inputs.pairs import Pair, forward_inputs
from xattn_widget.record.axis import Axis


class ColumnLayout(NamedTuple):
    """The number of columns before and after those of the source's positions and their padding."""

    before: int = 0
    after: int = 0

    @property
    def extra(self) -> int:
        """The number of columns that are not the source's."""
        return self.before + self.after

    def columns(self, positions: int, width: int) -> slice | list[int]:
        """Which of ``width`` columns a record of this many source positions shows: all but padding."""
        if not self.after:
            return slice(self.before + positions)
        return [*range(self.before + positions), *range(width - self.after, width)]

    def mask(self, rows: Sequence[Sequence[bool]], filling: bool) -> list[list[bool]]:
        """Rows of values, one for each source position and its padding, with ``filling`` at the other columns."""
        return [[filling] * self.before + [*row] + [filling] * self.after for row in rows]

    def around(self, axis: Axis) -> Axis:
        """The axis of the source with the other columns as special positions, ``[prompt 0]`` and so on."""
        names = [f"[prompt {index}]" for index in range(self.extra)]
        return axis.surround(names[: self.before], names[self.before :])


def find_layout(model: Any, pair: Pair) -> ColumnLayout:
    """The layout of the columns of one pair's source, by a forward in which some of its positions are hidden.

    Call it inside ``torch.no_grad`` with the model in evaluation mode.

    Raises:
        ValueError: columns that cannot be distinguished from the source's.
    """
    positions = len(pair.source)
    source_inputs = pair.source.inputs(model, [pair.source])
    # A value that the user passes for one of the source's inputs, such as a mask, would show the positions to hide.
    arguments = {name: part for name, part in pair.arguments.items() if name not in source_inputs}
    inputs = forward_inputs(model, [pair._replace(arguments=arguments)] * 3)
    pair.source.hide(inputs, 1, 0)
    pair.source.hide(inputs, 2, positions - 1)
    with capture_here(model, reduce=lambda weights: weights.amax((1, 2))) as captured:
        model(**inputs, use_cache=False)
    layers = captured.cross_attentions  # [3, columns] each
    widths = {layer.shape[1] for layer in layers}
    if len(widths) == 1:
        weights = torch.stack(layers).amax(0)
        hidden = [set(torch.nonzero(row == 0)[:, 0].tolist()) for row in weights]
        first, last = hidden[1] - hidden[0], hidden[2] - hidden[0]
        before, width = min(first, default=0), widths.pop()
        expected = ({before}, {before + positions - 1})
        if (first, last) == expected and before + positions <= width:
            return ColumnLayout(before, width - before - positions)
    raise ValueError(
        f"the cross-attention of this {type(model).__name__} has {layers[0].shape[1]} columns for a source of "
        f"{positions} tokens, and it is unclear which of them are the tokens': they are not adjacent, or the model "
        "does not hide what attention_mask hides. Use 'with capture(model)' to get the weights as they are"
    )


def check_share(weights: torch.Tensor, whole: torch.Tensor, layers: Sequence[int]) -> None:
    """Raise a ValueError for rows with weight outside the columns that a record shows.

    Args:
        weights: ``[heads, ..., columns]`` of the record.
        whole: ``[heads, ...]`` sums of the same rows over all columns of the model.
        layers: the layer of each head.
    """
    missing = (whole - weights.sum(-1, dtype=torch.float32)).flatten(1).amax(-1)
    if float(missing.max()) > ROW_SUM_TOLERANCE:
        layer = layers[int(missing.argmax())]
        raise ValueError(
            f"rows of layer {layer} have up to {float(missing.max()):.3g} of their weight on columns "
            "that are not tokens of their source, such as padding that the model does not mask, or other inputs that "
            "it puts among the tokens: pass the sentences one at a time (batch_size=1), or use 'with capture(model)'"
        )
