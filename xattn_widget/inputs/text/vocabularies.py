"""Split a tokenizer with a vocabulary for each side into two tokenizers with one vocabulary."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from xattn_widget._compat import fix_side, replace_added_tokens, replace_token_lookup, switches_sides

# Enough to tell two vocabularies apart, without building a dictionary of each.
_SAMPLE = 64
# Tokenizers that have one vocabulary, and the two parts of the others.
_whole: WeakSet[Any] = WeakSet()


def split_tokenizer(tokenizer: Any) -> tuple[Any, Any]:
    """The tokenizers of source and target texts: the same object twice if they share a vocabulary.

    FSMT's tokenizer encodes with the source vocabulary and decodes with that of the target. Marian's may have two
    vocabularies and decodes only with that of the target. Others switch between theirs. The parts share everything but
    the vocabulary with the tokenizer; settings that are changed later do not affect them.
    """
    if tokenizer in _whole:
        return tokenizer, tokenizer
    parts = _split(tokenizer)
    _whole.update(parts)
    return parts


def _split(tokenizer: Any) -> tuple[Any, Any]:
    if getattr(tokenizer, "separate_vocabs", False):
        return _marian(tokenizer, target=False), _marian(tokenizer, target=True)
    if hasattr(tokenizer, "get_tgt_vocab") and isinstance(getattr(tokenizer, "decoder", None), dict):
        target_vocabulary = _inverse(tokenizer.decoder)
        if target_vocabulary == tokenizer.encoder:
            return tokenizer, tokenizer
        return _fsmt(tokenizer, tokenizer.encoder, tokenizer.src_lang), _fsmt(
            tokenizer, target_vocabulary, tokenizer.tgt_lang
        )
    if switches_sides(tokenizer) and not getattr(tokenizer, "is_fast", True):
        try:
            source, target = _fixed(tokenizer, "source"), _fixed(tokenizer, "target")
        except (KeyError, ValueError):  # M2M100's, where no target language is set
            return tokenizer, tokenizer
        if _sample(source) != _sample(target):
            return _consistent(source), _consistent(target)
    return tokenizer, tokenizer


def _inverse(vocabulary: dict[Any, Any]) -> dict[Any, Any]:
    return {value: key for key, value in vocabulary.items()}


def _part(tokenizer: Any, **changes: Any) -> Any:
    """A shallow copy with changed attributes. copy.copy would load the files of some tokenizers again."""
    part = object.__new__(type(tokenizer))
    part.__dict__.update(tokenizer.__dict__ | changes)
    return part


def _with_added_tokens(part: Any, vocabulary: dict[str, int]) -> Any:
    """``part`` with this vocabulary's ids for special and added tokens, which tokenizers keep in a separate table.

    A token that is not in the vocabulary, such as one that the user added, keeps its id if that is free.
    """
    used = set(vocabulary.values())
    tokens = {
        vocabulary.get(token.content, index): token
        for index, token in part.added_tokens_decoder.items()
        if token.content in vocabulary or index not in used
    }
    replace_added_tokens(part, tokens)
    return part


def _marian(tokenizer: Any, *, target: bool) -> Any:
    vocabulary = tokenizer.target_encoder if target else tokenizer.encoder
    pieces = tokenizer.spm_target if target else tokenizer.spm_source
    part = _part(
        tokenizer,
        separate_vocabs=False,
        encoder=vocabulary,
        target_encoder=vocabulary,
        current_encoder=vocabulary,
        decoder=_inverse(vocabulary),
        spm_source=pieces,
        spm_target=pieces,
        current_spm=pieces,
        spm_files=[tokenizer.spm_files[target]] * 2,  # from which unpickling loads them
    )
    return _with_added_tokens(part, vocabulary)


def _fsmt(tokenizer: Any, vocabulary: dict[str, int], language: str) -> Any:
    part = _part(
        tokenizer, encoder=vocabulary, decoder=_inverse(vocabulary), src_lang=language, tgt_lang=language, cache={}
    )
    return _with_added_tokens(part, vocabulary)


def _fixed(tokenizer: Any, side: str) -> Any:
    """A copy that has been switched to one side and stays there."""
    part = _part(tokenizer)
    fix_side(part, side)
    return part


def _sample(tokenizer: Any) -> tuple[list[str | None], list[int]]:
    """Some tokens of the vocabulary, and the ids that it gives to these tokens."""
    tokens = [tokenizer.convert_ids_to_tokens(index) for index in _sampled_ids(tokenizer)]
    return tokens, [tokenizer.convert_tokens_to_ids(token) for token in tokens if token is not None]


def _sampled_ids(tokenizer: Any) -> range:
    return range(0, len(tokenizer), max(1, len(tokenizer) // _SAMPLE))


def _consistent(part: Any) -> Any:
    """``part`` decoding ids with the vocabulary that it encodes with, which not all switching tokenizers do."""
    part = _with_added_tokens(part, part.get_vocab())
    if _sample(part)[1] != list(_sampled_ids(part)):
        replace_token_lookup(part, _inverse(part.get_vocab()).get)
    if _sample(part)[1] != list(_sampled_ids(part)):
        raise ValueError(
            f"the two vocabularies of this {type(part).__name__} cannot be told apart: pass a tokenizer for the source "
            "texts, and one for the target texts as target_tokenizer="
        )
    return part
