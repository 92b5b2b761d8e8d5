"""Every supported format gives the same rows, packed or not and whatever its name; all others are refused."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import json
import lzma
import os
import pickle
import sqlite3
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest
import safetensors.numpy
import torch
from corpus_pool import ENGLISH, GERMAN
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget.corpus.sources.rows import Row, open_rows

TABLE = pa.table(
    {"translation": pa.array([{"de": de, "en": en} for de, en in zip(GERMAN, ENGLISH, strict=True)]), "n": range(8)}
)
FLAT = pa.table({"source": GERMAN, "target": ENGLISH})
ROWS = [Row(None, *pair, None) for pair in zip(GERMAN, ENGLISH, strict=True)]


def read(path, **columns):
    return list(open_rows(path, **columns).read())


def parquet(table):
    file = io.BytesIO()
    pq.write_table(table, file, row_group_size=3)
    return file.getvalue()


def arrow(table, new):
    sink = pa.BufferOutputStream()
    with new(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return sink.getvalue().to_pybytes()


def feather(table):
    file = io.BytesIO()
    pa.feather.write_feather(table, file, compression="zstd", chunksize=3)
    return file.getvalue()


def json_lines(table):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_pylist()).encode()


def delimited(separator):
    return "".join(separator.join(pair) + "\n" for pair in [("source", "target"), *zip(GERMAN, ENGLISH, strict=True)])


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


def zipped(files, **options):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content, **options)
    return file.getvalue()


TYPED = {
    "parquet": parquet,
    "feather": feather,
    "arrow": lambda table: arrow(table, pa.ipc.new_file),
    "arrows": lambda table: arrow(table, pa.ipc.new_stream),
    "jsonl": json_lines,
}
PACKED = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd,
    "zip": lambda content: zipped({"pool": content}),
}


@pytest.mark.parametrize("packing", ["", *PACKED])
@pytest.mark.parametrize("kind", TYPED)
def test_a_format_with_a_signature_is_read_whatever_its_name(kind, packing, tmp_path):
    pack = PACKED.get(packing, bytes)
    suffix = f".{packing}" if packing else ""
    for name in (f"pool.{kind}{suffix}", "pool.txt", "pool", "pool.csv", "pool.parquet"):
        (tmp_path / name).write_bytes(pack(TYPED[kind](FLAT)))
        assert read(tmp_path / name, target_column="target") == ROWS
    (tmp_path / "nested").write_bytes(pack(TYPED[kind](TABLE)))
    assert read(tmp_path / "nested", source_column="translation.de", target_column="translation.en") == ROWS


@pytest.mark.parametrize("packing", ["", *PACKED])
def test_a_format_known_only_by_its_name_is_read_packed_too(packing, tmp_path):
    pack, suffix = PACKED.get(packing, bytes), f".{packing}" if packing else ""
    for name, separator in (("pool.csv", ";"), ("pool.tsv", "\t"), ("pool.tab", "\t")):
        text = delimited(separator) if separator != ";" else delimited('","').replace("\n", '"\n"')[:-1]
        content = ('"' + text if separator == ";" else text).encode()
        (tmp_path / f"{name}{suffix}").write_bytes(pack(content))
        assert read(tmp_path / f"{name}{suffix}", target_column="target") == ROWS
    (tmp_path / f"pool.de{suffix}").write_bytes(pack("\n".join(GERMAN).encode()))
    assert [row.source for row in read(tmp_path / f"pool.de{suffix}")] == GERMAN


def test_the_name_inside_a_zip_counts(tmp_path):
    (tmp_path / "pool.zip").write_bytes(zipped({"folder/": b"", "folder/pool.tsv": delimited("\t").encode()}))
    assert read(tmp_path / "pool.zip", target_column="target") == ROWS


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst"])
def test_concatenated_packed_pieces_are_one_file(packing, tmp_path):
    path = tmp_path / f"pool.txt.{packing}"
    path.write_bytes(b"".join(PACKED[packing](f"{line}\n".encode()) for line in GERMAN))
    assert [row.source for row in read(path)] == GERMAN


@pytest.mark.parametrize("packing", PACKED)
def test_truncated_or_damaged_files_are_never_read_in_part(packing, tmp_path):
    path = tmp_path / f"pool.txt.{packing}"
    lines = "\n".join(f"{number} {sentence}" for number, sentence in enumerate(GERMAN * 500)).encode()
    whole = PACKED[packing](lines)
    for kept in (0, 1, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        with pytest.raises(ValueError, match=rf"{packing} is cut short, its end is missing: test it with '\w+ -t'"):
            read(path)
    path.write_bytes(b"Ja.\nNein.\n")
    with pytest.raises(ValueError, match=r"cannot be unpacked as \w+ \(it begins with b'Ja"):
        read(path)
    if packing != "zip":  # which may be followed by anything
        path.write_bytes(whole + b"something else")
        with pytest.raises(ValueError, match=r"cannot be unpacked as \w+ \("):
            read(path)


def encrypted():
    content = bytearray(zipped({"pool.txt": b"Ja."}))
    content[6] |= 1
    content[content.find(b"PK\1\2") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped({"a.txt": b"Ja.", "b.txt": b"Nein."}), "zip of 2 files: a.txt, b.txt"),
        (zipped({}), "zip of 0 files"),
        (encrypted(), "an encrypted zip: unpack it first"),
        # zipfile unpacks each piece of these at once, however large it is.
        (zipped({"a.txt": b"Ja."}, compress_type=zipfile.ZIP_BZIP2), "a zip with compression method 12"),
        (zipped({"a.txt": b"Ja."}, compress_type=zipfile.ZIP_LZMA), "a zip with compression method 14"),
        (zipped({"a.txt.gz": gzip.compress(b"Ja.")}), "is packed twice"),
        (gzip.compress(gzip.compress(b"Ja.")), "is packed twice"),
        (lzma.compress(b"Ja.", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 2**29}]), "Memory usage limit"),
    ],
    # Packed bytes name the time; every worker of a parallel run must collect the same names.
    ids=lambda value: "" if isinstance(value, bytes) else value,
)
def test_packing_that_cannot_be_read_says_why(content, message, tmp_path):
    (tmp_path / "pool").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "pool")


def numpy_file():
    file = io.BytesIO()
    np.save(file, np.arange(9))
    return file.getvalue()


def tar_file():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("pool.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"Ja.\n"))
    return file.getvalue()


def orc_file():
    file = io.BytesIO()
    pa.orc.write_table(FLAT, file)
    return file.getvalue()


def database():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table pool (source text)")
        return connection.serialize()


def checkpoint():
    file = io.BytesIO()
    torch.save({"weight": torch.ones(3)}, file)
    return file.getvalue()


OTHERS = {
    "xlsx": (zipped({"[Content_Types].xml": b"", "xl/workbook.xml": b""}), "an Excel workbook"),
    "docx": (zipped({"[Content_Types].xml": b"", "word/document.xml": b""}), "a Word document"),
    "ods": (zipped({"mimetype": b"application/vnd.oasis", "content.xml": b""}), "an OpenDocument file"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF document"),
    "tar": (tar_file(), "a tar archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4abc", "a 7-Zip archive"),
    "rar": (b"Rar!\x1a\x07\x01\0abc", "a RAR archive"),
    "sqlite": (database(), "an SQLite database"),
    "npy": (numpy_file(), "a NumPy array"),
    "pkl": (pickle.dumps(GERMAN), "a pickle"),
    "pt": (checkpoint(), "a PyTorch checkpoint"),
    "safetensors": (safetensors.numpy.save({"a": np.ones(3)}), "a safetensors file"),
    "orc": (orc_file(), "an ORC file"),
    "avro": (b"Obj\x01\x04\x14avro.codec", "an Avro file"),
    "html": (b"<!DOCTYPE html>\n<p>Ja.</p>\n", "an HTML page"),
    "xml": (b'<?xml version="1.0"?>\n<tmx/>\n', "an XML document"),
    "rtf": (b"{\\rtf1 Ja.}", "an RTF document"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image"),
    "json": (b'[{"source": "Ja."}]', "a JSON document"),
    "ndjson": (b'[{"source": "Ja."},\n {"source": "Nein."}]', "a JSON document"),
    "bin": (bytes(range(256)) * 9, "a binary file"),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40\xa7\0", "an LZ4 file"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_refused_by_name_and_not_read_as_text(kind, tmp_path):
    content, message = OTHERS[kind]
    for name, packed in (
        (f"pool.{kind}", content),
        ("pool.txt", content),
        ("pool.csv", content),
        ("pool", content),
        ("pool.txt.xz", content if content.startswith(b"PK") else lzma.compress(content)),
    ):
        (tmp_path / name).write_bytes(packed)
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)


@pytest.mark.parametrize("suffix", [".xlsx", ".yaml", ".srt", ".tmx", ".sgm", ".json", ".feather", ".parquet"])
def test_text_with_the_name_of_another_format_is_refused(suffix, tmp_path):
    (tmp_path / f"pool{suffix}").write_text("Ja.\nNein.\n")
    with pytest.raises(ValueError, match=f"pool{suffix} is "):
        read(tmp_path / f"pool{suffix}")


@pytest.mark.parametrize(
    "line",
    ["PAR1 ist ein Gen.", "ORC", "MZ", "BZh9", "[Musik] Ja.", "[1]", "{Lachen}", "{}", "a\0b", '"Ja."', "%", "RIFF"],
)
@pytest.mark.parametrize("name", ["pool.txt", "pool.pt", "pool.so", "pool.br", "pool"])
def test_text_that_looks_like_something_else_is_text(line, name, tmp_path):
    (tmp_path / name).write_text(f"{line}\nNein.\n")
    assert [row.source for row in read(tmp_path / name)] == [line, "Nein."]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_named(encoding, tmp_path):
    for name in ("pool.txt", "pool.csv", "pool.jsonl", "pool.txt.gz"):
        content = "source\nJa.\n".encode(encoding)
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        with pytest.raises(ValueError, match=r"is UTF-(16|32).*: convert it to UTF-8 \(iconv"):
            read(tmp_path / name)


def test_a_file_with_nothing_but_a_byte_order_mark_is_empty(tmp_path):
    for name in ("pool.csv", "pool.tsv"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf")
        with pytest.raises(ValueError, match="is empty: there is not even a header line"):
            read(tmp_path / name)
        (tmp_path / name).write_bytes(b"\n\nJa.\n")
        with pytest.raises(ValueError, match=r"the first line of .* is blank"):
            read(tmp_path / name)
    for name in ("pool.txt", "pool.jsonl"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf")
        assert read(tmp_path / name) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a pipe with a name")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (tmp_path / "pipe.txt", "/dev/null"):
        with pytest.raises(OSError, match="is a pipe or a device"):
            read(path)


def test_json_lines_that_are_broken_are_rows(tmp_path):
    path = tmp_path / "pool.jsonl"
    path.write_bytes(
        b'{"source": "Ja."}\n\n{"source": "cut\n[1]\n{"source": 5}\n{"other": 1}\n{"source": "\xff"}\n'
        b'{"source": ' + b"[" * 100_000 + b'}\n{"source": ' + b"1" * 10_000 + b'}\r\n  {"source": "Gut."}'
    )
    assert [(row.source, row.error and row.error[:28]) for row in read(path)] == [
        ("Ja.", None),
        (None, "broken record: Invalid contr"),
        (None, "broken record: JSON list, no"),
        (None, "source is not text but int"),
        (None, "source is missing"),
        ("\ufffd", "source is not valid UTF-8"),
        (None, "broken record: JSON that is "),
        (None, "broken record: Exceeds the l"),
        ("Gut.", None),
    ]
    with pytest.raises(ValueError, match="is JSON Lines, whose fields have names: source_column cannot be 0"):
        read(path, source_column=0)


class NamedError(Exception):
    pass


@contextlib.contextmanager
def naming(path):
    try:
        yield
    except ValueError as error:
        if str(path) not in str(error):
            raise
        raise NamedError from error


WHOLE = [*(write(FLAT) for write in TYPED.values()), delimited(",").encode(), *(p(b"Ja.\n") for p in PACKED.values())]


@given(
    st.sampled_from(
        ["pool", "pool.csv", "pool.tsv", "pool.jsonl", "pool.parquet", "pool.arrow", "pool.gz", "pool.zip"]
    ),
    st.binary(max_size=300)
    | st.builds(
        lambda whole, place, change: whole[: int(place * len(whole))] + change + whole[int(place * len(whole)) + 1 :],
        st.sampled_from(WHOLE),
        st.floats(0, 1, exclude_max=True),
        st.binary(max_size=4),
    ),
)
def test_any_bytes_give_rows_or_an_error_that_names_the_file(tmp_path_factory, name, content):
    path = tmp_path_factory.mktemp("fuzz") / name
    path.write_bytes(content)
    with contextlib.suppress(NamedError), naming(path):
        rows = read(path)
        assert all(isinstance(row, Row) and (row.error or row.source is not None) for row in rows)
