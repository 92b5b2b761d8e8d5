"""What a user passes to a model besides the texts: settings of ``generate``, and arguments of its forward."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
import transformers
from transformers import GenerationConfig

from xattn_widget.inputs.arguments import (
    PREFIX,
    START,
    Argument,
    Arguments,
    is_plain,
    split_argument,
    split_starts,
    to_array,
)
from xattn_widget.inputs.peft_prompts import prompt_kind, prompt_length, unwrapped
from xattn_widget.inputs.sources import Source
from xattn_widget.messages.mistakes import generation_hint

# generate() would otherwise follow the model's own generation config, which for many translation models means beams.
GREEDY = {"num_beams": 1, "do_sample": False, "num_return_sequences": 1}

# Arguments of a forward that a user cannot set: they are made from the texts, or decide what the forward returns.
_RESERVED = {
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
# Arguments of a forward that are also settings of generate, and are treated as such.
_SETTINGS = {"use_cache", "output_attentions", "output_hidden_states"}
# Removed from generate's arguments before it checks their names.
_UNNAMED_SETTINGS = {"tokenizer", "assistant_tokenizer", "trust_remote_code"}
# Arguments that generate itself extends as it adds tokens.
_EXTENDED = {"decoder_attention_mask", "decoder_position_ids", PREFIX}
# Arguments that PEFT extends over its prompts; it drops or moves others.
_EXTENDED_BY_PEFT = {"attention_mask", PREFIX, START}


class Extras(NamedTuple):
    """What a user passes to a model besides the texts.

    Attributes:
        settings: arguments of ``generate`` that the forward does not take.
        values: arguments of the forward (and the first tokens of generated targets), as the user passed them.
    """

    settings: dict[str, Any]
    values: dict[str, Any]

    def by_sentence(
        self,
        model: Any,
        sources: Sequence[Source],
        padding_sides: tuple[str, str],
        reads: Sequence[list[int]] | None = None,
    ) -> list[Arguments]:
        """Each sentence's arguments of the forward.

        Args:
            model: the model.
            sources: the sources.
            padding_sides: where the tokenizers of source and target pad: ``"left"`` or ``"right"``.
            reads: for each sentence the ids that the decoder reads; None if targets will be generated.

        Raises:
            ValueError: an array whose shape fits neither the sources nor their positions.
        """
        if not sources:
            return []
        found: list[dict[str, Argument]] = [{} for _ in sources]
        values = dict(self.values)
        if reads is None:
            reads, values = self._prefixes(model, len(sources), values)
        for name, value in values.items():
            if name == START:
                parts = split_starts(value, len(sources))
            elif name.startswith("decoder_"):
                parts = split_argument(
                    name, value, "target", [list(read) for read in reads], list(map(len, reads)), padding_sides[1]
                )
            else:
                contents, lengths = [source.content for source in sources], list(map(len, sources))
                parts = split_argument(name, value, "source", contents, lengths, padding_sides[0])
            for row, part in zip(found, parts, strict=True):
                row[name] = part
        _check_prompts(model, found)
        return list(found)

    def _prefixes(self, model: Any, count: int, values: dict[str, Any]) -> tuple[list[list[int]], dict[str, Any]]:
        """The ids that each generated target begins with, and the values that belong to them.

        The start symbol is put before a prefix that lacks it, as ``generate`` does, but for all sentences at once, so
        that the result does not depend on the batches.
        """
        for name in values:
            if name.startswith("decoder_") and name not in _EXTENDED | {START} and not is_plain(values[name]):
                raise ValueError(
                    f"{name} cannot be carried over the tokens that generate adds: generate first, and pass it as "
                    "forward={...} with the targets given"
                )
        if PREFIX not in values:
            return self._with_prefix([[0]] * count, values)
        ids = to_array(PREFIX, values[PREFIX]).long()
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
            width = None if callable(values[name]) else to_array(name, values[name]).shape[-1]
            if width not in (None, len(prefixes[0])):
                raise ValueError(
                    f"{name} has {width} columns, and generated targets begin with {len(prefixes[0])} tokens (the "
                    f"start symbol, or {PREFIX})"
                )
        return prefixes, values

    def _start(self, model: Any) -> Any:
        """The start symbol of generated targets, or one for each target."""
        configs = [self.settings.get("generation_config"), model.generation_config]
        for name in (START, "bos_token_id"):
            options = [
                self.values.get(name),
                self.settings.get(name),
                *(getattr(config, name, None) for config in configs),
            ]
            for value in options:
                if value is not None:
                    return value
        return None


def _with_start(values: dict[str, Any], length: int) -> dict[str, Any]:
    """The values with the mask of a prefix extended over the start symbol before it, as ``generate`` does."""
    name = "decoder_attention_mask"
    if name not in values or callable(values[name]):
        return values
    mask = to_array(name, values[name])
    mask = mask[None] if mask.dim() == 1 else mask
    return values | {name: torch.nn.functional.pad(mask, (1, 0), value=1) if mask.shape[1] == length - 1 else mask}


def make_extras(model: Any, generation: Mapping[str, Any] | None, forward: Mapping[str, Any] | None) -> Extras:
    """Separate the settings of ``generate`` from the arguments of the forward by their names.

    Raises:
        TypeError: arguments that are not in a dictionary.
        ValueError: a name that neither accepts, or that a user cannot set.
    """
    for name, arguments in (("generation", generation), ("forward", forward)):
        if arguments is not None and not isinstance(arguments, Mapping):
            raise TypeError(f"{name} must be a dictionary of arguments, got {type(arguments).__name__}")
    settings, values = {}, {}
    for name, value in (generation or {}).items():
        if name in _RESERVED:
            raise ValueError(
                f"generation={{{name!r}: ...}} cannot be carried over into the forward that reads the weights: "
                f"{name} is made from the texts here"
            )
        if name == "decoder_position_ids" and transformers.__version__.startswith("5.0."):
            raise ValueError(
                "decoder_position_ids cannot be carried over with transformers 5.0, whose generate repeats the last of "
                "them: upgrade transformers, or generate first and pass them as forward={...} with the targets given"
            )
        if name == PREFIX or (name == START and not is_plain(value)):
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
        if name in _RESERVED | _SETTINGS | {PREFIX}:
            raise ValueError(f"forward={{{name!r}: ...}} is not possible: {name} is made from the texts or set here")
        if name not in forward_names(model):
            raise ValueError(
                f"the forward of {type(unwrapped(model)).__name__} takes no argument {name!r}; it takes "
                f"{', '.join(sorted(forward_names(model) - _SETTINGS - {PREFIX}))}"
            )
        if name in values:
            raise ValueError(f"{name} is in generation and in forward: leave out one")
        values[name] = value
    return Extras(with_greedy(settings), {name: value for name, value in values.items() if value is not None})


def with_greedy(generation: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``generate`` with greedy decoding as the default, unless a ``generation_config`` decides."""
    return dict(generation) if "generation_config" in generation else GREEDY | dict(generation)


