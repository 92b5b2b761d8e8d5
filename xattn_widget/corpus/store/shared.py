"""Store scored windows in shared storage, where workers on any machine write them; :mod:`dataset` has the layout.

Object stores have no locks. Instead, each call writes its own number into ``_job.json``, and looks there again
every few seconds and before it writes the manifest. So the later of two calls for one output goes on, and the earlier
one stops.
"""

from __future__ import annotations

import errno
import io
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.sources.rows import Window
from xattn_widget.corpus.store.counting import add_counts, count_rows, rows_digest
from xattn_widget.corpus.store.dataset import JOB, MANIFEST, Part, part_numbers, read_parts
from xattn_widget.corpus.store.locations import Location, find_location
from xattn_widget.corpus.store.manifests import checksum, decode, differing, encode
from xattn_widget.corpus.store.parquet import WRITING, seal
from xattn_widget.corpus.store.tables import corpus_info
from xattn_widget.files.writing import UNFINISHED

# How often a call makes sure that no other call has taken its output over.
_SECONDS_BETWEEN_CHECKS = 10


class PartWriter(NamedTuple):
    """Writes windows from any process of any machine.

    Attributes:
        uri: the output.
        schema: its schema.
        job: the digest of the job's description.
    """

    uri: str
    schema: pa.Schema
    job: str

    def write(self, number: int, digest: str, table: pa.Table) -> Part:
        """Write a window's table, and describe what was written.

        Raises:
            OSError: it cannot be written, or this machine does not see the output.
        """
        part = Part(number, digest, self.job, count_rows(table))
        content = io.BytesIO()
        whole = table.replace_schema_metadata(None).cast(self.schema)
        pq.write_table(whole.replace_schema_metadata(part.describe(self.schema).metadata), content, **WRITING)
        seal(content)
        _check_visible(self.uri, self.job)
        with _explaining(self.uri):
            find_location(self.uri).inside(part.name).write(content.getvalue())
        return part


class SharedStore:
    """Stores the windows in shared storage; created by :func:`open_shared`."""

    def __init__(self, uri: str, schema: pa.Schema, description: dict[str, Any]) -> None:
        """Take over the output, and find the windows that an earlier call finished.

        Raises:
            ValueError: the output belongs to another job, or one of its files is damaged.
            FileExistsError: there is something else.
            OSError: the output cannot be written.
        """
        self._folder, self._schema, self._description = find_location(uri), schema, description
        self._run, self._checked = secrets.token_hex(8), 0.0
        self.writer = PartWriter(uri, schema, checksum(description))
        with _explaining(uri):
            self._take_over()
            numbers = part_numbers(list(self._folder.sizes()))
        parts = read_parts(self._folder, numbers)
        for part in parts:
            if part.job != self.writer.job:
                name = self._folder.inside(part.name).name
                raise ValueError(f"{name} was written by another job: remove it, and its rows are scored again")
        self.done = dict(zip(numbers, parts, strict=True))

    def has(self, window: Window) -> bool:
        """Whether the window has been scored.

        Raises:
            ValueError: other rows were scored.
        """
        part = self.done.get(window.number)
        if part is not None and part.digest != window.digest:
            last = window.first + len(window.rows) - 1
            raise ValueError(
                f"cannot resume {self._folder.name}: rows {window.first} to {last} differ from those of the "
                "interrupted run. Pass the same data or another output, or remove the folder to start over"
            )
        return part is not None

    def write(self, number: int, digest: str, table: pa.Table) -> None:
        """Write a window's table from this process."""
        self.add(self.writer.write(number, digest, table))

    def add(self, part: Part) -> None:
        """Note a window that some process has written.

        Raises:
            BlockingIOError: another call has taken over the output.
        """
        self.done[part.number] = part
        if time.monotonic() - self._checked > _SECONDS_BETWEEN_CHECKS:
            self._check_run()

    def finish(self, windows: int) -> str:
        """Write the manifest; returns the URI.

        Raises:
            ValueError: the windows are not exactly those of the data, or one has disappeared.
            BlockingIOError: another call has taken over the output.
        """
        if windows == 0:  # a part with no rows, for the schema
            self.write(0, "", self._schema.empty_table())
        numbers = list(range(max(windows, 1)))
        if sorted(self.done) != numbers:
            raise ValueError(
                f"cannot finish {self._folder.name}: the data have {windows} windows, but {len(self.done)} are "
                "scored, so these are not the data of the interrupted run. Pass the same data, or remove the folder "
                "to start over"
            )
        parts = [self.done[number] for number in numbers]
        info = corpus_info(self._schema) | add_counts(part.counts for part in parts)
        digests = [] if windows == 0 else [part.digest.encode() for part in parts]
        info["rows digest"] = rows_digest(digests)
        with _explaining(self.writer.uri):
            names = self._folder.sizes()
            if missing := [part.name for part in parts if part.name not in names]:
                raise ValueError(
                    f"{self._folder.inside(missing[0]).name} has disappeared: make the same call again, which scores "
                    "its rows"
                )
            self._check_run()
            for name in names:
                if name.endswith(UNFINISHED):  # of a worker that was killed
                    self._folder.inside(name).remove()
            content = {"info": info, "parts": [part._asdict() for part in parts]}
            self._folder.inside(MANIFEST).write(encode(content))
        return self.writer.uri

    def _take_over(self) -> None:
        """Write this call's number, after checking that the folder is new or belongs to the same job."""
        file = self._folder.inside(JOB)
        if self._folder.kind == "nothing":
            self._folder.create_folder()
        elif file.kind == "nothing":
            if self._folder.kind == "file" or self._folder.sizes():
                raise FileExistsError(
                    f"{self._folder.name} exists and is not a scored corpus. Remove it, or write to another URI"
                )
        elif differences := differing(self._job()["job"], self._description):
            raise ValueError(
                f"cannot resume {self._folder.name}: the interrupted run was another job: {'; '.join(differences)}. "
                "Make the same call again, or write to another URI, or remove the folder to start over"
            )
        file.write(encode({"job": self._description, "run": self._run}))
        self._check_run()

    def _check_run(self) -> None:
        if self._job()["run"] != self._run:
            raise BlockingIOError(
                errno.EWOULDBLOCK,
                f"another call is scoring to {self._folder.name}, and has taken over: wait for it, or write to another "
                "URI",
            )
        self._checked = time.monotonic()

    def _job(self) -> dict[str, Any]:
        return read_job(self._folder)


