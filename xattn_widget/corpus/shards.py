"""Where scored windows are kept: in memory, or in files beside the output, so that a broken run can go on.

Beside ``scored.parquet`` a folder ``scored.parquet.parts`` holds ``manifest.json``, which says what is computed of
what, and one Parquet file a finished window. A file has its name only when it is whole. When all windows are there,
they are put together under the output's own name, and the folder is removed.
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
from typing import IO, Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.memory import give_back_memory
from xattn_widget.corpus.rows import Window
from xattn_widget.corpus.tables import corpus_info, count_errors, with_info

logger = logging.getLogger("xattn_widget")

_DIGEST = b"xattn_widget_rows"
# Rows are put together in groups of about this many bytes, which are in memory a few times over.
_GROUP_BYTES = 8 * 2**20
# Scores are all different: dictionaries of them would make a file larger, and slower to write.
_WRITING: dict[str, Any] = {"compression": "zstd", "use_dictionary": False}


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

    def __init__(self, output: Path, schema: pa.Schema) -> None:
        self._output, self._schema = output, schema
        self.folder = parts_folder(output)
        self.done = {
            int(path.stem.removeprefix("window-")): path for path in self.folder.glob(f"window-{'[0-9]' * 8}.parquet")
        }

    def has(self, window: Window) -> bool:
        """Whether the window is scored already.

        Raises:
            ValueError: its rows are not those that were scored.
        """
        path = self.done.get(window.number)
        if path is None:
            return False
        try:
            digest = (pq.read_schema(path).metadata or {}).get(_DIGEST, b"").decode()
        except pa.ArrowInvalid as error:
            raise ValueError(f"{path} is damaged ({error}): remove it to have its rows scored again") from None
        if digest != window.digest:
            last = window.first + len(window.rows) - 1
            raise ValueError(
                f"cannot go on with {self._output}: rows {window.first} to {last} are not those of the run that was "
                f"broken off. Pass the same data, or another output, or remove {self.folder} to start again"
            )
        return True

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Keep a window's table: under its name only when it is whole and on the disk."""
        path = self.folder / f"window-{number:08}.parquet"
        with self._explaining_full_disk():
            described = table.replace_schema_metadata({_DIGEST: digest})
            with _whole(path) as file:
                pq.write_table(described, file, **_WRITING)
        self.done[number] = path

    def finish(self, windows: int) -> Path:
        """Put the windows together under the output's name and remove the folder.

        Raises:
            ValueError: there are other windows than the data has now.
        """
        if sorted(self.done) != list(range(windows)):
            raise ValueError(
                f"cannot finish {self._output}: the data have {windows} windows, {len(self.done)} are scored: they "
                f"are not those of the run that was broken off. Remove {self.folder} to start again"
            )
        paths = [self.done[number] for number in sorted(self.done)]
        errors = (pq.read_table(path, columns=["error"], use_threads=False)["error"] for path in paths)
        digests = [(pq.read_schema(path).metadata or {})[_DIGEST] for path in paths]
        info = corpus_info(self._schema) | _counts(errors) | {"rows digest": rows_digest(digests)}
        schema = with_info(self._schema, info)
        with (
            self._explaining_full_disk(),
            _whole(self._output, self.folder) as file,
            pq.ParquetWriter(file, schema, **_WRITING) as writer,
        ):
            for table in _groups(paths):
                writer.write_table(table.replace_schema_metadata(None).cast(schema))
        shutil.rmtree(self.folder)
        return self._output

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


def parts_folder(output: Path) -> Path:
    """The folder that holds an unfinished output."""
    return output.with_name(output.name + ".parts")


@contextmanager
def open_shards(output: Path, schema: pa.Schema, description: dict[str, Any], rows: int | None) -> Iterator[ShardStore]:
    """The store of an output, new or of a run that was broken off, for this process alone.

    Raises:
        BlockingIOError: another process is writing there.
        OSError: the folder cannot be written to, or the disk has too little room.
        ValueError: what is there was computed of something else; the message says what differs.
    """
    folder = parts_folder(output)
    try:
        folder.mkdir(exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError as error:
        raise OSError(error.errno, f"cannot write to the folder {output.parent}: {error.strerror}") from error
    with lock, _locked(lock, output):
        for left in folder.glob("*.writing"):
            left.unlink()
        _agree(folder / "manifest.json", output, description)
        store = ShardStore(output, schema)
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
    shutil.rmtree(parts_folder(output), ignore_errors=True)  # left by a run that was killed while it tidied up


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs between two descriptions of jobs, in words."""
    return [
        f"{name} was {_short(before.get(name))}, now it is {_short(now.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def check_output(output: Any) -> Path:
    """The output's path, if it can be written there.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError: it cannot.
    """
    path = Path(output)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give the name of the Parquet file to write")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} in: make it first")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"the folder {path.parent} cannot be written to")
    return path


def _agree(manifest: Path, output: Path, description: dict[str, Any]) -> None:
    if manifest.is_file():
        try:
            before = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(
                f"{manifest} is damaged ({error}): remove {manifest.parent} to start again, or write to another path"
            ) from None
        if differences := differing(before, description):
            raise ValueError(
                f"cannot go on with {output}: the run that was broken off computed something else: "
                f"{'; '.join(differences)}. Make the same call, or write to another path, or remove {manifest.parent} "
                "to start again"
            )
        return
    with _whole(manifest) as file:
        file.write(json.dumps(description, ensure_ascii=False, indent=1).encode())


def _check_room(output: Path, schema: pa.Schema, rows: int) -> None:
    """Raise where the disk cannot hold the scores; warn where it may not hold them twice, as putting together takes."""
    numbers = sum(4 * getattr(field.type, "storage_type", field.type).list_size for field in schema if _is_grid(field))
    needed, free = rows * numbers, shutil.disk_usage(output.parent).free
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


def _groups(paths: list[Path]) -> Iterator[pa.Table]:
    """The tables of the files in order, some together where they are small."""
    collected: list[pa.Table] = []
    for path in paths:
        collected.append(pq.read_table(path, use_threads=False))
        if sum(table.nbytes for table in collected) >= _GROUP_BYTES:
            yield pa.concat_tables(collected)
            collected = []
            give_back_memory()
    if collected:
        yield pa.concat_tables(collected)


@contextmanager
def _whole(path: Path, folder: Path | None = None) -> Iterator[IO[bytes]]:
    """A file to write to, in ``folder`` until it is written and on the disk, then under its own name; or it is gone."""
    unfinished = (folder or path.parent) / (path.name + ".writing")
    try:
        with unfinished.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


@contextmanager
def _locked(file: IO[str], output: Path) -> Iterator[None]:
    """Keep other processes out. The lock goes with the process, however it ends."""
    try:
        import fcntl
    except ImportError:  # not on this system
        yield
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BlockingIOError(error.errno, f"another process is scoring to {output}") from None
    yield


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
