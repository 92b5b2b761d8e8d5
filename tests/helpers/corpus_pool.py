"""Sentences and models that the tests of the corpus share."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus import grids
from xattn_widget.corpus.store.tables import score_names

GERMAN = [
    "Ich habe das Buch gelesen.",
    "Hallo!",
    "Gestern habe ich meinen alten Freund in der Stadt getroffen, sagte der Mann.",
    "Der Hund schläft unter dem Tisch.",
    "Ja.",
    "Wenn es morgen regnet, bleiben wir zu Hause und lesen ein Buch.",
    "Sie hat mir gesagt, dass sie keine Zeit hat.",
    "Wann stehst du morgen auf?",
]
ENGLISH = [
    "I have read the book.",
    "Hello!",
    "Yesterday I met my old friend in town, the man said.",
    "The dog sleeps under the table.",
    "Yes.",
    "If it rains tomorrow, we stay at home and read a book.",
    "She told me that she has no time.",
    "When do you get up tomorrow?",
]
# The sentences with their translations.
EVERYTHING = list(zip(GERMAN, ENGLISH, strict=True))
_WORDS = [
    "ich",
    "du",
    "er",
    "sie",
    "wir",
    "das",
    "Haus",
    "Buch",
    "Kind",
    "Hund",
    "liest",
    "sieht",
    "schläft",
    "morgen",
    "heute",
    "unter",
    "über",
    "schnell",
    "nicht",
]


def made_up(count: int, *, seed: int = 0) -> list[str]:
    """Sentences of random words, of different lengths."""
    chosen = random.Random(seed)
    return [" ".join(chosen.choices(_WORDS, k=chosen.randint(1, 14))) + "." for _ in range(count)]


def assert_same_tables(actual: pa.Table, expected: pa.Table) -> None:
    """Equal rows, and the numbers equal to the last bit (NaN to NaN)."""
    assert actual.column_names == expected.column_names
    numbers = score_names(expected)
    plain = [name for name in expected.column_names if name not in numbers]
    assert actual.select(plain).combine_chunks().equals(expected.select(plain).combine_chunks())
    for name in numbers:
        assert grids(actual, name).tobytes() == grids(expected, name).tobytes(), name


def assert_grid(actual: Any, expected: Any) -> None:
    """Equal scores up to float noise."""
    np.testing.assert_allclose(actual, np.asarray(expected), atol=1e-5, rtol=0)
