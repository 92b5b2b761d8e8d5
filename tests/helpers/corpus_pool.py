"""Sentences and comparisons of tables shared by the corpus tests."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus import HeadProfile, grids
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
    """Return sentences of random words, with varying lengths."""
    generator = random.Random(seed)
    return [" ".join(generator.choices(_WORDS, k=generator.randint(1, 14))) + "." for _ in range(count)]


def assert_same_tables(actual: pa.Table, expected: pa.Table) -> None:
    """Assert that the rows are equal and the numbers bitwise equal, where NaN equals NaN."""
    assert actual.column_names == expected.column_names
    numbers = score_names(expected)
    others = [name for name in expected.column_names if name not in numbers]
    assert actual.select(others).combine_chunks().equals(expected.select(others).combine_chunks())
    for name in numbers:
        assert grids(actual, name).tobytes() == grids(expected, name).tobytes(), name


def assert_grid(actual: Any, expected: Any) -> None:
    """Equal scores up to float noise."""
    np.testing.assert_allclose(actual, np.asarray(expected), atol=1e-5, rtol=0)


class BrokenError(Exception):
    """What interrupts a run."""


def break_after(sentences, count):
    """An iterator over the sentences that fails after some of them."""
    yield from sentences[:count]
    raise BrokenError


# How often a job runs the encoder to try a model that reads text: forwards, and the sources in them.
TRIALS, TRIED = 4, 5


@contextmanager
def encoder_batches(model, encoder=None):
    """A list of the batch sizes of the encoder's forwards in the block."""
    sizes = []
    encoder = encoder or model.model.encoder
    hook = encoder.register_forward_hook(lambda module, args, out: sizes.append(len(out[0])))
    try:
        yield sizes
    finally:
        hook.remove()


def assert_same_profiles(profile: HeadProfile, other: HeadProfile) -> None:
    """Assert that two profiles of heads are equal, numbers to 1e-5."""
    assert profile.roles == other.roles
    assert profile.table.column_names == other.table.column_names
    for name in profile.table.column_names:
        if name != "role":
            np.testing.assert_allclose(*(table[name].to_numpy() for table in (profile.table, other.table)), atol=1e-5)
    for name in profile.scores:
        np.testing.assert_allclose(profile.quantiles(name), other.quantiles(name), atol=1e-5)
    np.testing.assert_allclose(profile.agreement, other.agreement, atol=1e-5)
    assert profile.head_set is not None
    assert other.head_set is not None
    assert profile.head_set.heads == other.head_set.heads
