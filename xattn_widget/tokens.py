"""Turn a tokenizer's ids into an axis: display text, special flags and words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from xattn_widget.axes import NO_WORD, SPACE, Axis

# How many vocabulary entries are looked at to tell which kind of tokenizer this is.
_SAMPLE = 8000
_SIGNS = {"\n": "↵", "\t": "⇥", " ": SPACE}
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
# Scripts written without spaces: there each piece is a word of its own.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)


class _Piece(NamedTuple):
    content: bytes  # without the tokenizer's marks; may be part of a character
    starts_word: bool
    ends_word: bool


def _byte_characters() -> dict[str, int]:
    """The character that stands for each byte in byte-level BPE vocabularies (GPT-2, BART, Whisper)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_characters()
_kinds: WeakKeyDictionary[Any, str] = WeakKeyDictionary()


def _kind(tokenizer: Any) -> str:
    """Which mark the vocabulary uses: "▁" or "Ġ" before a word, "</w>" behind it, "##" or "@@" inside.

    Without a mark: "bytes" where tokens are single bytes (ByT5), else "words".
    """
    if tokenizer not in _kinds:
        sample = tokenizer.convert_ids_to_tokens(list(range(min(len(tokenizer), _SAMPLE))))
        marks = {
            "▁": sum(token.startswith("▁") for token in sample),
            "Ġ": sum(token.startswith("Ġ") for token in sample),
            "##": sum(token.startswith("##") and len(token) > 2 for token in sample),
            "</w>": sum(token.endswith("</w>") for token in sample),
            "@@": sum(token.endswith("@@") and len(token) > 2 for token in sample),
        }
        mark = max(marks, key=lambda name: marks[name])
        single = sum(len(token) == 1 and ord(token) < 256 for token in sample)
        _kinds[tokenizer] = mark if marks[mark] else "bytes" if 2 * single > len(sample) else "words"
    return _kinds[tokenizer]


def _read_piece(token: str, kind: str) -> _Piece:
    if kind == "▁":
        if byte := _BYTE_PIECE.fullmatch(token):
            return _Piece(bytes([int(byte.group(1), 16)]), False, False)
        return _Piece(token.removeprefix("▁").replace("▁", " ").encode(), token.startswith("▁"), False)
    if kind == "Ġ":
        content = bytes(_BYTES[character] for character in token)
        return _Piece(content.removeprefix(b" "), content[:1].isspace(), False)
    if kind == "##":
        return _Piece(token.removeprefix("##").encode(), not token.startswith("##"), False)
    if kind == "</w>":
        return _Piece(token.removesuffix("</w>").encode(), False, token.endswith("</w>"))
    if kind == "@@":
        return _Piece(token.removesuffix("@@").encode(), False, not token.endswith("@@"))
    if kind == "bytes" and len(token) == 1:
        return _Piece(token.encode("latin-1"), token.isspace(), False)
    return _Piece(token.encode(), True, True)


def _label(piece: _Piece) -> str:
    """The text to show for a piece: never empty, never invisible."""
    if not piece.content:  # only the mark of a word's start
        return SPACE
    try:
        text = piece.content.decode()
    except UnicodeDecodeError:
        return "".join(f"<0x{byte:02X}>" for byte in piece.content)
    return _visible(text)


def _visible(text: str) -> str:
    """``text``, or the names of its characters where none of them can be seen (spaces, control and format marks)."""
    if any(unicodedata.category(character)[0] not in "ZC" for character in text):
        return text
    return "".join(_SIGNS.get(character, f"U+{ord(character):04X}") for character in text)


class _Atom(NamedTuple):
    """Pieces that only together are whole characters, mostly one piece."""

    members: list[int]
    text: str

    @property
    def is_punctuation(self) -> bool:
        return bool(self.text) and all(unicodedata.category(character)[0] in "PS" for character in self.text)


def _atoms(members: list[int], pieces: Sequence[_Piece]) -> list[_Atom]:
    atoms, open_members, content = [], [], b""
    for member in members:
        open_members.append(member)
        content += pieces[member].content
        try:
            text = content.decode()
        except UnicodeDecodeError:
            if member != members[-1]:
                continue
            text = content.decode(errors="replace")
        atoms.append(_Atom(open_members, text))
        open_members, content = [], b""
    return atoms


def _split_word(members: list[int], pieces: Sequence[_Piece]) -> list[list[int]]:
    """The words inside one space-delimited run: punctuation at its ends and unspaced scripts stand alone."""
    words: list[list[_Atom]] = []
    plain: list[_Atom] = []
    for atom in _atoms(members, pieces):
        if _UNSPACED.search(atom.text):
            # A piece that is nothing but the mark of a word's start goes with what follows it.
            mark = plain if not any(other.text for other in plain) else []
            if plain and not mark:
                words.append(plain)
            words.append([*mark, atom])
            plain = []
        else:
            plain.append(atom)
    if plain:
        words.append(plain)
    parts = [part for word in words for part in _split_punctuation(word)]
    return [[member for atom in part for member in atom.members] for part in parts]


