"""Files as sources of a corpus: packed, cut short, with upper-case suffixes, with several columns of one name."""

from __future__ import annotations

import gzip
import re

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN, made_up

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus.sources.rows import open_rows


def read(sources, **columns):
    return list(open_rows(sources, **columns).read())


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz", ".txt.gz"])
def test_the_case_of_a_suffix_does_not_matter(suffix, tmp_path):
    if suffix == ".txt.gz":
        content = gzip.compress("\n".join(GERMAN).encode())
    elif suffix in (".parquet", ".pq"):
        pq.write_table(pa.table({"source": GERMAN}), tmp_path / "written")
        content = (tmp_path / "written").read_bytes()
    else:
        text = pd.DataFrame({"source": GERMAN, "n": 1}).to_csv(index=False, sep="\t" if "tsv" in suffix else ",")
        content = gzip.compress(text.encode()) if suffix.endswith(".gz") else text.encode()
    for spelled in (suffix, suffix.upper(), suffix.title()):
        (tmp_path / f"pool{spelled}").write_bytes(content)
        assert [row.source for row in read(tmp_path / f"pool{spelled}")] == GERMAN


@pytest.mark.parametrize("name", ["pool.txt.gz", "pool.csv.gz"])
@pytest.mark.parametrize("kept", [5, 200, -4])
def test_a_packed_file_that_is_cut_short_is_named(name, kept, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress("\n".join(["source", *made_up(500)]).encode())[:kept])
    with pytest.raises(ValueError, match=re.escape(f"{path} is cut short, its end is missing: test it with 'gzip -t'")):
        score_corpus(*load_demo(), path, scores="entropy")


def test_a_packed_file_that_is_broken_is_named(tmp_path):
    path = tmp_path / "pool.txt.gz"
    whole = gzip.compress("\n".join(made_up(500)).encode())
    for content in (b"Ja.\nNein.\n", whole[:10] + b"\xff" * 20 + whole[30:], whole[:-8] + b"\0" * 8, whole + b"more"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(f"{path} cannot be unpacked as gzip (")):
            read(path)


def write_twins(path, names):
    columns = [GERMAN, ENGLISH, ENGLISH[::-1]]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_arrays([pa.array(each) for each in columns], names=names), path)
    else:
        frame = pd.DataFrame(dict(enumerate(columns)))
        frame.to_csv(path, index=False, header=names, sep="\t" if path.suffix == ".tsv" else ",")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_column_that_exists_twice_is_refused_if_it_is_requested(suffix, tmp_path):
    path = tmp_path / f"pool{suffix}"
    write_twins(path, ["source", "target", "target"])
    with pytest.raises(ValueError, match=re.escape(f"{path} has several columns called 'target'")):
        read(path, target_column="target")
    assert [row.source for row in read(path)] == GERMAN  # the others can be read
    write_twins(path, ["source", "source", "target"])
    with pytest.raises(ValueError, match="several columns called 'source'"):
        read(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_numbered_columns_have_no_names(suffix, tmp_path):
    path = tmp_path / f"pool{suffix}"
    path.write_text("Ja.,Ja.,Yes.\n".replace(",", "\t" if suffix == ".tsv" else ","))
    assert [(row.source, row.target) for row in read(path, source_column=1, target_column=2)] == [("Ja.", "Yes.")]
