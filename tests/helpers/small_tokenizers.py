"""Tokenizers that change a text in different ways on its way to tokens, trained on the spot."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import families
import sentencepiece
import transformers
from tokenizers import Regex, Tokenizer, models, trainers
from tokenizers import decoders as d
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p

from xattn_widget import load_demo

_SPECIAL = ["<pad>", "</s>", "<unk>"]
_BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def wrapped(tokenizer: Tokenizer) -> Any:
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>", eos_token="</s>"
    )


def bpe(pre_tokenizer: Any, normalizer: Any = None) -> Any:
    """Return a BPE tokenizer whose pieces have no marks, without a decoder to join them."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=_SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(families.SENTENCES * 4, trainer)
    return wrapped(tokenizer)


def unigram(
    normalizer: Any = None, *, space: str = "▁", scheme: str = "always", byte_fallback: bool = False, more: Any = ()
) -> Any:
    """Return a tokenizer like SentencePiece's, with any character for a space and ``more`` pieces."""
    vocabulary = [(piece.replace("▁", space), score) for piece, score in families._unigram(_SPECIAL)]
    vocabulary += [(piece, -20.0) for piece in _BYTES if byte_fallback] + [(piece, -1.0) for piece in more]
    tokenizer = Tokenizer(models.Unigram(vocabulary, 2, byte_fallback=byte_fallback))
    tokenizer.pre_tokenizer = p.Metaspace(space, scheme)
    tokenizer.decoder = d.Metaspace(space, scheme)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    return wrapped(tokenizer)


def byte_fallback_letters() -> Any:
    """Return a tokenizer like Llama's and Gemma's: the normalizer writes "▁"; tokens are single letters or bytes."""
    pieces = [*_SPECIAL, *_BYTES, "▁", *families.LETTERS]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>", byte_fallback=True))
    tokenizer.normalizer = n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")])
    tokenizer.decoder = d.Sequence([d.Replace("▁", " "), d.ByteFallback(), d.Fuse(), d.Strip(" ", 1, 0)])
    return wrapped(tokenizer)


def word_level(words: list[str] | None = None) -> Any:
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.pre_tokenizer = p.Whitespace() if words is None else p.Split(Regex("."), "isolated")
    trainer = trainers.WordLevelTrainer(special_tokens=_SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(families.SENTENCES if words is None else words, trainer)
    return wrapped(tokenizer)


def uncased_wordpiece() -> Any:
    tokenizer = families.wordpiece_tokenizer()
    tokenizer.backend_tokenizer.normalizer = n.BertNormalizer(lowercase=True, strip_accents=True)
    return tokenizer


def sentencepiece_normalizer() -> Any:
    """Return SentencePiece's own rules (nmt_nfkc), as in the tokenizers of T5 and mBART."""
    from sentencepiece import sentencepiece_model_pb2

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(families.SENTENCES * 4),
        model_writer=model,
        vocab_size=130,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
    )
    rules = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue()).normalizer_spec.precompiled_charsmap
    return n.Sequence([n.Precompiled(rules), n.Replace(Regex(" {2,}"), " ")])


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "ByT5": transformers.ByT5Tokenizer,
    "BPE without marks": lambda: bpe(p.Whitespace()),
    "lowercased BPE, signs apart": lambda: bpe(
        p.Sequence([p.Punctuation(), p.WhitespaceSplit()]), n.Sequence([n.NFKC(), n.Lowercase()])
    ),
    "BPE across spaces": lambda: bpe(p.Split(Regex("never"), "isolated")),
    "BPE without accents": lambda: bpe(p.Whitespace(), n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()])),
    "BPE with </w>": families.word_end_tokenizer,
    "uncased WordPiece": uncased_wordpiece,
    "WordPiece": families.wordpiece_tokenizer,
    "byte-level BPE": families.byte_level_tokenizer,
    "byte fallback": families.byte_fallback_tokenizer,
    "byte fallback of letters": byte_fallback_letters,
    "unigram": unigram,
    "unigram with _ for a space": lambda: unigram(space="_", scheme="first"),
    "unigram without a first mark": lambda: unigram(scheme="never"),
    "unigram with byte fallback": lambda: unigram(byte_fallback=True),
    "unigram with NFKC": lambda: unigram(n.NFKC()),
    "whole words": word_level,
    "NLLB": families.nllb_tokenizer,
    "Marian, not fast": lambda: load_demo()[1],
}
if find_spec("google") and find_spec("google.protobuf"):  # constraints-oldest.txt leaves it out
    TOKENIZERS["unigram with SentencePiece's rules"] = lambda: unigram(sentencepiece_normalizer())


@cache
def tokenizer_of(name: str) -> Any:
    return TOKENIZERS[name]()
