"""What a model is given beside token ids: settings of ``generate``, and arguments of its forward for each sentence.

An argument of the forward may be
- the same for all sentences: a number, a string, None;
- an array with a row for each source. Its second axis follows the tokens where it is as long as the longest source (as
  ``tokenizer(sources, padding=True)`` makes it, padded on the tokenizer's side); it is cut and padded like the batches;
- a list with an array for each source, as long as its tokens;
- a function of one source's token ids that returns such an array or a number.
Arguments called ``decoder_...`` follow the tokens that the decoder reads instead.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import transformers
from transformers import GenerationConfig

from xattn_widget.inputs.peft_prompts import prompt_kind, prompt_length, unwrapped
from xattn_widget.messages.mistakes import generation_hint

# generate() would otherwise follow the model's own generation config, which for many translation models means beams.
GREEDY = {"num_beams": 1, "do_sample": False, "num_return_sequences": 1}

# What a forward takes and is not to be given: it is made of the texts, or decides what the forward returns.
_OWN = {
    "input_ids",
    "inputs",
    "inputs_embeds",
    "decoder_inputs_embeds",
    "encoder_outputs",
    "labels",
    "past_key_values",
    "cache",  # its name since transformers 5.24
    "cache_position",
    "return_dict",
    "logits_to_keep",
}
# Arguments of a forward that are settings of generate too, and no more than that.
_SETTINGS = {"use_cache", "output_attentions", "output_hidden_states"}
# Popped out of generate's arguments before it looks at their names.
_UNNAMED_SETTINGS = {"tokenizer", "assistant_tokenizer", "trust_remote_code"}
# Those with a value for each token, on either side.
_PER_TOKEN = {"attention_mask", "global_attention_mask", "position_ids", "token_type_ids"}
PREFIX = "decoder_input_ids"
START = "decoder_start_token_id"
# What the steps of generate extend by themselves, as they add tokens.
_EXTENDED = {"decoder_attention_mask", "decoder_position_ids", PREFIX}
# PEFT extends this one over its prompts, and drops or moves others.
_EXTENDED_BY_PEFT = {"attention_mask", PREFIX, START}


class Part(NamedTuple):
    """One sentence's part of an argument.

    ``axis`` says how the parts of a batch are put together: they are the same for ``"all"``, are stacked as ``"row"``
    s, or are first padded to the longest ``"source"`` or ``"target"``.
    """

    value: Any
    axis: Literal["all", "row", "source", "target"]


Arguments = Mapping[str, Part]


@dataclass(frozen=True)
class Extras:
    """What a model is given beside token ids.

    Attributes:
        settings: arguments of ``generate`` that are none of the forward.
        values: arguments of the forward (and the first tokens of generated targets), as the user gave them.
    """

    settings: dict[str, Any]
    values: dict[str, Any]

    def parts(
        self, model: Any, sources: Sequence[list[int]], sides: Sequence[str], reads: Sequence[list[int]] | None = None
    ) -> list[Arguments]:
        """Each sentence's arguments.

        Args:
            model: the model.
            sources: the token ids of each source.
            sides: where the tokenizers of source and target pad: ``"left"`` or ``"right"``.
            reads: for each sentence the ids that the decoder reads; None where targets are to be generated.

        Raises:
            ValueError: an array whose shape fits neither the sources nor their tokens.
        """
        if not sources:
            return []
        found: list[dict[str, Part]] = [{} for _ in sources]
        values = dict(self.values)
        if reads is None:
            reads, values = self._prefixes(model, len(sources), values)
        for name, value in values.items():
            target = name.startswith("decoder_")
            rows = reads if target else sources
            parts = _starts(value, len(sources)) if name == START else None
            parts = parts or _split(name, value, "target" if target else "source", rows, sides[target])
            for row, part in zip(found, parts, strict=True):
                row[name] = part
        _check_prompts(model, found)
        return list(found)

    def _prefixes(self, model: Any, count: int, values: dict[str, Any]) -> tuple[list[list[int]], dict[str, Any]]:
        """The ids with which each generated target begins, and the values that go with them.

        The start symbol is put before a prefix that lacks it, as ``generate`` does; here for all sentences alike, so
        that the result does not depend on the batches.
        """
        for name in values:
            if name.startswith("decoder_") and name not in _EXTENDED | {START} and not _is_plain(values[name]):
                raise ValueError(
                    f"{name} cannot be carried over the tokens that generate adds: generate first, and pass it as "
                    "forward={...} with the targets given"
                )
        if PREFIX not in values:
            return self._with_prefix([[0]] * count, values)
        ids = _array(PREFIX, values[PREFIX]).long()
        ids = (ids[None] if ids.dim() == 1 else ids).cpu()
        if ids.dim() != 2 or len(ids) not in (1, count):
            raise ValueError(
                f"{PREFIX} must be [tokens] or [sources, tokens], got {list(ids.shape)} for {count} sources"
            )
        ids = ids.expand(count, -1)
        start = self._start(model)
        if start is not None:
            begins = ids[:, 0] == torch.as_tensor(start).cpu()
            if begins.any() and not begins.all():
                raise ValueError(
                    f"some rows of {PREFIX} begin with the start symbol and others do not: begin all with it"
                )
            if not begins.any():
                ids = torch.cat([torch.as_tensor(start).cpu().expand(count)[:, None], ids], dim=1)
                values = _with_start(values, ids.shape[1])
        return self._with_prefix(ids.tolist(), values | {PREFIX: ids})

    def _with_prefix(self, prefixes: list[list[int]], values: dict[str, Any]) -> tuple[list[list[int]], dict[str, Any]]:
        for name in _EXTENDED & set(values):
            width = None if callable(values[name]) else _array(name, values[name]).shape[-1]
            if width not in (None, len(prefixes[0])):
                raise ValueError(
                    f"{name} has {width} columns, and generated targets begin with {len(prefixes[0])} tokens (the "
                    f"start symbol, or {PREFIX})"
                )
        return prefixes, values

    def _start(self, model: Any) -> Any:
        """The start symbol of generated targets, or one for each."""
        given = [self.settings.get("generation_config"), model.generation_config]
        for name in (START, "bos_token_id"):
            options = [self.values.get(name), self.settings.get(name), *(getattr(each, name, None) for each in given)]
            for value in options:
                if value is not None:
                    return value
        return None


def _with_start(values: dict[str, Any], length: int) -> dict[str, Any]:
    """The mask of a prefix with the start symbol before it, as ``generate`` extends it."""
    name = "decoder_attention_mask"
    if name not in values or callable(values[name]):
        return values
    mask = _array(name, values[name])
    mask = mask[None] if mask.dim() == 1 else mask
    return values | {name: torch.nn.functional.pad(mask, (1, 0), value=1) if mask.shape[1] == length - 1 else mask}


def make_extras(model: Any, generation: Mapping[str, Any] | None, forward: Mapping[str, Any] | None) -> Extras:
    """Tell the settings of ``generate`` from the arguments of the forward, by their names.

    Raises:
        TypeError: arguments that are not in a dictionary.
        ValueError: a name that neither knows, or one that cannot be given.
    """
    for name, given in (("generation", generation), ("forward", forward)):
        if given is not None and not isinstance(given, Mapping):
            raise TypeError(f"{name} must be a dictionary of arguments, got {type(given).__name__}")
    settings, values = {}, {}
    for name, value in (generation or {}).items():
        if name in _OWN:
            raise ValueError(
                f"generation={{{name!r}: ...}} cannot be carried over into the forward that reads the weights: "
                f"{name} is made from the texts here"
            )
        if name == "decoder_position_ids" and transformers.__version__.startswith("5.0."):
            raise ValueError(
                "decoder_position_ids cannot be carried over with transformers 5.0, whose generate repeats the last of "
                "them: upgrade transformers, or generate first and pass them as forward={...} with the targets given"
            )
        if name == PREFIX or (name == START and not _is_plain(value)):
            values[name] = value
        elif name in _SETTINGS or _is_setting(model, name, generation or {}):
            settings[name] = value
        elif name in forward_names(model):
            values[name] = value
        else:
            raise ValueError(
                f"neither the forward of {type(unwrapped(model)).__name__} nor its generate takes an argument {name!r} "
                f"that could be carried over{generation_hint(name, value, forward_names(model))}"
            )
    for name, value in (forward or {}).items():
        if name in _OWN | _SETTINGS | {PREFIX}:
            raise ValueError(f"forward={{{name!r}: ...}} is not possible: {name} is made from the texts or set here")
        if name not in forward_names(model):
            raise ValueError(
                f"the forward of {type(unwrapped(model)).__name__} takes no argument {name!r}; it takes "
                f"{', '.join(sorted(forward_names(model) - _SETTINGS - {PREFIX}))}"
            )
        if name in values:
            raise ValueError(f"{name} is in generation and in forward: leave out one")
        values[name] = value
    if "generation_config" not in settings:
        settings = GREEDY | settings
    return Extras(settings, {name: value for name, value in values.items() if value is not None})


def forward_names(model: Any) -> set[str]:
    """The arguments that the forward of a model takes by name and that are not made from the texts."""
    inner = unwrapped(model)
    names = set(inspect.signature(inner.forward).parameters)
    if getattr(inner.config, "model_type", "") == "encoder-decoder":  # passes others on to its two parts
        names |= set(inspect.signature(inner.encoder.forward).parameters)
        names |= {f"decoder_{name}" for name in inspect.signature(inner.decoder.forward).parameters}
        names -= {"decoder_encoder_hidden_states", "decoder_encoder_attention_mask", "encoder_hidden_states"}
        names -= {"encoder_attention_mask", *(f"decoder_{name}" for name in _OWN | _SETTINGS if name != "input_ids")}
    return names - _OWN - {"self", "args", "kwargs", "decoder_kwargs", "decoder_args"}


def _is_setting(model: Any, name: str, generation: Mapping[str, Any]) -> bool:
    """Whether ``generate`` itself takes an argument, by its signature or as a field of its configuration."""
    custom = generation.get("custom_generate")
    return (
        name in inspect.signature(unwrapped(model).generate).parameters
        or hasattr(generation.get("generation_config") or GenerationConfig(), name)  # type: ignore[no-untyped-call]
        or name in _UNNAMED_SETTINGS
        or (callable(custom) and name in inspect.signature(custom).parameters)
    )


def check_shared(extras: Extras, what: str) -> None:
    """Raise a ValueError unless each argument is the same for all sentences, or a function of one's token ids."""
    for name, value in extras.values.items():
        rows = len(value) if name == PREFIX and hasattr(value, "__len__") else None
        one_row = rows == 1 or (rows is not None and _array(name, value).dim() == 1)
        if not (_is_plain(value) or callable(value) or one_row):
            raise ValueError(
                f"{what} takes {name} as a value for all sentences or a function of one sentence's token ids, not as "
                f"{type(value).__name__}: its sentences are read in any order"
            )


