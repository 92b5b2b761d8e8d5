"""Tensor columns that others wrote: stored in another order, in pieces, with nulls, or not of heads at all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from xattn_widget import select
from xattn_widget.corpus import grids, to_pandas

VALUES = np.random.default_rng(0).normal(size=(7, 2, 3)).astype(np.float32)  # [rows, layers, heads]


def column(kind, stored, missing=()):
    """A column of ``[rows, *]`` numbers in the order in which they are stored."""
    mask = pa.array([row in missing for row in range(len(stored))])
    flat = pa.array(np.ascontiguousarray(stored).ravel(), kind.value_type)
    return pa.ExtensionArray.from_storage(kind, pa.FixedSizeListArray.from_arrays(flat, 6, mask=mask))


BY_HEAD = VALUES.transpose(0, 2, 1)
COLUMNS = {
    "in order": column(pa.fixed_shape_tensor(pa.float32(), (2, 3)), VALUES),
    "permuted": column(pa.fixed_shape_tensor(pa.float32(), (3, 2), permutation=[1, 0]), BY_HEAD),
    "as NumPy has it": pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(BY_HEAD).transpose(0, 2, 1)),
    "named": column(pa.fixed_shape_tensor(pa.float32(), (3, 2), dim_names=["head", "layer"]), BY_HEAD),
    "permuted and named": column(
        pa.fixed_shape_tensor(pa.float32(), (3, 2), dim_names=["head", "layer"], permutation=[1, 0]), BY_HEAD
    ),
    "doubles": column(pa.fixed_shape_tensor(pa.float64(), (3, 2), permutation=[1, 0]), BY_HEAD),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_is_read_by_layer_and_head(name, tmp_path):
    table = pa.table({"score": COLUMNS[name]})
    np.testing.assert_array_equal(grids(table, "score"), VALUES)
    np.testing.assert_array_equal(grids(table.slice(2, 3), "score"), VALUES[2:5])
    chunks = pa.concat_tables([table.slice(1, 2), table.slice(0, 0), table.slice(5)])
    np.testing.assert_array_equal(grids(chunks, "score"), VALUES[[1, 2, 5, 6]])
    assert grids(table.slice(0, 0), "score").shape == (0, 2, 3)
    pq.write_table(table, tmp_path / "table.parquet")
    assert to_pandas(tmp_path / "table.parquet")["score.layer1.head2"].tolist() == VALUES[:, 1, 2].tolist()


def test_null_rows_of_a_permuted_column_are_nan_and_never_chosen():
    kind = pa.fixed_shape_tensor(pa.float32(), (3, 2), permutation=[1, 0])
    table = pa.table({"score": column(kind, BY_HEAD, missing=(1, 4)), "source": [f"sentence {n}" for n in "abcdefg"]})
    expected = VALUES.copy()
    expected[[1, 4]] = np.nan
    np.testing.assert_array_equal(grids(table, "score"), expected)
    np.testing.assert_array_equal(grids(table.slice(3, 3), "score"), expected[3:6])
    chosen = select(table, "score.layer0.head2", 5, duplicates="keep")["row"].to_pylist()
    assert chosen == sorted({0, 2, 3, 5, 6}, key=lambda row: -VALUES[row, 0, 2])


def test_tensors_that_are_not_of_heads_are_no_scores():
    vectors = pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((7, 4), dtype=np.float32))
    table = pa.table({"score": COLUMNS["in order"], "vector": vectors})
    frame = to_pandas(table)
    assert isinstance(frame, pd.DataFrame)
    assert frame.shape == (7, 7)
    with pytest.raises(ValueError, match="no score 'vector'; it has score"):
        grids(table, "vector")
