"""What makes two runs the same job: the values that scores and generation use, and not only their names."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from corpus_pool import ENGLISH, GERMAN
from torch.nn.functional import log_softmax, softmax
from transformers import LogitsProcessorList, SuppressTokensLogitsProcessor

from xattn_widget import score, score_corpus

pytestmark = pytest.mark.usefixtures("single_thread")


def sharper(power):
    def strongest(attention, source_mask, target_mask):
        return attention.amax((-2, -1)) ** power

    return strongest


def with_power(attention, source_mask, target_mask, *, power):
    return attention.amax((-2, -1)) ** power


class Powers:
    def __init__(self, power):
        self.power = power

    def __call__(self, attention, source_mask, target_mask):
        return attention.amax((-2, -1)) ** self.power

    def method(self, attention, source_mask, target_mask):
        return attention.amax((-2, -1)) ** self.power


POWER = 1.0


def by_global(attention, source_mask, target_mask):
    return attention.amax((-2, -1)) ** POWER


@pytest.mark.parametrize(
    "make",
    [sharper, lambda power: partial(with_power, power=power), Powers, lambda power: Powers(power).method],
    ids=["closure", "partial", "object", "method"],
)
def test_a_score_with_other_values_is_another_score(demo, tmp_path, make):
    output = tmp_path / "scored.parquet"

    def run(power):
        return score_corpus(*demo, GERMAN, ENGLISH, [score(name="own")(make(power))], output=output)

    run(1.0)
    run(1.0)  # made anew, it is the same
    with pytest.raises(FileExistsError, match=r"scores was own.*now it is own"):
        run(2.0)


def test_a_score_that_uses_a_global_changes_with_it(monkeypatch):
    before = score(by_global).signature()
    monkeypatch.setitem(globals(), "POWER", 2.0)
    assert score(by_global).signature() != before


def test_signatures_are_the_same_in_every_process():
    program = (
        "import test_corpus_identity as here\n"
        "from functools import partial\n"
        "powers = here.Powers(2.0)\n"
        "for each in (here.sharper(2.0), partial(here.with_power, power=2.0), powers, powers.method):\n"
        "    print(here.score(name='own')(each).signature())\n"
    )
    folder = str(Path(__file__).parent)
    outputs = [
        subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert outputs[0] == outputs[1]
    assert len(set(outputs[0].splitlines())) == 4


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"max_new_tokens": np.int64(3)}, {"max_new_tokens": np.int64(4)}),
        (
            {"logits_processor": LogitsProcessorList([SuppressTokensLogitsProcessor([5], device="cpu")])},
            {"logits_processor": LogitsProcessorList([SuppressTokensLogitsProcessor([6], device="cpu")])},
        ),
    ],
    ids=["numpy", "objects"],
)
def test_other_arguments_of_generate_are_another_job(demo, tmp_path, first, second):
    output = tmp_path / "scored.parquet"
    for _ in range(2):
        score_corpus(*demo, GERMAN[:2], scores="entropy", output=output, generation=first)
    with pytest.raises(FileExistsError, match="targets was generated"):
        score_corpus(*demo, GERMAN[:2], scores="entropy", output=output, generation=second)


def test_a_sampling_job_keeps_its_batches(demo, tmp_path):
    output = tmp_path / "scored.parquet"
    options = {"scores": "entropy", "output": output, "generation": {"do_sample": True, "max_new_tokens": 3}}
    score_corpus(*demo, GERMAN[:2], batch_tokens=100, **options)
    with pytest.raises(FileExistsError, match="tokens a batch was 100, now it is 200"):
        score_corpus(*demo, GERMAN[:2], batch_tokens=200, **options)


def test_functions_of_other_packages_count_by_name_alone(monkeypatch):
    """Their own globals lead all over those packages, and a signature is asked for at every drawing."""

    def smooth(attention, source_mask, target_mask):
        return softmax(attention.amax(-1), -1).amax(-1)

    def sharp(attention, source_mask, target_mask):
        return log_softmax(attention.amax(-1), -1).amax(-1)

    before = score(smooth).signature()
    assert before != score(sharp).signature()
    monkeypatch.setitem(softmax.__globals__, "has_torch_function_unary", "something else")
    assert score(smooth).signature() == before
