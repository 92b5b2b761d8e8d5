"""Find the words of a text and assign its pieces to them, by Unicode's rules, for any tokenizer."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import regex

from xattn_widget.record.axis import NO_WORD, SPACE, Span

_SIGNS = {"\n": "↵", "\t": "⇥", " ": SPACE}
# What separates words: white space, and the zero-width space of Khmer and Thai texts.
_SPACE = regex.compile(r"[\s\u200b\x1c-\x1f]")
_CLUSTER = regex.compile(r"[\s\u200b\x1c-\x1f]|\X")  # \X alone would join a space and a mark after it
_NOTHING_SEEN = regex.compile(r"[\p{C}\p{Z}\p{M}\p{Default_Ignorable_Code_Point}\u2800]*")
# What a tokenizer may drop after a letter: accents, joiners, direction marks.
_TAIL = regex.compile(r"(?:\s*\p{M}|[\p{Cf}--[\u200b\p{Grapheme_Cluster_Break=Prepend}]])*", regex.VERSION1)
_GAP = regex.compile(r"(?<!\s)\s++(?=\p{M})")
_MARK = regex.compile(r"\p{M}")
# Scripts written without spaces, according to the rules for line breaks (UAX 14): complex context (Thai, Lao, Khmer,
# Myanmar, Tai Tham), ideographs (with kana and Yi), and scripts that break between syllables (Javanese, Balinese).
UNSPACED = regex.compile(r"[\p{lb=SA}\p{lb=ID}\p{lb=CJ}\p{lb=AK}\p{lb=AP}\p{lb=AS}]|[\p{L}&&\p{lb=NS}]", regex.VERSION1)
_EMOJI = regex.compile(r"[\p{Emoji_Presentation}\p{Regional_Indicator}\ufe0f\u20e3]")
# Signs that end a word without a space: dandas, the Ethiopic word space, the tsheg between Tibetan syllables. The tsheg
# is part of the spelling; the others are punctuation.
_DIVIDER = regex.compile(r"[\p{lb=BA}&&\p{Po}&&[\p{Terminal_Punctuation}\P{Script=Common}]]", regex.VERSION1)
_TSHEG = regex.compile(r"[\p{lb=BA}&&\p{Po}&&\P{Terminal_Punctuation}&&\P{Script=Common}]", regex.VERSION1)
_WIDE_SIGN = regex.compile(r"[\p{P}&&[\p{ea=F}\p{ea=W}]]", regex.VERSION1)
# Vowels written before their consonant, and signs that stack the next consonant below: no word ends there.
_LEADS = regex.compile(r"[\p{Logical_Order_Exception}\p{InSC=Invisible_Stacker}\p{InSC=Virama}]$")
# Vowels and tones written after their consonant that are not combining marks (Thai, Lao): no word begins there.
_FOLLOWS = regex.compile(r"[[\p{InSC=Vowel_Dependent}\p{InSC=Tone_Mark}]--\p{Logical_Order_Exception}]", regex.VERSION1)


def visible(text: str) -> str:
    """``text``, or signs and code points instead if none of its characters is visible alone."""
    if not text or not _NOTHING_SEEN.fullmatch(text):
        return text
    if _MARK.match(text) and not regex.fullmatch(r"\p{Default_Ignorable_Code_Point}*", text):
        return "◌" + text  # the usual carrier of a combining mark
    return "".join(_SIGNS.get(character, f"U+{ord(character):04X}") for character in text)


@dataclass
class _Atom:
    """Pieces that form whole grapheme clusters only together; mostly a single piece."""

    members: list[int]
    start: int
    stop: int
    text: str = ""

    @property
    def is_punctuation(self) -> bool:
        signs = [character for character in self.text if unicodedata.category(character)[0] not in "MC"]
        return bool(signs) and not _TSHEG.search(self.text) and all(_is_sign(sign) for sign in signs)


def _is_sign(character: str) -> bool:
    return unicodedata.category(character)[0] in "PS"


def group_words(text: str, spans: Sequence[Span], special: Sequence[bool]) -> tuple[list[int], list[str]]:
    """The index of each position's word (-1 for special positions), and the words.

    A word is a stretch between spaces, without the punctuation pieces at its ends, which are separate words. In scripts
    without spaces each piece is a word, and so is each emoji. A grapheme cluster is never split: pieces that share one
    are in the same word. A piece of white space belongs to the word that follows it.

    Args:
        text: what the positions spell.
        spans: for each position the (start, stop) of its characters in the text, in order.
        special: True for positions that belong to no word; they also end the word before them.
    """
    groups = [NO_WORD] * len(spans)
    words: list[str] = []
    cluster_of = [span for span in clusters(text) for _ in range(*span)]
    for stretch in _stretches(special):
        for word in _words(_atoms(text, spans, stretch, cluster_of), text):
            for member in (member for atom in word for member in atom.members):
                groups[member] = len(words)
            content = text[word[0].start : word[-1].stop]
            # A space between a letter and a mark belongs to neither.
            words.append(visible(_GAP.sub("", content.strip()) or content) or SPACE)
    return groups, words


def _stretches(special: Sequence[bool]) -> Iterator[list[int]]:
    stretch: list[int] = []
    for position, flag in enumerate([*special, True]):
        if not flag:
            stretch.append(position)
        elif stretch:
            yield stretch
            stretch = []


def clusters(text: str, start: int = 0, stop: int | None = None) -> Iterator[Span]:
    """The spans of a text's grapheme clusters. A space is always a separate cluster, even before a mark."""
    return (match.span() for match in _CLUSTER.finditer(text, start, len(text) if stop is None else stop))


