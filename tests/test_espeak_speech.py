"""Speech by espeak-ng with the times of its words, from examples/espeak_speech.py: times fit measured silence."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scripts import load_script

from xattn_widget import read_word_times

SCRIPT = Path(__file__).parent.parent / "examples/espeak_speech.py"
# The dictionary of espeak-ng joins some of these words, and the comma is a pause.
SENTENCES = ["The box was thrown on the floor of the truck.", "Kick the ball straight, and follow through."]


@pytest.fixture(scope="module")
def script():
    """Import examples/espeak_speech.py, which is not in a package."""
    return load_script("espeak_speech.py")


@pytest.fixture(scope="module")
def espeak(script):
    """The library, if it is installed."""
    try:
        return script.Espeak()
    except script.EspeakMissingError as error:
        pytest.skip(str(error))


def _sounding(samples: np.ndarray, rate: int) -> np.ndarray:
    """``[milliseconds]`` whether there is sound: 40 dB below the loudest 5 ms are silence."""
    step = rate // 1000
    power = np.convolve(samples**2, np.ones(5 * step) / (5 * step), "same")[::step]
    return power > power.max() * 1e-4


@pytest.mark.parametrize("sentence", SENTENCES)
@pytest.mark.parametrize("voice", ["en-us", "en-gb-x-rp"])
def test_times_fit_measured_silence(script, espeak, sentence, voice):
    samples, times = espeak.speak(sentence, voice)
    assert [time.word for time in times] == [word.strip(".,") for word in sentence.split()]
    sound = _sounding(samples, script.RATE)
    first, last = np.flatnonzero(sound)[[0, -1]] / 1000
    assert times[0].start - 0.01 < first < times[0].start + 0.06  # a word begins with the closure of its plosive
    assert abs(times[-1].end - last) < 0.03
    for before, after in itertools.pairwise(times):
        assert before.start < before.end <= after.start
        gap = sound[round(1000 * before.end) + 20 : round(1000 * after.start) - 5]
        assert not gap.any(), f"sound between {before} and {after}"
    for time in times:
        assert sound[round(1000 * time.start) : round(1000 * time.end)].mean() > 0.4, time


def test_a_comma_is_a_pause(espeak):
    _, times = espeak.speak(SENTENCES[1])
    gaps = [after.start - before.end for before, after in itertools.pairwise(times)]
    assert int(np.argmax(gaps)) == 3  # after "straight"
    assert gaps[3] > 0.1


def test_an_unknown_voice_is_an_error(espeak):
    with pytest.raises(ValueError, match="no voice 'klingon-3000'"):
        espeak.speak("One.", "klingon-3000")


def test_the_script_writes_sound_and_times(script, espeak, tmp_path, monkeypatch, capsys):
    sentences = tmp_path / "sentences.txt"
    sentences.write_text("\n".join(SENTENCES), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["espeak_speech.py", str(tmp_path / "speech"), str(sentences)])
    script.main()
    assert "2 sentences" in capsys.readouterr().out
    for path in sorted((tmp_path / "speech").glob("*.flac")):
        samples, rate = soundfile.read(path)
        times = read_word_times(path.with_suffix(".json"))
        grid = read_word_times(path.with_suffix(".TextGrid"))
        assert rate == 16_000
        assert times[-1].end < len(samples) / rate
        assert [time.word for time in times] == [time.word for time in grid]
        np.testing.assert_allclose([time[1:3] for time in times], [time[1:3] for time in grid], atol=1e-3)
    assert {path.name for path in (tmp_path / "speech").iterdir()} == {
        f"00{number}{suffix}" for number in (0, 1) for suffix in (".flac", ".TextGrid", ".json")
    }


def test_without_espeak_the_error_says_what_to_install(script, tmp_path, monkeypatch):
    def missing(name):
        raise OSError(f"{name}: cannot open shared object file")

    script._library.cache_clear()
    monkeypatch.setattr(script.ctypes, "CDLL", missing)
    monkeypatch.setattr(sys, "argv", ["espeak_speech.py", str(tmp_path / "speech")])
    with pytest.raises(SystemExit, match="apt-get install libespeak-ng1"):
        script.main()
    assert not (tmp_path / "speech").exists()
