"""Compute the unpacked size of the parts of Parquet and Arrow files from their headers alone.

The libraries unpack a page or a batch of rows as a whole, however large its header says it is, and do not report the
size beforehand.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

_HEADER = 2**9
_MOST_HEADER = 2**20  # with statistics of long texts
_MOST_DEPTH = 8


class Page(NamedTuple):
    """A page of a column in a Parquet file: its unpacked size in bytes, and how many values, 0 for a dictionary."""

    size: int
    values: int


class Chunk(NamedTuple):
    """A column in a row group of a Parquet file: its path in the schema, where its pages are, and how many values."""

    path: tuple[str, ...]
    start: int
    end: int
    values: int


def parquet_groups(file: Any) -> list[list[Chunk]]:
    """The columns of each row group, from the footer of a file that pyarrow has opened.

    pyarrow provides these too, but aborts the process if some of their metadata are damaged.

    Raises:
        pyarrow.ArrowInvalid: the file's metadata are damaged.
    """
    file.seek(0, 2)
    size = file.tell()
    file.seek(size - 8)
    length = _number("<I", file.read(4), 0)
    file.seek(max(0, size - 8 - length))
    try:
        groups = _Compact(bytes(file.read(length))).structure().get(4, [])
        return [[_chunk(column[3]) for column in group[1]] for group in groups]
    except (IndexError, KeyError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise pa.ArrowInvalid(f"its metadata are damaged ({error})") from None


def _chunk(metadata: dict[int, Any]) -> Chunk:
    start, dictionary = metadata[9], metadata.get(11, 0)
    if 0 < dictionary < start:
        start = dictionary
    return Chunk(tuple(name.decode() for name in metadata[3]), start, start + metadata[7], metadata[5])


def parquet_pages(file: Any, chunk: Chunk) -> Iterator[Page]:
    """The pages of a column in a row group.

    Raises:
        pyarrow.ArrowInvalid: there are no pages where they should be.
    """
    place, values = chunk.start, 0
    while place < chunk.end and values < chunk.values:
        header, length = _read_header(file, place)
        size, packed = header.get(2, -1), header.get(3, -1)
        # A data page has one of two versions.
        details = header.get(5) or header.get(8) or {}
        count = details.get(1, 0) if isinstance(details, dict) else -1
        for number in (size, packed, count):
            if not isinstance(number, int) or number < 0:
                raise pa.ArrowInvalid("a page without a size")
        yield Page(size, count)
        values += count
        place += length + packed


def arrow_unpacked(metadata: bytes, body: Any) -> tuple[int, int]:
    """The number of rows of a batch in an Arrow file, and the unpacked size of its packed buffers in bytes, 0 if none
    is packed.

    Args:
        metadata: the message's metadata, a flatbuffer.
        body: the message's body.

    Raises:
        pyarrow.ArrowInvalid: the metadata are damaged.
    """
    try:
        message = _Table(metadata, _number("<I", metadata, 0))
        batch = message.table(2)
        if message.number("<B", 1) == 2:  # a dictionary: its values are a batch
            batch = batch.table(1)
        if not batch.has(3):
            return batch.number("<q", 0), 0
        unpacked = 0
        for offset, length in batch.pairs(2):
            if length:
                declared = _number("<q", body[offset : offset + 8], 0)
                unpacked += length if declared < 0 else declared
        return batch.number("<q", 0), unpacked
    except (struct.error, IndexError) as error:
        raise pa.ArrowInvalid(f"a batch without a size ({error})") from None


class _Table:
    """A table in a flatbuffer."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._start = data, start
        self._fields = start - _number("<i", data, start)
        self._length = _number("<H", data, self._fields)

    def _place(self, field: int) -> int:
        entry = 4 + 2 * field
        offset = _number("<H", self._data, self._fields + entry) if entry < self._length else 0
        return self._start + offset if offset else 0

    def has(self, field: int) -> bool:
        return self._place(field) > 0

    def number(self, form: str, field: int) -> int:
        place = self._place(field)
        return _number(form, self._data, place) if place else 0

    def table(self, field: int) -> _Table:
        place = self._place(field)
        return _Table(self._data, place + _number("<I", self._data, place))

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        place = self._place(field)
        if place:
            place += _number("<I", self._data, place)
            for index in range(_number("<I", self._data, place)):
                yield struct.unpack_from("<qq", self._data, place + 4 + 16 * index)


def _number(form: str, data: Any, place: int) -> int:
    if place < 0:
        raise IndexError("a place before the beginning")
    number: int = struct.unpack_from(form, data, place)[0]
    return number


def _read_header(file: Any, place: int) -> tuple[dict[int, Any], int]:
    """A page's header, and the header's length in bytes."""
    for size in (_HEADER, _MOST_HEADER):
        if place < 0:
            break
        file.seek(place)
        reader = _Compact(bytes(file.read(size)))
        try:
            return reader.structure(), reader.place
        except IndexError:
            continue
    raise pa.ArrowInvalid("a page header that does not end")


class _Compact:
    """Reads Thrift's compact protocol."""

    def __init__(self, data: bytes) -> None:
        self._data, self.place = data, 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """The fields of a structure, by number."""
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            step = kind >> 4
            number = number + step if step else self._signed()
            fields[number] = self._value(kind & 15, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _MOST_DEPTH:
            raise pa.ArrowInvalid("a header that is nested too deeply")
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            items = self._byte()
            count = items >> 4 if items >> 4 < 15 else self._unsigned()
            return [self._value(items & 15, depth + 1) for _ in range(count)]
        if kind == 12:
            return self.structure(depth + 1)
        raise pa.ArrowInvalid(f"a header with a field of kind {kind}")

    def _bytes(self, size: int) -> bytes:
        start, self.place = self.place, self.place + size
        if self.place > len(self._data):
            raise IndexError("the end is missing")
        return self._data[start : self.place]

    def _byte(self) -> int:
        byte = self._data[self.place]
        self.place += 1
        return byte

    def _unsigned(self) -> int:
        number = shift = 0
        while (byte := self._byte()) & 0x80:
            number |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise pa.ArrowInvalid("a header with a number of more than 64 bits")
        return number | byte << shift

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)
