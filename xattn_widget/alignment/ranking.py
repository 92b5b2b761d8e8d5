"""Rank heads by how well they align, under each reading: by gold, or without gold by a predictor of its error rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from xattn_widget.alignment.aer import Corpus, alignment_error_rate
from xattn_widget.alignment.evidence import one_to_one
from xattn_widget.alignment.given_records import record_list
from xattn_widget.alignment.links import Method, align_record
from xattn_widget.alignment.timing_heads import weight_near_path
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.special import Special
from xattn_widget.scores import Score, find_score


class HeadAlignment(NamedTuple):
    """A head under one reading, and how well it aligns.

    Attributes:
        layer: counted from 0.
        head: counted from 0.
        reading: whether its rows are labeled by the token written (``"output"``) or read (``"input"``).
        value: the value that it was ranked by.
        measure: what the value is: ``"aer"``, ``"one_to_one"``, ``"weight_near_path"`` or the name of a score.
    """

    layer: int
    head: int
    reading: str
    value: float
    measure: str


def best_alignment_heads(
    records: Sequence[AttentionData],
    sure: Corpus | None = None,
    possible: Corpus | None = None,
    *,
    by: str | Score | Callable[..., Any] | None = None,
    method: Method = "argmax",
    special: Special = "renormalize",
    words: bool = True,
) -> list[HeadAlignment]:
    """Every head under every reading, best aligner first.

    With gold, heads are ranked by their alignment error rate. Without it, they are ranked by a value that predicts the
    error rate: by default the share of words with a mutual link (see ``record.align``), where a link counts
    ``(1 - distance from the diagonal)^2``. Sharp one-to-one heads align under one of the two readings, and the distance
    from the diagonal shows which. This is a guess: on the demo model and the 50 sentence pairs of
    ``examples/alignment``, on which it was chosen, its rank correlation with the error rate is .62 and its first two
    heads are the best two. It assumes languages with mostly the same word order.

    Heads over sound are ranked by the mean weight within 100 ms of their own monotone path, under the reading
    ``"output"``, by which they time words. With Whisper tiny.en and base, its rank correlation with the error of word
    times is -.80 and -.92.

    Example:
        >>> from xattn_widget import best_alignment_heads, extract, load_demo
        >>> model, tokenizer = load_demo()
        >>> records = extract(model, tokenizer, ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"])
        >>> best = best_alignment_heads(records)[0]
        >>> records[0].read_as(best.reading).align((best.layer, best.head))  # source and target words
        [(0, 0), (1, 1), (2, 2), (3, 3), (5, 4)]

    Args:
        records: records of one model. For gold, the targets must be the gold targets (teacher forcing), with the words
            that gold counts (see ``record.with_words``).
        sure: gold links for each record: the result of :func:`read_pharaoh`, or a list of Pharaoh strings
            (``"0-0 1p2"``) or of lists of (source word, target word) pairs.
        possible: further gold links.
        by: without gold, a score to rank by instead of the default, computed on the records' words. A score depends on
            the reading only through the special rows.
        method: how links are chosen, see ``record.align``.
        special: policy for special tokens, see ``record.align``.
        words: align words, or else tokens.

    Returns:
        One entry per layer, head and reading that all records have (heads that some record does not keep are left out);
        undefined values last.

    Raises:
        ValueError: no records, records of different models or without a head that all keep, gold with another number
            of sentence pairs, a string that is not in Pharaoh format, possible links without sure ones, or both gold
            and ``by``.
        TypeError: gold in another form, or something other than a list of records.
    """
    records = record_list(records)
    if not records:
        raise ValueError("there are no records to rank heads by")
    grids = {(record.layers, record.heads) for record in records}
    if len(grids) > 1:
        raise ValueError(f"records must come from one model, got (layers, heads) = {sorted(grids)}")
    if sure is None and possible is not None:
        raise ValueError("possible links add to sure ones: pass sure= as well")
    if sure is not None and by is not None:
        raise ValueError("give gold (sure links) or a score to rank by, not both")
    pairs = sorted(set.intersection(*(set(record.kept_heads) for record in records)))
    if not pairs:
        raise ValueError("the records keep no head in common: extract them with the same layers or heads")
    sounds = {record.source.kind == "audio" for record in records}
    if len(sounds) > 1:
        raise ValueError("some of the records are of sound and some are not: rank heads by one kind")
    if sounds == {True}:
        if sure is not None:
            raise ValueError("gold links are about text; for records of sound use calibrate_heads with word times")
        if by is None:
            return _ranked_by_path(records, pairs)
    readings: list[Reading] = [
        reading for reading in records[0].targets if all(reading in record.targets for record in records)
    ]
    ranked = []
    for reading in readings:
        read = [record.read_as(reading) for record in records]
        if words:
            read = [record.words() for record in read]
        if by is not None:
            score = find_score(by)
            grid = torch.stack([score.of_record(record, special=special) for record in read]).nanmean(0)
            sign = 1.0 if score.direction == "lower" else -1.0
        elif sure is None:
            parts = [one_to_one(record, special, words) for record in read]
            grid = torch.stack([linked for linked, _ in parts]).sum(0) / (sum(count for _, count in parts) or math.nan)
        for pair in pairs:
            if by is not None:
                value, measure, key = float(grid[pair]), score.name, sign * float(grid[pair])
            elif sure is not None:
                links = [align_record(record, pair, method=method, special=special, words=words) for record in read]
                value, measure = alignment_error_rate(links, sure, possible), "aer"
                key = value
            else:
                value, measure = float(grid[pair]), "one_to_one"
                key = -value
            ranked.append((key, HeadAlignment(*pair, reading, value, measure)))
    ranked.sort(key=lambda item: (math.isnan(item[0]), item[0]))
    return [entry for _, entry in ranked]


def _ranked_by_path(records: Sequence[AttentionData], pairs: Sequence[tuple[int, int]]) -> list[HeadAlignment]:
    grid = torch.stack([weight_near_path(record) for record in records]).nanmean(0)
    entries = [HeadAlignment(*pair, "output", float(grid[pair]), "weight_near_path") for pair in pairs]
    return sorted(entries, key=lambda entry: (math.isnan(entry.value), -entry.value))
