"""The format of a file, by its content if that has a signature, and otherwise by its name."""

from __future__ import annotations

import codecs
import json
import re
from pathlib import Path

from xattn_widget.corpus.sources.packing import packing_of

# How many bytes of a file are examined.
HEAD = 2**16

_TABLES = {b"PAR1": "parquet", b"ARROW1\0\0": "arrow file", b"\xff\xff\xff\xff": "arrow stream"}
_SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_NAMES = {"parquet": "not a Parquet file", "arrow": "not an Arrow or Feather file"}

# The first bytes of other formats, whose content identifies them. Those that only a suffix identifies follow below.
_SIGNATURES = {
    b"PARE": "an encrypted Parquet file",
    b"FEA1": "a Feather file of version 1",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"SQLite format 3\0": "an SQLite database",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n": "an HDF5 file",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x04\x22\x4d\x18": "an LZ4 file",
    b"\x1f\x9d": "a file packed with compress",
    b"LZIP": "an lzip file",
    b"\x5d\0\0": "an LZMA file",
    b"GGUF": "a GGUF model",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "audio, video or an image",
    b"OggS": "audio",
    b"fLaC": "audio",
    b"ID3": "audio",
}
_MARKUP = {
    b"%pdf-": "a PDF document",
    b"%!ps": "a PostScript document",
    b"{\\rtf": "an RTF document",
    b"<!doctype html": "an HTML page",
    b"<html": "an HTML page",
    b"<?xml": "an XML document",
    b"<srcset": "an SGML document",
    b"<refset": "an SGML document",
    b"webvtt": "a subtitle file",
}
# Suffixes that are language codes too, such as .pt, .ps, .so and .br, are left out, because corpora use them.
_OTHER_SUFFIXES = {
    "a spreadsheet": ".xlsx .xls .xlsm .xlsb .ods .numbers",
    "a text document": ".doc .docx .odt .rtf .epub .pages",
    "a presentation": ".ppt .pptx .odp",
    "a PDF document": ".pdf",
    "a PostScript document": ".eps",
    "an HTML page": ".html .htm .xhtml .mhtml",
    "an XML document": ".xml .tmx .xlf .xliff .tei",
    "an SGML document": ".sgm .sgml",
    "a YAML document": ".yaml .yml",
    "a TOML document": ".toml",
    "a notebook": ".ipynb",
    "a subtitle file": ".srt .vtt .ass",
    "a database": ".sqlite .sqlite3 .db .duckdb .mdb .accdb",
    "an SQL script": ".sql",
    "an ORC file": ".orc",
    "an Avro file": ".avro",
    "an HDF5 file": ".h5 .hdf5 .hdf",
    "a NumPy array": ".npy .npz",
    "a pickle": ".pkl .pickle .joblib",
    "a checkpoint": ".pth .ckpt .safetensors .gguf .onnx .msgpack .h5ad",
    "a MATLAB file": ".mat",
    "an R data file": ".rds .rdata",
    "a Stata, SAS or SPSS file": ".dta .sas7bdat .sav",
    "a tar archive": ".tar .tgz .tbz2 .txz .tbz",
    "an archive": ".7z .rar .cab .iso .jar .whl .egg .deb .rpm .dmg",
    "compressed in an unsupported format": ".lz4 .lzma .lz .z .sz .snappy .lzo",
    "TFRecords": ".tfrecord .tfrecords",
    "an image": ".png .jpg .jpeg .gif .bmp .tif .tiff .webp .svg",
    "audio or video": ".wav .mp3 .ogg .flac .m4a .mp4 .mkv .webm .avi .mov",
    "a program": ".exe .dll .dylib .pyc .class",
}
_BY_SUFFIX = {suffix: description for description, suffixes in _OTHER_SUFFIXES.items() for suffix in suffixes.split()}

_BOMS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_CONTROL = re.compile(rb"[\x00-\x06\x0e-\x1a\x1c-\x1f\x7f]")
# Text may contain a stray control character. A tenth of random bytes are control characters.
_MOST_CONTROL, _MOST_CONTROL_SHORT, _FEW = 0.05, 0.3, 10
_OBJECT_BEGINS = re.compile(rb'\s*\{\s*"(?:[^"\\\n]|\\.)*+"\s*:\s*[-"\[{\dtfn]')
_OBJECTS_BEGIN = re.compile(rb'\s*\[\s*\{\s*"(?:[^"\\\n]|\\.)*+"\s*:')


