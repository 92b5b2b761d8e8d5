"""Open files, packed or not, as a stream of bytes that is never entirely in memory."""

from __future__ import annotations

import errno
import gzip
import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

# The first bytes of packed files; below, the commands that test them.
_MAGIC = {
    "gzip": b"\x1f\x8b\x08",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}
_TESTS = {"gzip": "gzip -t", "bzip2": "bzip2 -t", "xz": "xz -t", "zstd": "zstd -t", "zip": "unzip -t"}
_SUFFIXES = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".bz2": "bzip2",
    ".xz": "xz",
    ".zst": "zstd",
    ".zstd": "zstd",
    ".zip": "zip",
}
_BLOCK = b"1AY&SY"  # comes after the level in bzip2; an empty file has an end mark instead
_EMPTY_BLOCK = b"\x17rE8P\x90"
# The most memory for unpacking: "xz -9" needs 65 MB, and a hostile file may ask for 4 GB.
_XZ_MEMORY = 2**28
_BUFFER = 2**17
# Deflate makes at most 1,032 bytes out of one. A file that unpacks to more than that does not contain data.
_MOST_RATIO = 1100


def is_packing_suffix(suffix: str) -> bool:
    """Whether a suffix, in lower case, means that a file is packed."""
    return suffix in _SUFFIXES


def packing_of(head: bytes) -> str | None:
    """How a file is packed, by its first bytes; None if it is not."""
    if head[:3] == b"BZh":  # could be text as well
        rest = head[4:10]
        packed = head[3:4].isdigit() and (_BLOCK.startswith(rest) or _EMPTY_BLOCK.startswith(rest))
        return "bzip2" if packed else None
    if head[1:4] == b"\x2a\x4d\x18" and 0x50 <= head[0] <= 0x5F:  # a skippable frame of zstd
        return "zstd"
    if head[:4] == b"PK\x05\x06":  # a zip without files
        return "zip"
    return next((kind for kind, magic in _MAGIC.items() if head.startswith(magic)), None)


def find_packing(path: Path) -> str | None:
    """How a file is packed, by its content; None if it is not.

    Raises:
        ValueError: the file is packed according to its name, but not to its content.
    """
    with path.open("rb") as file:
        head = file.read(16)
    named = _SUFFIXES.get(path.suffix.lower())
    kind = packing_of(head)
    if kind is None and named is not None and not _is_data(head):
        if _MAGIC[named].startswith(head):
            raise _cut_short(path, named)
        raise _damaged(path, named, f"it begins with {head[:4]!r}")
    return kind


def _is_data(head: bytes) -> bool:
    """Whether this is an unpacked table, despite its name."""
    return head.startswith((b"PAR1", b"ARROW1\0\0", b"\xff\xff\xff\xff"))


@contextmanager
def unpacked(path: Path, packing: str | None) -> Iterator[IO[bytes]]:
    """The unpacked bytes of a file, to be read in order.

    Raises:
        ValueError: a packed file is damaged, which may show only while it is read; the message names the file.
    """
    with ExitStack() as stack:
        if packing is None:
            yield stack.enter_context(path.open("rb", buffering=_BUFFER))
            return
        try:
            stream = _open_stream(path, packing, stack)
        except (EOFError, OSError) as error:
            raise _explained(path, packing, error) from None
        yield stack.enter_context(io.BufferedReader(_Explaining(path, packing, stream), _BUFFER))


@contextmanager
def seekable(path: Path, packing: str | None) -> Iterator[Any]:
    """A file that Arrow can read at any position; a packed one is unpacked to a temporary file.

    Raises:
        ValueError: a packed file is damaged, or unpacks to far more than any data would.
    """
    if packing is None:
        with pa.OSFile(str(path)) as file:
            yield file
        return
    with tempfile.TemporaryFile(prefix="xattn-widget-") as file:
        with unpacked(path, packing) as stream:
            _copy(stream, file, _MOST_RATIO * path.stat().st_size, path)
        with pa.PythonFile(file, "r") as readable:
            yield readable


def packed_name(path: Path, packing: str | None) -> Path:
    """The name of the packed file: the one in the zip if it has a suffix, otherwise the path without its suffix."""
    if packing == "zip":
        with _open_archive(path) as archive:
            inside = Path(_only_file(path, archive).filename)
        if inside.suffix:
            return inside
    return path.with_suffix("") if is_packing_suffix(path.suffix.lower()) else path


def _copy(stream: IO[bytes], file: IO[bytes], most: int, path: Path) -> None:
    while chunk := stream.read(_BUFFER):
        if file.tell() + len(chunk) > most:
            raise ValueError(
                f"{path} unpacks to more than {most} bytes, over {_MOST_RATIO} times its size: unpack it yourself, if "
                "that is intended"
            )
        file.write(chunk)
    file.seek(0)


