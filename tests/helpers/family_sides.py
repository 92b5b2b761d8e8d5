"""Tiny models with a tokenizer for each side, and models of BART's relatives with a byte-level tokenizer."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import torch
import transformers
from families import (
    _BART,
    _SIZES,
    LETTERS,
    Pair,
    _bpe,
    _in_order,
    _write_vocabulary,
    byte_level_tokenizer,
    wordpiece_tokenizer,
)
from tokenizers import pre_tokenizers


class _Moses:
    """Replaces the parts of sacremoses that FSMT's tokenizer uses, so that the tests do not need that package."""

    def __init__(self, lang: str) -> None:
        self.lang = lang

    def normalize(self, text: str) -> str:
        return text

    def tokenize(self, text: str, **options: Any) -> list[str]:
        return re.findall(r"\w+|[^\w\s]", text)

    def detokenize(self, tokens: list[str]) -> str:
        return " ".join(tokens)


def fsmt_tokenizer(folder: Path, *, separate: bool) -> Any:
    """Return a tokenizer like FSMT's: words end in "</w>", and each side has its own vocabulary or both share one."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trained = _bpe(pre_tokenizers.WhitespaceSplit(), 150, special, LETTERS, end_of_word_suffix="</w>")
    source = [piece for piece, _ in _in_order(trained["vocab"])]
    target = [*special, *reversed(source[len(special) :]), "only</w>"] if separate else source
    merges = folder / "merges.txt"
    merges.write_text("".join(f"{' '.join(merge)} 1\n" for merge in trained["merges"]))
    moses = types.SimpleNamespace(MosesPunctNormalizer=_Moses, MosesTokenizer=_Moses, MosesDetokenizer=_Moses)
    before = sys.modules.get("sacremoses")
    sys.modules["sacremoses"] = moses  # type: ignore[assignment]
    try:
        return transformers.FSMTTokenizer(
            langs=["de", "en"],
            src_vocab_file=_write_vocabulary(folder / "source.json", source),
            tgt_vocab_file=_write_vocabulary(folder / "target.json", target),
            merges_file=str(merges),
        )
    finally:
        del sys.modules["sacremoses"]
        if before is not None:
            sys.modules["sacremoses"] = before


def fsmt(folder: Path, *, separate: bool) -> Pair:
    """Return an FSMT model and its tokenizer, with one vocabulary per side or one for both."""
    tokenizer = fsmt_tokenizer(folder, separate=separate)
    settings = {key: value for key, value in _SIZES.items() if key != "vocab_size"} | {"activation_function": "relu"}
    sizes = {"src_vocab_size": tokenizer.src_vocab_size, "tgt_vocab_size": tokenizer.tgt_vocab_size}
    config = transformers.FSMTConfig(
        **settings, **sizes, langs=["de", "en"], max_position_embeddings=64, tie_word_embeddings=not separate
    )
    return Pair(_drawn(transformers.FSMTForConditionalGeneration(config)), tokenizer)


def bert_and_gpt2() -> tuple[Any, Any, Any]:
    """Return an encoder-decoder model made of BERT and GPT-2, and the tokenizer of each."""
    source = wordpiece_tokenizer()
    trained = _bpe(pre_tokenizers.ByteLevel(), 320, ["<|endoftext|>"], pre_tokenizers.ByteLevel.alphabet())
    target = transformers.GPT2Tokenizer(vocab=trained["vocab"], merges=trained["merges"])
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}
    encoder = transformers.BertConfig(vocab_size=len(source), max_position_embeddings=64, **sizes)
    end = {"bos_token_id": target.eos_token_id, "eos_token_id": target.eos_token_id}
    decoder = transformers.GPT2Config(vocab_size=len(target), n_embd=16, n_layer=3, n_head=4, n_positions=64, **end)
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    model = _drawn(transformers.EncoderDecoderModel(config))
    for name in ("decoder_start_token_id", "eos_token_id", "pad_token_id"):
        setattr(model.config, name, target.eos_token_id)
        setattr(model.generation_config, name, target.eos_token_id)
    model.generation_config.max_new_tokens = 8
    return model, source, target


def _drawn(model: Any, std: float = 0.3) -> Any:
    """Draw random weights large enough for attention far from uniform."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=std, generator=generator)
    model.generation_config.max_new_tokens = 8
    return model.eval()


def byte_level_pair(kind: str, **settings: Any) -> Any:
    """Return a model of one of BART's relatives, such as ``"Mvp"`` or ``"LED"``, with a byte-level tokenizer."""
    tokenizer = byte_level_tokenizer()
    ids = {"bos_token_id": 0, "pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    config = getattr(transformers, f"{kind}Config")(**_BART | {"vocab_size": len(tokenizer)} | ids | settings)
    name = "MarianMTModel" if kind == "Marian" else f"{kind}ForConditionalGeneration"
    return Pair(_drawn(getattr(transformers, name)(config)), tokenizer)
