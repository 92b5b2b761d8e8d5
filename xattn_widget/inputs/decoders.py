"""What decoders call their inputs, and the tokens that their targets begin and end with."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from xattn_widget.inputs.arguments import PREFIX


class DecoderNames(NamedTuple):
    """The arguments of a model's forward for the ids that its decoder reads and for their mask."""

    ids: str
    mask: str


# Models without an encoder of text call the decoder's ids like those of any language model.
_LANGUAGE_MODELS = ("BlipForConditionalGeneration", "MllamaForConditionalGeneration")


def decoder_names(model: Any) -> DecoderNames:
    """What the forward of a model calls the inputs of its decoder."""
    if type(model).__name__ in _LANGUAGE_MODELS:
        return DecoderNames("input_ids", "attention_mask")
    return DecoderNames("decoder_input_ids", "decoder_attention_mask")


def known_start(model: Any) -> int | None:
    """The id that the decoder reads before any target; None if the model does not say."""
    for config in _configs(model):
        start = getattr(config, "decoder_start_token_id", None)
        if start is not None:
            return int(start)
    if type(model).__name__ in _LANGUAGE_MODELS:
        return int(model.config.text_config.bos_token_id)
    return None


def start_token(model: Any) -> int:
    """The id that the decoder reads before any target.

    Raises:
        ValueError: the model does not say.
    """
    start = known_start(model)
    if start is None:
        raise ValueError(
            f"{type(model).__name__} does not say which token its decoder starts with: "
            "set model.config.decoder_start_token_id"
        )
    return start


def end_tokens(model: Any) -> Any:
    """The id, or the ids, that end a generated target unless settings of ``generate`` say otherwise."""
    if type(model).__name__ == "BlipForConditionalGeneration":  # its generate passes this one on
        return model.config.text_config.sep_token_id
    return model.generation_config.eos_token_id


def _configs(model: Any) -> list[Any]:
    """The configurations that may name tokens of the decoder."""
    return [model.config, model.generation_config, getattr(model.config, "text_config", None)]


def generation_inputs(model: Any, inputs: dict[str, Any]) -> dict[str, Any]:
    """The inputs of ``generate`` for targets that begin with the ids called ``decoder_input_ids``."""
    if PREFIX not in inputs or decoder_names(model).ids == PREFIX:
        return inputs
    ids = inputs.pop(PREFIX)
    if type(model).__name__ == "BlipForConditionalGeneration":  # it drops the last token, which its tokenizer adds
        ids = torch.cat([ids, ids[:, -1:]], dim=1)
    return inputs | {decoder_names(model).ids: ids}
