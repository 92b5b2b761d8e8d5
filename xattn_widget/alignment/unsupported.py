"""The words of a transcript that no sound supports, by the heads that time words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from xattn_widget.alignment.time_path import sound_alone
from xattn_widget.alignment.timing_heads import guessed_timing
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import head_pairs
from xattn_widget.scores.sound import is_silent, word_support
from xattn_widget.scores.sound_inputs import source_loudness, spoken_words
from xattn_widget.scores.word_rows import word_means


class WordSupport(NamedTuple):
    """A word of a transcript and how much sound supports it.

    Attributes:
        word: the word.
        support: the mass of its attention on sound that no other word reads, in 0 to 1.
        number: its number in ``record.target_words``, from 0.
    """

    word: str
    support: float
    number: int


def unsupported_words(
    record: AttentionData, heads: Sequence[tuple[int, int]] | None = None, *, below: float = 0.3
) -> list[WordSupport]:
    """The words with little support; see :meth:`xattn_widget.CrossAttention.unsupported_words`."""
    if not 0 <= below <= 1:
        raise ValueError(f"below must be a support from 0 to 1, got {below!r}")
    cropped = sound_alone(record)
    loudness = source_loudness(cropped.source, cropped.sound)
    if loudness is None:
        raise ValueError(
            "this record has no sound, which tells where silence is: make it with extract(model, processor, audio)"
        )
    if all(cropped.target.special):
        return []
    if heads is None:
        heads = (record.timing or guessed_timing(record)).heads
    pairs = head_pairs(heads)
    if not pairs:
        raise ValueError("heads must be one or more (layer, head) pairs, got none: leave heads out to use the best")
    numbers = spoken_words(cropped.target)
    columns = torch.ones(len(loudness), dtype=torch.bool)
    attention = cropped.head_weights(pairs)[None]
    words = word_means(attention, columns, torch.ones(len(numbers), dtype=torch.bool), numbers)
    support = word_support(words, is_silent(loudness, columns))[0].mean(0)
    return [
        WordSupport(word.text, float(support[word.start]), index)
        for index, word in enumerate(cropped.target.word_spans())
        if numbers[word.start] >= 0 and support[word.start] < below
    ]
