"""Fixtures that the tests of extraction share."""

from functools import cache

import pytest
from families import PAIRS


@pytest.fixture(scope="module")
def pairs(demo, tmp_path_factory):
    """A function that gives a model with its tokenizer by name, created once."""

    @cache
    def pair(name):
        return demo if name == "demo" else PAIRS[name](tmp_path_factory.mktemp("tokenizer"))

    return pair
