"""Targets that are spelled character by character: ``spell``."""

from __future__ import annotations

import copy
import json
from typing import Any


def spell(processor: Any) -> Any:
    """A copy of a speech model's processor that spells targets character by character.

    Wherever a record takes its target from this processor, each character is a token of its own, and each space one
    that belongs to the word after it. The heads of Whisper then align more finely with the sound: Yeh et al. 2025 force
    the transcript in this form and choose heads for each recording by ``alignment_norm``. Characters that the
    vocabulary does not have as one token take several, one for each byte.

    Example::

        record = extract(model, spell(processor), audio, "The birch canoe slid on the planks")
        record.score("alignment_norm")

    A target in this form is not what the model would write: its log-probabilities are low. Generated targets are tokens
    as usual. Whisper reads at most 448 tokens, which is about 30 seconds of English in this form.

    Args:
        processor: a processor, or a tokenizer, with a vocabulary of byte pairs (such as Whisper's). It is left as it
            is.

    Returns:
        The same kind of object.

    Raises:
        ValueError: a vocabulary of another kind.

    Source: Yeh et al. 2025, Whisper Has an Internal Word Aligner.
    """
    tokenizer = getattr(processor, "tokenizer", processor)
    backend: Any = getattr(tokenizer, "backend_tokenizer", None)
    state: dict[str, Any] = {"model": {}} if backend is None else json.loads(backend.to_str())
    if state["model"].get("type") != "BPE":
        raise ValueError(
            "spell takes the processor or tokenizer of a model with byte pairs (BPE), such as Whisper, because other "
            f"vocabularies need not have every character; got {type(tokenizer).__name__} with "
            f"{state['model'].get('type', 'no fast tokenizer')}"
        )
    # Without merges nothing is left of byte pairs but the bytes.
    state["model"]["merges"] = []
    spelled = copy.deepcopy(tokenizer)
    fast: Any = type(backend)
    spelled.backend_tokenizer.model = fast.from_str(json.dumps(state)).model
    if tokenizer is processor:
        return spelled
    result = copy.copy(processor)
    result.tokenizer = spelled
    return result
