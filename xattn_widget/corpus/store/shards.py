"""Store scored windows in memory, or in files beside the output so that an interrupted run can resume.

Beside ``scored.parquet``, the folder ``scored.parquet.parts`` holds ``manifest.json``, which describes the job and its
data, and one Parquet file for each finished window. A file gets its name only once it is complete, and carries
checksums. When all windows are finished, they are combined into the output, and the folder is removed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.memory import give_back_memory
from xattn_widget.corpus.sources.rows import Window
from xattn_widget.corpus.store.counting import COUNTED, add_counts, count_rows, rows_digest
from xattn_widget.corpus.store.dataset import DamagedError
from xattn_widget.corpus.store.manifests import decode, differing, encode
from xattn_widget.corpus.store.parquet import WRITING, read_table, seal
from xattn_widget.corpus.store.parts import (
    locked_parts,
    manifest_path,
    open_inside,
    parts_folder,
    remove_parts,
    window_path,
    window_paths,
)
from xattn_widget.corpus.store.tables import corpus_info, with_info
from xattn_widget.files.writing import refuse_to_overwrite, whole_file

logger = logging.getLogger("xattn_widget")

_DIGEST = b"xattn_widget_rows"
# Windows are combined in groups of about this many bytes, of which memory holds a few copies.
_GROUP_BYTES = 8 * 2**20


class Store(Protocol):
    """Where an engine stores scored windows."""

    @property
    def done(self) -> Collection[int]:
        """The windows that have been scored."""

    def has(self, window: Window) -> bool:
        """Whether the window has been scored."""

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Store a window's table."""

    def finish(self, windows: int) -> Any:
        """The result, a table or a path, of this many windows."""


class MemoryStore:
    """Stores the windows in memory."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.done: dict[int, pa.Table] = {}

    def has(self, window: Window) -> bool:
        """Always false: nothing was scored earlier."""
        return False

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Store a window's table."""
        self.done[number] = table

    def finish(self, windows: int) -> pa.Table:
        """The whole table."""
        if sorted(self.done) != list(range(windows)):
            raise ValueError(
                f"the sources held {windows} windows of rows when they were first read, and {len(self.done)} when they "
                "were scored: pass a list, or iter(...) of sources that can be read only once"
            )
        tables = [self.done[number].cast(self._schema) for number in range(windows)]
        whole = pa.concat_tables(tables) if tables else self._schema.empty_table()
        info = corpus_info(self._schema) | count_rows(whole)
        return whole.replace_schema_metadata(with_info(self._schema, info).metadata)