def _is_plain(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, bool | int | float | str)
        or (isinstance(value, torch.Tensor | np.ndarray | np.generic) and value.ndim == 0)
    )


def _array(name: str, value: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{name} must be an array of numbers: {error}") from error


def _split(
    name: str, value: Any, axis: Literal["source", "target"], rows: Sequence[Sequence[int]], side: str
) -> list[Part]:
    """The parts of an argument, one for each sentence's tokens in ``rows``."""
    per_token = name.removeprefix("decoder_") in _PER_TOKEN
    if _is_plain(value):
        if per_token:
            raise ValueError(f"{name} has a value for each token of a sentence, got {value!r} for all")
        return [Part(value, "all")] * len(rows)
    if callable(value):
        made = [_array(name, value(list(row))) for row in rows]
        return [_checked(name, each, len(row), axis) for each, row in zip(made, rows, strict=True)]
    if isinstance(value, Sequence) and len(value) == len(rows) and not all(map(_is_plain, value)):
        parts = [_array(name, each) for each in value]
        if all(each.dim() > 0 and len(each) == len(row) for each, row in zip(parts, rows, strict=True)):
            return [Part(each, axis) for each in parts]
        value = torch.stack(parts) if len({each.shape for each in parts}) == 1 else value
    tensor = _array(name, value)
    lengths = [len(row) for row in rows]
    if len(rows) == 1 and len(tensor) == lengths[0] and (tensor.dim() == 1 or len(tensor) > 1):
        tensor = tensor[None]  # without the axis of sentences
    if len(tensor) == 1 < len(rows) and axis == "target":
        tensor = tensor.expand(len(rows), *tensor.shape[1:])
    if len(tensor) != len(rows):
        raise ValueError(f"{name} has {len(tensor)} rows (shape {list(tensor.shape)}), there are {len(rows)} sentences")
    if tensor.dim() == 1 and per_token:
        raise ValueError(f"{name} has a value for each token, got one for each sentence (shape {list(tensor.shape)})")
    if tensor.dim() == 1:
        return [Part(each, "row") for each in tensor]
    longest = max(lengths)
    if tensor.shape[1] != longest and tensor.dim() > 2:  # such as pixel_values
        return [Part(each, "row") for each in tensor]
    if tensor.shape[1] < longest:
        raise ValueError(
            f"{name} has {tensor.shape[1]} columns (shape {list(tensor.shape)}), the longest {axis} has {longest} "
            "tokens"
        )
    width = tensor.shape[1]
    found: list[Part] = []
    for row, length in zip(tensor, lengths, strict=True):
        first = width - length if side == "left" else 0
        if name.endswith("attention_mask") and bool((row[:first] > 0).any() or (row[first + length :] > 0).any()):
            raise ValueError(
                f"{name} has values on padding: a sentence has {length} tokens, and the tokenizer pads on the {side}"
            )
        found.append(Part(row[first : first + length], axis))
    return found


def _starts(value: Any, count: int) -> list[Part]:
    starts = _array(START, value).long().reshape(-1)
    if len(starts) not in (1, count):
        raise ValueError(f"{START} has {len(starts)} values, there are {count} sentences")
    return [Part(each, "row") for each in starts.expand(count)]


def _checked(name: str, value: torch.Tensor, length: int, axis: Literal["source", "target"]) -> Part:
    if value.dim() == 0 or value.dim() > 2:
        return Part(value, "row")
    if len(value) != length:
        raise ValueError(f"{name} returned {len(value)} values for a {axis} of {length} tokens")
    return Part(value, axis)


def _check_prompts(model: Any, rows: Sequence[Arguments]) -> None:
    kind = prompt_kind(model)
    for name, part in rows[0].items() if kind else ():
        takes = part.axis in ("source", "target") and prompt_length(model, part.axis) > 0
        if (takes and name not in _EXTENDED_BY_PEFT) or name in ("position_ids", "token_type_ids"):
            raise ValueError(
                f"PEFT's {kind} does not extend {name} over its prompts, so that it cannot be given with this model"
            )


def collated(
    rows: Sequence[Arguments], widths: Mapping[str, int], device: torch.device, generating: bool = False
) -> dict[str, Any]:
    """The arguments of a batch, padded with zeros to the width of its ``"source"`` and ``"target"``."""
    found: dict[str, Any] = {}
    for name, first in rows[0].items():
        if name in (PREFIX, START) and not generating:
            continue
        values = [row[name].value for row in rows]
        if first.axis == "all":
            found[name] = values[0].to(device) if isinstance(values[0], torch.Tensor) else values[0]
            continue
        if first.axis != "row":
            values = [_padded(value, widths[first.axis]) for value in values]
        found[name] = torch.stack(values).to(device)
    return found


def _padded(value: torch.Tensor, width: int) -> torch.Tensor:
    return torch.cat([value, value.new_zeros(width - len(value), *value.shape[1:])])


def continued(arguments: Arguments, length: int) -> Arguments:
    """The arguments of a sentence whose target was generated up to so many read tokens, or cut to them."""
    found = dict(arguments)
    for name, part in arguments.items():
        if part.axis == "target" and name != PREFIX:
            missing = max(0, length - len(part.value))
            more = part.value.new_ones(missing)
            if name == "decoder_position_ids":
                more = part.value[-1:] + more.cumsum(0)
            found[name] = Part(torch.cat([part.value, more])[:length], "target")
    return found


def prefix_length(arguments: Arguments) -> int:
    """How many tokens a generated target begins with: the start symbol, or the prefix that was given."""
    return len(arguments[PREFIX].value) if PREFIX in arguments else 1
