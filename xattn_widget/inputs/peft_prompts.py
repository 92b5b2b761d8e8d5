"""Models wrapped by PEFT's prompt learning: which can be read, and how many positions their prompts take up."""

from __future__ import annotations

import inspect
from typing import Any

# PEFT's names of methods that put prompts before the source's embeddings, and of those that extend the decoder's keys.
_SOURCE_PROMPTS = ("PROMPT_TUNING", "P_TUNING")
_DECODER_PREFIXES = ("PREFIX_TUNING", "CARTRIDGE")


def prompt_config(model: Any) -> Any:
    """PEFT's configuration of the prompts of ``model``, or None if it has none."""
    config = getattr(model, "active_peft_config", None)
    return config if getattr(config, "is_prompt_learning", False) is True else None


def unwrapped(model: Any) -> Any:
    """The model inside PEFT's wrapper, whose forward and ``generate`` show which arguments they take."""
    return model if prompt_config(model) is None else model.get_base_model()


def prompt_kind(model: Any) -> str | None:
    """PEFT's name of the kind of prompts, such as ``"PREFIX_TUNING"``, or None if the model has none."""
    config = prompt_config(model)
    return None if config is None else str(getattr(config.peft_type, "value", config.peft_type))


def check_prompts(model: Any) -> None:
    """Raise a ValueError for prompts that a forward over given target ids does not apply as training does.

    PEFT applies prompts to an encoder-decoder model only in its class for that task. With multitask prompts it drops
    the target ids; the prefix of a single module would go into the keys of the cross-attention.
    """
    config, kind = prompt_config(model), prompt_kind(model)
    if config is None:
        return
    classes = [base.__name__ for base in type(model).__mro__]
    if "PeftModelForSeq2SeqLM" not in classes:
        raise ValueError(
            f"{type(model).__name__} does not apply its prompts ({kind}) in its forward: create it with "
            "task_type='SEQ_2_SEQ_LM' in its PEFT configuration"
        )
    if kind not in _SOURCE_PROMPTS + _DECODER_PREFIXES:
        raise ValueError(
            f"models adapted by PEFT's {kind} cannot be read here, only those by "
            f"{', '.join(_SOURCE_PROMPTS + _DECODER_PREFIXES)}: run the model yourself inside 'with capture(model)'"
        )
    if kind in _DECODER_PREFIXES and config.num_transformer_submodules != 2:
        raise ValueError(
            f"PEFT's {kind} with num_transformer_submodules={config.num_transformer_submodules} would put its prefix "
            "among the keys of the cross-attention: create the adapter with num_transformer_submodules=2"
        )
    if kind in _DECODER_PREFIXES and "cache" in inspect.signature(unwrapped(model).forward).parameters:
        raise ValueError(
            f"PEFT's {kind} passes its prefix as past_key_values, which transformers since 5.24 ignores beside its "
            "cache when it generates: use transformers before 5.24"
        )


def prompt_length(model: Any, side: str) -> int:
    """The number of positions of the ``"source"`` or the ``"target"`` that PEFT's prompts take up."""
    kind = prompt_kind(model)
    takes = kind in (_SOURCE_PROMPTS if side == "source" else _DECODER_PREFIXES)
    return int(prompt_config(model).num_virtual_tokens) if takes else 0
