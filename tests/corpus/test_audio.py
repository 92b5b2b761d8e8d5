"""A corpus of recordings: the scores of single records, errors as rows, choosing and looking."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from corpus_pool import assert_same_tables, encoder_batches
from sound_corpus import CLIP_SECONDS, CLIP_TEXTS, GENERATED, GIVEN
from speech_models import RATE
from speech_processors import sound, speech_pair, write_sound

from xattn_widget import extract, score_corpus, select, show_corpus
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

pytestmark = pytest.mark.usefixtures("single_thread")


def in_corpora():
    needs = {name: [INPUTS[need] for need in score.needs] for name, score in BUILTIN.items()}
    return [name for name, kinds in needs.items() if not any(kind.outside_jobs or kind.of_image for kind in kinds)]


@pytest.mark.parametrize("name", ["whisper", "speech_to_text", "canary"])
@pytest.mark.parametrize("special", ["keep", "drop", "renormalize"])
def test_scores_are_those_of_records(name, special, paths):
    model, processor = speech_pair(name)
    scores = [name for name in in_corpora() if special in BUILTIN[name].policies]
    table = score_corpus(model, processor, paths, CLIP_TEXTS, scores, special=special, batch_tokens=700, progress=False)
    assert table["error"].null_count == len(paths)
    signatures = corpus_info(table)["signatures"]
    for row, (path, text) in enumerate(zip(paths, CLIP_TEXTS, strict=True)):
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
    outside = [
        float(extract(*whisper, path, text).outside.mean()) for path, text in zip(paths, CLIP_TEXTS, strict=True)
    ]
    assert max(outside) > 0.3


@pytest.mark.parametrize("name", ["whisper", "canary"])
def test_sounds_share_batches_where_padding_changes_nothing(name, paths):
    model, processor = speech_pair(name)
    with encoder_batches(model) as sizes:
        score_corpus(model, processor, paths, CLIP_TEXTS, **GIVEN)
    assert max(sizes) > 1


@pytest.mark.parametrize("name", ["moonshine", "speech_to_text"])
def test_other_sounds_are_run_one_at_a_time(name, paths):
    model, processor = speech_pair(name)
    with encoder_batches(model) as sizes:
        table = score_corpus(model, processor, paths, CLIP_TEXTS, **GIVEN)
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
    table = score_corpus(*whisper, paths, CLIP_TEXTS, (), statistics=["logprob_sum"], progress=False)
    expected = [
        float(extract(*whisper, path, text).logprobs.sum()) for path, text in zip(paths, CLIP_TEXTS, strict=True)
    ]
    np.testing.assert_allclose(table["logprob_sum"].to_numpy(), expected, rtol=1e-4)


# --- Errors.


def test_each_recording_that_cannot_be_scored_says_why(whisper, clips, paths, tmp_path):
    noise = sound(0.5)
    noise[100] = np.nan
    soundfile.write(tmp_path / "nan.wav", noise, RATE, subtype="FLOAT")
    (tmp_path / "text.wav").write_text("no sound")
    short = write_sound(tmp_path / "short.wav", 0.005)
    sources = [
        *(paths[0], tmp_path / "missing.wav", tmp_path / "nan.wav", tmp_path / "text.wav", short, tmp_path),
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
    table = score_corpus(model, processor, paths, CLIP_TEXTS, max_length=40, **GIVEN)
    assert [error is None for error in table["error"].to_pylist()] == [True, True, False, True, True]
    assert table["error"][2].as_py() == "source has 50 positions, the limit is 40"


def test_given_targets_need_a_language(paths):
    model, processor = speech_pair("whisper", language=None)
    with pytest.raises(ValueError, match=r"processor\.tokenizer\.set_prefix_tokens\(language=\.\.\., task=\.\.\.\)"):
        score_corpus(model, processor, paths, CLIP_TEXTS, **GIVEN)
    assert score_corpus(model, processor, paths, **GENERATED)["error"].null_count == len(paths)  # it detects them
    processor.tokenizer.set_prefix_tokens(language="german", task="transcribe")
    assert score_corpus(model, processor, paths, CLIP_TEXTS, **GIVEN)["error"].null_count == len(paths)


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
        score_corpus(*whisper, paths, CLIP_TEXTS, **options)
    score_corpus(*whisper, paths, CLIP_TEXTS, **options)
    assert seen in ([0, 1, 1, 2], [0, 1, 0, 1, 2])  # the first window may not have been written yet
    assert_same_tables(pq.read_table(output), score_corpus(*whisper, paths, CLIP_TEXTS, window=2, **GIVEN))
    with pytest.raises(FileExistsError, match="belongs to another job"):
        score_corpus(*whisper, paths[::-1], CLIP_TEXTS, **options)
    model, processor = whisper
    other = type(processor)(type(processor.feature_extractor)(chunk_length=2, dither=0.5), processor.tokenizer)
    with pytest.raises(FileExistsError, match="feature extractor was"):
        score_corpus(model, other, paths, CLIP_TEXTS, **options)


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
    score_corpus(*whisper, paths, CLIP_TEXTS, strongest, window=1, progress=False)
    scored = [count for count in seen if count]  # a score is tried before anything is read
    assert scored[0] <= 2  # the first window, and the next one that is prepared meanwhile
    assert scored[-1] == len(paths)


# --- After scoring.


def test_choosing_compares_what_was_said(whisper, clips, paths):
    # File names that differ in a digit, and two recordings of the same sentence.
    table = score_corpus(
        *whisper, paths, [CLIP_TEXTS[0], CLIP_TEXTS[1], CLIP_TEXTS[0], CLIP_TEXTS[3], CLIP_TEXTS[4]], **GIVEN
    )
    chosen = select(table, "entropy", 4)
    assert sorted(chosen["target"].to_pylist()) == sorted([CLIP_TEXTS[0], CLIP_TEXTS[1], CLIP_TEXTS[3], CLIP_TEXTS[4]])
    with pytest.raises(ValueError, match="only 4 of 5 can be chosen without duplicates"):
        select(table, "entropy", 5)
    assert select(table, "entropy", 5, duplicates="keep").num_rows == 5
    longest = select(table, "source_length", 1)
    assert longest["source"].to_pylist() == [str(paths[2])]


def test_a_row_opens_with_its_recording(whisper, clips, tmp_path, monkeypatch):
    frame = pa.table({"source": [path.name for path in sorted(clips.glob("*.wav"))], "target": CLIP_TEXTS})
    pq.write_table(frame, clips / "rows.parquet")
    table = score_corpus(*whisper, clips / "rows.parquet", target_column="target", **GIVEN)
    monkeypatch.chdir(tmp_path)
    view = show_corpus(table, *whisper)
    assert view.summary().startswith("5 recordings by entropy")
    view.row = 3
    record = view.opened.record
    assert record.sound.samples.shape == (round(CLIP_SECONDS[3] * RATE),)
    assert not record.generated
    expected = extract(*whisper, clips / "clip3.wav", CLIP_TEXTS[3])
    np.testing.assert_allclose(record.weights, expected.weights, atol=1e-6)
    view.close()


def test_the_list_shows_names_of_files(whisper, paths, clips):
    table = score_corpus(*whisper, paths, CLIP_TEXTS, **GIVEN)
    view = show_corpus(table, *whisper)
    assert "clip0.wav" in view.summary()
    assert str(clips) not in view.summary()
    view.close()


def test_a_recording_from_memory_cannot_be_opened_later(whisper):
    table = score_corpus(*whisper, [(sound(0.5), RATE)], CLIP_TEXTS[:1], **GIVEN)
    view = show_corpus(table, *whisper)
    with pytest.raises(FileNotFoundError, match="the recording was scored from memory"):
        view.row = 0
    view.close()