@contextmanager
def open_shared(uri: str, schema: pa.Schema, description: dict[str, Any]) -> Iterator[SharedStore]:
    """The store of an output in shared storage, new or left by an interrupted run.

    Args:
        uri: the output.
        schema: its schema.
        description: the job, by :func:`describe_job`, and its data.

    Raises:
        ValueError: the interrupted run was another job; the message says what differs. Or a file is damaged.
        FileExistsError: there is something else.
        OSError: the output cannot be written.
    """
    yield SharedStore(uri, schema, description)


def read_job(folder: Location) -> dict[str, Any]:
    """What ``_job.json`` says: ``"job"``, the description, and ``"run"``, the number of the last call.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged.
    """
    file = folder.inside(JOB)
    try:
        content, sealed = decode(file.read())
        if not sealed:
            raise ValueError("its checksum is missing")
    except ValueError as error:
        raise ValueError(
            f"{file.name} is damaged ({error}): remove {folder.name} to start over, or write to another URI"
        ) from None
    return content


@lru_cache(maxsize=16)
def _check_visible(uri: str, job: str) -> None:
    """Raise unless this machine sees the output: a path that it does not share would be written to its own disk."""
    folder = find_location(uri)
    try:
        with _explaining(uri):
            seen = checksum(read_job(folder)["job"]) == job
    except FileNotFoundError:
        seen = False
    if not seen:
        raise FileNotFoundError(
            f"the machine {socket.gethostname()} does not see {folder.name} as it was created: mount it at the same "
            "path on every machine, or write to an object store"
        )


@contextmanager
def _explaining(uri: str) -> Iterator[None]:
    """Say which output cannot be reached, and that scored rows are kept."""
    try:
        yield
    except (FileExistsError, BlockingIOError):
        raise
    except (OSError, pa.ArrowException) as error:
        if isinstance(error, ValueError):  # Arrow's, of a wrong path
            raise
        name = find_location(uri).name
        raise type(error)(
            f"cannot write {name} ({error}): scored rows are kept there; make the same call again to resume"
        ) from error
