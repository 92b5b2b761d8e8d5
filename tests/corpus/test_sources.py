"""score_corpus reads every kind of source the same way, row by row in order, including broken files."""

from __future__ import annotations

import gzip
import subprocess
import sys

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN
from hypothesis import given
from hypothesis import strategies as st
from tqdm import tqdm

from xattn_widget import score_corpus
from xattn_widget.corpus.sources.rows import Row, cut_windows, open_rows, survey

QUOTED = ['He said "no".', "a, b", "two\nlines", ' "x"y', ""]


def read(sources, targets=None, **columns):
    return list(open_rows(sources, targets, **columns).read())


def plain(sources, targets=None):
    targets = targets or [None] * len(sources)
    return [Row(None, source, target, None) for source, target in zip(sources, targets, strict=True)]


def columns_of(kind, tmp_path):
    """The pool with targets and ids, as one kind of source with columns."""
    data = {"n": [str(n) for n in range(len(GERMAN))], "de": GERMAN, "en": ENGLISH}
    frame = pd.DataFrame(data)
    path = tmp_path / "pool"
    match kind:
        case "pandas":
            return frame
        case "polars":
            return pl.DataFrame(data)
        case "lazy polars":
            return pl.DataFrame(data).lazy()
        case "Arrow":
            return pa.table(data)
        case "Arrow batch":
            return pa.RecordBatch.from_pydict(data)
        case "Arrow stream":
            return pa.table(data).to_reader(max_chunksize=3)
        case "Arrow dictionary":
            return pa.table(data).set_column(1, "de", pa.array(GERMAN).dictionary_encode())
        case "Arrow view":
            return pa.table(data).set_column(1, "de", pa.array(GERMAN, pa.string_view()))
        case "dataset":
            return datasets.Dataset.from_dict(data)
        case "streamed dataset":
            return datasets.Dataset.from_dict(data).to_iterable_dataset()
        case "formatted dataset":
            return datasets.Dataset.from_dict(data).with_format("numpy")
        case "csv":
            frame.to_csv(path.with_suffix(".csv"), index=False)
            return path.with_suffix(".csv")
        case "csv.gz":
            frame.to_csv(tmp_path / "pool.csv.gz", index=False)
            return str(tmp_path / "pool.csv.gz")
        case "tsv":
            frame.to_csv(path.with_suffix(".tsv"), index=False, sep="\t")
            return str(path.with_suffix(".tsv"))
        case "parquet":
            frame.to_parquet(path.with_suffix(".parquet"))
            return path.with_suffix(".parquet")
        case "dicts":
            return frame.to_dict("records")
        case "iterator of dicts":
            return iter(frame.to_dict("records"))
    raise ValueError(kind)


@pytest.mark.parametrize(
    "kind",
    [
        *["pandas", "polars", "lazy polars", "Arrow", "Arrow batch", "Arrow stream", "Arrow dictionary", "Arrow view"],
        *["dataset", "streamed dataset", "formatted dataset"],
        *["csv", "csv.gz", "tsv", "parquet", "dicts", "iterator of dicts"],
    ],
)
def test_columns_are_read_by_name(kind, tmp_path):
    rows = open_rows(columns_of(kind, tmp_path), source_column="de", target_column="en", id_column="n")
    expected = [Row(str(n), *pair, None) for n, pair in enumerate(zip(GERMAN, ENGLISH, strict=True))]
    assert rows.once == (kind in ("Arrow stream", "iterator of dicts"))
    assert list(rows.read()) == expected
    if not rows.once:
        assert survey(rows).rows == len(GERMAN)
        assert list(rows.read()) == expected


class ArrowStream:
    """A stream of Arrow data from an unknown library."""

    columns = ("source",)

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)


class ArrowTable(ArrowStream):
    """With a length, it can be read again."""

    def __len__(self):
        return len(self.table)


def test_arrow_data_of_any_library_are_read_and_streams_only_once():
    data = pa.table({"source": GERMAN, "target": ENGLISH})
    for sources, once in ((ArrowTable(data), False), (ArrowStream(data), True)):
        rows = open_rows(sources, target_column="target")
        assert rows.once == once
        assert list(rows.read()) == plain(GERMAN, ENGLISH)
        if not once:
            assert list(rows.read()) == plain(GERMAN, ENGLISH)
    with pytest.raises(ValueError, match=r"ArrowStream has no column 'de'; it has 'source', 'target'"):
        read(ArrowStream(data), source_column="de")


def test_a_stream_is_not_lost_to_a_wrong_column():
    stream = pa.table({"source": GERMAN}).to_reader(max_chunksize=3)
    with pytest.raises(ValueError, match="no column 'de'"):
        read(stream, source_column="de")
    assert read(stream) == plain(GERMAN)


