"""Compare alignments with gold: alignment error rate, precision, recall and F1 over a corpus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from xattn_widget.alignment.pharaoh import GoldAlignment, Link, to_alignment, to_link

# The links of one sentence pair, or of a corpus.
Links = str | GoldAlignment | Iterable[Link]
Corpus = Links | Sequence[Links]


class AlignmentScores(NamedTuple):
    """Agreement of alignments with gold over a corpus. Counts are summed over sentence pairs.

    ``A`` are the predicted links, ``S`` the sure and ``P`` the possible gold links (the sure ones among them).

    Attributes:
        aer: alignment error rate ``1 - (|A & S| + |A & P|) / (|A| + |S|)``, in [0, 1], lower is better; NaN without
            links.
        precision: ``|A & P| / |A|``; NaN where nothing was predicted.
        recall: ``|A & S| / |S|``; NaN where nothing is sure.
        f1: harmonic mean of precision and recall.
        predicted: ``|A|``.
        sure: ``|S|``.
        possible: ``|P|``.
        sentences: the number of sentence pairs.
    """

    aer: float
    precision: float
    recall: float
    f1: float
    predicted: int
    sure: int
    possible: int
    sentences: int


def alignment_error_rate(predicted: Corpus, sure: Corpus, possible: Corpus | None = None) -> float:
    """Alignment error rate ``1 - (|A & S| + |A & P|) / (|A| + |S|)`` of one sentence pair or of a corpus.

    Args:
        predicted: the links of a sentence pair, or a list with the links of each sentence pair. Links are (source
            word, target word) pairs, as returned by ``record.align()``, or a string in Pharaoh format (``"0-0 1-2"``).
        sure: the sure gold links in the same form, or the result of :func:`read_pharaoh`. Strings and files can include
            possible links (``"0-0 1p2"``).
        possible: the possible gold links. Sure links always count as possible, listed or not.

    Returns:
        A number in [0, 1], lower is better; NaN if there are neither predicted nor sure links.

    Raises:
        ValueError: predictions and gold have different numbers of sentence pairs, or a string has something that is not
            a link.
        TypeError: a link is not a pair of whole numbers.

    Source: Och & Ney 2003.
    """
    return alignment_scores(predicted, sure, possible).aer


def alignment_scores(predicted: Corpus, sure: Corpus, possible: Corpus | None = None) -> AlignmentScores:
    """Error rate, precision, recall and F1; arguments and errors are those of :func:`alignment_error_rate`.

    Source: Och & Ney 2003.
    """
    answers, gold = read_links(predicted, "predicted").alignments, read_links(sure, "sure").alignments
    if len(answers) != len(gold):
        raise ValueError(
            f"there are {len(answers)} predicted alignments and {len(gold)} gold ones: give one of each for each pair"
        )
    if possible is not None:
        more = read_links(possible, "possible").alignments
        if len(more) != len(gold):
            raise ValueError(
                f"there are {len(gold)} sure and {len(more)} possible alignments: give one of each per sentence pair"
            )
        gold = [
            GoldAlignment(first.sure, first.possible | other.possible) for first, other in zip(gold, more, strict=True)
        ]
    total = in_sure = in_possible = 0
    for answer, expected in zip(answers, gold, strict=True):
        total += len(answer.possible)
        in_sure += len(answer.possible & expected.sure)
        in_possible += len(answer.possible & expected.possible)
    all_sure = sum(len(alignment.sure) for alignment in gold)
    precision, recall = _share(in_possible, total), _share(in_sure, all_sure)
    f1 = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return AlignmentScores(
        aer=1 - _share(in_sure + in_possible, total + all_sure),
        precision=precision,
        recall=recall,
        f1=f1,
        predicted=total,
        sure=all_sure,
        possible=sum(len(alignment.possible) for alignment in gold),
        sentences=len(gold),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


class ReadLinks(NamedTuple):
    """Links in any form in which users pass them, as alignments.

    Attributes:
        alignments: one for each sentence pair.
        single: whether they are the links of one sentence pair, and not a list of them.
    """

    alignments: list[GoldAlignment]
    single: bool


def read_links(links: Corpus, name: str) -> ReadLinks:
    """Links of one sentence pair or of many; ``name`` names them in errors."""
    if isinstance(links, str) or hasattr(links, "sure") or not isinstance(links, Iterable):
        return ReadLinks([to_alignment(links, name)], single=True)
    items: list[Any] = list(links)
    # record.align() returns an empty list for a head that aligns nothing: one sentence pair without links.
    empty = not items and isinstance(links, list)
    if empty or isinstance(links, set | frozenset) or (items and to_link(items[0]) is not None):
        return ReadLinks([to_alignment(items, name)], single=True)
    return ReadLinks([to_alignment(item, name) for item in items], single=False)
