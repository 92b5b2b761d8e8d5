"""ScoreGrid: which operations keep the signature, and that a grid works wherever a tensor or an array does."""

import copy
import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from score_formulas import random_attention, record_of
from torch.utils.data import DataLoader

from xattn_widget import extract, head_importance, scores
from xattn_widget.scores import ScoreGrid

SIGNATURE = "entropy|special:keep|v:1"
AXES = ("layers", "heads")


def grid_of(*shape):
    return ScoreGrid(torch.rand(shape, generator=torch.Generator().manual_seed(0)), SIGNATURE, "lower")


@pytest.fixture
def grid():
    return grid_of(3, 4)


def assert_grid(actual, values, axes=AXES):
    assert type(actual) is ScoreGrid
    assert (actual.signature, actual.direction, actual.axes) == (SIGNATURE, "lower", axes)
    assert type(actual.values) is torch.Tensor
    assert torch.equal(actual.values, values)


def assert_plain(actual, values):
    assert type(actual) is torch.Tensor
    assert not hasattr(actual, "signature")
    torch.testing.assert_close(actual, values, rtol=0, atol=0, equal_nan=True)


# --- What keeps the signature.


def sizes(dimensions):
    return st.lists(st.integers(1, 4), min_size=dimensions, max_size=dimensions)


def indices(size):
    whole = st.integers(-size, size - 1)
    slices = st.builds(slice, st.none() | whole, st.none() | whole, st.none() | st.integers(1, 3))
    return whole | whole.map(np.int64) | slices


@given(st.data(), st.integers(2, 4).flatmap(sizes), st.booleans())
def test_a_part_taken_by_whole_numbers_and_slices_keeps_its_axes(data, shape, ellipsis):
    grid = grid_of(*shape)
    first = data.draw(st.integers(0, len(shape)))
    last = data.draw(st.integers(first, len(shape))) if ellipsis else len(shape)
    parts = [data.draw(indices(size)) if not first <= axis < last else slice(None) for axis, size in enumerate(shape)]
    index = (*parts[:first], *([...] if ellipsis else []), *parts[last:])
    axes = tuple(name for name, part in zip(AXES, parts[-2:], strict=True) if isinstance(part, slice))
    assert_grid(grid[index], grid.values[index], axes)


def test_one_layer_or_head_of_a_grid_knows_its_axis(grid):
    assert_grid(grid[1], grid.values[1], ("heads",))
    assert_grid(grid[:, 2], grid.values[:, 2], ("layers",))
    assert_grid(grid[1, 2], grid.values[1, 2], ())
    assert_grid(grid[..., 0], grid.values[..., 0], ("layers",))
    for layer, row in enumerate(grid):
        assert_grid(row, grid.values[layer], ("heads",))


@pytest.mark.parametrize(
    "make",
    [
        torch.clone,
        torch.detach,
        torch.Tensor.double,
        lambda grid: grid.to(torch.float16),
        lambda grid: grid.cpu().contiguous(),
        copy.copy,
        copy.deepcopy,
        lambda grid: pickle.loads(pickle.dumps(grid)),
    ],
)
def test_copies_and_conversions_are_still_the_score(grid, make):
    actual = make(grid)
    assert_grid(actual, grid.values.to(actual.dtype))


def test_copies_have_memory_of_their_own(grid):
    before = grid.values.clone()
    for made in (grid.clone(), copy.deepcopy(grid), pickle.loads(pickle.dumps(grid))):
        made.zero_()
    assert torch.equal(grid.values, before)
    grid.values.zero_()
    assert not grid.any()


def test_an_operation_in_place_changes_the_grid_itself(grid):
    doubled = grid.values * 2
    assert grid.mul_(2) is grid
    assert_grid(grid, doubled)


# --- What drops it.


@pytest.mark.parametrize(
    "compute",
    [
        lambda grid: grid + 1,
        lambda grid: 1 - grid,
        lambda grid: -grid,
        lambda grid: grid.mean(0),
        lambda grid: grid.nanmean(),
        lambda grid: grid > 0.5,
        lambda grid: grid.argsort(),
        lambda grid: grid.flatten(),
        lambda grid: grid.T,
        lambda grid: grid.sort().values,
        lambda grid: torch.where(grid > 0.5, grid, torch.nan),
        lambda grid: torch.stack([grid, grid]),
        lambda grid: torch.cat([grid, grid]).topk(2).indices,
        lambda grid: grid.unbind()[0],
        lambda grid: grid.isnan(),
        lambda grid: grid[grid > 0.5],
        lambda grid: grid[[0, 2]],
        lambda grid: grid[None],
        lambda grid: grid[torch.tensor([1])],
        lambda grid: grid[np.array([1, 0]), ...],
        lambda grid: grid[True],
    ],
)
def test_every_other_operation_gives_a_plain_tensor(grid, compute):
    assert_plain(compute(grid), compute(grid.values))


