"""Store rows that can be read only once on disk, so that they can be read again."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.sources.rows import Row, Rows, cut_windows

_TEXTS = Row._fields[:4]
_SCHEMA = pa.schema([*((name, pa.string()) for name in _TEXTS), ("media", pa.binary())])
_GROUP_ROWS = 4096


@contextmanager
def spooled(rows: Rows) -> Iterator[Rows]:
    """The same rows, which can be read again inside the block, from a temporary file."""
    # After an error, the file may still be open, and Windows cannot remove open files.
    with tempfile.TemporaryDirectory(prefix="xattn-widget-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "rows.parquet")
        with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
            for window in cut_windows(rows.read(), _GROUP_ROWS):
                texts = [[row[place] for row in window.rows] for place in range(len(_TEXTS))]
                media = [None if row.media is None else pickle.dumps(row.media) for row in window.rows]
                writer.write_table(pa.table([*texts, media], schema=_SCHEMA))

        def read() -> Iterator[Row]:
            with pq.ParquetFile(path) as file:
                for group in range(
                    file.num_row_groups
                ):  # each is as large as a window, which has few rows if they are long
                    columns = file.read_row_group(group, use_threads=False).columns
                    for cells in zip(*(column.to_pylist() for column in columns), strict=True):
                        row = Row(*cells)
                        yield row if row.media is None else row._replace(media=pickle.loads(row.media))

        yield rows._replace(read=read, once=False)