@pytest.mark.parametrize(
    "kind",
    ["pandas", "polars", "Arrow", "dataset", "streamed dataset", "csv", "tsv", "parquet", "dicts"],
)
def test_a_missing_column_is_named(kind, tmp_path):
    with pytest.raises(ValueError, match=r"no column 'dee'; it has 'n', 'de', 'en': did you mean 'de'\?"):
        read(columns_of(kind, tmp_path), source_column="dee")


def test_plain_sentences_are_read_from_anything_iterable():
    series = (pd.Series(GERMAN), pl.Series(GERMAN), pa.array(GERMAN), pa.chunked_array([GERMAN[:3], GERMAN[3:]]))
    for sources in (GERMAN, tuple(GERMAN), (each for each in GERMAN), iter(GERMAN), *series):
        assert read(sources) == plain(GERMAN)
    assert read(pd.Series(GERMAN), iter(ENGLISH)) == plain(GERMAN, ENGLISH)
    assert read([each.encode() for each in GERMAN]) == plain(GERMAN)


def test_a_text_file_has_one_sentence_per_line(tmp_path):
    path = tmp_path / "pool.de"
    path.write_bytes("\ufeffJa.\r\n\nNein\u2028doch.\n\xff".encode()[:-2] + b"\xff\xfe\n  Gut. ")
    assert [(row.source, row.error) for row in read(path)] == [
        ("Ja.", None),
        ("", None),
        ("Nein\u2028doch.", None),
        ("\ufffd\ufffd", "source is not valid UTF-8"),
        ("  Gut. ", None),
    ]
    (tmp_path / "pool.de.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "pool.de.gz") == read(path)
    (tmp_path / "pool.en").write_text("a\nb\nc\nd\ne\n")
    assert [row.target for row in read(path, tmp_path / "pool.en")] == list("abcde")


def test_columns_of_a_file_without_a_header_are_numbered(tmp_path):
    path = tmp_path / "pool.tsv"
    path.write_text('Ja.\tYes.\n"Nein"\t"No\n', encoding="utf-8")
    assert read(path, source_column=0, target_column=1) == plain(["Ja.", '"Nein"'], ["Yes.", '"No'])
    with pytest.raises(ValueError, match="has 2 columns, there is no column 2"):
        read(path, source_column=2)
    with pytest.raises(ValueError, match="name all columns"):
        read(path, source_column=0, target_column="Yes.")


# Without NUL: a file of NUL and many other control characters is taken for a binary one.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), max_size=8)


@given(st.lists(st.sampled_from(QUOTED) | TEXTS))
def test_csv_gives_back_what_was_written(tmp_path_factory, sentences):
    path = tmp_path_factory.mktemp("csv") / "pool.csv"
    pd.DataFrame({"source": sentences, "other": range(len(sentences))}).to_csv(path, index=False)
    assert [row.source for row in read(path)] == sentences


def test_broken_csv_records_are_rows_and_reading_continues(tmp_path):
    path = tmp_path / "pool.csv"
    path.write_bytes(
        b'id,source,target\n1,Ja.,Yes.\n2,zwei\n3,zu,viele,Felder\n4,"offen,Open.\n5,Gut.,Good.\n\n7,\xff,x\n'
        b'8,"zu" spaet,Late.\n9,"zwei\nZeilen",Two.\n'
    )
    rows = read(path, target_column="target", id_column="id")
    assert [(row.id, row.source, row.error and row.error[:14]) for row in rows] == [
        ("1", "Ja.", None),
        (None, None, "broken record:"),
        (None, None, "broken record:"),
        (None, None, "broken record:"),
        ("5", "Gut.", None),
        ("", "", None),
        ("7", "\ufffd", "source is not "),
        (None, None, "broken record:"),
        ("9", "zwei\nZeilen", None),
    ]


def test_a_quote_left_open_does_not_swallow_a_long_file(tmp_path):
    path = tmp_path / "pool.csv"
    path.write_text('source\n"offen\n' + "Ja.\n" * 60_000)
    rows = read(path)
    assert len(rows) == 60_001
    assert rows[0].error.startswith("broken record")
    assert all(row.source == "Ja." for row in rows[1:])


def test_parquet_and_arrow_text_may_be_invalid_utf8(tmp_path):
    column = pa.array([b"Ja.", b"\xff", None], pa.binary())
    text = pa.StringArray.from_buffers(3, *column.buffers()[1:], column.buffers()[0])
    pq.write_table(pa.table({"source": text}), tmp_path / "pool.parquet")
    for sources in (pa.table({"source": text}), tmp_path / "pool.parquet", text, pa.table({"source": column})):
        assert [row.error for row in read(sources)] == [None, "source is not valid UTF-8", "source is missing"]


def test_missing_values_of_frames_are_reported():
    for cells in (["Ja.", None], ["Ja.", float("nan")], pd.array(["Ja.", pd.NA], dtype="string")):
        assert [row.error for row in read(pd.DataFrame({"source": cells}))] == [None, "source is missing"]
    assert [row.error for row in read(pl.DataFrame({"source": ["Ja.", None]}))] == [None, "source is missing"]


@pytest.mark.parametrize(
    ("sources", "targets", "columns", "error", "message"),
    [
        ("/no/such/file.csv", None, {}, FileNotFoundError, "pass sentences as a list"),
        ("/", None, {}, IsADirectoryError, "is a folder"),
        (5, None, {}, TypeError, "sources must hold sentences .* got int"),
        (["a"], ["b", "c"], {}, ValueError, "1 sources and 2 targets"),
        (iter("ab"), iter("abc"), {}, ValueError, "the sources end after 2 rows, the targets go on"),
        (pa.table({"source": [1]}), None, {}, ValueError, "column 'source' of the Table is int64, not text"),
        (datasets.DatasetDict(train=datasets.Dataset.from_dict({"a": ["x"]})), None, {}, TypeError, "splits train"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(sources, targets, columns, error, message):
    with pytest.raises(error, match=message):
        read(sources, targets, **columns)


def test_files_that_are_not_what_their_name_says(tmp_path):
    for name, content, message in [
        ("a.parquet", b"no", "is not a Parquet file"),
        ("a.csv", b"", "is empty: there is not even a header line"),
        ("a.txt", "Ja.".encode("utf-16"), "is UTF-16: convert it"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read(tmp_path / name)


def test_windows_cut_rows_in_order_and_know_their_content():
    rows = plain(list("abcdefg"))
    windows = list(cut_windows(rows, 3))
    assert [(window.number, window.first, len(window.rows)) for window in windows] == [(0, 0, 3), (1, 3, 3), (2, 6, 1)]
    assert [row for window in windows for row in window.rows] == rows
    other = list(cut_windows(plain(list("abcdefX")), 3))
    assert [window.digest == same.digest for window, same in zip(windows, other, strict=True)] == [True, True, False]


def test_libraries_that_are_absent_are_not_needed():
    program = """
import sys
from xattn_widget import load_demo, score_corpus
pair = load_demo()
absent = {"pandas", "polars", "datasets", "ray", "scipy", "sacrebleu"}
for name in [name for name in sys.modules if name.partition(".")[0] in absent]:
    del sys.modules[name]
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
assert score_corpus(*pair, ["Ja."]).num_rows == 1
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.parametrize("window", [1, 2, 4096])
def test_given_ids_are_kept_next_to_broken_records(demo, tmp_path, window):
    path = tmp_path / "pool.csv"
    path.write_text("id,source,target\na1,Ja.\na2,Ja.,Yes.\na3,Ja.,Yes.\n")
    options = {"source_column": "source", "target_column": "target", "id_column": "id", "window": window}
    table = score_corpus(*demo, path, scores="entropy", **options)
    assert table["id"].to_pylist() == [None, "a2", "a3"]
    assert table["error"].null_count == 2
    rows = [{"id": None, "source": "Ja."}, {"id": 7, "source": "Ja."}, {"id": float("nan"), "source": "Ja."}]
    table = score_corpus(*demo, rows, ["Yes."] * 3, "entropy", source_column="source", id_column="id", window=window)
    assert table["id"].to_pylist() == [None, "7", None]


def test_an_iterable_that_always_returns_the_same_iterator_is_read_once(demo):
    class Once:
        def __init__(self, items):
            self.items = iter(items)

        def __iter__(self):
            return self.items

    for sources in (
        tqdm((each for each in GERMAN), total=8, disable=True),
        tqdm(iter(GERMAN), disable=True),
        Once(GERMAN),
    ):
        table = score_corpus(*demo, sources, iter(ENGLISH), "entropy")
        assert table["source"].to_pylist() == GERMAN


def test_sources_that_shrink_are_reported(demo):
    class Shrinking(list):
        def __iter__(self):
            items = list(super().__iter__())
            self.clear()
            return iter(items)

    with pytest.raises(
        ValueError, match="held 1 windows of rows when they were first read, and 0 when they were scored"
    ):
        score_corpus(*demo, Shrinking(GERMAN), scores="entropy")


def test_missing_cells_of_pandas_and_odd_cells_are_rows(demo):
    table = score_corpus(*demo, ["Gut.", pd.NA, pd.NaT, np.array(["a", "b"]), float("nan")], ["x"] * 5, "entropy")
    errors = table["error"].to_pylist()
    assert errors == [
        None,
        "source is missing",
        "source is missing",
        "source is not text but ndarray",
        "source is missing",
    ]


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    [
        ({"source": ["Gut."]}, TypeError, "sources must hold sentences .* got dict"),
        (b"Hallo", TypeError, "sources must hold sentences .* got bytes"),
        (pd.DataFrame([["a", "b"]], columns=["source", "source"]), ValueError, "several columns called 'source'"),
        (pa.Table.from_arrays([["a"], ["b"]], names=["source", "source"]), ValueError, "several columns called"),
    ],
)
def test_sources_that_would_be_misread_are_refused(demo, sources, error, message):
    with pytest.raises(error, match=message):
        score_corpus(*demo, sources, scores="entropy")