def find_format(path: Path, name: Path, head: bytes) -> str:
    """The format of a file.

    Args:
        path: the file, for messages.
        name: the name of the file; if it is packed, of the file inside.
        head: its first ``HEAD`` bytes, unpacked; all of them if it is shorter.

    Returns:
        ``"text"``, ``"csv"``, ``"tsv"``, ``"json lines"``, ``"parquet"``, ``"arrow file"`` or ``"arrow stream"``.

    Raises:
        ValueError: it has another format, which the message names.
    """
    suffix = name.suffix.lower()
    named = _SUFFIXES.get(suffix)
    binary = _CONTROL.search(head) is not None
    for magic, kind in _TABLES.items():
        if head.startswith(magic) and (binary or named == kind):
            return kind
    if packing_of(head) is not None:
        raise ValueError(f"{path} is packed twice: unpack it once")
    for mark, encoding in _BOMS.items():
        if head.startswith(mark):
            raise _utf16(path, encoding)
    other = _other_format(head, binary)
    if other is not None:
        raise _unknown(path, other)
    text = head.removeprefix(b"\xef\xbb\xbf")
    if _is_json_lines(text, complete=len(head) < HEAD):
        return "json lines"
    if named in _NAMES:
        raise ValueError(
            f"{path} is {_NAMES[named]}, whatever its name says: it begins differently. Rename it, or write it again"
        )
    # A file that is named as a text table may contain any character.
    if binary and _is_binary(head) and not (named in ("csv", "tsv") and _is_utf8(head)):
        if head.strip(b"\0") and not (head[::2].strip(b"\0") and head[1::2].strip(b"\0")):
            raise _utf16(path, "UTF-16 without a byte-order mark")
        raise _unknown(path, _BY_SUFFIX.get(suffix, "a binary file"))
    if _is_json(text, suffix):
        raise ValueError(f"{path} is a JSON document: write it as JSON Lines, one object per line (jq -c '.[]')")
    if suffix in _BY_SUFFIX:
        raise _unknown(path, _BY_SUFFIX[suffix])
    return named or "text"


def _other_format(head: bytes, binary: bool) -> str | None:
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[4:8] == b"ftyp":
        return "audio or video"
    if head[8:10] == b'{"' and head[3:8] == b"\0\0\0\0\0":
        return "a safetensors file"
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return "a pickle"
    if binary:  # some signatures are letters, which could begin a text as well
        return next((description for magic, description in _SIGNATURES.items() if head.startswith(magic)), None)
    begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:32].lower()
    return next((description for magic, description in _MARKUP.items() if begin.startswith(magic)), None)


def _is_binary(head: bytes) -> bool:
    # In a short text, a few stray control characters are a large share.
    controls = len(_CONTROL.findall(head))
    return controls > _MOST_CONTROL_SHORT * len(head) or controls > max(_FEW, _MOST_CONTROL * len(head))


def _is_utf8(head: bytes) -> bool:
    """Whether this is UTF-8 without NUL; the end may cut a character in two."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _is_json_lines(text: bytes, *, complete: bool) -> bool:
    """Whether the first line that is not blank is a JSON object, or begins like one if it is cut."""
    first, *more = text.lstrip().split(b"\n", 1)
    if not _OBJECT_BEGINS.match(first):
        return False
    is_cut = not more and not complete
    return is_cut or isinstance(_parsed(first), dict)


def _is_json(text: bytes, suffix: str) -> bool:
    """Whether this is a single JSON document, or lines of arrays, whose fields have no names."""
    first, *more = text.lstrip().split(b"\n", 1)
    first = first.strip()
    if suffix == ".json" or _OBJECTS_BEGIN.match(text) or (first in (b"{", b"[") and b'"' in b"".join(more)):
        return True
    return suffix in (".jsonl", ".ndjson") and isinstance(_parsed(first), list)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _utf16(path: Path, encoding: str) -> ValueError:
    kind = encoding.split()[0]
    return ValueError(f"{path} is {encoding}: convert it to UTF-8 (iconv -f {kind} -t UTF-8)")


def _unknown(path: Path, description: str) -> ValueError:
    return ValueError(
        f"{path} is {description}, which cannot be read: pass text with one sentence per line, CSV, TSV, JSON Lines, "
        "Parquet or Arrow, or sentences as a list"
    )
