"""A corpus of recordings: the scores of single records, sources of every kind, errors as rows, choosing and looking."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from corpus_pool import assert_same_tables, encoder_batches
from speech_models import RATE
from speech_processors import sound, speech_pair, write_sound

from xattn_widget import extract, score_corpus, select, show_corpus
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

pytestmark = pytest.mark.usefixtures("single_thread")

SECONDS = [0.5, 1.3, 2.0, 0.9, 0.733]
TEXTS = [
    "Ich habe das Buch gelesen.",
    "Wann stehst du morgen auf?",
    "When do you get up tomorrow?",
    "I have read the book.",
    "The dog sleeps under the table.",
]
GIVEN = {"scores": ["entropy", "coverage_penalty"], "progress": False}
GENERATED = {"scores": ["entropy"], "generation": {"max_new_tokens": 4}, "progress": False}


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with ``clip0.wav`` to ``clip4.wav``."""
    folder = tmp_path_factory.mktemp("clips")
    for number, seconds in enumerate(SECONDS):
        write_sound(folder / f"clip{number}.wav", seconds, number)
    return folder


@pytest.fixture
def paths(clips):
    return sorted(clips.glob("*.wav"))


@pytest.fixture(scope="module")
def whisper():
    return speech_pair("whisper")


@pytest.fixture(scope="module")
def direct(whisper, clips):
    """The table of the five recordings, as a list of absolute paths with given targets."""
    return score_corpus(*whisper, sorted(clips.glob("*.wav")), TEXTS, **GIVEN)


def in_corpora():
    return [name for name, score in BUILTIN.items() if not any(INPUTS[need].outside_jobs for need in score.needs)]


@pytest.mark.parametrize("name", ["whisper", "speech_to_text", "canary"])
@pytest.mark.parametrize("special", ["keep", "drop", "renormalize"])
def test_scores_are_those_of_records(name, special, paths):
    model, processor = speech_pair(name)
    scores = [name for name in in_corpora() if special in BUILTIN[name].policies]
    table = score_corpus(model, processor, paths, TEXTS, scores, special=special, batch_tokens=700, progress=False)
    assert table["error"].null_count == len(paths)
    signatures = corpus_info(table)["signatures"]
    for row, (path, text) in enumerate(zip(paths, TEXTS, strict=True)):
        record = extract(model, processor, path, text, value_norms=True)
        cropped = record.cropped()
        assert table["source_length"][row].as_py() == len(cropped.source)
        assert table["target_length"][row].as_py() == len(record.target)
        for score in scores:
            grid = cropped.score(score, special=special)
            np.testing.assert_allclose(grids(table, score)[row], grid.numpy(), rtol=1e-4, atol=1e-5, err_msg=score)
            if len(cropped.source) < len(record.source):
                assert grid.signature == signatures[score]
    assert all("|record:crop|" in signature for signature in signatures.values())


def test_a_part_of_the_attention_was_outside_the_sound(whisper, paths):
    outside = [float(extract(*whisper, path, text).outside.mean()) for path, text in zip(paths, TEXTS, strict=True)]
    assert max(outside) > 0.3


@pytest.mark.parametrize("name", ["whisper", "canary"])
def test_sounds_share_batches_where_padding_changes_nothing(name, paths):
    model, processor = speech_pair(name)
    with encoder_batches(model) as sizes:
        score_corpus(model, processor, paths, TEXTS, **GIVEN)
    assert max(sizes) > 1


@pytest.mark.parametrize("name", ["moonshine", "speech_to_text"])
def test_other_sounds_are_run_one_at_a_time(name, paths):
    model, processor = speech_pair(name)
    with encoder_batches(model) as sizes:
        table = score_corpus(model, processor, paths, TEXTS, **GIVEN)
    assert set(sizes) == {1}
    assert table["error"].null_count == len(paths)


def test_generated_targets_take_whispers_settings(whisper, paths):
    model, processor = whisper
    generation = {"max_new_tokens": 4, "language": "english", "task": "translate"}
    table = score_corpus(model, processor, paths, scores=["entropy"], generation=generation, progress=False)
    for row, path in enumerate(paths):
        record = extract(model, processor, path, generation=generation)
        assert table["target"][row].as_py() == processor.tokenizer.decode(
            record.targets["output"].ids, skip_special_tokens=True
        )
        np.testing.assert_allclose(grids(table, "entropy")[row], record.score("entropy").numpy(), atol=1e-5)


