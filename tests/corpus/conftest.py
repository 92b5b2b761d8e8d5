"""Fixtures that the tests of the corpus share."""

from __future__ import annotations

from functools import cache

import pytest

from xattn_widget import extract


@pytest.fixture(scope="module")
def alone(demo):
    """The record of one pair by itself."""
    return cache(lambda source, target: extract(*demo, source, target))
