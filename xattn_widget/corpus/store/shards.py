"""Where scored windows are kept: in memory, or in files beside the output, so that a broken run can go on.

Beside ``scored.parquet`` a folder ``scored.parquet.parts`` holds ``manifest.json``, which says what is computed of
what, and one Parquet file for each finished window. A file has its name only when it is whole, and carries checksums.
When all windows are there, they are put together under the output's own name, and the folder is removed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.memory import give_back_memory
from xattn_widget.corpus.sources.rows import Window
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
from xattn_widget.corpus.store.tables import corpus_info, count_errors, with_info
from xattn_widget.files.writing import refuse_to_overwrite, whole_file

logger = logging.getLogger("xattn_widget")

_DIGEST = b"xattn_widget_rows"
# Rows are put together in groups of about this many bytes, which are in memory a few times over.
_GROUP_BYTES = 8 * 2**20
# In the manifest, the digest of everything else in it.
_CHECKSUM = "checksum"


class Store(Protocol):
    """What an engine writes to."""

    @property
    def done(self) -> Collection[int]:
        """The windows that are scored."""

    def has(self, window: Window) -> bool:
        """Whether the window is scored already."""

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Keep a window's table."""

    def finish(self, windows: int) -> Any:
        """The result, of so many windows: a table or a path."""


class MemoryStore:
    """Keeps the windows in memory."""

    def __init__(self, schema: pa.Schema) -> None:
        self._schema = schema
        self.done: dict[int, pa.Table] = {}

    def has(self, window: Window) -> bool:
        """Nothing is there before."""
        return False

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Keep a window's table."""
        self.done[number] = table

    def finish(self, windows: int) -> pa.Table:
        """The whole table."""
        if sorted(self.done) != list(range(windows)):
            raise ValueError(
                f"the sources held {windows} windows of rows when they were first read, and {len(self.done)} when they "
                "were scored: pass a list, or iter(...) of what can be read only once"
            )
        tables = [self.done[number].cast(self._schema) for number in range(windows)]
        whole = pa.concat_tables(tables) if tables else self._schema.empty_table()
        info = corpus_info(self._schema) | _counts([whole["error"]])
        return whole.replace_schema_metadata(with_info(self._schema, info).metadata)


class ShardStore:
    """Keeps the windows in a folder beside the output; made by :func:`open_shards`."""

    def __init__(self, output: Path, folder: Path, schema: pa.Schema, sealed: bool) -> None:
        """Find what is there.

        Args:
            output: the file to write in the end.
            folder: where the windows are.
            schema: of the output.
            sealed: whether all windows have checksums; those of earlier versions have none.
        """
        self._output, self._schema, self._sealed = output, schema, sealed
        self._target = Path(os.path.realpath(output))  # now, for the working directory may change
        self.folder = folder
        self.done = window_paths(folder)

    def has(self, window: Window) -> bool:
        """Whether the window is scored already.

        Raises:
            ValueError: its rows are not those that were scored, or its file is damaged.
        """
        path = self.done.get(window.number)
        if path is None:
            return False
        if _rows_of(self._read(path)) != window.digest.encode():
            last = window.first + len(window.rows) - 1
            raise ValueError(
                f"cannot go on with {self._output}: rows {window.first} to {last} are not those of the run that was "
                f"broken off. Pass the same data, or another output, or remove {self.folder} to start again"
            )
        return True

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Keep a window's table: under its name only when it is whole and on the disk."""
        path = window_path(self.folder, number)
        with self._explaining_full_disk():
            described = table.replace_schema_metadata({_DIGEST: digest})
            with whole_file(path, follow_links=False) as file:
                pq.write_table(described, file, **WRITING)
                seal(file)
        self.done[number] = path

    def finish(self, windows: int) -> Path:
        """Put the windows together under the output's name and remove the folder.

        Raises:
            ValueError: there are other windows than the data has now, or one is damaged.
        """
        if sorted(self.done) != list(range(windows)):
            raise ValueError(
                f"cannot finish {self._output}: the data have {windows} windows, {len(self.done)} are scored: they "
                f"are not those of the run that was broken off. Remove {self.folder} to start again"
            )
        paths = [self.done[number] for number in sorted(self.done)]
        errors, digests = [], []
        for path in paths:
            part = self._read(path, ["error"])
            errors.append(part["error"])
            digests.append(_rows_of(part))
        info = corpus_info(self._schema) | _counts(errors) | {"rows digest": rows_digest(digests)}
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
            ValueError: its file is damaged.
        """
        try:
            return read_table(path, columns, use_threads=False, sealed=self._sealed, opener=open_inside)
        except (ValueError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ValueError(f"{path} is damaged ({reason}): remove it to have its rows scored again") from error

    @contextmanager
    def _explaining_full_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot write {self._output} ({error.strerror or error}): what is scored so far is kept in "
                f"{self.folder}; make room and run the same call again to go on",
            ) from error


def rows_digest(digests: list[bytes]) -> str:
    """One digest of the windows' digests in order."""
    return hashlib.blake2b(b" ".join(digests), digest_size=16).hexdigest()


