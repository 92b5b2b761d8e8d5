"""A scored corpus as a folder of Parquet files, as it is written to shared storage.

``scored.parquet/part-00000000.parquet`` and so on hold a window each. ``_job.json`` describes the job and is written
first; ``_manifest.json`` lists the parts and is written last, so that a folder with it is complete. Each part says to
which job it belongs and of which rows it has the scores: a part that does not fit the manifest is an error. To other
readers of Parquet data sets, which skip names that begin with an underscore, this is an ordinary one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Any, NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from xattn_widget.corpus.store.locations import Location
from xattn_widget.corpus.store.manifests import decode
from xattn_widget.corpus.store.parquet import batches_in, table_in, verified
from xattn_widget.messages.tables import SCORED

JOB, MANIFEST = "_job.json", "_manifest.json"
_PART = re.compile(r"part-(\d{8})\.parquet")
# The entry of a part's metadata that describes it.
_DESCRIBED = b"xattn_widget_part"
# How many parts are read at the same time: storage takes a while to answer.
_AT_ONCE = 16


class DamagedError(ValueError):
    """A finished folder of which a file is damaged, missing or of another job."""


class Part(NamedTuple):
    """What a part says about itself.

    Attributes:
        number: the number of the window.
        digest: the digest of the rows that were scored.
        job: the digest of the job's description.
        counts: how many rows there are, and errors, by :func:`count_rows`.
    """

    number: int
    digest: str
    job: str
    counts: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"part-{self.number:08}.parquet"

    def describe(self, schema: pa.Schema) -> pa.Schema:
        """The schema with the part's description in its metadata."""
        return schema.with_metadata((schema.metadata or {}) | {_DESCRIBED: json.dumps(self._asdict()).encode()})

    @classmethod
    def described_in(cls, schema: pa.Schema) -> Self:
        """The part that a schema's metadata describe; raises a ValueError if there is none."""
        try:
            return cls(**json.loads((schema.metadata or {})[_DESCRIBED]))
        except (KeyError, TypeError, ValueError):
            raise ValueError("it does not say which rows it holds") from None


def part_numbers(names: Sequence[str]) -> list[int]:
    """The numbers of the parts among the names of files, in order."""
    return sorted(int(match[1]) for match in map(_PART.fullmatch, names) if match)


def read_parts(folder: Location, numbers: Sequence[int]) -> list[Part]:
    """What the parts say about themselves. Their footers are compared with their checksums, but no numbers are read.

    Raises:
        ValueError: one is damaged.
    """

    def describe(number: int) -> Part:
        file = folder.inside(f"part-{number:08}.parquet")
        try:
            with file.open() as opened, verified(opened, file.name, sealed=True):
                return Part.described_in(pq.read_schema(opened))
        except ValueError as error:
            raise ValueError(f"{error}. Remove {file.name}, and its rows are scored again") from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(describe, numbers))


class ScoredFolder:
    """The finished table in a folder."""

    def __init__(self, folder: Location) -> None:
        """Read the manifest.

        Raises:
            FileNotFoundError: there is no folder.
            IsADirectoryError, ValueError: it is not a scored corpus, or it is incomplete.
            DamagedError: its manifest is damaged.
        """
        self._folder = folder
        manifest = folder.inside(MANIFEST)
        try:
            content, sealed = decode(manifest.read())
            if not sealed:
                raise ValueError("its checksum is missing")
            self._info: dict[str, Any] = content["info"]
            self._parts = [Part(**part) for part in content["parts"]]
        except FileNotFoundError:
            raise self._missing() from None
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{manifest.name} is damaged ({error}): {self._advice(MANIFEST)}") from None

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the table."""
        with self._opened(self._parts[0]) as file:
            content = json.dumps(self._info, ensure_ascii=False).encode()
            return pq.read_schema(file).with_metadata({SCORED: content})

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The table, or some of its columns."""

        def read(part: Part) -> pa.Table:
            with self._opened(part) as file:
                return table_in(file, columns, use_threads=False).replace_schema_metadata(self.schema.metadata)

        first = read(self._parts[0])
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return pa.concat_tables([first, *pool.map(read, self._parts[1:])])

    def batches(self, rows: int) -> Iterator[pa.Table]:
        """The table, at most ``rows`` rows at a time."""
        for part in self._parts:
            with self._opened(part) as file:
                for batch in batches_in(file, rows):
                    yield batch.replace_schema_metadata(self.schema.metadata)

    @contextmanager
    def _opened(self, part: Part) -> Iterator[Any]:
        """The file of a part, after comparing it with the manifest; errors name it and say how to go on."""
        file = self._folder.inside(part.name)
        try:
            with file.open() as opened, verified(opened, file.name, sealed=True):
                if Part.described_in(pq.read_schema(opened)) != part:
                    raise ValueError("it belongs to another job, or to other rows")
                opened.seek(0)
                yield opened
        except FileNotFoundError:
            raise DamagedError(f"{file.name} is missing: {self._advice(MANIFEST)}") from None
        except ValueError as error:
            raise DamagedError(f"{error}: {self._advice(part.name, MANIFEST)}") from error

    def _advice(self, *names: str) -> str:
        files = " and ".join(self._folder.inside(name).name for name in names)
        return f"remove {files}, and make the call that wrote it again, which scores only what is missing"

    def _missing(self) -> Exception:
        name = self._folder.name
        if self._folder.kind == "nothing":
            return FileNotFoundError(f"there is nothing at {name}: pass the path or URI that score_corpus wrote")
        if self._folder.inside(JOB).kind == "file":
            return ValueError(f"{name} is not complete: make the call that wrote it again, which resumes")
        return IsADirectoryError(
            f"{name} is a folder without {MANIFEST}: pass the Parquet file or the folder that score_corpus wrote"
        )