class ShardStore:
    """Stores the windows in a folder beside the output; created by :func:`open_shards`."""

    def __init__(self, output: Path, folder: Path, schema: pa.Schema, sealed: bool) -> None:
        """Find the windows that an earlier run finished.

        Args:
            output: the file to write at the end.
            folder: the folder of the windows.
            schema: the output's schema.
            sealed: whether all windows have checksums; earlier versions wrote none.
        """
        self._output, self._schema, self._sealed = output, schema, sealed
        self._target = Path(os.path.realpath(output))  # resolved now, since the working directory may change
        self.folder = folder
        self.done = window_paths(folder)

    def has(self, window: Window) -> bool:
        """Whether the window has been scored.

        Raises:
            ValueError: other rows were scored, or the window's file is damaged.
        """
        path = self.done.get(window.number)
        if path is None:
            return False
        if _rows_of(self._read(path)) != window.digest.encode():
            last = window.first + len(window.rows) - 1
            raise ValueError(
                f"cannot resume {self._output}: rows {window.first} to {last} differ from those of the interrupted "
                f"run. Pass the same data or another output, or remove {self.folder} to start over"
            )
        return True

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Store a window's table, under its name only once it is completely on the disk."""
        path = window_path(self.folder, number)
        with self._explaining_full_disk():
            described = table.replace_schema_metadata({_DIGEST: digest})
            with whole_file(path, follow_links=False) as file:
                pq.write_table(described, file, **WRITING)
                seal(file)
        self.done[number] = path

    def finish(self, windows: int) -> Path:
        """Combine the windows into the output and remove the folder.

        Raises:
            ValueError: the windows are not exactly those of the data, or one is damaged.
        """
        if sorted(self.done) != list(range(windows)):
            raise ValueError(
                f"cannot finish {self._output}: the data have {windows} windows, but {len(self.done)} are scored, so "
                f"these are not the data of the interrupted run. Pass the same data, or remove {self.folder} to start "
                "over"
            )
        paths = [self.done[number] for number in sorted(self.done)]
        names = [name for name in COUNTED if name in self._schema.names]
        parts = [self._read(path, names) for path in paths]
        info = (
            corpus_info(self._schema)
            | add_counts(map(count_rows, parts))
            | {"rows digest": rows_digest(list(map(_rows_of, parts)))}
        )
        schema = with_info(self._schema, info)
        with self._explaining_full_disk(), whole_file(self._target, self.folder) as file:
            with pq.ParquetWriter(file, schema, **WRITING) as writer:
                for table in _groups(self._read(path) for path in paths):
                    writer.write_table(table.replace_schema_metadata(None).cast(schema))
            seal(file)
        remove_parts(self.folder)
        return self._output

    def _read(self, path: Path, columns: list[str] | None = None) -> pa.Table:
        """A window's table.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            return read_table(path, columns, use_threads=False, sealed=self._sealed, opener=open_inside)
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ValueError(f"{path} is damaged ({reason}): remove it, and its rows are scored again") from error

    @contextmanager
    def _explaining_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot write {self._output} ({error.strerror or error}): scored rows are kept in "
                f"{self.folder}; make room and run the same call again to resume",
            ) from error


@contextmanager
def open_shards(output: Path, schema: pa.Schema, description: dict[str, Any], rows: int | None) -> Iterator[ShardStore]:
    """The store of an output, new or left by an interrupted run, locked for this call.

    Args:
        output: the file to write at the end.
        schema: the output's schema.
        description: the job, by :func:`describe_job`, and its data.
        rows: how many rows there are, if known, to check that they fit on the disk.

    Raises:
        BlockingIOError: another call is scoring to the output.
        OSError: the folder cannot be written to, or the disk has too little room.
        ValueError: the interrupted run was another job; the message says what differs.
    """
    with locked_parts(output) as folder:
        sealed = _agree(manifest_path(folder), output, description)
        store = ShardStore(output, folder, schema, sealed)
        if rows is not None:
            _check_room(output, schema, rows)
        yield store


def check_finished(output: Path | str, description: dict[str, Any], digest: str | None) -> None:
    """Check that an existing output is what this job would write.

    Args:
        output: the path or URI of the output.
        description: the job, by :func:`describe_job`.
        digest: the digest of the rows, by :func:`rows_digest`; None if the description covers the data.

    Raises:
        FileExistsError: it is something else.
        DamagedError: it is a folder in shared storage with a damaged file.
    """
    advice = "Remove it, or write to another path"
    try:
        info = corpus_info(output)
    except DamagedError:  # its message says which file to remove
        raise
    except (ValueError, pa.ArrowInvalid):
        raise FileExistsError(f"{output} exists and is not a scored corpus. {advice}") from None
    differences = differing(info["job"], description)
    if digest is not None and info.get("rows digest") != digest:
        differences.append("the data differ")
    if differences:
        raise FileExistsError(f"{output} exists and belongs to another job: {'; '.join(differences)}. {advice}")


def check_output(output: Any, *inputs: Any) -> Path:
    """The path of the output, after checking that it can be written.

    Args:
        output: the path of the output.
        inputs: the sources and targets; those that are paths are compared with the output.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError, OSError: the output cannot be written.
        ValueError: it is one of the inputs, or an input is in the folder that is removed at the end.
    """
    path = Path(output)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of the Parquet file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in: create it first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"the folder {path.parent} cannot be written to: change its permissions, or write to another folder"
        )
    with contextlib.suppress(FileNotFoundError):
        os.lstat(path)  # raises if the name is too long
    files = [Path(source) for source in inputs if isinstance(source, str | os.PathLike)]
    refuse_to_overwrite(path, *files)
    folder = parts_folder(path)
    for file in files:
        if folder in Path(os.path.realpath(file)).parents:
            raise ValueError(
                f"the input {file} is in the folder of the unfinished {path}, which is removed at the end: move it"
            )
    return path


def _agree(manifest: Path, output: Path, description: dict[str, Any]) -> bool:
    """Check that the folder is new or belongs to this job; returns whether its files have checksums.

    Raises:
        ValueError: it belongs to another job, or the manifest is damaged.
    """
    if not os.path.lexists(manifest):
        with whole_file(manifest, follow_links=False) as file:
            file.write(encode(description))
        return True
    try:
        with open(manifest, "rb", opener=open_inside) as file:
            before, sealed = decode(file.read())
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{manifest} is damaged ({error}): remove {manifest.parent} to start over, or write to another path"
        ) from None
    if differences := differing(before, description):
        raise ValueError(
            f"cannot resume {output}: the interrupted run was another job: {'; '.join(differences)}. Make the same "
            f"call again, or write to another path, or remove {manifest.parent} to start over"
        )
    return sealed


def _rows_of(part: pa.Table) -> bytes:
    """The digest of the rows whose scores a window's table holds."""
    return bytes((part.schema.metadata or {}).get(_DIGEST, b""))


def _check_room(output: Path, schema: pa.Schema, rows: int) -> None:
    """Raise if the disk cannot hold the scores; warn if it cannot hold them twice, as combining needs."""
    numbers = sum(
        4 * getattr(field.type, "storage_type", field.type).list_size for field in schema if _is_tensor_column(field)
    )
    needed, free = rows * numbers, shutil.disk_usage(os.path.dirname(os.path.realpath(output))).free
    if free < needed:
        raise OSError(
            f"{output} needs about {needed / 1e9:.1f} GB for {rows} sentences, and twice as much at the end; "
            f"{free / 1e9:.1f} GB are free. Make room, compute fewer scores, or write to another disk"
        )
    if free < 2 * needed:
        logger.warning(
            "%s needs up to %.1f GB while its parts are combined, and %.1f GB are free",
            output,
            2 * needed / 1e9,
            free / 1e9,
        )


def _is_tensor_column(field: pa.Field) -> bool:
    return isinstance(field.type, pa.FixedShapeTensorType)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables in order, small ones concatenated."""
    collected: list[pa.Table] = []
    for part in tables:
        collected.append(part)
        if sum(table.nbytes for table in collected) >= _GROUP_BYTES:
            yield pa.concat_tables(collected)
            collected = []
            give_back_memory()
    if collected:
        yield pa.concat_tables(collected)
