"""Find the characters of a text that each token stands for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from xattn_widget.inputs.text.matching import common_characters, join_bytes, letters
from xattn_widget.inputs.text.pieces import Piece
from xattn_widget.inputs.text.words import clusters, trimmed
from xattn_widget.record.axis import Span


def locate(
    tokenizer: Any,
    ids: Sequence[int],
    tokens: Sequence[str],
    pieces: Sequence[Piece],
    special: set[int],
    text: str | None,
) -> tuple[str, list[Span]]:
    """The text that tokens stand for and the span of each token in it, see :class:`xattn_widget.record.axis.Axis`.

    A fast tokenizer gives the spans when it encodes the text again. Otherwise, what the pieces spell is matched with
    the text. If no text is given, it is decoded from the tokens.

    Args:
        tokenizer: a tokenizer of transformers.
        ids: ``[positions]`` vocabulary ids.
        tokens: the vocabulary entry of each id.
        pieces: what each token stands for.
        special: the ids that are special, which stand for no text.
        text: what was encoded, or None.
    """
    flags = [index in special for index in ids]
    if text is None:
        text, spans = _decoded(tokenizer, tokens, pieces, flags)
    else:
        unknown = [token == tokenizer.unk_token for token in tokens]
        offsets = _offsets(tokenizer, ids, special, text)
        spans = _refined(offsets, pieces, text) if offsets else _matched(pieces, flags, unknown, text)
    before = reached = 0
    for position, (start, stop) in enumerate(spans):
        start, stop = (reached, reached) if flags[position] else trimmed(text, (start, stop))
        start = max(start, before)
        stop = max(start, stop)
        spans[position] = (start, stop)
        before, reached = start, max(reached, stop)
    return text, spans


def _offsets(tokenizer: Any, ids: Sequence[int], special: set[int], text: str) -> list[Span] | None:
    """A fast tokenizer's offsets if it encodes the text to these ids, or to more ids than these (after truncation)."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        return None
    # Do not call the tokenizer itself: it changes its own settings meanwhile, which another thread may be using.
    encoded = backend.encode(text, add_special_tokens=False)
    pairs = zip(encoded.ids, encoded.offsets, strict=True)
    content_spans = [(index, span) for index, span in pairs if index not in special]
    content = [index for index in ids if index not in special]
    known = [index for index, _ in content_spans]
    if known[: len(content)] == content:
        content_spans = content_spans[: len(content)]
    elif content and known[-len(content) :] == content:
        content_spans = content_spans[-len(content) :]
    else:
        return None
    offsets = iter(span for _, span in content_spans)
    return [(0, 0) if index in special else next(offsets) for index in ids]


def _refined(offsets: Sequence[Span], pieces: Sequence[Piece], text: str) -> list[Span]:
    """Offsets in which a span shared by several pieces (bytes of several characters) is divided among them."""
    spans: list[Span] = []
    for (start, stop), run in groupby(zip(offsets, pieces, strict=True), key=lambda pair: pair[0]):
        members = [piece for _, piece in run]
        if len(members) > 1 and stop - start > 1:
            spelled, parts = join_bytes(piece.content for piece in members)
            moved = _moved(spelled, parts, text[start:stop])
            spans += [
                (start + first, start + last) if first < last or not piece.content.strip() else (start, stop)
                for piece, (first, last) in zip(members, moved, strict=True)
            ]
        else:
            spans += [(start, stop)] * len(members)
    return spans


def _decoded(
    tokenizer: Any, tokens: Sequence[str], pieces: Sequence[Piece], flags: Sequence[bool]
) -> tuple[str, list[Span]]:
    """The text that the tokenizer decodes tokens to. Tokens that are written literally are put between spaces."""
    spelled, spans = _spelled(pieces, flags)
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None and backend.decoder is None:
        return spelled, spans  # it would put spaces between all tokens and keep their marks
    parts = []
    kinds = zip(tokens, pieces, flags, strict=True)
    for (whole, flag), run in groupby(kinds, key=lambda kind: (kind[1].whole, kind[2])):
        texts = [token for token, _, _ in run]
        if not flag:
            parts.append(" ".join(texts) if whole else str(tokenizer.convert_tokens_to_string(texts)))
    text = " ".join(parts)
    return text, _moved(spelled, spans, text)


