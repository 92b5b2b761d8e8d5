"""Records that keep some of their model's heads, or their weights in half precision."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import CrossAttention, CrossAttentionWidget, best_alignment_heads, load
from xattn_widget.record.axis import Axis
from xattn_widget.record.kept import KeptHeads
from xattn_widget.scores import BUILTIN, find_score, reference_marginals, score

LAYERS, HEADS, ROWS, COLUMNS = 3, 4, 5, 7
GRID = [(layer, head) for layer in range(LAYERS) for head in range(HEADS)]
HALF = (torch.float16, torch.bfloat16)
pair_sets = st.sets(st.sampled_from(GRID), min_size=1, max_size=LAYERS * HEADS - 1).map(sorted)
layer_sets = st.sets(st.integers(0, LAYERS - 1), min_size=1, max_size=LAYERS - 1).map(
    lambda layers: [pair for pair in GRID if pair[0] in layers]
)
kept_sets = pair_sets | layer_sets


def full_record(seed: int = 0, *, sound: bool = False) -> CrossAttention:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(LAYERS, HEADS, ROWS, COLUMNS, generator=generator).mul(2).softmax(-1)
    source = Axis(
        tuple("abcdefg"),
        (False,) * 5 + (True,) * 2,
        (-1,) * COLUMNS if sound else (0, 0, 1, 2, 2, -1, -1),
        () if sound else ("ab", "c", "de"),
        kinds=("audio" if sound else "text",) * COLUMNS,
        places=[(i * 0.02, (i + 1) * 0.02) for i in range(COLUMNS)] if sound else None,
    )
    target = Axis(("x", "y", "z", "w", "</s>"), (False,) * 4 + (True,), (0, 0, 1, 2, -1), ("xy", "z", "w"))
    return CrossAttention(
        weights,
        source,
        {"output": target},
        logprobs=-torch.rand(ROWS, generator=generator),
        value_norms=torch.rand(weights.shape, generator=generator),
        importance={"gradient": torch.rand(LAYERS, HEADS, generator=generator)},
        outside=weights[..., 5:].sum(-1) if sound else None,
        end_row=torch.rand(LAYERS, HEADS, COLUMNS, generator=generator).softmax(-1) if sound else None,
    )


def restricted(record: CrossAttention, pairs) -> CrossAttention:
    """The same record without the weights of the other heads."""
    kept = KeptHeads(LAYERS, HEADS, tuple(pairs))

    def cut(values):
        return (
            None
            if values is None
            else torch.stack([values[pair] for pair in pairs]).reshape(*kept.shape, *values.shape[2:])
        )

    return replace(
        record,
        weights=cut(record.weights),
        value_norms=cut(record.value_norms),
        end_row=cut(record.end_row),
        kept=kept,
    )


def same_grid(grid, expected, pairs):
    mask = torch.zeros(LAYERS, HEADS, dtype=torch.bool)
    for pair in pairs:
        mask[pair] = True
    assert grid.shape == expected.shape
    torch.testing.assert_close(grid.values[mask], expected.values[mask], equal_nan=True)
    assert grid.values[~mask].isnan().all()


@settings(deadline=None, max_examples=25)
@given(pairs=kept_sets, seed=st.integers(0, 99))
def test_every_head_scores_and_aligns_as_in_the_record_of_all_heads(pairs, seed):
    full = full_record(seed)
    record = restricted(full, pairs)
    assert (record.layers, record.heads, record.kept_heads) == (LAYERS, HEADS, pairs)
    whole = {layer for layer in range(LAYERS) if sum(pair[0] == layer for pair in pairs) == HEADS}
    for name, built in BUILTIN.items():
        if built.missing(full):
            continue
        found = [pair for pair in pairs if built.scope == "head" or pair[0] in whole]
        grid, expected = record.score(name), full.score(name)
        same_grid(grid, expected, found)
        assert (grid.signature, grid.direction) == (expected.signature, expected.direction)
    for change in (CrossAttention.words, CrossAttention.drop_special, CrossAttention.contributions):
        same_grid(change(record).score("entropy"), change(full).score("entropy"), pairs)
    for pair in pairs:
        assert torch.equal(record.head_weights([pair]), full.head_weights([pair]))
        assert record.align(pair) == full.align(pair)
    assert record.align() == full.align(pairs) == record.align(pairs)
    ranked = [entry for entry in best_alignment_heads([full]) if (entry.layer, entry.head) in pairs]
    assert best_alignment_heads([record]) == ranked


@settings(deadline=None, max_examples=15)
@given(pairs=kept_sets, seed=st.integers(0, 99))
def test_word_times_of_every_head_are_those_of_the_record_of_all_heads(pairs, seed):
    full = full_record(seed, sound=True)
    record = restricted(full, pairs)
    assert record.word_times(pairs) == full.word_times(pairs)
    assert torch.equal(record.outside, full.outside)
    same_grid(record.score("entropy"), full.score("entropy"), pairs)
    assert record.cropped().word_times(pairs[:1]) == full.cropped().word_times(pairs[:1])
    assert record.word_times()


@settings(deadline=None, max_examples=15)
@given(pairs=kept_sets, dtype=st.sampled_from((torch.float32, *HALF)))
def test_saving_keeps_heads_and_number_type(tmp_path_factory, pairs, dtype):
    record = restricted(full_record(sound=True), pairs)
    record = replace(record, weights=record.weights.to(dtype), end_row=record.end_row.to(dtype))
    path = record.save(tmp_path_factory.mktemp("kept") / "record.safetensors")
    loaded = load(path)
    assert loaded.kept == record.kept
    assert loaded.weights.dtype == loaded.end_row.dtype == dtype
    assert torch.equal(loaded.weights, record.weights)
    assert torch.equal(loaded.end_row, record.end_row)


@pytest.mark.parametrize("dtype", HALF)
def test_half_precision_differs_by_rounding_alone(dtype):
    full = full_record()
    record = replace(full, weights=full.weights.to(dtype), value_norms=full.value_norms.to(dtype))
    assert record.weights.dtype == dtype
    tolerance = 4 * torch.finfo(dtype).eps
    for change in (
        lambda item: item,
        CrossAttention.words,
        CrossAttention.drop_special,
        CrossAttention.contributions,
    ):
        changed, expected = change(record), change(full)
        assert changed.weights.dtype == dtype
        torch.testing.assert_close(changed.head_weights(), expected.head_weights(), rtol=tolerance, atol=tolerance)
        assert changed.score("entropy").dtype == torch.float32
        torch.testing.assert_close(
            changed.score("entropy").values, expected.score("entropy").values, rtol=tolerance, atol=tolerance
        )


def test_marginal_divergence_takes_the_reference_of_all_heads():
    pairs = [(0, 1), (2, 0), (2, 3)]
    full, record = full_record(3), restricted(full_record(3), [(0, 1), (2, 0), (2, 3)])
    reference = reference_marginals([full_record(seed) for seed in range(5)])
    same_grid(
        record.score("marginal_divergence", reference=reference),
        full.score("marginal_divergence", reference=reference),
        pairs,
    )


def test_a_score_of_the_whole_model_is_undefined():
    @score(scope="model")
    def share(attention, source_mask, target_mask):
        return attention.sum((-2, -1)) / attention.sum()

    assert find_score(share).of_record(restricted(full_record(), [(0, 1)])).isnan().all()


def test_other_heads_are_refused_by_name():
    record = restricted(full_record(), [(0, 1), (2, 3)])
    message = r"does not keep layer 1 head 1; it keeps 2 of 12 heads: \(0, 1\), \(2, 3\)"
    for call in (record.align, record.head_weights):
        with pytest.raises(ValueError, match=message):
            call([(1, 1)])
    with pytest.raises(ValueError, match=message):
        record.plot(1, 1)
    with pytest.raises(ValueError, match="layers are 0 to 2"):
        record.align((3, 0))
    with pytest.raises(ValueError, match=r"kept heads as their first axes, \[2, 1\]"):
        replace(record, weights=full_record().weights, value_norms=None)


def test_plots_show_the_heads_that_are_kept():
    pytest.importorskip("matplotlib")
    full = full_record()
    record = restricted(full, [(0, 1), (0, 2), (2, 3)])
    image = record.plot().images[0].get_array()
    expected = torch.stack([full.weights[pair] for pair in record.kept_heads]).mean(0).numpy()
    assert abs(image - expected).max() < 1e-6
    assert record.plot(0).get_title() == "layer 0, mean of 2 of its heads"
    record.plot(kind="grid", score="entropy")
    record.plot(kind="lines", heads=[(0, 1), (2, 3)])


@pytest.mark.parametrize("dtype", [torch.float32, *HALF])
def test_the_panel_marks_the_heads_that_are_not_kept(tmp_path, dtype):
    full = full_record()
    record = restricted(full, [(0, 1), (2, 3)])
    record = replace(record, weights=record.weights.to(dtype))
    widget = CrossAttentionWidget(record)
    assert widget.heads == [[2, 3]]
    assert widget.info["sentences"][0]["missing"] == [[0, 2, 3], [0, 1, 2, 3], [0, 1, 2]]
    content, [buffer] = widget.answer({"kind": "layer", "id": 1, "sentence": 0, "layer": 2})
    assert (content["shape"], content["missing"]) == ([HEADS, ROWS, COLUMNS], [0, 1, 2])
    quantized = torch.frombuffer(bytearray(buffer), dtype=torch.uint8).reshape(HEADS, ROWS, COLUMNS)
    assert (quantized[:3] == 0).all()
    assert ((quantized[3] / 255) ** 2 - full.weights[2, 3]).abs().max() < 0.008
    reply, _ = widget.answer({"kind": "sentence", "id": 2, "sentence": 0})
    assert reply["notes"] == ["This record keeps 2 of 12 heads: (0, 1), (2, 3). The others are hatched."]
    _, [row] = widget.answer({"kind": "row", "id": 3, "sentence": 0, "heads": [[2, 3], [0, 1]], "target": 1})
    rows = torch.frombuffer(bytearray(row), dtype=torch.float32).reshape(2, COLUMNS)
    torch.testing.assert_close(rows[1], full.weights[0, 1, 1], rtol=0.01, atol=0.01)
    widget.layer = 0
    assert widget.heads == [[0, 1]]
    with pytest.raises(Exception, match="keeps no head of layer 1"):
        widget.layer = 1
    with pytest.raises(Exception, match="does not keep layer 1 head 1"):
        widget.heads = [(1, 1)]
    assert b"This page was limited" not in widget.to_html(tmp_path / "page.html").read_bytes()
    exported = widget.export(tmp_path / "shown.csv").read_text(encoding="utf-8")
    assert exported.splitlines()[1].startswith('"layer 0, head 1"')
