"""A corpus of pictures comes from anything that has rows, whose cells are paths or pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from image_models import image_model
from picture_corpus import GENERATED, GIVEN, PICTURE_TEXTS, pictures

from xattn_widget import extract, score_corpus
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")
NAMES = [f"{number}.png" for number in range(len(PICTURE_TEXTS))]


@pytest.fixture(scope="module")
def vit():
    return image_model("vit")


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    folder = tmp_path_factory.mktemp("album")
    for name, shown in zip(NAMES, pictures(), strict=True):
        shown.save(folder / name)
    return folder


@pytest.fixture(scope="module")
def direct(vit):
    """The table of the five pictures in memory."""
    return score_corpus(*vit, pictures(), PICTURE_TEXTS, **GIVEN)


def paths(folder):
    return [folder / name for name in NAMES]


def csv(folder):
    rows = [f"{name},{text}" for name, text in zip(NAMES, PICTURE_TEXTS, strict=True)]
    (folder / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "list.csv", {"source_column": 0, "target_column": 1}


def text_file(folder):
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in NAMES), encoding="utf-8")
    return folder / "list.txt", {"targets": PICTURE_TEXTS}


def json_lines(folder):
    records = [{"image": {"path": name}, "text": text} for name, text in zip(NAMES, PICTURE_TEXTS, strict=True)]
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "list.jsonl", {"source_column": "image.path", "target_column": "text"}


def parquet_of_paths(folder):
    pq.write_table(pa.table({"source": NAMES, "text": PICTURE_TEXTS}), folder / "list.parquet")
    return folder / "list.parquet", {"target_column": "text"}


def parquet_of_pictures(folder):
    """Write the bytes of the files into the table, as ``datasets`` does."""
    images = [{"bytes": path.read_bytes(), "path": path.name} for path in paths(folder)]
    pq.write_table(pa.table({"image": images, "text": PICTURE_TEXTS}), folder / "pictures.parquet")
    return folder / "pictures.parquet", {"source_column": "image", "target_column": "text"}


def pandas_frame(folder):
    return pd.DataFrame({"image": paths(folder), "text": PICTURE_TEXTS}), {
        "source_column": "image",
        "target_column": "text",
    }


def pandas_of_pictures(folder):
    return pd.DataFrame({"image": pictures(), "text": PICTURE_TEXTS}), {
        "source_column": "image",
        "target_column": "text",
    }


def polars_frame(folder):
    return pl.DataFrame({"image": list(map(str, paths(folder))), "text": PICTURE_TEXTS}), {
        "source_column": "image",
        "target_column": "text",
    }


def dataset(folder):
    import datasets

    made = datasets.Dataset.from_dict({"image": list(map(str, paths(folder))), "text": PICTURE_TEXTS})
    return made.cast_column("image", datasets.Image()), {"source_column": "image", "target_column": "text"}


def records(folder):
    """Return what decoded rows of ``datasets`` are."""
    made = [{"image": shown, "text": text} for shown, text in zip(pictures(), PICTURE_TEXTS, strict=True)]
    return made, {"source_column": "image", "target_column": "text"}


def arrays(folder):
    return [np.asarray(shown) for shown in pictures()], {"targets": PICTURE_TEXTS}


def iterator(folder):
    return iter(paths(folder)), {"targets": iter(PICTURE_TEXTS)}


IN_MEMORY = (pandas_of_pictures, records, arrays)
SOURCES = [
    *(csv, text_file, json_lines, parquet_of_paths, parquet_of_pictures, pandas_frame, polars_frame, dataset),
    *(*IN_MEMORY, iterator),
]


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__)
def test_pictures_come_from_anything_that_has_rows(make, vit, album, direct, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # paths in a file are relative to its folder
    sources, options = make(album)
    table = score_corpus(*vit, sources, window=2, **options, **GIVEN)
    assert table["error"].to_pylist() == [None] * len(PICTURE_TEXTS)
    expected = [f"picture {number}" for number in range(len(PICTURE_TEXTS))] if make in IN_MEMORY else NAMES
    assert [Path(name).name for name in table["source"].to_pylist()] == expected
    for score in GIVEN["scores"]:
        np.testing.assert_allclose(grids(table, score), grids(direct, score), rtol=1e-5, atol=1e-6)


def test_the_path_of_a_picture_is_one_picture(vit, album, monkeypatch):
    monkeypatch.chdir(album)
    table = score_corpus(*vit, "1.png", **GENERATED)
    assert table["source"].to_pylist() == ["1.png"]
    assert corpus_info(table)["folder"] == str(album)
    with pytest.raises(IsADirectoryError, match=r"is a folder: pass its pictures as a list, .*glob\('\*\.png'\)"):
        score_corpus(*vit, album, **GENERATED)


def test_one_picture_in_memory_is_not_a_list(vit):
    [shown, *_] = pictures()
    with pytest.raises(TypeError, match=r"an array of shape \[50, 77, 3\], which is one picture: pass a list"):
        score_corpus(*vit, np.asarray(shown), **GENERATED)
    with pytest.raises(TypeError, match="sources must hold pictures"):
        score_corpus(*vit, shown, **GENERATED)


def test_extract_reads_encoded_pictures_too(vit, album):
    path = album / NAMES[0]
    expected = extract(*vit, path, "ab")
    for given in (path.read_bytes(), {"bytes": path.read_bytes(), "path": None}, {"bytes": None, "path": str(path)}):
        np.testing.assert_array_equal(extract(*vit, given, "ab").weights, expected.weights)
