"""Fixtures shared by several test files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from families import Pair, one_thread
from hypothesis import settings

from xattn_widget import load_demo


@pytest.fixture(scope="module")
def demo() -> Pair:
    """The demo model and its tokenizer, loaded once per test file because some tests change the model."""
    return Pair(*load_demo())


@pytest.fixture
def single_thread() -> Iterator[None]:
    """Use one torch thread: on a busy machine, more threads slow a small model down."""
    with one_thread():
        yield


# No deadlines: a busy machine must not fail a test.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
