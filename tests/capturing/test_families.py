"""Every family: weights equal those of the library's eager path, outputs are bitwise the same, the model is unchanged.

The models and what is special about each are in family_models.py, which writes the table of docs/families.md from the
same runs.
"""

from pathlib import Path

import pytest
import torch
from families import one_thread, state_of
from family_models import FAMILY, made_or_skip, rows_of, see
from family_parts import run

from xattn_widget import ablate, capture


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


captured_families = pytest.mark.parametrize("name", [name for name, family in FAMILY.items() if not family.refused])
refused_families = pytest.mark.parametrize("name", [name for name, family in FAMILY.items() if family.refused])


@captured_families
def test_weights_are_the_librarys_outputs_bitwise_and_the_model_as_before(name):
    made = made_or_skip(name)
    seen = see(FAMILY[name], made)
    assert len(seen.weights) == made.modules
    assert [weights.shape for weights in seen.weights] == [weights.shape for weights in seen.expected]
    assert seen.difference < 1e-5
    assert seen.same_outputs
    assert seen.same_state
    for weights in seen.weights:
        assert weights.dtype == torch.float32
        assert not weights.requires_grad
    # Rows must be sharp, or the comparison could not fail, but not so sharp that all weights are 0 or 1.
    assert max(float(weights.amax(-1).max()) for weights in seen.weights) > 0.5
    assert min(float(weights.amax(-1).min()) for weights in seen.weights) < 0.9


def outputs_of(result):
    """The tensors of a model's output that are not its caches."""
    return [value for value in result.values() if isinstance(value, torch.Tensor)]


@captured_families
def test_an_ablated_head_gives_exactly_zero_and_no_head_changes_nothing(name):
    model, inputs, modules = made_or_skip(name)
    plain = outputs_of(run(model, inputs))
    before = state_of(model)  # after a first run, because routers store their decisions
    with ablate(model, []):
        assert all(map(torch.equal, outputs_of(run(model, inputs)), plain))
    with capture(model) as captured:
        run(model, inputs)
    heads = captured.cross_attentions[-1].shape[1]
    everything = [(layer, head) for layer in range(modules) for head in range(heads)]
    with ablate(model, everything), capture(model) as captured:
        altered = outputs_of(run(model, inputs))
        assert len(captured.cross_attentions) == modules
    assert not all(map(torch.equal, altered, plain))
    # The heads must be told apart: with only the last one on, the output differs from that without any head.
    with ablate(model, everything[:-1]):
        one_left = outputs_of(run(model, inputs))
    assert not all(map(torch.equal, one_left, altered))
    assert state_of(model) == before
    assert all(map(torch.equal, outputs_of(run(model, inputs)), plain))


@refused_families
def test_what_cannot_be_captured_gets_an_error_that_says_so(name):
    model, inputs, _ = made_or_skip(name)
    plain = run(model, inputs)
    before = state_of(model)
    with pytest.raises(NotImplementedError, match=FAMILY[name].refused), capture(model):
        run(model, inputs)
    assert state_of(model) == before
    after = run(model, inputs)
    assert torch.equal(plain.loss, after.loss)


def test_the_documentation_lists_these_families():
    """`python tests/helpers/family_models.py --write docs/families.md` writes its table again."""
    page = Path(__file__).parents[2] / "docs" / "families.md"
    rows = rows_of(page.read_text(encoding="utf-8"))
    assert [(name, remark) for name, _, _, remark in rows] == [(name, family.remark) for name, family in FAMILY.items()]
    for name, modules, difference, _ in rows:
        if not FAMILY[name].refused:
            assert int(modules) > 0
            assert float(difference) < 1e-5
