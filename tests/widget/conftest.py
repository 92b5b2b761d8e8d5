"""A scored table that several tests of the widgets share."""

from __future__ import annotations

import pytest
from corpus_pool import ENGLISH, GERMAN
from corpus_views import first_share
from families import one_thread

from xattn_widget import score_corpus


@pytest.fixture(scope="module")
def table(demo):
    with one_thread():
        return score_corpus(
            *demo,
            [*GERMAN, ""],
            [*ENGLISH, "x"],
            ["coverage_penalty", "confidence", first_share],
            statistics=["logprob_sum", "output_entropy"],
        )