def _split_punctuation(word: list[_Atom]) -> list[list[_Atom]]:
    start, stop = 0, len(word)
    while start < stop and (word[start].is_punctuation or not word[start].text):
        start += 1
    while stop > start and word[stop - 1].is_punctuation:
        stop -= 1
    if start == stop:
        return [word]
    if not any(atom.text for atom in word[:start]):
        start = 0  # only marks of the word's start: they belong to it
    return [part for part in (word[:start], word[start:stop], word[stop:]) if part]


def _group_words(pieces: Sequence[_Piece], special: Sequence[bool]) -> tuple[list[int], list[str]]:
    runs: list[list[int]] = []
    open_run = False
    for position, piece in enumerate(pieces):
        if special[position]:
            open_run = False
            continue
        if open_run and not piece.starts_word:
            runs[-1].append(position)
        else:
            runs.append([position])
        open_run = not piece.ends_word
    groups = [NO_WORD] * len(pieces)
    words: list[str] = []
    for run in runs:
        for members in _split_word(run, pieces):
            content = b"".join(pieces[member].content for member in members)
            text = content.decode(errors="replace")
            for member in members:
                groups[member] = len(words)
            words.append(_visible(text.strip() or text) or _label(pieces[members[0]]))
    return groups, words


def special_ids(tokenizer: Any, config: Any = None) -> set[int]:
    """Ids of what is no content: end of sentence, padding, start symbols, language codes. The unknown token is content.

    Args:
        tokenizer: a tokenizer of transformers.
        config: the model's config; its start, end and padding ids count as special too.
    """
    found = set(tokenizer.all_special_ids)
    markers = {tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id}
    for name in ("pad_token_id", "eos_token_id", "bos_token_id", "decoder_start_token_id", "forced_bos_token_id"):
        value = getattr(config, name, None)
        markers.update(value if isinstance(value, list | tuple) else [value])
    # Marian and M2M100 keep their language codes beside the special tokens.
    codes = list(getattr(tokenizer, "supported_language_codes", None) or [])
    markers.update(tokenizer.convert_tokens_to_ids(codes) if codes else [])
    markers.update((getattr(tokenizer, "lang_token_to_id", None) or {}).values())
    if tokenizer.unk_token_id not in markers:
        found.discard(tokenizer.unk_token_id)
    return (found | markers) - {None}


def _tokens(tokenizer: Any, ids: Sequence[int], target: bool) -> list[str]:
    if not target and getattr(tokenizer, "separate_vocabs", False):
        # Such a Marian tokenizer turns ids into tokens with the target vocabulary alone.
        source_vocabulary = {index: token for token, index in tokenizer.encoder.items()}
        return [source_vocabulary[index] for index in ids]
    tokens = tokenizer.convert_ids_to_tokens(list(ids))
    # A model may embed, and generate, more ids than its tokenizer knows (T5 does).
    return [f"<{index}>" if token is None else token for index, token in zip(ids, tokens, strict=True)]


def text_axis(tokenizer: Any, ids: Sequence[int], special: set[int], *, target: bool = False) -> Axis:
    """The axis of a tokenized text.

    SentencePiece, byte-level BPE, BPE and WordPiece pieces are shown as the text that they stand for. A word is what
    stands between spaces, without the punctuation pieces at its ends, which are words of their own; in scripts that
    write no spaces each piece is a word. Every piece that is not special is in exactly one word.

    Args:
        tokenizer: a tokenizer of transformers.
        ids: ``[positions]`` vocabulary ids.
        special: the ids that are special, see :func:`special_ids`.
        target: read the ids with the target vocabulary, where a tokenizer has two.
    """
    kind = _kind(tokenizer)
    tokens = _tokens(tokenizer, ids, target)
    flags = [index in special for index in ids]
    # Tokens that the user added are written as themselves, whatever the vocabulary's marks are.
    added = set(tokenizer.get_added_vocab())
    pieces = []
    for token, flag in zip(tokens, flags, strict=True):
        if flag or (token == tokenizer.unk_token and kind in ("</w>", "@@")):
            pieces.append(_Piece(token.encode(), True, True))
        elif token in added or (kind == "Ġ" and not all(character in _BYTES for character in token)):
            pieces.append(_Piece(token.encode(), token[:1].isspace(), False))
        else:
            pieces.append(_read_piece(token, kind))
    groups, words = _group_words(pieces, flags)
    return Axis(
        labels=tuple(_label(piece) for piece in pieces),
        special=tuple(flags),
        groups=tuple(groups),
        words=tuple(words),
        ids=tuple(ids),
    )
