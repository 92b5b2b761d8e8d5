"""The table of a scored corpus: its schema and metadata, and reading numbers from it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget._version import __version__
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.precision import INT8_RANKS
from xattn_widget.corpus.sources.mediums import PICTURES
from xattn_widget.corpus.sources.rows import Window
from xattn_widget.corpus.store.reading import read_schema, read_table
from xattn_widget.messages.tables import RESULT, SCORED

METADATA = SCORED
# The unit of columns that number things.
_INDEX = {"unit": "index"}


@dataclass
class ScoredRow:
    """One row of the table.

    Attributes:
        place: the place of its input in the window of rows.
        target: the text of its target, given or generated.
        error: why it has no numbers; None if it has them.
        lengths: counted positions of its source and tokens of its target.
        grids: ``[scores, layers, heads]`` float32.
        statistics: ``[statistics]`` float32.
        window: for sound, the number of the window of its recording; 0 if one forward reads all of it.
        offset: for sound, where the window begins, in seconds.
    """

    place: int
    target: str | None
    error: str | None = None
    lengths: tuple[int, int] = (0, 0)
    grids: Any = None
    statistics: Any = None
    window: int | None = None
    offset: float | None = None


def make_schema(job: Job, description: dict[str, Any], folder: str | None = None) -> pa.Schema:
    """The table's schema, with everything needed to reproduce the numbers in its metadata.

    The field of each score also has its signature and direction in its own metadata.

    Args:
        job: the job.
        description: what makes it the same job.
        folder: the folder that the paths of recordings or pictures are relative to; None for text.
    """
    kind = pa.fixed_shape_tensor(pa.float32(), job.shape, dim_names=["layer", "head"])
    signatures = job.signatures
    fields = [
        pa.field("id", pa.string() if job.with_ids else pa.int64()),
        pa.field("source", pa.string()),
    ]
    if job.prompted:
        fields.append(pa.field("prompt", pa.string()))
    if job.hears:
        fields += [
            pa.field("recording", pa.int64(), metadata=_INDEX),
            pa.field("window", pa.int32(), metadata=_INDEX),
            pa.field("offset", pa.float64(), metadata={"unit": "seconds"}),
        ]
    fields += [
        pa.field("target", pa.string()),
        pa.field("source_length", pa.int32(), metadata={"unit": "positions" if job.hears or job.sees else "tokens"}),
        pa.field("target_length", pa.int32(), metadata={"unit": "tokens"}),
    ]
    fields += [
        pa.field(score.name, kind, metadata={"signature": signatures[score.name], "direction": score.direction})
        for score in job.scores
    ]
    fields += [pa.field(name, pa.float32()) for name in job.statistics]
    fields.append(pa.field("error", pa.string()))
    layers, heads = job.shape
    content = {"version": __version__, "layers": layers, "heads": heads, "signatures": signatures, "job": description}
    if job.precision == "int8":
        ranks = {name: INT8_RANKS[name] for name in signatures if name in INT8_RANKS}
        content["precision"] = {"linear layers": "int8", "rank correlation with float32, demo model": ranks}
    named = {"medium": PICTURES.name} if job.sees else {}
    return with_info(pa.schema(fields), content | ({} if folder is None else {"folder": folder} | named))


def media_info(table: pa.Table) -> dict[str, str]:
    """What the metadata of a table say about paths in it: what they are relative to, and of what; empty for sentences.

    :func:`~xattn_widget.corpus.sources.mediums.table_medium` reads it.
    """
    info = table_info(table)
    return {name: info[name] for name in ("folder", "medium") if isinstance(info.get(name), str)}


def with_info(schema: pa.Schema, content: dict[str, Any]) -> pa.Schema:
    """The schema with ``content`` as this package's metadata."""
    return schema.with_metadata((schema.metadata or {}) | {METADATA: json.dumps(content, ensure_ascii=False).encode()})


def corpus_info(table: pa.Table | pa.Schema | str | PathLike[str]) -> dict[str, Any]:
    """How a corpus was scored: signatures, model and settings, and how many rows and errors there are.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: ``score_corpus`` did not make the table or file, or the file is damaged.
    """
    if isinstance(table, str | PathLike):
        schema = read_schema(table)
    else:
        schema = table if isinstance(table, pa.Schema) else table.schema
    content = (schema.metadata or {}).get(METADATA)
    if content is None:
        raise ValueError(
            "score_corpus did not make this table: its schema's metadata has no entry 'xattn_widget'. Pass a table "
            "that score_corpus returned, or its Parquet file"
        )
    info: dict[str, Any] = json.loads(content)
    return info


def result_table(table: pa.Table, about: str, media: Mapping[str, str] | None = None) -> pa.Table:
    """A table that was made from a scored one, marked as such.

    Args:
        table: the table.
        about: what it is, for people.
        media: what :func:`media_info` says of the other table, if this one has its sources.
    """
    info = {"version": __version__, "about": about, **(media or {})}
    content = json.dumps(info, ensure_ascii=False).encode()
    return table.replace_schema_metadata((table.schema.metadata or {}) | {RESULT: content})


def table_info(table: pa.Table) -> dict[str, Any]:
    """What the metadata of a table of this package says, whichever call made it; empty for other tables."""
    info: dict[str, Any] = {}
    for name in (SCORED, RESULT):
        info |= json.loads((table.schema.metadata or {}).get(name, b"{}"))
    return info