@contextmanager
def open_shards(output: Path, schema: pa.Schema, description: dict[str, Any], rows: int | None) -> Iterator[ShardStore]:
    """The store of an output, new or of a run that was broken off, for this call alone.

    Raises:
        BlockingIOError: another call is writing there.
        OSError: the folder cannot be written to, or the disk has too little room.
        ValueError: what is there was computed of something else; the message says what differs.
    """
    with locked_parts(output) as folder:
        sealed = _agree(manifest_path(folder), output, description)
        store = ShardStore(output, folder, schema, sealed)
        if rows is not None:
            _check_room(output, schema, rows)
        yield store


def check_finished(output: Path, description: dict[str, Any], digest: str | None) -> None:
    """Make sure that an output which is there is what this job would write.

    Args:
        output: the path.
        description: what the job computes.
        digest: of the rows, by :func:`rows_digest`; None where the description tells the data.

    Raises:
        FileExistsError: something else is there.
    """
    advice = "Remove it, or write to another path"
    try:
        info = corpus_info(output)
    except (ValueError, pa.ArrowInvalid):
        raise FileExistsError(f"{output} exists and is no scored corpus. {advice}") from None
    differences = differing(info["job"], description)
    if digest is not None and info.get("rows digest") != digest:
        differences.append("the data differ")
    if differences:
        raise FileExistsError(f"{output} exists, and is of another job: {'; '.join(differences)}. {advice}")


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two descriptions of jobs, in words."""
    return [
        f"{name} was {_short(before.get(name))}, now it is {_short(now.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def check_output(output: Any, *inputs: Any) -> Path:
    """The output's path, if it can be written there.

    Args:
        output: the path.
        inputs: what is read, where it may be paths too.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError, OSError: it cannot.
        ValueError: it is an input, or an input is in the folder that is removed in the end.
    """
    path = Path(output)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of the Parquet file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in: make it first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"the folder {path.parent} cannot be written to")
    with contextlib.suppress(FileNotFoundError):
        os.lstat(path)  # raises where the name is too long
    files = [Path(each) for each in inputs if isinstance(each, str | os.PathLike)]
    refuse_to_overwrite(path, *files)
    folder = parts_folder(path)
    for file in files:
        if folder in Path(os.path.realpath(file)).parents:
            raise ValueError(f"the input {file} is in the folder of the unfinished {path}: move it elsewhere")
    return path


def _agree(manifest: Path, output: Path, description: dict[str, Any]) -> bool:
    """Make sure that the folder is of this job, or a new one; whether its files have checksums.

    Raises:
        ValueError: it is of another job, or the manifest is damaged.
    """
    if not os.path.lexists(manifest):
        content = description | {_CHECKSUM: _checksum(description)}
        with whole_file(manifest, follow_links=False) as file:
            file.write(json.dumps(content, ensure_ascii=False, indent=1).encode())
        return True
    try:
        with open(manifest, encoding="utf-8", opener=open_inside) as file:
            before = json.load(file)
        if not isinstance(before, dict):
            raise ValueError("it holds no object")
        checksum = before.pop(_CHECKSUM, None)  # those of earlier versions have none
        if checksum not in (None, _checksum(before)):
            raise ValueError("it does not match its checksum")
    except (ValueError, OSError, RecursionError) as error:
        raise ValueError(
            f"{manifest} is damaged ({error}): remove {manifest.parent} to start again, or write to another path"
        ) from None
    if differences := differing(before, description):
        raise ValueError(
            f"cannot go on with {output}: the run that was broken off computed something else: "
            f"{'; '.join(differences)}. Make the same call, or write to another path, or remove {manifest.parent} "
            "to start again"
        )
    return checksum is not None


def _checksum(description: dict[str, Any]) -> str:
    content = json.dumps(description, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def _rows_of(part: pa.Table) -> bytes:
    """The digest of the rows that a window's table was scored of."""
    return bytes((part.schema.metadata or {}).get(_DIGEST, b""))


def _check_room(output: Path, schema: pa.Schema, rows: int) -> None:
    """Raise where the disk cannot hold the scores; warn where it may not hold them twice, as putting together takes."""
    numbers = sum(4 * getattr(field.type, "storage_type", field.type).list_size for field in schema if _is_grid(field))
    needed, free = rows * numbers, shutil.disk_usage(os.path.dirname(os.path.realpath(output))).free
    if free < needed:
        raise OSError(
            f"{output} needs about {needed / 1e9:.1f} GB for {rows} sentences, and twice that at the end; "
            f"{free / 1e9:.1f} GB are free. Make room, name fewer scores, or write to another disk"
        )
    if free < 2 * needed:
        logger.warning(
            "%s needs up to %.1f GB while it is put together, and %.1f GB are free",
            output,
            2 * needed / 1e9,
            free / 1e9,
        )


def _is_grid(field: pa.Field) -> bool:
    return isinstance(field.type, pa.FixedShapeTensorType)


def _counts(columns: Iterable[Any]) -> dict[str, Any]:
    """How many rows there are in error columns, how many have scores, and how often each error occurs."""
    rows, kinds = 0, Counter[str]()
    for errors in columns:
        rows += len(errors)
        kinds.update(count_errors(errors))
    return {"rows": rows, "scored": rows - kinds.total(), "errors": dict(kinds.most_common())}


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The tables in order, some together where they are small."""
    collected: list[pa.Table] = []
    for part in tables:
        collected.append(part)
        if sum(table.nbytes for table in collected) >= _GROUP_BYTES:
            yield pa.concat_tables(collected)
            collected = []
            give_back_memory()
    if collected:
        yield pa.concat_tables(collected)


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