def _open_stream(path: Path, packing: str, stack: ExitStack) -> Any:
    match packing:
        case "gzip":
            return stack.enter_context(gzip.open(path, "rb"))
        case "xz":
            return _XzStreams(stack.enter_context(path.open("rb")))
        case "zip":
            archive = stack.enter_context(_open_archive(path))
            only = _only_file(path, archive)
            with _explaining_zip(path):
                return stack.enter_context(archive.open(only))
    file = stack.enter_context(pa.OSFile(str(path)))
    return stack.enter_context(pa.CompressedInputStream(file, {"bzip2": "bz2"}.get(packing, packing)))


def _open_archive(path: Path) -> zipfile.ZipFile:
    with _explaining_zip(path):
        return zipfile.ZipFile(path)


@contextmanager
def _explaining_zip(path: Path) -> Iterator[None]:
    """Name the file in any error that zipfile raises for a damaged one."""
    try:
        yield
    except Exception as error:
        raise _explained(path, "zip", error) from None


def _only_file(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    files = [info for info in archive.infolist() if not info.filename.endswith("/")]
    names = [info.filename for info in files]
    kind = _kind_of_zip(names)
    if kind is not None:
        raise ValueError(f"{path} is {kind}, which cannot be read: export it as CSV, TSV, JSON Lines, Parquet or text")
    if len(files) != 1:
        listed = f": {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}" if names else ""
        raise ValueError(f"{path} is a zip of {len(files)} files{listed}. Unpack it and pass one of them")
    (only,) = files
    if only.flag_bits & 1:
        raise ValueError(f"{path} is an encrypted zip: unpack it first")
    # With other methods, zipfile unpacks each piece at once, and a few kilobytes may hold gigabytes.
    if only.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{path} is a zip with compression method {only.compress_type}: unpack it first")
    return only


def _kind_of_zip(names: list[str]) -> str | None:
    """The format of a zip that is not a packed file, such as a workbook, by the files in it; None for other zips."""
    if "[Content_Types].xml" in names:
        office = {"xl/": "an Excel workbook", "word/": "a Word document", "ppt/": "a PowerPoint presentation"}
        inside = (kind for prefix, kind in office.items() if any(name.startswith(prefix) for name in names))
        return next(inside, "an Office document")
    if names[:1] == ["mimetype"]:
        return "an OpenDocument file or an e-book"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch checkpoint"
    if len(names) > 1 and all(name.endswith(".npy") for name in names):
        return "an archive of NumPy arrays"
    if "META-INF/MANIFEST.MF" in names:
        return "a Java archive"
    return None


class _XzStreams:
    """The content of successive xz streams, within a memory limit, which lzma.open does not support."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._pending = file, b""
        self._decompressor: lzma.LZMADecompressor | None = None

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes; none at the end.

        Raises:
            EOFError: the file ends within a stream.
            lzma.LZMAError: the file is damaged, or needs too much memory.
        """
        while True:
            if self._decompressor is None:
                while not (pending := self._pending.lstrip(b"\0")):  # skips padding between streams
                    self._pending = self._file.read(_BUFFER)
                    if not self._pending:
                        return b""
                self._pending = pending
                self._decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
            if self._decompressor.needs_input and not self._pending:
                self._pending = self._file.read(_BUFFER)
                if not self._pending:
                    raise EOFError
            data = self._decompressor.decompress(self._pending, size)
            self._pending = b""
            if self._decompressor.eof:
                self._pending, self._decompressor = self._decompressor.unused_data, None
            if data:
                return data


class _Explaining(io.RawIOBase):
    """A stream whose errors name the packed file that it reads."""

    def __init__(self, path: Path, packing: str, stream: Any) -> None:
        self._path, self._packing, self._stream = path, packing, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
            raise _explained(self._path, self._packing, error) from None
        buffer[: len(data)] = data
        return len(data)


def _explained(path: Path, packing: str, error: Exception) -> Exception:
    # Errors of the disk stay as they are. A damaged zip leads to invalid file positions, which raise EINVAL.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        return error
    if isinstance(error, EOFError) or "Truncated" in str(error) or "not a zip file" in str(error):
        return _cut_short(path, packing)
    return _damaged(path, packing, str(error))


def _cut_short(path: Path, packing: str) -> ValueError:
    return ValueError(f"{path} is cut short, its end is missing: {_advice(packing)}")


def _damaged(path: Path, packing: str, reason: str) -> ValueError:
    return ValueError(f"{path} cannot be unpacked as {packing} ({reason}): {_advice(packing)}")


def _advice(packing: str) -> str:
    return f"test it with '{_TESTS[packing]}', and copy or pack it again"
