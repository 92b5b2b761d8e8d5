"""Fixtures of the tests of alignment."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def measured():
    """Records of the demo model, gold and pairs, from examples/alignment/measure.py, which is not in a package."""
    path = Path(__file__).parents[2] / "examples" / "alignment" / "measure.py"
    spec = importlib.util.spec_from_file_location("measure", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pairs, gold = module.load_gold()
    return module.load_records(pairs), gold, pairs
