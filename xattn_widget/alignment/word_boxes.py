"""Where in a picture the words of a target were read from: boxes around the patches that hold most of the attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from xattn_widget.alignment.regions import covering, touching_groups
from xattn_widget.alignment.target_spans import Span, target_spans
from xattn_widget.record.data import AttentionData
from xattn_widget.record.fewest import fewest


class Box(NamedTuple):
    """A rectangle in a picture, in pixels of the original, and what was read there.

    Attributes:
        left: its left side.
        top: its upper side.
        right: its right side.
        bottom: its lower side.
        share: the share of the word's attention on the patches that it is drawn around, in [0, 1].
    """

    left: float
    top: float
    right: float
    bottom: float
    share: float


@dataclass(frozen=True)
class WordBoxes:
    """Where a word, or another part of a target, was read from.

    Attributes:
        text: the word.
        start: its first position on the target axis.
        stop: the position after its last.
        boxes: boxes in the picture, the one with the most attention first.
        score: the share of the word's attention that the boxes hold together, in [0, 1].
        outside: the share of its attention on positions without a place, such as class tokens, padding and text.
        confidence: the mean probability of its tokens, or None without ``logprobs``.
        name: the name of its field, or ``""``.
    """

    text: str
    start: int
    stop: int
    boxes: tuple[Box, ...]
    score: float
    outside: float
    confidence: float | None = None
    name: str = ""


def word_boxes(
    record: AttentionData,
    words: Any = None,
    threshold: float = 0.5,
    heads: Sequence[tuple[int, int]] | None = None,
) -> list[WordBoxes]:
    """Boxes for words of a record of a picture; :meth:`xattn_widget.CrossAttention.boxes` describes it."""
    if not 0 < threshold <= 1:
        raise ValueError(
            f"threshold must be a share of the attention in the picture, above 0 and at most 1, got {threshold!r}"
        )
    places = np.array(record.source.places if "image" in record.source.kinds else None, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(places[:, 0])) if places.ndim == 2 else np.array([], dtype=int)
    if not known.size:
        raise ValueError(
            "this record has no places in a picture: extract it with an image, from a model whose source positions are "
            "parts of the image"
        )
    read = record.read_as("output")
    weights = record.head_weights(_last_layer(record) if heads is None else heads).mean(0).double().nan_to_num(0.0)
    return [
        _boxes_of(read, span, weights[span.start : span.stop].mean(0), places, known, threshold)
        for span in target_spans(read.target, words)
    ]


def _boxes_of(
    record: AttentionData,
    span: Span,
    row: torch.Tensor,
    places: np.ndarray[Any, np.dtype[np.float64]],
    known: np.ndarray[Any, np.dtype[np.int64]],
    threshold: float,
) -> WordBoxes:
    values = row.numpy()
    inside = values[known]
    chosen = known[fewest(inside, threshold)]
    boxes = [
        Box(*covering(places[chosen[group]]), float(values[chosen[group]].sum()))
        for group in touching_groups(places[chosen])
    ]
    boxes.sort(key=lambda box: -box.share)
    confidence = None
    if record.logprobs is not None:
        mean = float(record.logprobs[span.start : span.stop].exp().mean())
        confidence = None if math.isnan(mean) else mean
    return WordBoxes(
        text=span.text,
        start=span.start,
        stop=span.stop,
        boxes=tuple(boxes),
        score=sum(box.share for box in boxes),
        outside=max(0.0, float(values.sum() - inside.sum())),
        confidence=confidence,
        name=span.name,
    )


def _last_layer(record: AttentionData) -> list[tuple[int, int]]:
    """The heads of the last layer that the record keeps."""
    last = max(layer for layer, _ in record.kept_heads)
    return [pair for pair in record.kept_heads if pair[0] == last]
