"""The fewest weights that hold a share: one definition for boxes, links and lines, in Python and in the front end."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from widget_pictures import patch_axis

from xattn_widget import CrossAttention
from xattn_widget.alignment import align_weights
from xattn_widget.record.fewest import fewest, least_of

# The front end's test has the same cases: js/tests/core/fewest.test.ts.
CASES = json.loads((Path(__file__).parents[2] / "js/tests/core/fewest_cases.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_the_front_end_chooses(case):
    weights = np.array(case["values"], np.float32)
    chosen = np.flatnonzero(fewest(weights, case["share"]))
    assert chosen.tolist() == case["chosen"]
    assert least_of(weights, case["share"]) == weights[chosen].min(initial=np.inf)


def test_boxes_and_links_choose_the_same():
    rng = np.random.default_rng(1)
    for share in (0.3, 0.5, 0.9):
        weights = torch.tensor(rng.dirichlet(np.full(30, 0.4)), dtype=torch.float32)
        expected = fewest(weights.numpy(), share)
        links = align_weights(weights[None], "mass", at_least=share)
        assert [source for source, _ in links] == np.flatnonzero(expected).tolist()
        record = CrossAttention.from_tokens(weights[None, None, None], patch_axis((60, 50), 5, 6, ()), ["word"])
        (word,) = record.boxes(threshold=share)
        assert word.score == pytest.approx(float(weights[torch.from_numpy(expected)].sum()), abs=1e-6)