# --- Where tensors and arrays go.


def test_numbers_and_arrays_of_a_grid(grid):
    values = grid.values
    np.testing.assert_array_equal(np.asarray(grid), values.numpy())
    np.testing.assert_array_equal(np.stack([grid, grid])[1], values.numpy())
    np.testing.assert_array_equal(np.nanmax(np.asarray(grid, dtype=float), axis=0), values.double().amax(0).numpy())
    assert grid.tolist() == values.tolist()
    assert (float(grid[1, 2]), f"{grid[1, 2]:.3f}") == (float(values[1, 2]), f"{values[1, 2]:.3f}")
    assert torch.equal(grid, values)
    assert torch.allclose(values, grid)
    assert sorted(grid[0]) == sorted(values[0])
    assert (len(grid), grid.shape, grid.dim()) == (3, (3, 4), 2)


def test_a_loader_batches_grids(grid):
    [batch] = DataLoader([grid, grid + 1], batch_size=2)
    assert_plain(batch, torch.stack([grid.values, grid.values + 1]))


def test_a_saved_grid_is_read_without_this_package(grid, tmp_path):
    torch.save({"scores": [grid]}, tmp_path / "grid.pt")
    script = "import sys, torch; [grid] = torch.load(sys.argv[1])['scores']; print(grid.signature, grid.sum().item())"
    command = [sys.executable, "-I", "-c", script, str(tmp_path / "grid.pt")]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert output.split() == [SIGNATURE, str(grid.sum().item())]
    loaded = torch.load(tmp_path / "grid.pt")["scores"][0]
    assert (loaded.signature, loaded.direction, loaded.axes) == (SIGNATURE, "lower", AXES)
    assert torch.equal(loaded, grid.values)


def test_other_formats_hold_the_values(grid):
    assert torch.equal(load(save({"grid": grid}))["grid"], grid.values)
    buffer = io.BytesIO()
    np.save(buffer, grid)
    buffer.seek(0)
    np.testing.assert_array_equal(np.load(buffer), grid.values.numpy())


def test_gradients_do_not_run_through_a_grid():
    values = torch.rand(2, 3, requires_grad=True)
    grid = ScoreGrid(values * 2, SIGNATURE, "lower")
    assert not grid.requires_grad


def test_a_grid_shows_its_numbers_and_what_they_are(grid):
    text = repr(grid)
    assert text.startswith("ScoreGrid([[")
    assert f"{float(grid[0, 0]):.4f}" in text
    assert "signature='entropy|special:keep|v:1', direction='lower', axes=('layers', 'heads')" in text
    assert str(grid) == f"{grid}" == text


# --- Who makes grids.


def test_scores_give_grids_with_the_axes_that_are_left():
    record = record_of(random_attention((3, 4, 5, 6), 0))
    grid = record.score("entropy")
    assert type(grid) is ScoreGrid
    assert (grid.signature, grid.direction, grid.axes) == (scores.entropy.signature(), "lower", AXES)
    assert record.score("confidence", reduce="layers").axes == ("heads",)
    assert record.score("confidence", reduce="heads").axes == ("layers",)
    batch = scores.confidence(record.weights.expand(2, -1, -1, -1, -1))
    assert (batch.shape, batch.axes, batch[0].axes) == ((2, 3, 4), AXES, AXES)
    assert scores.confidence(batch[0].new_ones(5, 6)).axes == ()
    assert scores.confidence(record.weights[0]).axes == ("heads",)


def test_the_values_of_a_score_do_not_share_memory_with_the_record():
    record = record_of(random_attention((2, 3, 4, 5), 0))
    record.score("importance").zero_()
    record.score(lambda attention, source_mask, target_mask: attention[..., 0, 0]).zero_()
    assert record.importance["gradient"].all()
    assert record.weights.all()


def test_head_importance_is_a_grid_of_the_score(demo):
    grid = head_importance(*demo, "Ja.", "Yes.")
    assert type(grid) is ScoreGrid
    assert (grid.signature, grid.direction, grid.axes) == (scores.importance.signature(), "higher", AXES)
    record = extract(*demo, "Ja.", "Yes.")
    given = scores.importance(record.weights, importance={"gradient": grid})
    assert torch.equal(given, grid)
