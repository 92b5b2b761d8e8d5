"""Files and records that would exhaust memory or time are read within bounds, counted in bytes and calls."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import sys
import tracemalloc
import zipfile
from collections import Counter
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import score_corpus
from xattn_widget.corpus.sources.rows import cut_windows, open_rows, survey

MEGA = 2**20
TOO_LARGE = "broken record: larger than 4194304 bytes, the value of max_record_bytes"


def read(path, **options):
    return list(open_rows(path, **options).read())


@contextmanager
def at_most(limit):
    """Fails if Python or Arrow allocate more than ``limit`` bytes at any time inside the block."""
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    pa.set_memory_pool(pool)
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
        assert pool.max_memory() < limit
    finally:
        tracemalloc.stop()
        pa.set_memory_pool(before)


def calls_of(function):
    """How many Python functions and generators a call enters."""
    counts = Counter()
    sys.setprofile(lambda frame, event, argument: counts.update([event]))
    try:
        function()
    finally:
        sys.setprofile(None)
    return counts["call"]


def zipped(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("pool", "w") as file:
        yield file


def zstandard(path):
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        yield file


def writer(opened):
    def write(path):
        with opened(path, "wb") as file:
            yield file

    return write


PACKED = {
    "gz": writer(gzip.open),
    "bz2": writer(bz2.open),
    "xz": writer(lzma.open),
    "zst": zstandard,
    "zip": zipped,
}


@pytest.mark.parametrize(
    ("packing", "suffix", "begin", "end"),
    [
        *((packing, ".txt", b"Ja.\n", b"\nNein.\n") for packing in PACKED),
        ("gz", ".csv", b'source\nJa.\n"', b'"\nNein.\n'),
        ("gz", ".tsv", b"source\nJa.\n", b"\nNein.\n"),
        ("gz", ".jsonl", b'{"source": "Ja."}\n{"source": "', b'"}\n{"source": "Nein."}\n'),
    ],
)
def test_a_packed_line_that_is_too_long_is_a_row(packing, suffix, begin, end, tmp_path):
    path = tmp_path / f"pool{suffix}.{packing}"
    for file in PACKED[packing](path):
        for content in (begin, *[b"a" * MEGA] * 50, end):
            file.write(content)
    assert path.stat().st_size < MEGA
    with at_most(24 * MEGA):
        rows = read(path)
    assert [(row.source, row.error) for row in rows] == [("Ja.", None), (None, TOO_LARGE), ("Nein.", None)]


def test_the_limit_of_a_record_is_an_argument(demo, tmp_path):
    path = tmp_path / "pool.txt"
    path.write_bytes(b"a" * 20 + b"\r\n" + b"a" * 21 + b"\n" + "ä".encode() * 10 + b"\n" + "ä".encode() * 11)
    error = "broken record: larger than 20 bytes, the value of max_record_bytes"
    expected = [None, error, None, error]
    assert [row.error for row in read(path, max_record_bytes=20)] == expected
    sentences = path.read_text().splitlines()
    for sources in (sentences, iter(sentences), pa.array(sentences), pa.array(sentences, pa.string_view())):
        assert [row.error for row in read(sources, max_record_bytes=20)] == expected
    assert [row.error for row in read(["a" * 12], targets=["b" * 9], max_record_bytes=20)] == [error]
    table = score_corpus(*demo, ["Ja.", "Ja " * 10], ["Yes."] * 2, "entropy", max_record_bytes=20)
    assert table["error"].to_pylist() == [None, error]
    for wrong in (0, -1, "1", 1.5):
        with pytest.raises(ValueError, match="max_record_bytes must be a positive whole number"):
            score_corpus(*demo, ["Ja."], max_record_bytes=wrong)


def same(count, size):
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), pa.array(["a" * size]))
    return pa.table({"source": texts})


def written(path, table, **options):
    if path.suffix == ".parquet":
        pq.write_table(table, path, **options)
    else:
        pa.feather.write_feather(table, path, **options)
    return path


def test_one_text_in_many_rows_is_in_memory_once(tmp_path):
    table = same(200, MEGA // 2)
    batch = table.to_batches()[0]
    sources = [
        table,
        written(tmp_path / "pool.parquet", table),
        written(tmp_path / "pool.feather", table),
        pa.RecordBatchReader.from_batches(batch.schema, [batch]),
    ]
    for each in sources:
        with at_most(24 * MEGA):
            assert sum(len(row.source) == MEGA // 2 for row in open_rows(each).read()) == 200
    # Windows are limited by size as well, and their number is known beforehand.
    with at_most(72 * MEGA):  # of 100 in all; two windows are in memory at a time
        rows = open_rows(sources[1])
        windows = [(window.number, window.first, len(window.rows)) for window in cut_windows(rows.read(), 4096)]
        assert windows == [(0, 0, 64), (1, 64, 64), (2, 128, 64), (3, 192, 8)]
        assert survey(rows).windows == 4


def test_long_rows_are_scored_in_smaller_windows(demo, monkeypatch, tmp_path):
    monkeypatch.setattr("xattn_widget.corpus.sources.rows._WINDOW_CHARACTERS", 60)
    whole = score_corpus(*demo, GERMAN, ENGLISH, "entropy", max_length=50)
    assert whole["source"].to_pylist() == GERMAN
    assert whole["id"].to_pylist() == list(range(8))
    path = score_corpus(*demo, GERMAN, ENGLISH, "entropy", max_length=50, output=tmp_path / "s.parquet")
    assert pq.read_table(path)["id"].to_pylist() == list(range(8))


def test_long_texts_are_encoded_a_few_at_a_time(demo, monkeypatch):
    model, tokenizer = demo
    sizes = []

    def call(self, text=None, text_target=None, **options):
        sizes.append(sum(map(len, text or text_target)))
        return call.before(self, text=text, text_target=text_target, **options)

    call.before = type(tokenizer).__call__
    monkeypatch.setattr(type(tokenizer), "__call__", call)
    table = score_corpus(model, tokenizer, ["Ja. " * 100_000] * 4, ["Yes."] * 4, "entropy")
    assert set(table["error"].to_pylist()) == {table["error"][0].as_py()}
    assert "tokens, the limit is" in table["error"][0].as_py()
    assert max(sizes) < 1.5 * MEGA


@pytest.mark.parametrize("use_dictionary", [True, False])
def test_a_parquet_page_that_is_too_large_is_not_unpacked(use_dictionary, tmp_path):
    options = {"compression": "zstd", "use_dictionary": use_dictionary}
    path = tmp_path / "pool.parquet"
    with pq.ParquetWriter(path, pa.schema([("source", pa.string())]), **options) as writer:
        for texts in (["Ja."], ["vorher", "a" * 100 * MEGA, "nachher"], ["Nein."]):
            writer.write_table(pa.table({"source": texts}))
    with at_most(8 * MEGA):
        rows = read(path, max_record_bytes=MEGA)
    error = "broken record: in a Parquet page of more than 67108864 bytes, 64 times the value of max_record_bytes"
    assert [row.error for row in rows] == [None, error, error, error, None]
    rows = read(path, max_record_bytes=2 * MEGA)  # now the page may be read, and the cell is too large
    assert [row.source for row in rows] == ["Ja.", "vorher", None, "nachher", "Nein."]


def test_a_page_that_claims_more_than_the_metadata_is_not_unpacked(tmp_path):
    path = written(tmp_path / "pool.parquet", pa.table({"source": GERMAN}), compression="zstd", use_dictionary=False)
    content = bytearray(path.read_bytes())
    assert content[4:7] == b"\x15\x00\x15"  # the header of the page: its kind, and then its size
    path.write_bytes(b"PAR1" + b"\x15\x00\x15\xfe\xff\xff\xff\x0f" + content[9:4096])
    with at_most(8 * MEGA):
        assert {row.error and row.error[:32] for row in read(path)} == {"broken record: in a Parquet page"}


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_an_arrow_batch_that_is_too_large_is_not_unpacked(compression, tmp_path):
    table = pa.table({"source": ["Ja.", "a" * 100 * MEGA]})
    path = written(tmp_path / "pool.feather", table, compression=compression)
    with (
        at_most(8 * MEGA),
        pytest.raises(ValueError, match=r"has a batch of 1048\d+ bytes.*: write"),
    ):
        read(path, max_record_bytes=MEGA)
    assert [row.source for row in read(path, max_record_bytes=2 * MEGA)] == ["Ja.", None]
    # Batches that are not compressed are not copied either, unless the file is packed.
    plain = written(tmp_path / "plain.feather", table, compression="uncompressed")
    with at_most(8 * MEGA):
        assert [row.source for row in read(plain, max_record_bytes=MEGA)] == ["Ja.", None]
    (tmp_path / "plain.feather.gz").write_bytes(gzip.compress(plain.read_bytes(), 1))
    with at_most(8 * MEGA), pytest.raises(ValueError, match="has a batch of 1048"):
        read(tmp_path / "plain.feather.gz", max_record_bytes=MEGA)


def test_a_file_that_unpacks_to_far_more_than_data_would_is_not_written_to_disk(tmp_path):
    path = tmp_path / "pool.parquet.zst"
    with pa.CompressedOutputStream(str(path), "zstd") as file:
        file.write(b"PAR1\0")
        for _ in range(64):
            file.write(b"\0" * MEGA)
    with pytest.raises(ValueError, match=r"unpacks to more than .* 1100 times its size"):
        read(path)


@pytest.mark.parametrize(
    "lines",
    [
        ['a","c'],
        ['"a'],
        ['"'],
        ['"a', '"b"c'],
        ['a,"', "b", 'c"d'],
        ['""",'],
        ['","","'],
        ['"' * 50],
        ['"' * 51],
        ['"a""', "b"],
        ["a" * 50],
    ],
)
@pytest.mark.parametrize("limit", [4 * MEGA, 2000])
def test_csv_is_read_in_linear_time(lines, limit, tmp_path):
    counts = []
    for length in (300, 1200):
        path = tmp_path / f"{length}.csv"
        path.write_text("source,target\n" + "\n".join(lines * length) + "\n")
        counts.append(calls_of(lambda path=path: read(path, max_record_bytes=limit)))
    assert counts[1] < 4.2 * counts[0]


