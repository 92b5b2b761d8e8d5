"""Where a job writes: a file of this machine, or a folder in shared storage if the output is a URI."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from xattn_widget.corpus.store.dataset import MANIFEST
from xattn_widget.corpus.store.locations import find_location, is_uri
from xattn_widget.corpus.store.parts import discard_parts, parts_folder, remove_parts
from xattn_widget.corpus.store.shards import Store, check_output, open_shards


class Output(Protocol):
    """An output of a job.

    Attributes:
        place: its path or URI.
    """

    place: Path | str

    def exists(self) -> bool:
        """Whether there is a finished output, or something else."""

    def open_store(
        self, schema: pa.Schema, description: dict[str, Any], rows: int | None
    ) -> AbstractContextManager[Store]:
        """The store for the windows of a job; ``rows`` is the number of rows if it is known."""

    def discard_parts(self) -> None:
        """Remove what a call left behind if it was killed after completing its output."""

    def remove_parts(self) -> None:
        """The same while the store is open."""


class LocalFile:
    """A Parquet file of this machine."""

    def __init__(self, path: Path) -> None:
        self.place: Path | str = path
        self._path = path

    def exists(self) -> bool:
        """Whether there is such a file."""
        return self._path.exists()

    @contextmanager
    def open_store(self, schema: pa.Schema, description: dict[str, Any], rows: int | None) -> Iterator[Store]:
        """The store for the windows, in a folder beside the file, locked for this call."""
        with open_shards(self._path, schema, description, rows) as store:
            yield store

    def discard_parts(self) -> None:
        """Remove the folder of the windows, unless another call uses it."""
        discard_parts(self._path)

    def remove_parts(self) -> None:
        """Remove the folder of the windows, which this call has locked."""
        remove_parts(parts_folder(self._path))


class SharedFolder:
    """A folder of Parquet files in shared storage."""

    def __init__(self, uri: str) -> None:
        """Check the URI."""
        find_location(uri)
        self.place: Path | str = uri
        self._uri = uri

    def exists(self) -> bool:
        """Whether the folder is complete, or there is a file in its place."""
        location = find_location(self._uri)
        return location.kind == "file" or location.inside(MANIFEST).kind == "file"

    def open_store(
        self, schema: pa.Schema, description: dict[str, Any], rows: int | None
    ) -> AbstractContextManager[Store]:
        """The store for the windows, in the folder itself."""
        from xattn_widget.corpus.store.shared import open_shared

        return open_shared(self._uri, schema, description)

    def discard_parts(self) -> None:
        """Nothing: the parts are the output."""

    def remove_parts(self) -> None:
        """Nothing: the parts are the output."""


def find_output(output: Any, *inputs: Any) -> Output:
    """The output that a path or URI names, after checking that it can be written.

    Args:
        output: the path or URI.
        inputs: the sources and targets; those that are paths are compared with the output.

    Raises:
        FileNotFoundError, IsADirectoryError, PermissionError, OSError, ValueError: as :func:`check_output`, or the URI
            is wrong.
    """
    return SharedFolder(output) if is_uri(output) else LocalFile(check_output(output, *inputs))
