"""The further arguments of a model's forward, cut into one part for each sentence and put together for each batch.

An argument of the forward may be
- the same for all sentences: a number, a string, None;
- an array with a row for each source. Its second axis follows the source's positions if it is as long as the longest
  source (as ``tokenizer(sources, padding=True)`` returns it, padded on the tokenizer's side); it is cut and padded like
  the batches;
- a list with an array for each source, as long as the source;
- a function of one source (of a text's token ids) that returns such an array or a number.
Arguments called ``decoder_...`` follow the tokens that the decoder reads instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch

from xattn_widget.inputs.sources import SideName

# The first tokens of a generated target, and the symbol that it starts with.
PREFIX = "decoder_input_ids"
START = "decoder_start_token_id"
# The arguments with a value for each token, on either side.
_PER_TOKEN = {"attention_mask", "global_attention_mask", "position_ids", "token_type_ids"}


class Argument(NamedTuple):
    """One sentence's part of an argument.

    ``axis`` says how the parts of a batch are put together: they are the same for ``"all"`` sentences, are stacked as
    ``"row"`` s, or are first padded to the longest ``"source"`` or ``"target"``.
    """

    value: Any
    axis: Literal["all", "row", "source", "target"]


Arguments = Mapping[str, Argument]


def split_argument(
    name: str, value: Any, side: SideName, contents: Sequence[Any], lengths: Sequence[int], padding_side: str
) -> list[Argument]:
    """The parts of an argument, one for each sentence.

    Args:
        name: the argument.
        value: the user's value.
        side: the side whose positions the argument follows.
        contents: for each sentence, the value that a function is called with.
        lengths: for each sentence the number of positions on this side.
        padding_side: where arrays are padded: ``"left"`` or ``"right"``.

    Raises:
        ValueError: a shape that fits neither the sentences nor their positions.
    """
    count = len(lengths)
    per_token = name.removeprefix("decoder_") in _PER_TOKEN
    if is_plain(value):
        if per_token:
            raise ValueError(f"{name} has a value for each token of a sentence, got {value!r} for all")
        return [Argument(value, "all")] * count
    if callable(value):
        arrays = [to_array(name, value(content)) for content in contents]
        return [_checked(name, part, length, side) for part, length in zip(arrays, lengths, strict=True)]
    if isinstance(value, Sequence) and len(value) == count and not all(map(is_plain, value)):
        parts = [to_array(name, part) for part in value]
        if all(part.dim() > 0 and len(part) == length for part, length in zip(parts, lengths, strict=True)):
            return [Argument(part, side) for part in parts]
        value = torch.stack(parts) if len({part.shape for part in parts}) == 1 else value
    tensor = to_array(name, value)
    if count == 1 and len(tensor) == lengths[0] and (tensor.dim() == 1 or len(tensor) > 1):
        tensor = tensor[None]  # without the axis of sentences
    if len(tensor) == 1 < count and side == "target":
        tensor = tensor.expand(count, *tensor.shape[1:])
    if len(tensor) != count:
        raise ValueError(f"{name} has {len(tensor)} rows (shape {list(tensor.shape)}), but there are {count} sentences")
    if tensor.dim() == 1 and per_token:
        raise ValueError(f"{name} has a value for each token, got one for each sentence (shape {list(tensor.shape)})")
    if tensor.dim() == 1:
        return [Argument(row, "row") for row in tensor]
    longest = max(lengths)
    if tensor.shape[1] != longest and tensor.dim() > 2:  # such as pixel_values
        return [Argument(row, "row") for row in tensor]
    if tensor.shape[1] < longest:
        raise ValueError(
            f"{name} has {tensor.shape[1]} columns (shape {list(tensor.shape)}), the longest {side} has {longest} "
            "tokens"
        )
    width = tensor.shape[1]
    padded_parts: list[Argument] = []
    for row, length in zip(tensor, lengths, strict=True):
        first = width - length if padding_side == "left" else 0
        if name.endswith("attention_mask") and bool((row[:first] > 0).any() or (row[first + length :] > 0).any()):
            raise ValueError(
                f"{name} has values on padding: a sentence has {length} tokens, and the tokenizer pads on the "
                f"{padding_side}"
            )
        padded_parts.append(Argument(row[first : first + length], side))
    return padded_parts


def split_starts(value: Any, count: int) -> list[Argument]:
    """The start symbol of each sentence's target."""
    starts = to_array(START, value).long().reshape(-1)
    if len(starts) not in (1, count):
        raise ValueError(f"{START} has {len(starts)} values, but there are {count} sentences")
    return [Argument(start, "row") for start in starts.expand(count)]


def is_plain(value: Any) -> bool:
    """Whether a value is the same for all sentences: None, a number or a string."""
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0)
    )


def to_array(name: str, value: Any) -> torch.Tensor:
    """The value of an argument as a tensor.

    Raises:
        ValueError: it is not an array of numbers.
    """
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error


def _checked(name: str, value: torch.Tensor, length: int, side: SideName) -> Argument:
    if value.dim() == 0 or value.dim() > 2:
        return Argument(value, "row")
    if len(value) != length:
        raise ValueError(f"{name} returned {len(value)} values for a {side} of {length} tokens")
    return Argument(value, side)


def collated(
    rows: Sequence[Arguments], widths: Mapping[str, int], device: torch.device, generating: bool = False
) -> dict[str, Any]:
    """The arguments of a batch, padded with zeros to the widths of its ``"source"`` and ``"target"``."""
    batch: dict[str, Any] = {}
    for name, first in rows[0].items():
        if name in (PREFIX, START) and not generating:
            continue
        values = [row[name].value for row in rows]
        if first.axis == "all":
            batch[name] = values[0].to(device) if isinstance(values[0], torch.Tensor) else values[0]
            continue
        if first.axis != "row":
            values = [_padded(value, widths[first.axis]) for value in values]
        batch[name] = torch.stack(values).to(device)
    return batch


def _padded(value: torch.Tensor, width: int) -> torch.Tensor:
    return torch.cat([value, value.new_zeros(width - len(value), *value.shape[1:])])


def continued(arguments: Arguments, length: int) -> Arguments:
    """The arguments of a sentence whose target was extended or cut to ``length`` read tokens."""
    changed = dict(arguments)
    for name, part in arguments.items():
        if part.axis == "target" and name != PREFIX:
            missing = max(0, length - len(part.value))
            more = part.value.new_ones(missing)
            if name == "decoder_position_ids":
                more = part.value[-1:] + more.cumsum(0)
            changed[name] = Argument(torch.cat([part.value, more])[:length], "target")
    return changed


def prefix_length(arguments: Arguments) -> int:
    """The number of tokens that a generated target begins with: the start symbol, or the given prefix."""
    return len(arguments[PREFIX].value) if PREFIX in arguments else 1