def forward_names(model: Any) -> set[str]:
    """The arguments that the forward of a model takes by name and that are not made from the texts."""
    inner = unwrapped(model)
    names = set(inspect.signature(inner.forward).parameters)
    if getattr(inner.config, "model_type", "") in (
        "encoder-decoder",
        "vision-encoder-decoder",
    ):  # passes other arguments on to its two parts
        names |= set(inspect.signature(inner.encoder.forward).parameters)
        names |= {f"decoder_{name}" for name in inspect.signature(inner.decoder.forward).parameters}
        names -= {"decoder_encoder_hidden_states", "decoder_encoder_attention_mask", "encoder_hidden_states"}
        names -= {
            "encoder_attention_mask",
            *(f"decoder_{name}" for name in _RESERVED | _SETTINGS if name != "input_ids"),
        }
    return names - _RESERVED - {"self", "args", "kwargs", "decoder_kwargs", "decoder_args"}


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
    """Raise a ValueError unless each argument is one value for all sentences, or a function of a source.

    Args:
        extras: what the user passed.
        what: the name of the function that the user called.
    """
    for name, value in extras.values.items():
        rows = len(value) if name == PREFIX and hasattr(value, "__len__") else None
        one_row = rows == 1 or (rows is not None and to_array(name, value).dim() == 1)
        if not (is_plain(value) or callable(value) or one_row):
            raise ValueError(
                f"{what} takes {name} as a value for all sentences or a function of one sentence's token ids, not as "
                f"{type(value).__name__}: its sentences are read in any order"
            )


def _check_prompts(model: Any, rows: Sequence[Arguments]) -> None:
    kind = prompt_kind(model)
    for name, part in rows[0].items() if kind else ():
        takes = part.axis in ("source", "target") and prompt_length(model, part.axis) > 0
        if (takes and name not in _EXTENDED_BY_PEFT) or name in ("position_ids", "token_type_ids"):
            raise ValueError(
                f"PEFT's {kind} does not extend {name} over its prompts, so it cannot be passed with this model"
            )