def _spelled(pieces: Sequence[Piece], flags: Sequence[bool]) -> tuple[str, list[Span]]:
    """The text that pieces form according to their marks, and the span of each piece."""
    contents: list[bytes] = []
    space = False
    for piece, flag in zip(pieces, flags, strict=True):
        contents += [b" " if (space or piece.starts_word or flag) and contents else b"", b"" if flag else piece.content]
        space = piece.ends_word or flag
    text, spans = join_bytes(contents)
    return text, spans[1::2]


def _matched(pieces: Sequence[Piece], flags: Sequence[bool], unknown: Sequence[bool], text: str) -> list[Span]:
    """The spans of pieces in their text, matched by characters; pieces without a match share the gaps."""
    readable = []
    for piece, flag, hidden in zip(pieces, flags, unknown, strict=True):
        # Some special tokens are written in the text (language codes).
        written = not hidden and (not flag or piece.content.decode(errors="replace") in text)
        readable.append(piece if written else piece._replace(content=b""))
    spelled, spans = _spelled(readable, [False] * len(pieces))
    moved = _moved(spelled, spans, text)
    lost = [
        start == stop and not flag and bool(piece.content.strip())
        for (start, stop), piece, flag in zip(moved, pieces, flags, strict=True)
    ]
    for positions, gap in _gaps(moved, lost, text):
        for position, span in zip(positions, _shares(positions, pieces, text, gap), strict=True):
            moved[position] = span
    return moved


def _moved(spelled: str, spans: Sequence[Span], text: str) -> list[Span]:
    """Spans in one spelling of a text, moved to another spelling."""
    if spelled.strip() == text.strip():
        shift = (len(text) - len(text.lstrip())) - (len(spelled) - len(spelled.lstrip()))
        places = [min(max(index + shift, 0), len(text)) for index in range(len(spelled) + 1)]
        return [(places[start], places[stop]) for start, stop in spans]
    mine, theirs = letters(spelled), letters(text)
    partners: dict[Span, Span] = {}  # from clusters to clusters
    for index, other in common_characters(mine.text, theirs.text):
        cluster, partner = mine.origins[index], theirs.origins[other]
        partners[cluster] = (partners.get(cluster, partner)[0], partner[1])
    partner_of = {index: partner for cluster, partner in partners.items() for index in range(*cluster)}
    moved = []
    reached = 0
    for start, stop in spans:
        partners_inside = [partner_of[index] for index in range(start, stop) if index in partner_of]
        moved.append((partners_inside[0][0], partners_inside[-1][1]) if partners_inside else (reached, reached))
        reached = moved[-1][1]
    return moved


def _gaps(spans: Sequence[Span], lost: Sequence[bool], text: str) -> Iterator[tuple[list[int], Span]]:
    """Runs of positions without a span, each with the stretch of text that is left for it."""
    before = 0
    waiting: list[int] = []
    for position, (start, stop) in enumerate([*spans, (len(text), len(text))]):
        if position < len(spans) and start == stop:
            waiting += [position] if lost[position] else []
            continue
        gap = trimmed(text, (before, max(before, start)))
        if waiting and gap[0] < gap[1]:
            yield waiting, gap
        before, waiting = max(before, stop), []


def _shares(positions: Sequence[int], pieces: Sequence[Piece], text: str, gap: Span) -> list[Span]:
    """How positions divide a gap: one word each if there are as many words, else about equally many clusters."""
    groups: list[list[int]] = []
    for position in positions:
        piece, earlier = pieces[position], pieces[position - 1]
        # An unknown token does not show where its word starts or ends.
        separated = (piece.starts_word and not piece.whole) or (earlier.ends_word and not earlier.whole)
        if groups and groups[-1][-1] == position - 1 and not separated:
            groups[-1].append(position)
        else:
            groups.append([position])
    filled = [span for span in clusters(text, *gap) if trimmed(text, span) == span]
    words: list[list[Span]] = []
    for span in filled:
        if words and words[-1][-1][1] == span[0]:
            words[-1].append(span)
        else:
            words.append([span])
    if len(words) != len(groups):
        groups, words = [list(positions)], [filled]
    shares = []
    for group, word in zip(groups, words, strict=True):
        for index in range(len(group)):
            first = index * len(word) // len(group)
            last = max(first, (index + 1) * len(word) // len(group) - 1)
            shares.append((word[first][0], word[last][1]))
    return shares
