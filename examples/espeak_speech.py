"""Make speech with exact word times by espeak-ng, to choose the heads that time words (``calibrate_heads``).

    python examples/espeak_speech.py FOLDER                  # twenty Harvard sentences
    python examples/espeak_speech.py FOLDER sentences.txt    # one sentence per line

For each sentence the folder gets ``000.flac`` (16 kHz), ``000.TextGrid`` and ``000.json`` with the times. Then:

    from pathlib import Path
    from xattn_widget import calibrate_heads, read_word_times

    recordings = sorted(Path(FOLDER).glob("*.flac"))
    times = [[time[:3] for time in read_word_times(path.with_suffix(".json"))] for path in recordings]
    calibrate_heads(model, processor, recordings, times).save(folder_of_the_model)

This needs the library of espeak-ng (GPL; on Debian and Ubuntu ``apt-get install libespeak-ng1``), which runs here and
is part of nothing, and ``pip install 'xattn-widget[audio]'``.

Times come from espeak-ng's own events. A word begins with its event, which includes the closure of a plosive, during
which it is silent for up to 55 ms. It ends where its last sounding phoneme does.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import itertools
import math
import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xattn_widget import WordTime, write_word_times
from xattn_widget.files.writing import whole_file

RATE = 16_000  # that speech models read
SILENCE = 0.5  # seconds before and after each sentence

# Heads that fit one voice may not fit another: voice, words per minute and pitch (0 to 99) alternate.
VOICES = ("en-us", "en", "en-us", "en-gb-x-rp")
SPEEDS = (130, 150, 165)
PITCHES = (35, 50, 65, 45)

# From the Harvard sentences (IEEE Recommended Practice for Speech Quality Measurements, 1969; lists 1 to 3).
SENTENCES = """\
The birch canoe slid on the smooth planks.
Glue the sheet to the dark blue background.
It is easy to tell the depth of a well.
These days a chicken leg is a rare dish.
Rice is often served in round bowls.
The juice of lemons makes fine punch.
The box was thrown beside the parked truck.
The hogs were fed chopped corn and garbage.
Four hours of steady work faced us.
A large size in stockings is hard to sell.
The boy was there when the sun rose.
A rod is used to catch pink salmon.
The source of the huge river is the clear spring.
Kick the ball straight and follow through.
Help the woman get back to her feet.
A pot of tea helps to pass the evening.
Smoky fires lack flame and heat.
The soft cushion broke the man's fall.
The salt breeze came across from the sea.
The girl at the booth sold fifty bonds.
"""

# Of espeak-ng/speak_lib.h.
_RETRIEVAL, _PHONEME_EVENTS = 1, 1
_SPEED, _PITCH = 1, 3
_UTF8, _PHONEMES = 1, 0x100  # _PHONEMES: text in [[double brackets]] is phonemes
_LIST_END, _WORD, _PHONEME = 0, 1, 7
_AS_IPA = 0


class EspeakMissingError(RuntimeError):
    """The library of espeak-ng is not installed."""


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),  # characters, from 1
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Spoken(NamedTuple):
    samples: np.ndarray
    words: list[tuple[int, int]]  # sample, position in the text from 0
    phonemes: list[tuple[int, str]]  # sample, name


@cache  # espeak-ng hangs when it is started again in the same process
def _library() -> tuple[ctypes.CDLL, int]:
    """The library, and the rate of its samples."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library("espeak-ng") or "libespeak-ng.so.1")
    except OSError as error:
        raise EspeakMissingError(
            f"the library of espeak-ng cannot be loaded ({error}); install it, for example with "
            "`apt-get install libespeak-ng1` or `brew install espeak-ng`"
        ) from None
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    rate = library.espeak_Initialize(_RETRIEVAL, 0, None, _PHONEME_EVENTS)
    if rate <= 0:
        raise EspeakMissingError(f"espeak-ng does not start (error {rate}): are its data files (espeak-ng-data) there?")
    return library, rate