def trimmed(text: str, span: Span) -> Span:
    """A span without the spaces at its ends; empty if it has nothing else."""
    start, stop = span
    while start < stop and _SPACE.match(text[start]):
        start += 1
    while start < stop and _SPACE.match(text[stop - 1]):
        stop -= 1
    return start, stop


def _atoms(text: str, spans: Sequence[Span], stretch: Sequence[int], cluster_of: Sequence[Span]) -> list[_Atom]:
    atoms: list[_Atom] = []
    blank: list[int] = []  # pieces that belong to the next atom
    for position in stretch:
        start, stop = trimmed(text, spans[position])
        if start == stop:
            blank.append(position)
            continue
        start, stop = cluster_of[start][0], cluster_of[stop - 1][1]
        stop = _TAIL.match(text, stop).end()
        if atoms and (start < atoms[-1].stop or _MARK.match(text[start])):
            atoms[-1].members += [*blank, position]
            atoms[-1].stop = max(stop, atoms[-1].stop)
        else:
            atoms.append(_Atom([*blank, position], start, stop))
        blank = []
    if blank and atoms:
        atoms[-1].members += blank
    elif blank:
        start, stop = spans[blank[0]][0], spans[blank[-1]][1]
        atoms.append(_Atom(blank, start, stop))
    for atom in atoms:
        atom.text = text[atom.start : atom.stop]
    return atoms


def _words(atoms: Sequence[_Atom], text: str) -> Iterator[list[_Atom]]:
    word: list[_Atom] = []
    for atom in atoms:
        if word and _parts(word[-1], atom, text):
            yield from _split_punctuation(word)
            word = []
        word.append(atom)
    if word:
        yield from _split_punctuation(word)


def _parts(before: _Atom, after: _Atom, text: str) -> bool:
    """Whether a word ends between two atoms."""
    if _SPACE.search(text, before.stop, after.start):
        return True
    *_, left = _CLUSTER.findall(before.text)
    right = _CLUSTER.findall(after.text)[0]
    if _LEADS.search(left) or _FOLLOWS.match(right):
        return False
    if _stands_alone(left) or _stands_alone(right):
        return True
    if _WIDE_SIGN.match(left) or _WIDE_SIGN.match(right):
        return not (left[0].isdecimal() or right[0].isdecimal())
    divider = _DIVIDER.search(after.text)
    if divider is None:
        return bool(_DIVIDER.search(left))
    # A piece with more text after a divider starts a word, because pieces such as "end of one word, divider, beginning
    # of the next" would otherwise join a whole text.
    return bool(_DIVIDER.sub("", after.text[divider.end() :]))


def is_unspaced(text: str) -> bool:
    """Whether a text begins with a character of a script that is written without spaces between words."""
    first = next((text[slice(*span)] for span in clusters(text)), "")
    return bool(UNSPACED.search(unicodedata.normalize("NFKC", first)))


@lru_cache(maxsize=8192)
def _stands_alone(cluster: str) -> bool:
    # UAX 14 treats fullwidth Latin letters as ideographs; their compatibility forms are ordinary letters.
    return bool(_EMOJI.search(cluster) or UNSPACED.search(unicodedata.normalize("NFKC", cluster)))


def _split_punctuation(word: list[_Atom]) -> Iterator[list[_Atom]]:
    start, stop = 0, len(word)
    while start < stop and word[start].is_punctuation:
        start += 1
    while stop > start and word[stop - 1].is_punctuation:
        stop -= 1
    yield from (part for part in (word[:start], word[start:stop], word[stop:]) if part)
