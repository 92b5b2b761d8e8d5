"""A corpus of long recordings: one row for each window, equal to the records of the windows, on any engine."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import soundfile
from corpus_pool import assert_same_tables
from speech_models import RATE
from speech_processors import sound, speech_pair, write_sound

from xattn_widget import extract, profile_heads, score_corpus, select, show_corpus, show_profile
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.extraction.windows import WindowRecords

pytestmark = pytest.mark.usefixtures("single_thread")

SCORES = ["entropy", "sound_coverage", "silence_mass", "rereading", "outside_mass", "unsupported_words"]
GENERATION = {"max_new_tokens": 20, "language": "german"}
OPTIONS = {"scores": SCORES, "generation": GENERATION, "statistics": "logprob_sum", "progress": False}
SECONDS = [0.6, 5.3, 1.3, None, 4.1, 2.0]


@pytest.fixture(scope="module")
def whisper():
    """A Whisper whose windows of 2 s have timestamps, so that the next window may begin inside one."""
    model, processor = speech_pair("whisper")
    model.generation_config.max_initial_timestamp_index = 50
    return model, processor


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Recordings of one forward, of several, and one that is missing. Some have silence."""
    folder = tmp_path_factory.mktemp("recordings")
    for number, seconds in enumerate(SECONDS):
        if seconds is not None:
            samples = sound(seconds, number)
            samples[: len(samples) // 4] *= number % 2
            soundfile.write(folder / f"{number}.wav", samples, RATE)
    return [folder / f"{number}.wav" for number in range(len(SECONDS))]


@pytest.fixture(scope="module")
def table(whisper, paths):
    return score_corpus(*whisper, paths, **OPTIONS)


def records_of(whisper, path, **options):
    """Return the records of a recording, of which a short one has one."""
    found = extract(*whisper, path, generation=GENERATION, **options)
    return list(found) if isinstance(found, WindowRecords) else [found]


def assert_rows_are_records(table, records, first, processor):
    for row, record in enumerate(records, start=first):
        assert table["window"][row].as_py() == row - first
        assert table["offset"][row].as_py() == record.sound.offset
        assert table["source_length"][row].as_py() == len(record.cropped().source)
        ids = record.targets["output"].ids
        assert table["target_length"][row].as_py() == len(ids)
        assert table["target"][row].as_py() == processor.tokenizer.decode(ids, skip_special_tokens=True)
        assert table["logprob_sum"][row].as_py() == pytest.approx(float(record.logprobs.sum()), abs=1e-4)
        for score in SCORES:
            expected = record.score(score).numpy()
            np.testing.assert_allclose(grids(table, score)[row], expected, atol=1e-5, rtol=1e-5, err_msg=score)


def assert_close_tables(actual, expected):
    assert actual.column_names == expected.column_names
    for name in actual.column_names:
        if name in SCORES:
            np.testing.assert_allclose(grids(actual, name), grids(expected, name), atol=1e-5, err_msg=name)
        elif name == "logprob_sum":
            assert actual[name].to_pylist() == pytest.approx(expected[name].to_pylist(), abs=1e-4)
        else:
            assert actual[name].to_pylist() == expected[name].to_pylist()


def test_each_window_is_a_row(whisper, paths, table):
    row = 0
    for number, path in enumerate(paths):
        if SECONDS[number] is None:
            assert "cannot be found" in table["error"][row].as_py()
            assert table["window"][row].as_py() is None
            assert table["offset"][row].as_py() is None
            assert table["recording"][row].as_py() == number
            row += 1
            continue
        records = records_of(whisper, path)
        assert len(records) == 1 if SECONDS[number] <= 2 else len(records) > 2
        assert_rows_are_records(table, records, row, whisper[1])
        for _ in records:
            assert table["recording"][row].as_py() == table["id"][row].as_py() == number
            assert table["source"][row].as_py() == str(path)
            row += 1
    assert row == table.num_rows
    info = corpus_info(table)
    assert (info["rows"], info["recordings"], info["scored"]) == (row, len(paths), row - 1)
    assert all("|record:crop|" in signature for signature in info["signatures"].values())


@pytest.mark.parametrize("settings", [{"window": 1}, {"window": 4}, {"batch_tokens": 1}])
def test_rows_do_not_depend_on_batches(whisper, paths, table, settings):
    assert_close_tables(score_corpus(*whisper, paths, **OPTIONS, **settings), table)


def test_ids_of_the_user_stay_beside_the_numbers(whisper, paths):
    sources = [{"source": str(path), "name": path.stem} for path in paths[:2]]
    table = score_corpus(*whisper, sources, id_column="name", **OPTIONS)
    assert set(table["id"].to_pylist()[1:]) == {"1"}
    assert table["recording"].to_pylist() == [0, *[1] * (table.num_rows - 1)]


def test_an_interrupted_job_continues(whisper, paths, table, tmp_path, monkeypatch):
    from xattn_widget.inputs.audio.long_form import Transcript

    output = tmp_path / "scored.parquet"
    transcribe, calls = Transcript.transcribe_next, []

    def interrupted(self):
        calls.append(self)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return transcribe(self)

    monkeypatch.setattr(Transcript, "transcribe_next", interrupted)
    options = OPTIONS | {"output": output, "window": 1}
    with pytest.raises(KeyboardInterrupt):
        score_corpus(*whisper, paths, **options)
    assert not output.exists()
    score_corpus(*whisper, iter(paths), **options | {"output": tmp_path / "other.parquet"})
    score_corpus(*whisper, paths, **options)
    written = pq.read_table(output)
    assert_same_tables(written, pq.read_table(tmp_path / "other.parquet"))
    assert_close_tables(written, table)
    assert corpus_info(written)["recordings"] == len(paths)


def test_progress_counts_recordings(whisper, paths, monkeypatch):
    from xattn_widget.corpus import scoring

    class Bar:
        def __init__(self, **options):
            self.total, self.count = options["total"], 0
            bars.append(self)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return False

        def update(self, number):
            self.count += number

    bars = []
    monkeypatch.setattr(scoring, "tqdm", Bar)
    score_corpus(*whisper, paths, **OPTIONS, window=2)
    assert [(bar.total, bar.count) for bar in bars] == [(len(paths), len(paths))]


def test_windows_are_read_one_at_a_time(whisper, tmp_path, monkeypatch):
    from xattn_widget.inputs.audio.sound_files import FileSamples

    path, longest = write_sound(tmp_path / "long.wav", 9.0), []
    read = FileSamples.read

    def noting(self, start, stop):
        longest.append((stop - start) / self.rate)
        return read(self, start, stop)

    monkeypatch.setattr(FileSamples, "read", noting)
    table = score_corpus(*whisper, path, **OPTIONS)
    assert table.num_rows > 4
    assert max(longest) < 2.5


def test_the_mel_padding_of_openai(whisper, paths, table):
    zeros = score_corpus(*whisper, paths[:2], **OPTIONS, mel_padding="zeros")
    assert_rows_are_records(zeros, records_of(whisper, paths[0], mel_padding="zeros"), 0, whisper[1])
    assert_rows_are_records(zeros, records_of(whisper, paths[1], mel_padding="zeros"), 1, whisper[1])
    assert corpus_info(zeros)["job"]["mel padding"] == "zeros"
    assert "mel padding" not in corpus_info(table)["job"]
    assert not np.allclose(grids(zeros, "entropy")[0], grids(table, "entropy")[0], atol=1e-4)


def test_an_output_with_another_mel_padding_belongs_to_another_job(whisper, paths, tmp_path):
    options = OPTIONS | {"output": tmp_path / "scored.parquet"}
    score_corpus(*whisper, paths[:1], **options)
    with pytest.raises(FileExistsError, match="mel padding was missing, now it is zeros"):
        score_corpus(*whisper, paths[:1], **options, mel_padding="zeros")


def test_text_has_no_mel_padding(demo):
    with pytest.raises(ValueError, match="mel_padding='zeros' is for models that read sound"):
        score_corpus(*demo, ["Ja."], mel_padding="zeros")


# --- Errors.


def test_a_given_target_for_a_long_recording_says_why(whisper, paths):
    table = score_corpus(*whisper, paths[:2], ["Ja.", "Nein."], "entropy", progress=False)
    assert table["error"][0].as_py() is None
    assert table["error"][1].as_py().startswith("source is too long for a given target: it has 5.3 s, one forward of")


@pytest.mark.parametrize("setting", [{"return_timestamps": False}, {"num_beams": 2, "num_return_sequences": 2}])
def test_settings_that_split_no_recording_are_an_error(whisper, paths, setting):
    options = OPTIONS | {"generation": GENERATION | setting}
    table = score_corpus(*whisper, paths[:2], **options)
    assert table["error"][0].as_py() is None
    assert "a long recording is split at the timestamps of the best hypothesis" in table["error"][1].as_py()
    assert table.num_rows == 2


def test_a_window_that_fails_is_the_last_of_its_recording(whisper, paths, table):
    def breaks_late(attention, source_mask, target_mask):
        calls.append(1)
        if len(calls) == bad:
            raise RuntimeError("broken")
        return attention.amax((-2, -1))

    calls, bad = [], -1
    score_corpus(*whisper, paths[0], scores=breaks_late, generation=GENERATION, progress=False)
    layers = len(calls)  # the score is called for each of them, after a trial
    calls, bad = [], layers + 1
    broken = score_corpus(*whisper, [paths[1], paths[0]], scores=breaks_late, generation=GENERATION, progress=False)
    errors = broken["error"].to_pylist()
    assert errors[-1] is None
    *before, last = errors[:-1]
    assert set(before) <= {None}
    assert last == "RuntimeError: broken"
    assert broken["offset"][len(before)].as_py() == table["offset"][1 + len(before)].as_py()
    calls.clear()
    settings = {"scores": breaks_late, "generation": GENERATION, "on_error": "raise", "progress": False}
    with pytest.raises(ValueError, match="row 0 cannot be scored: RuntimeError: broken"):
        score_corpus(*whisper, paths[1:2], **settings)


def test_max_length_counts_the_positions_of_windows(whisper, paths):
    table = score_corpus(*whisper, paths[:2], **OPTIONS, max_length=99)
    assert table["error"].to_pylist() == [
        "source has 100 positions, the limit is 99",
        "source has windows of 100 positions, the limit is 99",
    ]


# --- After scoring.


def test_windows_are_chosen_by_what_was_said(whisper, table):
    chosen = select(table, "entropy", 3, duplicates="exact")
    assert chosen.num_rows == 3
    rows = chosen["row"].to_pylist()
    for name in ("recording", "window", "offset"):
        assert chosen[name].to_pylist() == [table[name][row].as_py() for row in rows]
    view = show_corpus(chosen, *whisper)
    for row, offset in enumerate(chosen["offset"].to_pylist()):
        view.row = row
        assert view.opened.record.sound.offset == offset
    view.close()
    with pytest.raises(ValueError, match="recording"):
        select(table, "recording", 1)  # a number, and no quantity


def test_a_window_opens_with_its_part_of_the_recording(whisper, paths, table):
    view = show_corpus(table, *whisper)
    assert " windows by " in view.summary()
    assert f"({table.num_rows} windows by " in repr(view)
    records = records_of(whisper, paths[1])
    for row in (1, 2):
        view.row = row
        opened, record = view.opened.record, records[row - 1]
        assert opened.sound.offset == record.sound.offset
        np.testing.assert_array_equal(opened.sound.samples.numpy(), record.sound.samples.numpy())
        np.testing.assert_array_equal(opened.sound.features.numpy(), record.sound.features.numpy())
        assert opened.target.text.strip() == table["target"][row].as_py().strip()
    view.row = 0
    assert view.opened.record.sound.seconds == 0.6
    view.close()


def test_offsets_rise_within_a_recording(table):
    for number in range(len(SECONDS)):
        offsets = table.filter(pc.equal(table["recording"], number))["offset"].to_pylist()
        assert offsets == sorted(offsets, key=lambda offset: offset or 0)


def test_a_profile_of_windows_calls_them_so(whisper, paths):
    options = {"scores": "entropy", "generation": GENERATION, "progress": False}
    short, long = (profile_heads(*whisper, some, **options) for some in (paths[:1], paths))
    assert repr(short).startswith("HeadProfile(1 recording, ")
    assert long.info["what"] == show_profile(long, *whisper).info["what"] == "window"
    assert repr(long).startswith(f"HeadProfile({long.info['sentences']} windows, ")
