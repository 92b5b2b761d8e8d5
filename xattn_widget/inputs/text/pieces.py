"""Read the pieces of a vocabulary: the marks that it uses, and the bytes of text that a piece stands for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

# The number of vocabulary entries to look at if a tokenizer does not say which marks it uses.
_SAMPLE = 8000
# The share of these entries that must contain a string for it to count as a mark.
_LEAST = 0.05
_BYTE_PIECE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


class Marks(NamedTuple):
    """How a vocabulary marks words.

    Attributes:
        space: what stands for a space ("▁" of SentencePiece, "Ġ" of byte-level BPE).
        inside: the beginning of pieces inside a word ("##").
        end: the end of the last piece of a word ("</w>").
        joint: the end of every piece but a word's last ("@@").
        alphabet: "bytes" if a character is a byte (ByT5), "byte-level" if it stands for one (GPT-2), else "text".
    """

    space: str = ""
    inside: str = ""
    end: str = ""
    joint: str = ""
    alphabet: str = "text"


class Piece(NamedTuple):
    """A piece without its marks.

    Attributes:
        content: UTF-8, possibly only part of a character.
        starts_word: whether a word certainly starts here.
        ends_word: whether a word certainly ends here.
        whole: whether the token is written literally: special, unknown, or added by the user.
    """

    content: bytes
    starts_word: bool = False
    ends_word: bool = False
    whole: bool = False


def _byte_characters() -> dict[str, int]:
    """The character that stands for each byte in byte-level BPE vocabularies (GPT-2, BART, Whisper)."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


_BYTES = _byte_characters()
_known: WeakKeyDictionary[Any, Marks] = WeakKeyDictionary()


def marks_of(tokenizer: Any) -> Marks:
    """The marks of a tokenizer's vocabulary, according to its settings or else to its entries."""
    if tokenizer not in _known:
        backend = getattr(tokenizer, "backend_tokenizer", None)
        declared = None if backend is None else _declared(backend)
        _known[tokenizer] = declared or _guessed(tokenizer, byte_level=backend is None)
    return _known[tokenizer]


def _declared(backend: Any) -> Marks | None:
    """The marks that the components of a fast tokenizer declare."""
    model = backend.model
    inside = getattr(model, "continuing_subword_prefix", None) or ""
    end = getattr(model, "end_of_word_suffix", None) or ""
    space, alphabet = "", "text"
    before = [*_components(backend.normalizer), *_components(backend.pre_tokenizer)]
    after = list(_components(backend.decoder))
    for component in before + after:
        if component.get("type") == "ByteLevel":
            space, alphabet = "Ġ", "byte-level"
        elif component.get("type") == "Metaspace":
            space = component["replacement"]
    for component in before:
        if component.get("type") == "Replace" and component["pattern"] == {"String": " "}:
            space = component["content"]
    for component in after:
        if component.get("type") == "Replace" and component["content"] == " ":
            space = component["pattern"].get("String", space)
        elif component.get("type") == "WordPiece":
            inside = component["prefix"]
        elif component.get("type") == "BPEDecoder":
            end = component["suffix"]
    return Marks(space, inside, end, "", alphabet) if space or inside or end else None


def _components(part: Any) -> Iterator[dict[str, Any]]:
    """The settings of a component of a fast tokenizer and of its own components."""
    states = [] if part is None else [json.loads(part.__getstate__())]
    while states:
        state = states.pop()
        if isinstance(state, dict):
            yield state
            states += state.values()
        elif isinstance(state, list):
            states += state


def _guessed(tokenizer: Any, *, byte_level: bool) -> Marks:
    """The marks that many entries have; "Ġ", which is also a Maltese letter, only if ``byte_level`` is possible."""
    sample = [
        token
        for token in tokenizer.convert_ids_to_tokens(list(range(min(len(tokenizer), _SAMPLE))))
        if token is not None
    ]
    if {chr(byte) for byte in range(256)} <= set(sample):
        return Marks(alphabet="bytes")
    counts = {
        Marks(space="▁"): sum(token.startswith("▁") for token in sample),
        Marks(space="Ġ", alphabet="byte-level"): byte_level * sum(token.startswith("Ġ") for token in sample),
        Marks(inside="##"): sum(token.startswith("##") and len(token) > 2 for token in sample),
        Marks(end="</w>"): sum(token.endswith("</w>") for token in sample),
        Marks(joint="@@"): sum(token.endswith("@@") and len(token) > 2 for token in sample),
    }
    marks = max(counts, key=lambda candidate: counts[candidate])
    return marks if counts[marks] >= _LEAST * len(sample) else Marks()


def read_piece(token: str, marks: Marks, *, whole: bool = False) -> Piece:
    """The text that a token stands for.

    Args:
        token: the vocabulary's entry.
        marks: the marks of the vocabulary.
        whole: whether the token is written literally, regardless of marks; ignored if it stands only for spaces.
    """
    if whole and token.replace(marks.space or " ", " ").strip():
        return Piece(token.encode(errors="surrogatepass"), starts_word=True, ends_word=True, whole=True)
    if marks.alphabet == "bytes" and len(token) == 1 and ord(token) < 256:
        return Piece(token.encode("latin-1"))
    if byte := _BYTE_PIECE.fullmatch(token):
        return Piece(bytes([int(byte.group(1), 16)]))
    if marks == Marks():
        return Piece(token.encode(errors="surrogatepass"), starts_word=True, ends_word=True)
    starts = bool(marks.inside) and not token.startswith(marks.inside)
    ends = token.endswith(marks.end) if marks.end else bool(marks.joint) and not token.endswith(marks.joint)
    token = token.removeprefix(marks.inside).removesuffix(marks.end).removesuffix(marks.joint)
    if marks.alphabet == "byte-level" and all(character in _BYTES for character in token):
        content = bytes(_BYTES[character] for character in token)
    else:
        content = token.replace(marks.space or " ", " ").encode(errors="surrogatepass")
    return Piece(content.removeprefix(b" "), starts or content.startswith(b" "), ends)
