"""Turn sentences into token ids, and token ids into padded tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from xattn_widget.inputs.locks import lock_of
from xattn_widget.inputs.peft_prompts import prompt_length
from xattn_widget.inputs.text.tokens import special_ids


def embedded_ids(model: Any, side: str) -> int:
    """The number of ids that the encoder (``"source"``) or the decoder (``"target"``) of a model embeds."""
    part = model.get_encoder() if side == "source" else model.get_decoder()
    try:
        embedding = part.get_input_embeddings()
    except (AttributeError, NotImplementedError):  # FSMT's parts have no such method
        embedding = getattr(part, "embed_tokens", None)
    count = getattr(embedding, "num_embeddings", None)
    return int(model.get_input_embeddings().num_embeddings if count is None else count)


def position_limit(model: Any, side: str) -> int | None:
    """The most tokens of the ``"source"`` or the ``"target"`` that a model has positions for, or None without a limit.

    Prompts that an adapter puts before the tokens take up positions too.
    """
    part = "encoder" if side == "source" else "decoder"
    config = getattr(model.config, part, model.config)
    names = {
        "encoder": ("max_encoder_position_embeddings", "max_position_embeddings"),
        "decoder": ("max_decoder_position_embeddings", "max_target_positions", "max_position_embeddings"),
    }
    for found in (config, getattr(config, "text_config", None)):
        for name in names[part]:
            if getattr(found, name, None):
                return int(getattr(found, name)) - prompt_length(model, side)
    return None


def encode(
    tokenizer: Any, sentences: list[str], side: str, limit: int | None, truncation: bool, embedded: int
) -> list[list[int]]:
    """Ids of each sentence in its side's vocabulary, without padding.

    Raises:
        ValueError: a sentence that cannot be run, see :func:`try_encode`.
    """
    if not sentences:
        return []
    options: dict[str, Any] = {"truncation": True, "max_length": limit} if truncation and limit else {}
    encoded = list(tokenize(tokenizer, sentences, side, **options)["input_ids"])
    no_content = special_ids(tokenizer)
    for index, ids in enumerate(encoded):
        if problem := _problem(sentences[index], ids, limit, no_content, embedded):
            advice = ": shorten it, or pass truncation=True to cut it" if "limit" in problem else ""
            raise ValueError(f"{side}[{index}] {problem}{advice}")
    return encoded


def try_encode(
    tokenizer: Any, sentences: list[str], side: str, limit: int | None, embedded: int
) -> list[list[int] | str]:
    """For each sentence its ids, or why it cannot be run: no content, more tokens than ``limit``, unknown ids."""
    written = [sentence for sentence in sentences if sentence.strip()]
    rows = iter(tokenize(tokenizer, written, side)["input_ids"] if written else [])
    no_content = special_ids(tokenizer)
    encoded = [(sentence, next(rows) if sentence.strip() else []) for sentence in sentences]
    return [_problem(sentence, ids, limit, no_content, embedded) or ids for sentence, ids in encoded]


def try_ids(tokenizer: Any, ids: list[int], limit: int | None, embedded: int) -> list[int] | str:
    """Token ids that were not made from a text, or why they cannot be run, as :func:`try_encode` does for texts."""
    for token in ids:
        if not 0 <= token < embedded:
            return f"has the token id {token}, and the model embeds ids from 0 to {embedded - 1}"
    return _problem(ids, ids, limit, special_ids(tokenizer), embedded) or ids


def tokenize(tokenizer: Any, sentences: list[str], side: str, **options: Any) -> Any:
    """The tokenizer's encoding of one side's sentences. It switches sides itself, so threads must take turns."""
    options["text_target" if side == "target" else "text"] = sentences
    with lock_of(tokenizer):
        # Not verbose: a sentence that is too long gets our own error instead of the tokenizer's warning.
        return tokenizer(**options, verbose=False)


def _problem(
    given: str | list[int], ids: list[int], limit: int | None, no_content: set[int], embedded: int
) -> str | None:
    is_blank = isinstance(given, str) and not given.strip()
    if is_blank or all(token in no_content for token in ids):
        return f"is empty: {given!r:.60} has no tokens to look at"
    if limit is not None and len(ids) > limit:
        return f"has {len(ids)} tokens, the limit is {limit} positions"
    if max(ids) >= embedded:
        return (
            f"has the token id {max(ids)}, and the model embeds ids below {embedded}: its tokenizer is not the model's"
        )
    return None


def pad_ids(rows: Sequence[Sequence[int]], padding: int, device: torch.device) -> torch.Tensor:
    """``[rows, longest]`` long tensor, padded on the right."""
    tensors = [torch.tensor(row, dtype=torch.long) for row in rows]
    return torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True, padding_value=padding).to(device)


def padding_id(model: Any, side: str) -> int:
    """The id to pad a side with. The mask hides it; some models count positions by the one in their configuration."""
    part = getattr(model.config, "encoder" if side == "source" else "decoder", None)
    for config in (part, model.config):
        index = getattr(config, "pad_token_id", None)
        if index is not None and 0 <= index < embedded_ids(model, side):
            return int(index)
    return 0