def test_a_cell_may_have_as_many_characters_as_a_record(tmp_path):
    path = tmp_path / "pool.csv"
    cells = ["a" * 131_073, 'b "c",\r\n' * 50_000]
    before = csv.field_size_limit()
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["source"], *([cell] for cell in cells)])
    assert [row.source for row in read(path)] == cells
    assert csv.field_size_limit() == before


CELL = st.text(
    st.sampled_from('a"ä,;\n\r\t\u2028 ') | st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=8
)


@given(st.lists(st.tuples(CELL, CELL)), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_csv_is_read_as_the_csv_module_writes_it(tmp_path_factory, pairs, end, minimal):
    text = io.StringIO(newline="")
    # The csv module does not always quote a carriage return.
    quoting = (
        csv.QUOTE_MINIMAL if minimal and not any("\r" in cell for pair in pairs for cell in pair) else csv.QUOTE_ALL
    )
    csv.writer(text, lineterminator=end, quoting=quoting).writerows([("source", "target"), *pairs])
    path = tmp_path_factory.mktemp("csv") / "pool.csv"
    path.write_bytes(text.getvalue().encode())
    assert [(row.source, row.target) for row in read(path, target_column="target")] == pairs


def reference(text):
    """What the csv module reads from the lines of a file, skipping only the first line of each broken record."""
    lines = io.StringIO(text, newline="\n").readlines()
    while lines:
        taken = iter(lines)
        count = 0

        def feed(taken=taken):
            nonlocal count
            for line in taken:
                count += 1
                yield line

        try:
            yield next(csv.reader(feed(), strict=True))
            lines = lines[count:]
        except csv.Error:
            yield None
            lines = lines[1:]


@given(st.text(st.sampled_from('aab"",,\n\n'), max_size=60))
def test_any_csv_is_read_as_the_csv_module_reads_it(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("csv") / "pool.csv"
    path.write_text(f"source,target\n{text}")
    rows = [(row.source, row.target) for row in read(path, target_column="target")]
    expected = [
        [*record, "", ""][:2] if record is not None and len(record) in (0, 2) else (None, None)
        for record in reference(text)
    ]
    assert rows == list(map(tuple, expected))
