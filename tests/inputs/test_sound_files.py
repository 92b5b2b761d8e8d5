"""Recordings in files: formats, parts without the rest, truncated files and paths that are none."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from datasets import Audio, Dataset
from scipy.signal import resample_poly

from xattn_widget.inputs.audio.recordings import open_recording, recordings

RATE = 16_000
FORMATS = {
    "wav": {},
    "flac": {},
    "ogg": {"subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {},
    "float.wav": {"subtype": "FLOAT"},
    "24.wav": {"subtype": "PCM_24"},
    "8.wav": {"subtype": "PCM_U8"},
    "aiff": {},
}
every_format = pytest.mark.parametrize("ending", FORMATS)


def write(path, samples, rate, **options):
    """Write in blocks: libsndfile 1.2 crashes when it writes much Vorbis at once."""
    samples = np.asarray(samples)
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(path, "w", rate, channels, **options) as file:
        for start in range(0, len(samples), 4096):
            file.write(samples[start : start + 4096])
    return path


def speech_like(seconds, rate, channels=1, seed=0):
    """Bursts of noise, which change how encoders divide the sound into blocks."""
    random = np.random.default_rng(seed)
    length = int(seconds * rate)
    bursts = np.repeat(random.random(length // 700 + 1) < 0.3, 700)[:length, None]
    samples = random.normal(0, 0.1, (length, channels)) * (bursts + 1e-3)
    return samples[:, 0] if channels == 1 else samples


@every_format
@pytest.mark.parametrize("channels", [1, 2])
def test_files_are_read_as_soundfile_reads_them(tmp_path, ending, channels):
    path = write(tmp_path / f"sound.{ending}", speech_like(2, RATE, channels), RATE, **FORMATS[ending])
    expected = soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    for audio in (path, str(path), path.read_bytes(), bytearray(path.read_bytes())):
        recording = open_recording(audio, RATE)
        assert (recording.rate, recording.length) == (RATE, len(expected))
        np.testing.assert_allclose(recording.read(), expected, atol=1e-6)
        assert recording.name == (f"sound.{ending}" if isinstance(audio, str | Path) else "")


@every_format
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_parts_equal_the_whole_file(tmp_path, ending, rate):
    length = 20 * rate + 345
    path = write(tmp_path / f"sound.{ending}", speech_like(21, rate)[:length], rate, **FORMATS[ending])
    whole = soundfile.read(path, dtype="float32")[0]
    whole = whole if rate == RATE else resample_poly(whole, 1, 3)
    recording = open_recording(path, RATE)
    assert recording.length == len(whole)
    random = np.random.default_rng(1)
    starts = [0, *random.integers(0, len(whole), 25), *(len(whole) - random.integers(1, 9000, 15)), len(whole) - 1]
    for start in starts:  # in any order, and near the end, where libsndfile's seeks in Vorbis are wrong
        stop = min(len(whole), int(start) + 3000)
        np.testing.assert_allclose(recording.read(int(start), stop), whole[start:stop], atol=1e-5)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_seeks_in_long_vorbis_files_are_exact(tmp_path, rate):
    path = write(tmp_path / "long.ogg", speech_like(170 if rate == 8_000 else 40, rate, seed=2), rate)
    whole = soundfile.read(path, dtype="float32")[0]
    recording = open_recording(path, rate)
    random = np.random.default_rng(3)
    for start in [*random.integers(0, len(whole), 30), *(len(whole) - random.integers(1, 20_000, 30))]:
        stop = min(len(whole), int(start) + 2000)
        np.testing.assert_allclose(recording.read(int(start), stop), whole[start:stop], atol=1e-6)


def counted(monkeypatch):
    """The numbers of frames that soundfile decodes from now on."""
    frames = []
    read = soundfile.SoundFile.read

    def count(self, *arguments, **options):
        block = read(self, *arguments, **options)
        frames.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", count)
    return frames


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_half_a_minute_of_three_hours_reads_half_a_minute(tmp_path, monkeypatch, rate):
    path, length = tmp_path / "long.wav", 3 * 3600 * rate
    soundfile.write(path, np.zeros(0), rate, subtype="PCM_U8")
    header = bytearray(path.read_bytes())[:44]
    header[4:8], header[40:44] = struct.pack("<I", length + 36), struct.pack("<I", length)
    with path.open("wb") as file:
        file.write(header)
        file.truncate(44 + length)  # a hole, which takes no space
        file.seek(44 + 7200 * rate)
        file.write(bytes(range(256)))
    frames = counted(monkeypatch)
    recording = open_recording(path, RATE)
    assert recording.seconds == 3 * 3600
    opening = sum(frames)
    part = recording.read(7190 * RATE, 7220 * RATE)
    assert part.shape == (30 * RATE,)
    assert part[10 * RATE :][:300].std() > 0.3
    assert opening <= 1
    assert sum(frames) - opening <= 30 * rate + 1000


@pytest.mark.parametrize("ending", ["flac", "ogg", "mp3"])
def test_parts_of_compressed_files_decode_a_bounded_number_of_frames(tmp_path, monkeypatch, ending):
    path = write(tmp_path / f"long.{ending}", 0.1 * np.sin(np.arange(400 * 8000) / 5), 8000)
    recording = open_recording(path, 8000)
    frames = counted(monkeypatch)
    recording.read(1_000_000, 1_100_000)
    assert sum(frames) <= 100_000 + 8192
    recording.read(recording.length - 10)
    assert sum(frames) <= 100_000 + 2 * 8192 + 255 * 4096 + 10


def test_dictionaries_of_datasets_work_before_decoding(tmp_path):
    path = write(tmp_path / "sound.wav", speech_like(1, RATE), RATE)
    expected = soundfile.read(path, dtype="float32")[0]
    dataset = Dataset.from_dict({"audio": [str(path)]}).cast_column("audio", Audio(decode=False))
    for audio in (
        dataset[0]["audio"],
        {"bytes": path.read_bytes(), "path": "sound.wav"},
        {"array": expected, "sampling_rate": RATE, "path": str(path)},
    ):
        recording = open_recording(audio, RATE)
        assert recording.name == "sound.wav"
        np.testing.assert_array_equal(recording.read(), expected)
    several, single = recordings(dataset["audio"], RATE)
    assert (len(several), single) == (1, False)


def test_recordings_can_be_pickled_read_in_threads_and_after_a_change_of_folder(tmp_path, monkeypatch):
    for ending in ("mp3", "wav"):
        path = write(tmp_path / f"sound.{ending}", speech_like(5, RATE), RATE)
        monkeypatch.chdir(tmp_path)
        recording = pickle.loads(pickle.dumps(open_recording(path.name, RATE)))
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        whole = recording.read()
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(lambda second: recording.read(second * RATE, (second + 1) * RATE), range(5)))  # noqa: B023
        np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)


def test_an_mp3_file_that_is_replaced_is_read_anew(tmp_path):
    path = write(tmp_path / "sound.mp3", speech_like(2, RATE), RATE)
    first = open_recording(path, RATE).read()
    write(path, speech_like(3, RATE, seed=5), RATE)
    second = open_recording(path, RATE)
    assert second.length > len(first)
    np.testing.assert_allclose(second.read(), soundfile.read(path, dtype="float32")[0], atol=1e-6)


@pytest.mark.parametrize("ending", ["wav", "flac", "mp3"])
def test_truncated_files_are_errors(tmp_path, ending):
    path = write(tmp_path / f"sound.{ending}", speech_like(10, RATE), RATE)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    for audio in (path, content[: len(content) // 2]):
        with pytest.raises(ValueError, match="truncated"):
            open_recording(audio, RATE)


def test_damage_in_the_middle_is_an_error_where_it_is_read(tmp_path):
    path = write(tmp_path / "sound.flac", speech_like(30, RATE), RATE)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40_000] = bytes(40_000)
    path.write_bytes(content)
    recording = open_recording(path, RATE)
    recording.read(0, RATE)
    with pytest.raises(ValueError, match=r"sound\.flac.*damaged or truncated"):
        recording.read()


def test_wav_files_with_a_size_that_their_writer_did_not_know_are_read_to_the_end(tmp_path):
    path = write(tmp_path / "piped.wav", speech_like(1, RATE), RATE)
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    assert open_recording(bytes(content), RATE).length == RATE


def test_flac_files_without_a_length_are_errors(tmp_path):
    content = bytearray(write(tmp_path / "piped.flac", speech_like(1, RATE), RATE).read_bytes())
    content[21] &= 0xF0  # the number of samples has 36 bits
    content[22:26] = bytes(4)
    with pytest.raises(ValueError, match="does not say how long it is"):
        open_recording(bytes(content), RATE)


def test_samples_of_files_are_checked_where_they_are_read(tmp_path):
    samples = np.zeros(10 * RATE, np.float32)
    samples[4 * RATE] = np.nan
    recording = open_recording(write(tmp_path / "sound.wav", samples, RATE, subtype="FLOAT"), RATE)
    recording.read(0, 4 * RATE)
    with pytest.raises(ValueError, match=r"sound\.wav' has the sample nan at 4 s"):
        recording.read(3 * RATE)
    path = write(tmp_path / "loud.wav", np.full(RATE, 20_000, np.float32), RATE, subtype="FLOAT")
    with pytest.raises(ValueError, match="up to 20,000"):
        open_recording(path, RATE)


def test_files_that_are_not_sound_are_errors(tmp_path):
    text = "This is not sound. " * 50
    for name in ("notes.txt", "notes.wav", "notes.mp3", "notes.flac", "notes.raw"):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=rf"{name}' is not a sound file.*WAV, FLAC, OGG or MP3"):
            open_recording(tmp_path / name, RATE)
    with pytest.raises(ValueError, match=r"^audio is not a sound file"):
        open_recording(text.encode(), RATE)
    (tmp_path / "empty.wav").touch()
    for audio in (tmp_path / "empty.wav", b""):
        with pytest.raises(ValueError, match="is an empty file"):
            open_recording(audio, RATE)
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    with pytest.raises(ValueError, match=r"none.wav' has no samples"):
        open_recording(tmp_path / "none.wav", RATE)


def test_paths_that_are_no_files_are_errors(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a directory: pass the path of a file"):
        open_recording(tmp_path, RATE)
    for missing in (tmp_path / "missing.wav", "x" * 5000, "a\0b", ""):
        with pytest.raises(FileNotFoundError, match="does not exist"):
            open_recording(missing, RATE)
    for url in ("https://example.org/a.wav", "s3://bucket/a.flac"):
        with pytest.raises(ValueError, match="is a URL: download the file first"):
            open_recording(url, RATE)
    path = write(tmp_path / "gone.mp3", speech_like(1, RATE), RATE)
    recording = open_recording(path, RATE)
    os.remove(path)
    with pytest.raises(FileNotFoundError, match=r"gone\.mp3"):
        recording.read()


def test_files_without_soundfile_are_errors_that_name_the_extra(tmp_path, monkeypatch):
    path = write(tmp_path / "sound.wav", speech_like(1, RATE), RATE)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ImportError, match=r"pip install 'xattn-widget\[audio\]'"):
        open_recording(path, RATE)
    assert open_recording(np.zeros(10), RATE).length == 10


def test_mp3_with_an_old_libsndfile_is_an_error_that_names_its_version(tmp_path, monkeypatch):
    path = write(tmp_path / "sound.mp3", speech_like(1, RATE), RATE)

    def refuse(*arguments, **options):
        raise soundfile.LibsndfileError(1, "Error opening: ")

    monkeypatch.setattr(soundfile, "SoundFile", refuse)
    monkeypatch.setattr(soundfile, "available_formats", lambda: {"WAV": "", "OGG": ""})
    monkeypatch.setattr(soundfile, "__libsndfile_version__", "1.0.31")
    for audio in (path, path.read_bytes()):
        with pytest.raises(ValueError, match=r"needs libsndfile 1\.1 or newer, and there is 1\.0\.31"):
            open_recording(audio, RATE)
