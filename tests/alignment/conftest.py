"""Fixtures of the tests of alignment."""

import pytest
from scripts import load_script


@pytest.fixture(scope="module")
def measured():
    """Records of the demo model, gold and pairs, from examples/alignment/measure.py, which is not in a package."""
    module = load_script("alignment/measure.py")
    pairs, gold = module.load_gold()
    return module.load_records(pairs), gold, pairs
