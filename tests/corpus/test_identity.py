"""What makes two runs the same job: the values that scores and generation use, and not only their names."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN
from torch import nn
from torch.nn.functional import log_softmax, softmax
from transformers import LogitsProcessorList, SuppressTokensLogitsProcessor

from xattn_widget import extract, load_demo, score, score_corpus
from xattn_widget.corpus import grids
from xattn_widget.corpus.fingerprints import model_fingerprint

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
        "import test_identity as here\n"
        "from functools import partial\n"
        "powers = here.Powers(2.0)\n"
        "for each in (here.sharper(2.0), partial(here.with_power, power=2.0), powers, powers.method):\n"
        "    print(here.score(name='own')(each).signature())\n"
    )
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder.parent / "helpers"), os.environ.get("PYTHONPATH", "")])
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
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


# --- Models whose state is more than plain tensors.


@pytest.fixture
def int8(demo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(demo.model, {nn.Linear}, dtype=torch.qint8)


def test_a_dynamically_quantized_model_is_scored_as_extract_does(demo, int8, tmp_path):
    output = tmp_path / "scored.parquet"
    options = {"scores": ["entropy", "value_norm"], "statistics": "logprob_sum"}
    for targets in (ENGLISH, None):
        table = score_corpus(int8, demo.tokenizer, GERMAN[:3], targets and targets[:3], **options)
        for row, target in enumerate(table["target"].to_pylist()):
            record = extract(int8, demo.tokenizer, GERMAN[row], targets and target, value_norms=True)
            for name in options["scores"]:
                np.testing.assert_allclose(grids(table, name)[row], record.score(name).numpy(), atol=1e-5)
            assert table["logprob_sum"][row].as_py() == pytest.approx(float(record.logprobs.sum()), abs=1e-4)
    score_corpus(int8, demo.tokenizer, GERMAN, ENGLISH, "entropy", output=output)
    score_corpus(copy.deepcopy(int8), demo.tokenizer, GERMAN, ENGLISH, "entropy", output=output)  # it is the same
    with pytest.raises(FileExistsError, match="model was"):
        score_corpus(*demo, GERMAN, ENGLISH, "entropy", output=output)


def change_packed_weights(model):
    layer = model.model.decoder.layers[1].fc1
    weight, bias = layer._packed_params._weight_bias()
    numbers = weight.int_repr()
    numbers[3, 3] += 1 if numbers[3, 3] < 100 else -1
    changed = torch._make_per_tensor_quantized_tensor(numbers, weight.q_scale(), weight.q_zero_point())
    layer._packed_params.set_weight_bias(changed, bias)


def change_packed_scale(model):
    layer = model.model.decoder.layers[1].fc1
    weight, bias = layer._packed_params._weight_bias()
    changed = torch._make_per_tensor_quantized_tensor(weight.int_repr(), 2 * weight.q_scale(), weight.q_zero_point())
    layer._packed_params.set_weight_bias(changed, bias)


@pytest.mark.parametrize("change", [change_packed_weights, change_packed_scale])
def test_packed_weights_count(int8, change):
    before = model_fingerprint(int8)
    assert model_fingerprint(copy.deepcopy(int8)) == before
    change(int8)
    assert model_fingerprint(int8) != before


class WithState(nn.Module):
    """Keeps numbers in each way that is not a parameter."""

    def __init__(self, **state):
        super().__init__()
        self.state = {"extra": 1.0, "buffer": 1.0, "scale": 1.0} | state
        self.register_buffer("table", torch.tensor([self.state["buffer"]]), persistent=False)
        self.weight = Scaled(torch.ones(2), requires_grad=False)
        self.weight.scale = torch.tensor(self.state["scale"])

    def get_extra_state(self):
        return {"steps": [self.state["extra"], np.float32(2)], "kind": torch.int8}


class Scaled(nn.Parameter):
    """As libraries of quantization make them, with the scale as an attribute."""


@pytest.mark.parametrize("state", [{"extra": 2.0}, {"buffer": 2.0}, {"scale": 2.0}])
def test_state_that_is_no_parameter_counts(state):
    def fingerprint(**state):
        model = load_demo()[0]
        model.own = WithState(**state)
        return model_fingerprint(model)

    assert fingerprint() == fingerprint()
    assert fingerprint() != fingerprint(**state)


def test_offloaded_weights_count(demo):
    def fingerprint(model):
        return model_fingerprint(accelerate.cpu_offload(copy.deepcopy(model), torch.device("cpu")))

    other = copy.deepcopy(demo.model)
    with torch.no_grad():
        other.model.decoder.layers[0].fc1.weight[0, 0] += 1
    assert fingerprint(demo.model) == fingerprint(demo.model)
    assert fingerprint(demo.model) != fingerprint(other)
    with pytest.raises(ValueError, match="has no values"):
        model_fingerprint(copy.deepcopy(demo.model).to("meta"))


def test_tables_that_the_library_makes_do_not_count(demo):
    """Some grow with the longest sentence that a model has seen."""
    before = model_fingerprint(demo.model)
    demo.model.model.encoder.register_buffer("table", torch.ones(3), persistent=False)
    try:
        assert model_fingerprint(demo.model) == before
    finally:
        del demo.model.model.encoder.table
