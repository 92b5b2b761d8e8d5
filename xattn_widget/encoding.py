"""Check what ``extract`` is given, and turn sentences into ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from xattn_widget.tokens import special_ids


def check_model(model: Any) -> None:
    """Raise unless ``model`` is an encoder-decoder model that reads and writes text."""
    if not isinstance(model, PreTrainedModel):
        # A model compiled by torch.compile passes each attribute on, a pipeline and PEFT's wrapper have the model.
        inner = next((name for name in ("_orig_mod", "model") if hasattr(model, name)), None)
        hint = f": pass its .{inner}" if inner else ""
        raise TypeError(f"model must be a model of transformers (PreTrainedModel), got {type(model).__name__}{hint}")
    name = type(model).__name__
    if not model.config.is_encoder_decoder:
        raise ValueError(
            f"{name} is no encoder-decoder model (config.is_encoder_decoder is False), so it has no cross-attention. "
            "Load a model such as MarianMTModel, BartForConditionalGeneration or T5ForConditionalGeneration"
        )
    if not model.can_generate():
        raise ValueError(
            f"{name} has no language-model head to read or generate a target with: load the model for generation, "
            "e.g. with AutoModelForSeq2SeqLM (capture(model) takes a bare model too)"
        )
    if model.main_input_name != "input_ids":
        raise ValueError(
            f"{name} reads {model.main_input_name}, not text: run it yourself inside 'with capture(model)', "
            "extract takes models that read text"
        )


def check_targets(source: str | Sequence[str], target: str | Sequence[str] | None) -> None:
    """Raise a ValueError unless there is one target for each source."""
    if isinstance(source, str) != isinstance(target, str) or (
        not isinstance(source, str) and len(source) != len(target or ())
    ):
        raise ValueError(
            f"target must match source: source is {_describe(source)}, target is {_describe(target)}. "
            "Give one target string for one source string, or lists of the same length"
        )


def _describe(sentences: Any) -> str:
    return "one string" if isinstance(sentences, str) else f"a list of {len(sentences)}"


def check_sentences(sentences: Any, side: str) -> list[str]:
    """The sentences as a list of strings."""
    if isinstance(sentences, str):
        return [sentences]
    if not isinstance(sentences, Sequence):
        raise TypeError(f"{side} must be a string or a list of strings, got {type(sentences).__name__}")
    for index, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise TypeError(f"{side}[{index}] must be a string, got {type(sentence).__name__}: {sentence!r:.60}")
    return list(sentences)


def check_tokenizer(model: Any, tokenizer: Any) -> None:
    """Tell a tokenizer of another model by what the two say of themselves."""
    for method in ("convert_ids_to_tokens", "all_special_ids"):
        if not hasattr(tokenizer, method):
            raise TypeError(
                f"tokenizer must be a tokenizer of transformers, got {type(tokenizer).__name__}"
                + (": pass its .tokenizer" if hasattr(tokenizer, "tokenizer") else "")
            )
    advice = "Load both from one place: AutoTokenizer.from_pretrained(name) beside the model's"
    rows = model.get_input_embeddings().num_embeddings
    if len(tokenizer) > rows:
        raise ValueError(
            f"the tokenizer ({type(tokenizer).__name__}) has {len(tokenizer)} tokens and the model "
            f"({type(model).__name__}) embeds {rows}: it is the tokenizer of another model. {advice}"
        )
    for name in ("pad_token_id", "eos_token_id"):
        expected, own = getattr(model.config, name, None), getattr(tokenizer, name)
        known = expected if isinstance(expected, list | tuple) else [expected]
        if expected is not None and own is not None and own not in known:
            raise ValueError(
                f"the tokenizer's {name} is {own} and the model's is {expected}: it is the tokenizer of another "
                f"model. {advice}"
            )


def position_limit(model: Any, side: str) -> int | None:
    """The number of positions that one side of the model was made for; None where they are relative."""
    config = getattr(model.config, side, model.config)
    names = {
        "encoder": ("max_encoder_position_embeddings", "max_position_embeddings"),
        "decoder": ("max_decoder_position_embeddings", "max_target_positions", "max_position_embeddings"),
    }
    for name in names[side]:
        if getattr(config, name, None):
            return int(getattr(config, name))
    return None


def encode(tokenizer: Any, sentences: list[str], side: str, limit: int | None, truncation: bool) -> list[list[int]]:
    """Ids of each sentence in its side's vocabulary, without padding."""
    if not sentences:
        return []
    options: dict[str, Any] = {"truncation": True, "max_length": limit} if truncation and limit else {}
    options["verbose"] = False  # too long a sentence gets the error below, not the tokenizer's warning
    encoded = tokenizer(text_target=sentences, **options) if side == "target" else tokenizer(sentences, **options)
    no_content = special_ids(tokenizer)
    for index, ids in enumerate(encoded["input_ids"]):
        if problem := encoding_problem(sentences[index], ids, limit, no_content):
            advice = "" if "empty" in problem else ": shorten it, or pass truncation=True to cut it"
            raise ValueError(f"{side}[{index}] {problem}{advice}")
    return list(encoded["input_ids"])


def encoding_problem(sentence: str, ids: list[int], limit: int | None, no_content: set[int]) -> str | None:
    """Why an encoded sentence cannot be run, or None: it has no content, or more tokens than ``limit``."""
    if not sentence.strip() or all(token in no_content for token in ids):
        return f"is empty: {sentence!r:.60} has no tokens to look at"
    if limit is not None and len(ids) > limit:
        return f"has {len(ids)} tokens, the limit is {limit} positions"
    return None