def window_table(job: Job, window: Window, rows: Sequence[ScoredRow]) -> pa.Table:
    """The scored rows of a window as a table, without the schema's metadata.

    Args:
        job: the job that computed the numbers.
        window: the inputs.
        rows: the rows of the table, at least one for each input, in order.
    """
    failed = np.array([row.error is not None for row in rows])
    numbers = [window.first + row.place for row in rows]
    inputs = [window.rows[row.place] for row in rows]
    lengths = np.array([row.lengths for row in rows], dtype=np.int32).reshape(-1, 2)
    grids = np.full((len(job.scores), len(rows), *job.shape), np.nan, dtype=np.float32)
    statistics = np.full((len(job.statistics), len(rows)), np.nan, dtype=np.float32)
    for number, row in enumerate(rows):
        if row.error is None:
            grids[:, number], statistics[:, number] = row.grids, row.statistics
    columns: dict[str, pa.Array] = {
        # A broken record has no id of its own.
        "id": pa.array([row.id for row in inputs], pa.string()) if job.with_ids else pa.array(numbers, pa.int64()),
        "source": pa.array([row.source for row in inputs], pa.string()),
    }
    if job.prompted:
        columns["prompt"] = pa.array([row.prompt for row in inputs], pa.string())
    if job.hears:
        columns["recording"] = pa.array(numbers, pa.int64())
        columns["window"] = pa.array([row.window for row in rows], pa.int32())
        columns["offset"] = pa.array([row.offset for row in rows], pa.float64())
    columns |= {
        "target": pa.array([row.target for row in rows], pa.string()),
        "source_length": pa.array(lengths[:, 0], mask=failed),
        "target_length": pa.array(lengths[:, 1], mask=failed),
    }
    kind = pa.fixed_shape_tensor(pa.float32(), job.shape, dim_names=["layer", "head"])
    for score, grid in zip(job.scores, grids, strict=True):
        storage = pa.FixedSizeListArray.from_arrays(pa.array(grid.ravel()), grid[0].size, mask=pa.array(failed))
        columns[score.name] = pa.ExtensionArray.from_storage(kind, storage)
    for name, values in zip(job.statistics, statistics, strict=True):
        columns[name] = pa.array(values, mask=failed)
    columns["error"] = pa.array([row.error for row in rows], pa.string())
    return pa.table(columns)


def count_errors(errors: Any) -> dict[str, int]:
    """How often each kind of error occurs in an error column; details of a row, such as numbers, are left out."""
    reasons = (error.partition(":")[0] for error in errors.to_pylist() if error is not None)
    return dict(Counter(re.sub(r"(?<!-)\b\d+\b", "N", reason) for reason in reasons).most_common())


def is_index(field: pa.Field) -> bool:
    """Whether a column of a scored table numbers recordings or windows, and is not a quantity."""
    return bool((field.metadata or {}).get(b"unit") == b"index")


def score_names(table: pa.Table) -> list[str]:
    """The columns with a value for each head."""
    return [field.name for field in table.schema if _is_grid(field.type)]


def _is_grid(kind: pa.DataType) -> bool:
    return isinstance(kind, pa.FixedShapeTensorType) and len(kind.shape) == 2 and kind.value_type != pa.bool_()


def grids(table: pa.Table, name: str) -> Any:
    """``[rows, layers, heads]`` float32 array of a score, NaN where a row has no numbers.

    Raises:
        ValueError: the table has no such score.
    """
    if name not in score_names(table):
        raise ValueError(f"the table has no score {name!r}; it has {', '.join(score_names(table)) or 'none'}")
    kind = table.schema.field(name).type
    parts = [_stored(chunk.storage, kind.shape) for chunk in table[name].chunks]
    values = np.concatenate(parts) if parts else np.empty((0, *kind.shape), dtype=np.float32)
    order = list(kind.permutation or range(2))
    if kind.dim_names and [kind.dim_names[axis] for axis in order] == ["head", "layer"]:
        order.reverse()
    return np.ascontiguousarray(values.transpose(0, *(1 + axis for axis in order)))


def _stored(storage: pa.FixedSizeListArray, shape: tuple[int, int]) -> Any:
    """``[rows, *shape]`` float32 array of a chunk's numbers, in stored order."""
    size = shape[0] * shape[1]
    numbers = storage.values.slice(storage.offset * size, len(storage) * size)
    values = np.array(numbers.to_numpy(zero_copy_only=False), dtype=np.float32).reshape(len(storage), *shape)
    if storage.null_count:
        values[storage.is_null().to_numpy(zero_copy_only=False)] = np.nan
    return values


def to_pandas(table: pa.Table | str | PathLike[str]) -> Any:
    """The table as a pandas frame, with a column for each head of a score, such as ``coverage_penalty.layer3.head5``.

    Args:
        table: what ``score_corpus`` returned, or the path of the Parquet file that it wrote.
    """
    import pandas as pd

    if isinstance(table, str | PathLike):
        table = read_table(table)
    parts = []
    for name in table.column_names:
        if name not in score_names(table):
            parts.append(table.select([name]).to_pandas())
            continue
        values = grids(table, name)
        layers, heads = values.shape[1:]
        names = [f"{name}.layer{layer}.head{head}" for layer in range(layers) for head in range(heads)]
        parts.append(pd.DataFrame(values.reshape(len(values), layers * heads), columns=names))
    return pd.concat(parts, axis=1)
