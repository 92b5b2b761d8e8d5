"""Folders in shared storage, such as ``s3://bucket/scored.parquet``, read and written through ``pyarrow.fs``."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from xattn_widget.files.writing import UNFINISHED, whole_file

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# What pathlib makes of a URI: it drops a slash.
_BROKEN_URI = re.compile(r"(s3|gs|gcs|abfs|abfss|hdfs|viewfs|file|hf):/(?!/)")
# Stores of objects: an object is visible only once it is complete, and cannot be renamed.
_OBJECT_STORES = ("s3", "gcs", "abfs")


def is_uri(value: object) -> bool:
    """Whether a value is a URI, such as ``s3://bucket/scored.parquet``, and not a path of this machine.

    Raises:
        ValueError: it is a ``Path`` that was made from a URI, which drops a slash.
    """
    if isinstance(value, PurePath) and _BROKEN_URI.match(value.as_posix()):
        raise ValueError(f"{value} was a URI before it became a {type(value).__name__}: pass it as a string")
    return isinstance(value, str) and _URI.match(value) is not None


class Location(NamedTuple):
    """A folder or file in shared storage.

    Attributes:
        name: what the user calls it, without the query of a URI.
        filesystem: the ``pyarrow.fs.FileSystem``.
        path: the path in it.
    """

    name: str
    filesystem: Any
    path: str

    @property
    def kind(self) -> Literal["file", "folder", "nothing"]:
        """What is there."""
        info = self.filesystem.get_file_info(self.path)
        if info.type == fs.FileType.NotFound:
            return "nothing"
        return "file" if info.type == fs.FileType.File else "folder"

    @property
    def is_object_store(self) -> bool:
        """Whether it has objects, and neither folders nor renaming."""
        return self.filesystem.type_name in _OBJECT_STORES

    def sizes(self) -> dict[str, int]:
        """The files in the folder by name, with their sizes in bytes; empty if the folder does not exist."""
        listing = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True))
        return {info.base_name: info.size for info in listing if info.type == fs.FileType.File}

    def inside(self, name: str) -> Location:
        """A file in the folder."""
        return Location(f"{self.name}/{name}", self.filesystem, f"{self.path}/{name}")

    def open(self) -> Any:
        """The file, to read from any position; raises a FileNotFoundError if there is none."""
        return self.filesystem.open_input_file(self.path)

    def read(self) -> bytes:
        """The content of the file."""
        with self.open() as file:
            content: bytes = file.read()
        return content

    def create_folder(self) -> None:
        """Create the folder, where folders exist; the one above must exist."""
        if not self.is_object_store:
            self.filesystem.create_dir(self.path, recursive=False)

    def write(self, content: bytes) -> None:
        """Write the file, which gets its name only once it is complete."""
        if self.filesystem.type_name == "local":
            with whole_file(self.path, follow_links=False) as file:
                file.write(content)
        elif self.is_object_store:
            self._put(self.path, content)
        else:
            folder, _, name = self.path.rpartition("/")
            unfinished = f"{folder}/.{name}.{secrets.token_hex(8)}{UNFINISHED}"
            self._put(unfinished, content)
            self.filesystem.move(unfinished, self.path)

    def remove(self) -> None:
        """Remove the file."""
        self.filesystem.delete_file(self.path)

    def _put(self, path: str, content: bytes) -> None:
        with self.filesystem.open_output_stream(path) as stream:
            stream.write(content)


@lru_cache(maxsize=16)
def find_location(uri: str) -> Location:
    """The location that a URI names. Credentials are those that ``pyarrow.fs`` finds, such as in the environment.

    Raises:
        ValueError: ``pyarrow.fs`` does not know this kind of storage, or the URI has a password in it.
        OSError: the storage cannot be reached.
    """
    parts = urlsplit(uri)
    if parts.password is not None:
        raise ValueError(
            f"the URI of {parts.scheme}://…@{parts.hostname}{parts.path} has a password in it, which messages would "
            "show: leave it out, and set environment variables, such as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    try:
        filesystem, path = fs.FileSystem.from_uri(uri)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ImportError) as error:
        raise ValueError(
            f"pyarrow cannot open {uri}: {error}. Pass a URI such as s3://bucket/scored.parquet or "
            "file:///shared/scored.parquet, or a path"
        ) from error
    return Location(uri.partition("?")[0].rstrip("/"), filesystem, path.rstrip("/"))


def local_folder(path: str | Path) -> Location:
    """A folder of this machine."""
    return Location(str(path), fs.LocalFileSystem(), str(Path(path).absolute()))
