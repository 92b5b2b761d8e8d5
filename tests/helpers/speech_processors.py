"""Processors for the tiny speech models, and short sounds in files.

``speech_pair(name)`` makes a model of ``speech_models`` whose vocabulary is that of a small tokenizer, and the
processor with which it transcribes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import transformers
from families import Pair, _bpe, unigram_tokenizer
from speech_models import RATE, speech_model
from tokenizers import pre_tokenizers, processors

LANGUAGES = {"<|en|>": "english", "<|de|>": "german"}
# As in multilingual Whisper models, in this order.
_WHISPER = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *LANGUAGES,
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]
_TIMESTAMPS = [f"<|{place * 0.02:.2f}|>" for place in range(101)]


def speech_pair(name: str, **settings: Any) -> Pair:
    """Return a tiny speech model and its processor."""
    if name == "whisper":
        return _whisper(**settings)
    tokenizer = unigram_tokenizer()
    model, extractor = speech_model(name, vocab_size=len(tokenizer), **settings)
    model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.config.pad_token_id = model.generation_config.pad_token_id = tokenizer.pad_token_id
    start = tokenizer.pad_token_id
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = start
    model.generation_config.bos_token_id = start
    return Pair(model, Processor(extractor, tokenizer))


class Processor:
    """A feature extractor and a tokenizer, as the classes of single families hold them."""

    def __init__(self, feature_extractor: Any, tokenizer: Any) -> None:
        self.feature_extractor, self.tokenizer = feature_extractor, tokenizer


def _whisper(language: str | None = "german", **settings: Any) -> Pair:
    pieces = _bpe(pre_tokenizers.ByteLevel(add_prefix_space=False), 300, [], pre_tokenizers.ByteLevel.alphabet())
    tokenizer = transformers.WhisperTokenizer(**pieces, additional_special_tokens=_WHISPER)
    tokenizer.add_tokens(_TIMESTAMPS)
    ids = dict(zip(_WHISPER, tokenizer.convert_tokens_to_ids(_WHISPER), strict=True))
    end, start = ids["<|endoftext|>"], ids["<|startoftranscript|>"]
    special = {"eos_token_id": end, "bos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    model, extractor = speech_model("whisper", vocab_size=len(tokenizer), **special, **settings)
    model.generation_config = transformers.GenerationConfig(
        **special,
        is_multilingual=True,
        lang_to_id={token: ids[token] for token in LANGUAGES},
        task_to_id={"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]},
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        # Untrained models would write language codes and timestamps as text.
        suppress_tokens=[index for token, index in ids.items() if token != "<|endoftext|>"],
    )
    if language is not None:
        tokenizer.set_prefix_tokens(language=language, task="transcribe")
    return Pair(model, transformers.WhisperProcessor(extractor, tokenizer))


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    """Return noise whose loudness and color change, float32 at the models' rate."""
    random = np.random.default_rng(seed)
    count = round(seconds * RATE)
    times = np.arange(count) / RATE
    tones = sum(np.sin(2 * np.pi * pitch * times) for pitch in random.uniform(100, 2000, 3))
    loudness = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(1, 4) * times)
    return (0.05 * loudness * tones + 0.02 * random.standard_normal(count)).astype(np.float32)


def write_sound(path: Path, seconds: float, seed: int = 0) -> Path:
    """Write a sound as 16-bit samples in the format of the path's suffix; returns the path."""
    soundfile.write(path, sound(seconds, seed), RATE)
    return path


# Tokens of the prompts of Canary and Cohere-ASR.
_PROMPT = [
    *("<|startofcontext|>", "<|startoftranscript|>", "<|emo:undefined|>", "<|en|>", "<|de|>", "<|pnc|>", "<|nopnc|>"),
    *("<|noitn|>", "<|notimestamp|>", "<|nodiarize|>"),
]
_CANARY_TEMPLATE = (
    "{% for part in messages[0]['content'] %}{% if part['type'] == 'text' %}<|startofcontext|><|startoftranscript|>"
    "<|emo:undefined|><|{{ part['source_language'] }}|><|{{ part['target_language'] }}|>"
    "{{ '<|pnc|>' if part['punctuation'] else '<|nopnc|>' }}<|noitn|><|notimestamp|><|nodiarize|>"
    "{% endif %}{% endfor %}"
)


def prompted_pair(name: str) -> Pair:
    """Return a tiny ``"canary"`` or ``"cohere_asr"`` with the library's own processor, which builds its prompt."""
    backend = unigram_tokenizer().backend_tokenizer
    backend.post_processor = processors.TemplateProcessing(single="$A", pair="$A $B", special_tokens=[])
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="</s>", pad_token="<pad>", unk_token="<unk>"
    )
    tokenizer.add_special_tokens({"additional_special_tokens": _PROMPT})
    start = tokenizer.convert_tokens_to_ids("▁" if name == "cohere_asr" else "<|startofcontext|>")
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": start,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": start,
    }
    model, extractor = speech_model(name, vocab_size=len(tokenizer), **ids)
    if name == "canary":
        return Pair(model, transformers.CanaryProcessor(extractor, tokenizer, chat_template=_CANARY_TEMPLATE))
    return Pair(model, transformers.CohereAsrProcessor(extractor, tokenizer))