def test_statistics_of_the_output(whisper, paths):
    table = score_corpus(*whisper, paths, TEXTS, (), statistics=["logprob_sum"], progress=False)
    expected = [float(extract(*whisper, path, text).logprobs.sum()) for path, text in zip(paths, TEXTS, strict=True)]
    np.testing.assert_allclose(table["logprob_sum"].to_numpy(), expected, rtol=1e-4)


# --- Sources.


def tsv(folder):
    lines = ["path\ttext", *(f"clip{number}.wav\t{text}" for number, text in enumerate(TEXTS))]
    (folder / "list.tsv").write_text("\n".join(lines), encoding="utf-8")
    return folder / "list.tsv", {"source_column": "path", "target_column": "text"}


def csv(folder):
    rows = [f"clip{number}.wav,{text}" for number, text in enumerate(TEXTS)]
    (folder / "list.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "list.csv", {"source_column": 0, "target_column": 1}


def text_file(folder):
    (folder / "list.txt").write_text("".join(f"clip{number}.wav\n" for number in range(len(TEXTS))), encoding="utf-8")
    return folder / "list.txt", {"targets": TEXTS}


def json_lines(folder):
    records = [{"audio": {"path": f"clip{number}.wav"}, "text": text} for number, text in enumerate(TEXTS)]
    (folder / "list.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return folder / "list.jsonl", {"source_column": "audio.path", "target_column": "text"}


def parquet(folder):
    names = [f"clip{number}.wav" for number in range(len(TEXTS))]
    pq.write_table(pa.table({"source": names, "text": TEXTS}), folder / "list.parquet")
    return folder / "list.parquet", {"target_column": "text"}


def parquet_of_sounds(folder):
    """Write the bytes of the files into the table, as ``datasets`` does."""
    audio = [{"bytes": path.read_bytes(), "path": path.name} for path in sorted(folder.glob("*.wav"))]
    pq.write_table(pa.table({"audio": audio, "text": TEXTS}), folder / "sounds.parquet")
    return folder / "sounds.parquet", {"source_column": "audio", "target_column": "text"}


def pandas_frame(folder):
    frame = pd.DataFrame({"audio": sorted(folder.glob("*.wav")), "text": TEXTS})
    return frame, {"source_column": "audio", "target_column": "text"}


def polars_frame(folder):
    frame = pl.DataFrame({"audio": [str(path) for path in sorted(folder.glob("*.wav"))], "text": TEXTS})
    return frame, {"source_column": "audio", "target_column": "text"}


def arrow_table(folder):
    audio = [{"bytes": None, "path": str(path)} for path in sorted(folder.glob("*.wav"))]
    return pa.table({"audio": audio, "text": TEXTS}), {"source_column": "audio", "target_column": "text"}


def records(folder):
    """Return what a decoded row of ``datasets`` is."""
    audio = [soundfile.read(path, dtype="float32")[0] for path in sorted(folder.glob("*.wav"))]
    made = [
        {"audio": {"array": samples, "sampling_rate": RATE, "path": f"clip{number}.wav"}, "text": TEXTS[number]}
        for number, samples in enumerate(audio)
    ]
    return made, {"source_column": "audio", "target_column": "text"}


def in_memory(folder):
    return [soundfile.read(path, dtype="float32") for path in sorted(folder.glob("*.wav"))], {"targets": TEXTS}


def iterator(folder):
    return iter(sorted(folder.glob("*.wav"))), {"targets": iter(TEXTS)}


SOURCES = [
    *(tsv, csv, text_file, json_lines, parquet, parquet_of_sounds, pandas_frame, polars_frame, arrow_table, records),
    *(in_memory, iterator),
]


@pytest.mark.parametrize("make", SOURCES, ids=lambda make: make.__name__)
def test_recordings_come_from_anything_that_has_rows(make, whisper, clips, direct, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # paths in a file are relative to its folder
    sources, options = make(clips)
    table = score_corpus(*whisper, sources, window=2, **options, **GIVEN)
    assert table["error"].to_pylist() == [None] * len(TEXTS)
    names = [Path(name).name for name in table["source"].to_pylist()]
    expected = [f"{'recording ' if make is in_memory else 'clip'}{number}" for number in range(len(TEXTS))]
    assert [name.removesuffix(".wav") for name in names] == expected
    for score in GIVEN["scores"]:
        np.testing.assert_allclose(grids(table, score), grids(direct, score), rtol=1e-5, atol=1e-6)


def test_a_dataset_of_encoded_audio(whisper, clips, direct):
    import datasets

    paths = [str(path) for path in sorted(clips.glob("*.wav"))]
    dataset = datasets.Dataset.from_dict({"audio": paths, "text": TEXTS}).cast_column("audio", datasets.Audio())
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


# --- Errors.


def test_each_recording_that_cannot_be_scored_says_why(whisper, clips, paths, tmp_path):
    noise = sound(0.5)
    noise[100] = np.nan
    soundfile.write(tmp_path / "nan.wav", noise, RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    short, long = (write_sound(tmp_path / f"{seconds}.wav", seconds) for seconds in (0.005, 2.5))
    sources = [
        *(paths[0], tmp_path / "missing.wav", tmp_path / "nan.wav", tmp_path / "text.wav", short, long, tmp_path),
        *("", None, 7, {"array": sound(0.5), "sampling_rate": None}, b"\xff\xfe", paths[1]),
    ]
    table = score_corpus(*whisper, sources, **GENERATED)
    first, *errors, last = table["error"].to_pylist()
    assert (first, last) == (None, None)
    expected = [
        "source cannot be found: audio .*missing.wav' does not exist",
        "source cannot be read: audio .*nan.wav' has the sample nan at .* replace samples that are not finite",
        "source cannot be read: audio .*text.wav' is not a sound file that can be read: pass WAV, FLAC, OGG or MP3",
        "source cannot be read: the sound has 80 samples .* needs at least 320 .* pass a longer sound",
        r"source is too long: it has 2.5 s, and one forward of this model \(whisper\) reads at most 2 s. Cut it into",
        "source cannot be read: audio .* is a directory",
        "source is empty",
        "source is missing",
        "source is not a recording but int",
        "source cannot be read: audio has an 'array' without a 'sampling_rate'",
        "source is not a path in UTF-8",
    ]
    for error, pattern in zip(errors, expected, strict=True):
        assert re.match(pattern, error), error
    assert np.isnan(grids(table, "entropy")[1:-1]).all()
    assert not np.isnan(grids(table, "entropy")[[0, -1]]).any()
    with pytest.raises(ValueError, match="row 1 cannot be scored: source cannot be found"):
        score_corpus(*whisper, sources, on_error="raise", **GENERATED)


def test_max_length_counts_positions(whisper, paths):
    model, processor = speech_pair("speech_to_text")
    table = score_corpus(model, processor, paths, TEXTS, max_length=40, **GIVEN)
    assert [error is None for error in table["error"].to_pylist()] == [True, True, False, True, True]
    assert table["error"][2].as_py() == "source has 50 positions, the limit is 40"


def test_given_targets_need_a_language(paths):
    model, processor = speech_pair("whisper", language=None)
    with pytest.raises(ValueError, match=r"processor\.tokenizer\.set_prefix_tokens\(language=\.\.\., task=\.\.\.\)"):
        score_corpus(model, processor, paths, TEXTS, **GIVEN)
    assert score_corpus(model, processor, paths, **GENERATED)["error"].null_count == len(paths)  # it detects them
    processor.tokenizer.set_prefix_tokens(language="german", task="transcribe")
    assert score_corpus(model, processor, paths, TEXTS, **GIVEN)["error"].null_count == len(paths)


# --- Output.


def test_an_interrupted_job_continues_and_another_one_is_refused(whisper, paths, tmp_path, monkeypatch):
    from xattn_widget.corpus.engine.worker import Worker

    output = tmp_path / "scored.parquet"
    options = GIVEN | {"output": output, "window": 2}
    score, seen = Worker.score, []

    def interrupted(self, prepared, *args):
        seen.append(prepared.window.number)
        if seen == [0, 1]:
            raise KeyboardInterrupt
        return score(self, prepared, *args)

    monkeypatch.setattr(Worker, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_corpus(*whisper, paths, TEXTS, **options)
    score_corpus(*whisper, paths, TEXTS, **options)
    assert seen in ([0, 1, 1, 2], [0, 1, 0, 1, 2])  # the first window may not have been written yet
    assert_same_tables(pq.read_table(output), score_corpus(*whisper, paths, TEXTS, window=2, **GIVEN))
    with pytest.raises(FileExistsError, match="belongs to another job"):
        score_corpus(*whisper, paths[::-1], TEXTS, **options)
    model, processor = whisper
    other = type(processor)(type(processor.feature_extractor)(chunk_length=2, dither=0.5), processor.tokenizer)
    with pytest.raises(FileExistsError, match="feature extractor was"):
        score_corpus(model, other, paths, TEXTS, **options)


def test_recordings_in_memory_are_told_apart_by_their_samples(whisper, tmp_path):
    output = tmp_path / "scored.parquet"
    sounds = [(sound(0.5, seed), RATE) for seed in range(2)]
    score_corpus(*whisper, sounds, output=output, **GENERATED)
    assert score_corpus(*whisper, list(sounds), output=output, **GENERATED) == output
    with pytest.raises(FileExistsError, match="belongs to another job"):
        score_corpus(*whisper, sounds[::-1], output=output, **GENERATED)


def test_sounds_are_read_one_window_at_a_time(whisper, paths, monkeypatch):
    from xattn_widget.inputs.audio.sound_files import FileSamples

    read, seen = set(), []
    original = FileSamples.read

    def noting(self, start, stop):
        read.add(self.file)
        return original(self, start, stop)

    def strongest(attention, source_mask, target_mask):
        seen.append(len(read))
        return attention.amax((-2, -1))

    monkeypatch.setattr(FileSamples, "read", noting)
    score_corpus(*whisper, paths, TEXTS, strongest, window=1, progress=False)
    scored = [count for count in seen if count]  # a score is tried before anything is read
    assert scored[0] <= 2  # the first window, and the next one that is prepared meanwhile
    assert scored[-1] == len(paths)


# --- After scoring.


def test_choosing_compares_what_was_said(whisper, clips, paths):
    # File names that differ in a digit, and two recordings of the same sentence.
    table = score_corpus(*whisper, paths, [TEXTS[0], TEXTS[1], TEXTS[0], TEXTS[3], TEXTS[4]], **GIVEN)
    chosen = select(table, "entropy", 4)
    assert sorted(chosen["target"].to_pylist()) == sorted([TEXTS[0], TEXTS[1], TEXTS[3], TEXTS[4]])
    with pytest.raises(ValueError, match="only 4 of 5 can be chosen without duplicates"):
        select(table, "entropy", 5)
    assert select(table, "entropy", 5, duplicates="keep").num_rows == 5
    longest = select(table, "source_length", 1)
    assert longest["source"].to_pylist() == [str(paths[2])]


def test_a_row_opens_with_its_recording(whisper, clips, tmp_path, monkeypatch):
    sources, options = tsv(clips)
    table = score_corpus(*whisper, sources, **options, **GIVEN)
    monkeypatch.chdir(tmp_path)
    view = show_corpus(table, *whisper)
    assert view.summary().startswith("5 recordings by entropy")
    view.row = 3
    record = view.opened.record
    assert record.sound.samples.shape == (round(SECONDS[3] * RATE),)
    assert not record.generated
    expected = extract(*whisper, clips / "clip3.wav", TEXTS[3])
    np.testing.assert_allclose(record.weights, expected.weights, atol=1e-6)
    view.close()


def test_the_list_shows_names_of_files(whisper, paths, clips):
    table = score_corpus(*whisper, paths, TEXTS, **GIVEN)
    view = show_corpus(table, *whisper)
    assert "clip0.wav" in view.summary()
    assert str(clips) not in view.summary()
    view.close()


def test_a_recording_from_memory_cannot_be_opened_later(whisper):
    table = score_corpus(*whisper, [(sound(0.5), RATE)], TEXTS[:1], **GIVEN)
    view = show_corpus(table, *whisper)
    with pytest.raises(FileNotFoundError, match="the recording was scored from memory"):
        view.row = 0
    view.close()


def test_bytes_of_a_file_are_a_recording(whisper, direct):
    content = io.BytesIO()
    soundfile.write(content, sound(SECONDS[0], 0), RATE, format="WAV")
    table = score_corpus(*whisper, [{"bytes": content.getvalue(), "path": None}], TEXTS[:1], **GIVEN)
    np.testing.assert_allclose(grids(table, "entropy"), grids(direct, "entropy")[:1], rtol=1e-5, atol=1e-6)