class Espeak:
    """The library of espeak-ng, from which speech and its events are retrieved.

    Raises:
        EspeakMissingError: it is not installed.
    """

    def __init__(self) -> None:
        self._library, self.rate = _library()

    def speak(
        self, text: str, voice: str = "en-us", words_per_minute: int = 150, pitch: int = 50
    ) -> tuple[np.ndarray, list[WordTime]]:
        """Speech at 16 kHz, with silence around it, and the times of its words.

        Args:
            text: words separated by spaces.
            voice: the name of a voice, as ``espeak-ng --voices`` lists them.
            words_per_minute: the speed.
            pitch: from 0 to 99.

        Raises:
            ValueError: an unknown voice, or a word that makes no sound.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()):
            raise ValueError(f"espeak-ng has no voice {voice!r}; `espeak-ng --voices` lists them")
        self._library.espeak_SetParameter(_SPEED, words_per_minute, 0)
        self._library.espeak_SetParameter(_PITCH, pitch, 0)
        words = text.split()
        # The dictionary joins some words, such as "of the", in one event. The first of them is then written as
        # phonemes, which the dictionary does not join, until every word has an event.
        written = list(words)
        while True:
            spoken = self._synthesize(" ".join(written))
            starts = _starts(written, spoken)
            missing = [place for place in range(len(words)) if place not in starts]
            if not missing:
                break
            place = missing[0] if written[missing[0]] == words[missing[0]] else missing[0] - 1
            if place < 0 or written[place] != words[place]:
                raise ValueError(f"espeak-ng gives no time for the word {words[missing[0]]!r} of {text!r}")
            written[place] = re.sub(r"[\w']+", lambda found: f"[[{self._phonemes(found[0])}]]", words[place])
        times = []
        for place, word in enumerate(words):
            start = starts[place]
            following = starts.get(place + 1, len(spoken.samples))
            end = _end(spoken, start, following)
            if end is None:
                raise ValueError(f"the word {word!r} of {text!r} makes no sound")
            bare = word.strip('.,;:!?"()')
            times.append(WordTime(bare, SILENCE + start / self.rate, SILENCE + end / self.rate, None))
        return _resampled(spoken.samples, self.rate), times

    def _synthesize(self, text: str) -> _Spoken:
        chunks: list[np.ndarray] = []
        words: list[tuple[int, int]] = []
        phonemes: list[tuple[int, str]] = []

        def receive(samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
            if samples and count > 0:
                chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            index = 0
            while (event := events[index]).type != _LIST_END:
                index += 1
                if event.type == _WORD:
                    words.append((event.sample, event.text_position - 1))
                elif event.type == _PHONEME:
                    phonemes.append((event.sample, event.id.string.decode(errors="replace")))
            return 0  # go on

        callback = _CALLBACK(receive)  # kept until the speech is complete
        self._library.espeak_SetSynthCallback(callback)
        encoded = text.encode()
        self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, _UTF8 | _PHONEMES, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(chunks) if chunks else np.zeros(0, np.int16)
        return _Spoken(samples.astype(np.float32) / 2**15, words, phonemes)

    def _phonemes(self, word: str) -> str:
        """The phonemes of a word, in espeak-ng's own notation."""
        text = ctypes.c_char_p(word.encode())
        return self._library.espeak_TextToPhonemes(ctypes.byref(text), _UTF8, _AS_IPA).decode().strip()


def _starts(written: list[str], spoken: _Spoken) -> dict[int, int]:
    """The sample at which each word begins, without words that have no event."""
    # espeak-ng counts characters of the text, and a word includes the space after it.
    bounds = list(itertools.accumulate((len(word) + 1 for word in written), initial=0))
    starts: dict[int, int] = {}
    for sample, position in spoken.words:
        place = next((place for place in range(len(written)) if bounds[place] <= position < bounds[place + 1]), None)
        if place is not None:
            starts.setdefault(place, sample)
    return starts


def _end(spoken: _Spoken, start: int, following: int) -> int | None:
    """Where the last sounding phoneme of a word ends, or None if there is none. Names of pauses begin with ``_``."""
    marks = [*spoken.phonemes, (len(spoken.samples), "")]
    ends = [
        end
        for (sample, name), (end, _) in itertools.pairwise(marks)
        if start <= sample < following and name and not name.startswith("_")
    ]
    return min(following, ends[-1]) if ends else None


def _resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    from scipy.signal import resample_poly

    around = np.zeros(round(SILENCE * rate), np.float32)
    padded = np.concatenate([around, samples, around])
    divisor = math.gcd(rate, RATE)
    return resample_poly(padded, RATE // divisor, rate // divisor).astype(np.float32)


def main() -> None:
    import soundfile

    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python examples/espeak_speech.py FOLDER [SENTENCES]")
    folder = Path(sys.argv[1])
    text = Path(sys.argv[2]).read_text(encoding="utf-8") if len(sys.argv) == 3 else SENTENCES
    try:
        espeak = Espeak()
    except EspeakMissingError as error:
        sys.exit(str(error))
    folder.mkdir(parents=True, exist_ok=True)
    settings = zip(itertools.cycle(VOICES), itertools.cycle(SPEEDS), itertools.cycle(PITCHES), strict=False)
    sentences = [line.strip() for line in text.splitlines() if line.strip()]
    for number, (sentence, (voice, speed, pitch)) in enumerate(zip(sentences, settings, strict=False)):
        samples, times = espeak.speak(sentence, voice, speed, pitch)
        name = folder / f"{number:03}"
        with whole_file(name.with_suffix(".flac")) as file:
            soundfile.write(file.name, samples, RATE, format="FLAC")
        write_word_times(times, name.with_suffix(".TextGrid"), duration=len(samples) / RATE)
        write_word_times(times, name.with_suffix(".json"))
    print(f"{len(sentences)} sentences in {folder}")


if __name__ == "__main__":
    main()
