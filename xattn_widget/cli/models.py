"""Load the model and the tokenizers that the command line names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from xattn_widget.messages.quiet import no_loading_bars, quiet_logger


def load_model(name: str, device: str, dtype: str) -> tuple[Any, Any]:
    """The model and tokenizer in a folder or on the hub; ``"demo"`` and ``"demo-image"`` are in the package.

    A model that reads sound or images comes with its processor instead.
    """
    import torch
    from transformers import (
        AutoConfig,
        AutoModelForImageTextToText,
        AutoModelForSeq2SeqLM,
        AutoModelForSpeechSeq2Seq,
        AutoProcessor,
        AutoTokenizer,
    )

    from xattn_widget.demo import FOLDER, IMAGE_FOLDER

    number_type = dtype if dtype == "auto" else getattr(torch, dtype, None)
    if not (number_type == "auto" or isinstance(number_type, torch.dtype)):
        raise click.UsageError(f"--dtype {dtype} is not a number type of torch, such as float32 or bfloat16")
    shipped = {"demo": FOLDER, "demo-image": IMAGE_FOLDER}
    place = shipped.get(name, name)
    is_path = Path(place).is_absolute() or name.count("/") > 1 or name.startswith(".") or "\\" in name
    if is_path and not Path(place).is_dir():
        raise FileNotFoundError(f"there is no folder {place}: pass a model's folder or its name on a hub (owner/name)")
    if Path(place).is_dir() and not Path(place, "config.json").is_file():
        raise FileNotFoundError(f"the folder {place} contains no model: there is no config.json in it")
    try:
        with _quiet_loading():
            config = AutoConfig.from_pretrained(place)
            kinds: tuple[Any, Any] = (AutoModelForSeq2SeqLM, AutoTokenizer)
            if _hears(config):
                kinds = (AutoModelForSpeechSeq2Seq, AutoProcessor)
            elif _sees(config):
                kinds = (AutoModelForImageTextToText, AutoProcessor)
            model = kinds[0].from_pretrained(place, dtype=torch.float32 if name in shipped else number_type)
            tokenizer = kinds[1].from_pretrained(place)
    except Exception as error:  # of any kind, and few name the model
        reason = (
            "could not be loaded"
            if Path(place).is_dir()
            else "is not a folder here and could not be loaded from the hub"
        )
        raise click.ClickException(f"--model {name} {reason}: {error}") from error
    return model.to(device).eval(), tokenizer


def _hears(config: Any) -> bool:
    """Whether a model reads sound and not text, or by its architecture if its family has models of both kinds."""
    from transformers import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING

    kind: Any = MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING.get(type(config), None)
    if kind is None or type(config) not in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING:
        return kind is not None
    return kind.__name__ in (config.architectures or ())


def _sees(config: Any) -> bool:
    """Whether a model reads images and not text alone."""
    from transformers import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING

    kinds: Any = (MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING)
    return type(config) in kinds[0] and type(config) not in kinds[1]


@contextmanager
def _quiet_loading() -> Iterator[None]:
    # huggingface_hub logs every attempt to reach the hub. transformers may still log, such as about missing weights.
    with no_loading_bars(), quiet_logger("huggingface_hub"):
        yield


def load_tokenizer(name: str | None) -> Any:
    """The tokenizer in a folder or on the hub; None if no name is given."""
    from transformers import AutoTokenizer

    if name is None:
        return None
    try:
        with _quiet_loading():
            return AutoTokenizer.from_pretrained(name)
    except Exception as error:  # of any kind, and few name the tokenizer
        raise click.ClickException(f"--target-tokenizer {name} could not be loaded: {error}") from error
