"""Alignments compared with gold: alignment error rate, precision, recall and F1 over a corpus."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from xattn_widget.alignment.pharaoh import GoldAlignment, Link

# One sentence pair's links, or those of many.
Links = GoldAlignment | Iterable[Link]
Corpus = Links | Sequence[Links]


class AlignmentScores(NamedTuple):
    """How alignments agree with gold over a corpus, counts summed over its sentence pairs.

    ``A`` are the predicted links, ``S`` the sure and ``P`` the possible gold links (the sure ones among them).

    Attributes:
        aer: alignment error rate ``1 - (|A & S| + |A & P|) / (|A| + |S|)``, in [0, 1], low is good; NaN without links.
        precision: ``|A & P| / |A|``; NaN where nothing was predicted.
        recall: ``|A & S| / |S|``; NaN where nothing is sure.
        f1: harmonic mean of precision and recall.
        predicted: ``|A|``.
        sure: ``|S|``.
        possible: ``|P|``.
        sentences: how many sentence pairs.
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
        predicted: links (source word, target word) of a sentence pair, as ``record.align()`` gives them, or a list of
            such for a corpus.
        sure: the sure gold links in the same form, or what :func:`read_pharaoh` gives, which holds the possible too.
        possible: the possible gold links; the sure ones count among them whether or not they are listed.

    Returns:
        A number in [0, 1], low is good; NaN where there are neither predicted nor sure links.

    Raises:
        ValueError: predictions and gold of different numbers of sentence pairs.
        TypeError: something that is no pair of whole numbers.

    Source: Och & Ney 2003.
    """
    return alignment_scores(predicted, sure, possible).aer


def alignment_scores(predicted: Corpus, sure: Corpus, possible: Corpus | None = None) -> AlignmentScores:
    """Error rate, precision, recall and F1; arguments and errors are those of :func:`alignment_error_rate`.

    Source: Och & Ney 2003.
    """
    answers, gold = _corpus(predicted, "predicted"), _corpus(sure, "sure")
    if len(answers) != len(gold):
        raise ValueError(
            f"there are {len(answers)} predicted alignments and {len(gold)} gold ones: one for each is needed"
        )
    if possible is not None:
        more = _corpus(possible, "possible")
        if len(more) != len(gold):
            raise ValueError(f"there are {len(gold)} sure and {len(more)} possible alignments: one for each is needed")
        gold = [
            GoldAlignment(each.sure, each.possible | other.possible) for each, other in zip(gold, more, strict=True)
        ]
    total = in_sure = in_possible = 0
    for answer, each in zip(answers, gold, strict=True):
        total += len(answer.possible)
        in_sure += len(answer.possible & each.sure)
        in_possible += len(answer.possible & each.possible)
    all_sure = sum(len(each.sure) for each in gold)
    precision, recall = _share(in_possible, total), _share(in_sure, all_sure)
    f1 = 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)
    return AlignmentScores(
        aer=1 - _share(in_sure + in_possible, total + all_sure),
        precision=precision,
        recall=recall,
        f1=f1,
        predicted=total,
        sure=all_sure,
        possible=sum(len(each.possible) for each in gold),
        sentences=len(gold),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan


def _corpus(links: Corpus, name: str) -> list[GoldAlignment]:
    """Links of one sentence pair or of many, as a list of alignments."""
    if isinstance(links, GoldAlignment):
        return [links]
    items: list[Any] = list(links)
    if not items and isinstance(links, list):
        # An empty list is a sentence pair without links: so is what record.align() gives of a head that aligns nothing.
        return [GoldAlignment(frozenset(), frozenset())]
    if isinstance(links, set | frozenset) or (items and _is_link(items[0])):
        return [_sentence(items, name)]
    return [each if isinstance(each, GoldAlignment) else _sentence(_listed(each), name) for each in items]


def _is_link(item: Any) -> bool:
    return isinstance(item, tuple | list) and len(item) == 2 and all(hasattr(each, "__index__") for each in item)


def _listed(links: Any) -> list[Any]:
    # What is no list of links is left for the error to show.
    return list(links) if isinstance(links, Iterable) and not isinstance(links, str) else [links]


def _sentence(items: list[Any], name: str) -> GoldAlignment:
    for item in items:
        if not _is_link(item):
            raise TypeError(
                f"{name} must be links (source word, target word), or lists of them, got {item!r:.60}; "
                "read_pharaoh reads lines of text"
            )
    found = frozenset((int(source), int(target)) for source, target in items)
    return GoldAlignment(found, found)
