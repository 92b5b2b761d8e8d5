"""A corpus of recordings comes from anything that has rows, whose cells are paths or sounds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from sound_corpus import CLIP_SECONDS, CLIP_TEXTS, GENERATED, GIVEN
from speech_models import RATE
from speech_processors import sound

from xattn_widget import score_corpus
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")


def tsv(folder):
    lines = ["path\ttext", *(f"clip{number}.wav\t{text}" for number, text in enumerate(CLIP_TEXTS))]
    (folder / "list.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "list.tsv", {"source_column": "path", "target_column": "text"}


def csv(folder):
    rows = [f"clip{number}.wav,{text}" for number, text in enumerate(CLIP_TEXTS)]
    (folder / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "list.csv", {"source_column": 0, "target_column": 1}


def text_file(folder):
    (folder / "list.txt").write_text(
        "".join(f"clip{number}.wav\n" for number in range(len(CLIP_TEXTS))), encoding="utf-8"
    )
    return folder / "list.txt", {"targets": CLIP_TEXTS}


def json_lines(folder):
    records = [{"audio": {"path": f"clip{number}.wav"}, "text": text} for number, text in enumerate(CLIP_TEXTS)]
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "list.jsonl", {"source_column": "audio.path", "target_column": "text"}


def parquet(folder):
    names = [f"clip{number}.wav" for number in range(len(CLIP_TEXTS))]
    pq.write_table(pa.table({"source": names, "text": CLIP_TEXTS}), folder / "list.parquet")
    return folder / "list.parquet", {"target_column": "text"}


def parquet_of_sounds(folder):
    """Write the bytes of the files into the table, as ``datasets`` does."""
    audio = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(folder.glob("*.wav"))]
    pq.write_table(pa.table({"audio": audio, "text": CLIP_TEXTS}), folder / "sounds.parquet")
    return folder / "sounds.parquet", {"source_column": "audio", "target_column": "text"}


def pandas_frame(folder):
    frame = pd.DataFrame({"audio": sorted(folder.glob("*.wav")), "text": CLIP_TEXTS})
    return frame, {"source_column": "audio", "target_column": "text"}


def polars_frame(folder):
    frame = pl.DataFrame({"audio": [str(path) for path in sorted(folder.glob("*.wav"))], "text": CLIP_TEXTS})
    return frame, {"source_column": "audio", "target_column": "text"}


def arrow_table(folder):
    audio = [{"bytes": None, "path": str(path)} for path in sorted(folder.glob("*.wav"))]
    return pa.table({"audio": audio, "text": CLIP_TEXTS}), {"source_column": "audio", "target_column": "text"}


def records(folder):
    """Return what a decoded row of ``datasets`` is."""
    audio = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("*.wav"))]
    made = [
        {"audio": {"array": samples, "sampling_rate": RATE, "path": f"clip{number}.wav"}, "text": CLIP_TEXTS[number]}
        for number, samples in enumerate(audio)
    ]
    return made, {"source_column": "audio", "target_column": "text"}


def in_memory(folder):
    return [soundfile.read(path, dtype="float32") for path in sorted(folder.glob("*.wav"))], {"targets": CLIP_TEXTS}


def iterator(folder):
    return iter(sorted(folder.glob("*.wav"))), {"targets": iter(CLIP_TEXTS)}


SOURCES = [
    *(tsv, csv, text_file, json_lines, parquet, parquet_of_sounds, pandas_frame, polars_frame, arrow_table, records),
    *(in_memory, iterator),
]


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__)
def test_recordings_come_from_anything_that_has_rows(make, whisper, clips, direct, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # paths in a file are relative to its folder
    sources, options = make(clips)
    table = score_corpus(*whisper, sources, window=2, **options, **GIVEN)
    assert table["error"].to_pylist() == [None] * len(CLIP_TEXTS)
    names = [Path(name).name for name in table["source"].to_pylist()]
    expected = [f"{'recording ' if make is in_memory else 'clip'}{number}" for number in range(len(CLIP_TEXTS))]
    assert [name.removesuffix(".wav") for name in names] == expected
    for score in GIVEN["scores"]:
        np.testing.assert_allclose(grids(table, score), grids(direct, score), rtol=1e-5, atol=1e-6)


def test_a_dataset_of_encoded_audio(whisper, clips, direct):
    import datasets

    paths = [str(path) for path in sorted(clips.glob("*.wav"))]
    dataset = datasets.Dataset.from_dict({"audio": paths, "text": CLIP_TEXTS}).cast_column("audio", datasets.Audio())
    table = score_corpus(*whisper, dataset, source_column="audio", target_column="text", **GIVEN)
    np.testing.assert_allclose(grids(table, "entropy"), grids(direct, "entropy"), rtol=1e-5, atol=1e-6)
    assert table["source"].to_pylist() == paths


def test_the_path_of_a_sound_file_is_one_recording(whisper, paths):
    table = score_corpus(*whisper, paths[1], **GENERATED)
    assert table["source"].to_pylist() == [str(paths[1])]
    with pytest.raises(IsADirectoryError, match=r"is a folder: pass its recordings as a list, such as sorted\(Path"):
        score_corpus(*whisper, paths[1].parent, **GENERATED)


def test_relative_paths_in_a_list_begin_in_the_working_directory(whisper, clips, monkeypatch):
    monkeypatch.chdir(clips)
    table = score_corpus(*whisper, ["clip0.wav", "./clip1.wav"], **GENERATED)
    assert table["error"].null_count == 2
    assert table["source"].to_pylist() == ["clip0.wav", "./clip1.wav"]
    assert corpus_info(table)["folder"] == str(clips)


def test_bytes_of_a_file_are_a_recording(whisper, direct):
    content = io.BytesIO()
    soundfile.write(content, sound(CLIP_SECONDS[0], 0), RATE, format="WAV")
    table = score_corpus(*whisper, [{"bytes": content.getvalue(), "path": None}], CLIP_TEXTS[:1], **GIVEN)
    np.testing.assert_allclose(grids(table, "entropy"), grids(direct, "entropy")[:1], rtol=1e-5, atol=1e-6)
