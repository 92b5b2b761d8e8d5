"""Signatures: policies, parameters, reductions, and what was made of the record."""

import linecache
import runpy

import pytest
import torch
from score_formulas import random_attention, record_of

from xattn_widget import CrossAttention, score, scores
from xattn_widget.record.axis import Axis


def test_the_signature_names_the_reference_set_which_must_fit():
    records = [record_of(random_attention((2, 2, 4, 5), seed), source_special={4}) for seed in range(3)]
    reference = scores.reference_marginals(records, special="renormalize")
    signature = records[0].score("marginal_divergence", special="renormalize", reference=reference).signature
    assert "reference:renormalize/3/" in signature
    assert str(scores.reference_marginals(records[:2], special="renormalize")) not in signature
    with pytest.raises(ValueError, match=r"\[2, 2\], the attention \[1, 2\]"):
        scores.marginal_divergence(records[0].weights[:1], reference=reference)
    with pytest.raises(ValueError, match="at least one record"):
        scores.reference_marginals([])


def test_a_grid_is_reduced_over_layers_or_heads_and_says_so():
    record = record_of(random_attention((3, 4, 5, 6), 0))
    grid = record.score("coverage_penalty")
    by_head, by_layer = (record.score("coverage_penalty", reduce=axis) for axis in ("layers", "heads"))
    assert torch.allclose(by_head, grid.mean(0))
    assert torch.allclose(by_layer, grid.mean(1))
    assert "|reduce:layers|" in by_head.signature
    batch = record.weights.expand(2, -1, -1, -1, -1)
    assert scores.coverage_penalty(batch, reduce="heads").shape == (2, 3)
    with pytest.raises(ValueError, match="'layers' or 'heads'"):
        record.score("entropy", reduce="mean")


def test_contributions_replace_weights_by_norms():
    record = record_of(random_attention((2, 3, 4, 5), 0))
    contributions = record.contributions()
    expected = record.value_norms / record.value_norms.sum(-1, keepdim=True)
    assert torch.allclose(contributions.weights, expected)
    values = contributions.score("entropy")
    assert torch.allclose(values, scores.entropy(expected))
    assert "|record:contributions|" in values.signature
    with pytest.raises(ValueError, match=r"extract\(\.\.\., value_norms=True\)"):
        CrossAttention.from_tokens(record.weights, list("abcde"), list("wxyz")).contributions()


def test_a_signature_names_the_steps_that_changed_the_record():
    record = record_of(random_attention((1, 1, 3, 3), 0), source_special={2}, target_special={2})
    made = record.words().drop_special()
    assert "|record:words+renormalize|" in made.score("entropy").signature
    assert "|record:drop|" in record.drop_special(renormalize=False).score("entropy").signature
    assert "record:" not in record.score("entropy").signature
    read = CrossAttention(record.weights, record.source, {"output": record.target, "input": record.target}, "input")
    assert "|reading:input|record:words|" in read.words().score("entropy").signature


def test_signatures_name_everything_that_determines_a_number():
    record = record_of(random_attention((1, 1, 3, 3), 0))
    version = scores.coverage_penalty.signature().rpartition("|v:")[2]
    assert record.score("coverage_penalty").signature == f"coverage_penalty|special:keep|eps:1e-08|v:{version}"
    assert record.score("ignored_source", special="drop", threshold=0.1).signature == (
        f"ignored_source|special:drop|threshold:0.1|v:{version}"
    )


def test_the_signature_names_the_reading_if_it_decided_which_rows_count():
    labels = Axis(("a", "b"), special=(False, True))
    record = CrossAttention(
        random_attention((1, 1, 2, 2), 0), Axis(("x", "y")), {"output": labels, "input": labels}, reading="input"
    )
    assert "reading:input" in record.score("entropy", special="drop").signature
    assert "reading" not in record.score("entropy").signature


@pytest.mark.parametrize("text", ["x = (\n" * 6, '"""\n' * 5, "    y\n  z\n" * 3, ""])
def test_the_signature_of_a_score_whose_file_has_changed_since_the_import(text, tmp_path):
    file = tmp_path / "own_score.py"
    file.write_text("\n\ndef first(attention, source_mask, target_mask):\n    return attention[..., 0].mean(-1)\n")
    own = score(runpy.run_path(str(file))["first"])
    file.write_text(text)
    linecache.checkcache()
    assert own.signature() == own.signature() != score(lambda attention, source_mask, target_mask: 1).signature()
