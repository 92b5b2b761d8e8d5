"""Columns of any source: nested ones are read; columns without text and names that match nothing are refused."""

from __future__ import annotations

import datetime
import json

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN

from xattn_widget import score_corpus
from xattn_widget.corpus.sources.rows import open_rows

ROWS = [{"translation": {"de": de, "en": en}, "n": n} for n, (de, en) in enumerate(zip(GERMAN, ENGLISH, strict=True))]


def read(sources, targets=None, **columns):
    return list(open_rows(sources, targets, **columns).read())


def arrow_file(rows, path, new):
    table = pa.Table.from_pylist(rows)
    with new(str(path), table.schema) as writer:
        writer.write_table(table)
    return path


def parquet_file(rows, path):
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def json_file(rows, path):
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


SOURCES = {
    "pandas": lambda rows, folder: pd.DataFrame(rows),
    "polars": lambda rows, folder: pl.DataFrame(rows),
    "lazy polars": lambda rows, folder: pl.LazyFrame(rows),
    "Arrow": lambda rows, folder: pa.Table.from_pylist(rows),
    "Arrow batch": lambda rows, folder: pa.RecordBatch.from_pylist(rows),
    "Arrow stream": lambda rows, folder: pa.Table.from_pylist(rows).to_reader(max_chunksize=3),
    "dataset": lambda rows, folder: datasets.Dataset.from_list(rows),
    "streamed dataset": lambda rows, folder: datasets.Dataset.from_list(rows).to_iterable_dataset(),
    "generated dataset": lambda rows, folder: datasets.IterableDataset.from_generator(lambda: iter(rows)),
    "parquet": lambda rows, folder: parquet_file(rows, folder / "p.parquet"),
    "Arrow file": lambda rows, folder: arrow_file(rows, folder / "p.arrow", pa.ipc.new_file),
    "JSON Lines": lambda rows, folder: json_file(rows, folder / "p.jsonl"),
    "dicts": lambda rows, folder: rows,
    "iterator of dicts": lambda rows, folder: iter(rows),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_nested_fields_are_read_by_their_path(kind, tmp_path):
    sources = SOURCES[kind](ROWS, tmp_path)
    rows = read(sources, source_column="translation.de", target_column="translation.en", id_column="n")
    assert [(row.source, row.target, row.id) for row in rows] == [
        (de, en, str(n)) for n, (de, en) in enumerate(zip(GERMAN, ENGLISH, strict=True))
    ]


@pytest.mark.parametrize("kind", SOURCES)
def test_a_name_with_a_dot_takes_precedence_over_a_nested_field(kind, tmp_path):
    rows = [{"a": {"b": "nested", "c.d": "deep"}, "a.b": "named"}]
    assert [row.source for row in read(SOURCES[kind](rows, tmp_path), source_column="a.b")] == ["named"]
    assert [row.source for row in read(SOURCES[kind](rows, tmp_path), source_column="a.c.d")] == ["deep"]


@pytest.mark.parametrize("kind", SOURCES)
def test_missing_nested_values_are_rows(kind, tmp_path):
    rows = [{"t": {"de": "Ja."}}, {"t": None}, {"t": {"de": None}}]
    found = read(SOURCES[kind](rows, tmp_path), source_column="t.de")
    assert [row.error for row in found] == [None, "source is missing", "source is missing"]


@pytest.mark.parametrize("kind", SOURCES)
@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("translation", r"column 'translation' of .* not text: name one of its fields, such as source_column='transl"),
        ("n", r"column 'n' of .* is int(64)?, not text: name a column of text with source_column"),
        ("translation.dee", r"has no column 'translation.dee'; it has .*: did you mean 'translation.de'\?"),
        ("de", r"has no column 'de'; it has 'translation', "),
    ],
)
def test_columns_without_text_are_refused_with_the_fix(kind, column, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read(SOURCES[kind](ROWS, tmp_path), source_column=column)


@pytest.mark.parametrize("kind", ["pandas", "polars", "Arrow", "dataset", "parquet", "Arrow file"])
@pytest.mark.parametrize("value", [1.5, True, ["Ja."], datetime.date(2020, 1, 1), {"a": 1}])
def test_only_text_is_accepted(kind, value, tmp_path):
    rows = [{"source": "Ja.", "target": value}, {"source": "Nein.", "target": value}]
    with pytest.raises(ValueError, match=r"column 'target' of .* not text: name a column of text with target_column"):
        read(SOURCES[kind](rows, tmp_path), target_column="target")


def test_categories_are_text_and_numbers_as_categories_are_not():
    assert [row.source for row in read(pd.DataFrame({"source": pd.Categorical(["a", "b", "a"])}))] == ["a", "b", "a"]
    for kind in (pl.Categorical, pl.Enum(["a", "b"])):
        series = pl.Series("source", ["a", None, "b", "a"], dtype=kind)
        assert [row.source for row in read(pl.DataFrame([series]))] == ["a", None, "b", "a"]
        assert [row.source for row in read(series)] == ["a", None, "b", "a"]
    with pytest.raises(ValueError, match="column 'source' of the pandas DataFrame is int, not text"):
        read(pd.DataFrame({"source": pd.Categorical([1, 2])}))


@pytest.mark.parametrize(
    "numbers", [[1, 2], iter([1, 2]), pd.Series([1, 2]), pl.Series([1, 2]), pa.array([1, 2]), pa.chunked_array([[1]])]
)
def test_sentences_that_are_numbers_are_refused(demo, numbers):
    with pytest.raises(ValueError, match=r"holds int(64)?, not text: pass sentences as strings"):
        score_corpus(*demo, numbers, iter(["Yes."] * 2), scores="entropy")


def test_a_few_cells_that_are_not_text_are_rows():
    for sources in ([5, "Ja."], iter([5, "Ja."]), pd.Series([5, "Ja."])):
        assert [row.error for row in read(sources)] == ["source is not text but int", None]
    frame = pd.DataFrame({"source": [None, {"a": 1}, "Ja."]})
    assert [row.error for row in read(frame)] == ["source is missing", "source is not text but dict", None]
    assert [row.error for row in read([None, None])] == ["source is missing"] * 2


@pytest.mark.parametrize(
    ("sources", "targets", "columns", "message"),
    [
        (["Ja."], None, {"id_column": "n"}, "sources holds plain str, which has no columns: leave out id_column='n'"),
        (["Ja."], ["Yes."], {"target_column": "en"}, "targets holds plain str.*: leave out target_column='en'"),
        (iter(["Ja."]), None, {"source_column": 0}, "leave out source_column=0"),
        (pd.Series(["Ja."]), None, {"source_column": "de"}, "sources is one Series.*: leave out source_column='de'"),
        (pa.array(["Ja."]), None, {"target_column": "en"}, "leave out target_column='en'"),
        (pd.DataFrame({"a": ["x"]}), None, {"source_column": 1}, "has 1 columns, there is no column 1"),
        (pd.DataFrame({"a": ["x"]}), None, {"source_column": -1}, "there is no column -1"),
        (pd.DataFrame(), None, {}, "has no columns at all"),
        ([{}], None, {}, "has no columns at all"),
        ([{"source": "Ja."}], None, {"id_column": "n"}, "sources has no column 'n'"),
    ],
)
def test_no_argument_is_ignored(sources, targets, columns, message):
    with pytest.raises(ValueError, match=message):
        read(sources, targets, **columns)


@pytest.mark.parametrize("columns", [{"source_column": "de"}, {"source_column": 0}, {"id_column": 1}])
def test_text_has_no_columns(columns, tmp_path):
    (tmp_path / "pool.txt").write_text("Ja.\n")
    ((name, value),) = columns.items()
    with pytest.raises(ValueError, match=f"is text with one sentence per line, .*: leave out {name}={value!r};"):
        read(tmp_path / "pool.txt", **columns)


@pytest.mark.parametrize("wrong", [True, 1.0, ["source"], b"source"])
def test_a_column_is_a_name_or_a_number(wrong):
    for name in ("source_column", "target_column", "id_column"):
        with pytest.raises(TypeError, match=f"{name} must be a name, or a number from 0, got"):
            read([{"source": "Ja."}], **{name: wrong})


def test_a_field_that_an_object_lacks_is_missing_there(tmp_path):
    rows = [{"id": 1}, {"source": "Ja."}]
    for sources in (rows, iter(rows), json_file(rows, tmp_path / "pool.jsonl")):
        found = read(sources, id_column="id")
        assert [(row.id, row.error) for row in found] == [("1", "source is missing"), (None, None)]


def test_a_message_lists_no_more_names_than_can_be_read(tmp_path):
    (tmp_path / "pool.tsv").write_text("\t".join(f"{number} {'lang ' * 40}" for number in range(500)) + "\n")
    with pytest.raises(ValueError, match=r"and 480 more: name one with source_column, or count from 0") as caught:
        read(tmp_path / "pool.tsv")
    assert len(str(caught.value)) < 2000


def test_rows_are_read_ahead_only_until_there_is_text():
    def rows():
        yield None
        yield "Ja."
        raise RuntimeError("the third row")

    read_rows = open_rows(rows()).read()
    assert [next(read_rows).source, next(read_rows).source] == [None, "Ja."]
    with pytest.raises(RuntimeError, match="the third row"):
        next(read_rows)
