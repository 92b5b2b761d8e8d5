"""Check that a model, its tokenizers and its sentences fit together, and say what to do if they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from xattn_widget.inputs.peft_prompts import check_prompts, prompt_config
from xattn_widget.inputs.text.encoding import embedded_ids
from xattn_widget.messages.mistakes import model_hint, sentences_hint, tokenizer_hint


def check_model(model: Any, *, encodes: bool = True) -> None:
    """Raise unless ``model`` is a model that writes text; with ``encodes``, an encoder-decoder model."""
    check_prompts(model)
    # PEFT's wrapper is accepted because it adds the prompts.
    if not isinstance(model, PreTrainedModel) and prompt_config(model) is None:
        raise TypeError(
            f"model must be a model of transformers (PreTrainedModel), got {type(model).__name__}{model_hint(model)}"
        )
    name = type(model).__name__
    if encodes and not model.config.is_encoder_decoder:
        raise ValueError(
            f"{name} is not an encoder-decoder model (config.is_encoder_decoder is False), so it has no "
            "cross-attention. Load a model such as MarianMTModel, BartForConditionalGeneration or "
            "T5ForConditionalGeneration"
        )
    if not model.can_generate():
        raise ValueError(
            f"{name} has no language-model head to read or generate a target with: load the model for generation, "
            "e.g. with AutoModelForSeq2SeqLM (capture(model) takes a bare model too)"
        )


def check_targets(count: int, single: bool, target: Any) -> None:
    """Raise a ValueError unless there is one target for each source.

    Args:
        count: how many sources there are.
        single: whether one source was passed instead of a list.
        target: the target, or the list of targets.
    """
    if single != isinstance(target, str) or (not single and count != len(target)):
        sources = "one source" if single else f"a list of {count} sources"
        targets = "one target string" if isinstance(target, str) else f"a list of {len(target)} targets"
        raise ValueError(
            f"target must match source: got {sources} and {targets}. Give one target string for one source, or lists "
            "of the same length"
        )


def refuse_pair(source: Any, target: Any) -> None:
    """Raise a ValueError for a tuple of two strings without a target, which may be two sentences or a pair."""
    if target is None and isinstance(source, tuple) and len(source) == 2 and all(isinstance(s, str) for s in source):
        raise ValueError(
            f"source is a tuple of two strings, {source!r:.80}. If they are a sentence and its target, pass them one "
            f"after the other: {source[0]!r:.30}, {source[1]!r:.30}. If they are two sentences, pass a list: "
            f"[{source[0]!r:.30}, {source[1]!r:.30}]"
        )


def check_sentences(sentences: Any, side: str) -> list[str]:
    """The sentences as a list of strings."""
    if isinstance(sentences, str):
        return [sentences]
    if isinstance(sentences, bytes | bytearray) or not isinstance(sentences, Sequence):
        raise TypeError(
            f"{side} must be a string or a list of strings, got {type(sentences).__name__}{sentences_hint(sentences)}"
        )
    for index, sentence in enumerate(sentences):
        if not isinstance(sentence, str):
            raise TypeError(
                f"{side}[{index}] must be a string, got {type(sentence).__name__} {sentence!r:.60}"
                f"{sentences_hint(sentence)}"
            )
    return list(sentences)


def check_is_tokenizer(tokenizer: Any, name: str = "tokenizer") -> None:
    """Raise a TypeError unless ``tokenizer``, the argument of this name, is one of transformers."""
    for method in ("convert_ids_to_tokens", "all_special_ids"):
        if isinstance(tokenizer, type) or not hasattr(tokenizer, method):
            raise TypeError(
                f"{name} must be a tokenizer of transformers, got {type(tokenizer).__name__}{tokenizer_hint(tokenizer)}"
            )


def check_tokenizer(model: Any, tokenizer: Any, side: str | None = None) -> None:
    """Raise a ValueError for a tokenizer that belongs to another model, as far as their settings show it.

    Args:
        model: a model of transformers.
        tokenizer: a tokenizer of transformers with one vocabulary.
        side: ``"source"`` or ``"target"`` if the model has a tokenizer for each.
    """
    advice = "Load both from one place: AutoTokenizer.from_pretrained(name) with the model's name"
    if side is not None:
        advice = "tokenizer= takes the tokenizer of the source texts, target_tokenizer= that of the target texts"
    rows = embedded_ids(model, side or "source")
    if len(tokenizer) > rows:
        part = {"source": "encoder of the model", "target": "decoder of the model"}.get(side or "", "model")
        raise ValueError(
            f"the {side + ' ' if side else ''}tokenizer ({type(tokenizer).__name__}) has {len(tokenizer)} tokens and "
            f"the {part} ({type(model).__name__}) embeds {rows}: it is the tokenizer of another model. {advice}"
        )
    if side == "source":  # the ids in the model's configuration are those of the target
        return
    for name in ("pad_token_id", "eos_token_id"):
        expected, found = getattr(model.config, name, None), getattr(tokenizer, name)
        known = expected if isinstance(expected, list | tuple) else [expected]
        if expected is not None and found is not None and found not in known:
            raise ValueError(
                f"the {side + ' ' if side else ''}tokenizer's {name} is {found} and the model's is {expected}: it is "
                f"the tokenizer of another model. {advice}"
            )
