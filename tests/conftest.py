"""Fixtures that several files of tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from families import Pair, one_thread
from hypothesis import settings

from xattn_widget import load_demo


@pytest.fixture(scope="module")
def demo() -> Pair:
    """The demo model and its tokenizer, for one file's tests alone: some of them change it."""
    return Pair(*load_demo())


@pytest.fixture
def single_thread() -> Iterator[None]:
    """One thread for torch: several cost a small model more than they give on a busy machine."""
    with one_thread():
        yield


# No test asserts a time: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
