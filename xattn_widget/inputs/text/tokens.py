"""Turn token ids into an axis: labels, special flags, words and the text that they spell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from xattn_widget.inputs.text.locating import locate
from xattn_widget.inputs.text.pieces import Piece, marks_of, read_piece
from xattn_widget.inputs.text.vocabularies import split_tokenizer
from xattn_widget.inputs.text.words import group_words, visible
from xattn_widget.record.axis import NO_ID, Axis


def _label(piece: Piece) -> str:
    """The label of a piece: never empty, never invisible."""
    try:
        return visible(piece.content.decode() or " ")  # a lone mark of a word's start is shown as a space
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in piece.content)


def special_ids(tokenizer: Any, config: Any = None) -> set[int]:
    """Ids that are not content: end of sentence, padding, start symbols, language codes. The unknown token is content.

    Args:
        tokenizer: a tokenizer of transformers.
        config: the model's config; its start, end and padding ids count as special too.
    """
    ids = set(tokenizer.all_special_ids)
    markers = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}
    for name in ("pad_token_id", "eos_token_id", "bos_token_id", "decoder_start_token_id", "forced_bos_token_id"):
        value = getattr(config, name, None)
        markers.update(value if isinstance(value, list | tuple) else [value])
    # Marian and M2M100 keep their language codes apart from the special tokens.
    codes = list(getattr(tokenizer, "supported_language_codes", None) or [])
    markers.update(tokenizer.convert_tokens_to_ids(codes) if codes else [])
    markers.update((getattr(tokenizer, "lang_token_to_id", None) or {}).values())
    if tokenizer.unk_token_id not in markers:
        ids.discard(tokenizer.unk_token_id)
    return (ids | markers) - {None}


def _tokens(tokenizer: Any, ids: Sequence[int], target: bool) -> list[str | None]:
    return list(split_tokenizer(tokenizer)[target].convert_ids_to_tokens(list(ids)))


def text_axis(
    tokenizer: Any, ids: Sequence[int], special: set[int], *, target: bool = False, text: str | None = None
) -> Axis:
    """The axis of a tokenized text.

    SentencePiece, byte-level BPE, BPE and WordPiece pieces are shown as the text that they stand for. A word is a
    stretch between spaces of the text, without the punctuation pieces at its ends, which are separate words; in
    scripts without spaces each piece is a word. Every piece that is not special is in exactly one word.

    Args:
        tokenizer: a tokenizer of transformers.
        ids: ``[positions]`` vocabulary ids.
        special: the ids that are special, see :func:`special_ids`.
        target: read the ids with the target vocabulary if a tokenizer has two.
        text: the text that the ids were made from. If it is left out, it is decoded from them, and unknown and added
            tokens are separate words.
    """
    flags = [index in special for index in ids]
    marks = marks_of(tokenizer)
    names = set(tokenizer.get_added_vocab()) | {tokenizer.unk_token, None}
    tokens, pieces = [], []
    for index, token, flag in zip(ids, _tokens(tokenizer, ids, target), flags, strict=True):
        # A model may embed, and generate, more ids than its tokenizer knows (T5 does).
        tokens.append(f"<{index}>" if token is None else token)
        pieces.append(read_piece(tokens[-1], marks, whole=flag or token in names))
    text, spans = locate(tokenizer, ids, tokens, pieces, special, text)
    groups, words = group_words(text, spans, flags)
    return Axis(
        labels=tuple(_label(piece) for piece in pieces),
        special=tuple(flags),
        groups=tuple(groups),
        words=tuple(words),
        ids=tuple(ids),
        text=text,
        spans=tuple(spans),
    )


def token_ids(axis: Axis) -> list[int]:
    """The ids of an axis's tokens, without the positions that are not tokens.

    Raises:
        ValueError: an axis without ids.
    """
    if axis.ids is None:
        raise ValueError("this record has no token ids: it was not made by extract, or its subwords were merged")
    return [index for index in axis.ids if index != NO_ID]
