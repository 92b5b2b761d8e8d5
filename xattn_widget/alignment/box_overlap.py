"""Compare boxes of words with gold boxes: intersection over union, and how often attention is on the right place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from xattn_widget.alignment.regions import given_rectangles, intersection_over_union, rectangles
from xattn_widget.alignment.word_boxes import WordBoxes


@dataclass(frozen=True)
class BoxOverlap:
    """How well boxes agree with gold; NaN where no word has gold.

    Attributes:
        iou: the mean intersection over union, in [0, 1]; all boxes of a word count as one area.
        at_half: the share of words with an intersection over union of at least 0.5.
        hits: the share of words whose strongest box has its center in a gold box.
        words: the number of words with gold.
    """

    iou: float
    at_half: float
    hits: float
    words: int


def box_overlap(predicted: Sequence[WordBoxes], gold: Sequence[Any]) -> BoxOverlap:
    """Compare the boxes of words with gold boxes.

    Args:
        predicted: what ``record.boxes()`` returned.
        gold: for each of them a (left, top, right, bottom) box in pixels of the picture, a list of such boxes, or None
            for a word without gold, such as a space.

    Raises:
        ValueError: another number of gold boxes, or a box in another form.
    """
    if len(predicted) != len(gold):
        raise ValueError(f"{len(predicted)} words need as many gold boxes (None for a word without), got {len(gold)}")
    overlaps, hits = [], []
    for word, given in zip(predicted, gold, strict=True):
        if given is None or len(given) == 0:
            continue
        true = given_rectangles(given, "gold")
        found = rectangles(word.boxes, "predicted")
        overlaps.append(intersection_over_union(found, true))
        hits.append(bool(word.boxes) and _holds(true, word.boxes[0]))
    return BoxOverlap(
        iou=fmean(overlaps) if overlaps else math.nan,
        at_half=fmean(overlap >= 0.5 for overlap in overlaps) if overlaps else math.nan,
        hits=fmean(hits) if hits else math.nan,
        words=len(overlaps),
    )


def _holds(true: Any, box: Sequence[float]) -> bool:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return bool(((true[:, 0] <= x) & (x <= true[:, 2]) & (true[:, 1] <= y) & (y <= true[:, 3])).any())
