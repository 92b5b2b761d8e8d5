"""Samples in sound files: WAV, FLAC, OGG, MP3 and whatever else libsndfile reads."""

from __future__ import annotations

import io
import os
import re
import threading
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from xattn_widget.inputs.audio.samples import Samples, mix_down

# Decoding begins this many samples early in these files, because what follows a seek can be wrong: frames of MP3 need
# bits of earlier frames, and libsndfile can misplace the first Vorbis block, which has at most 8,192 samples
# (https://github.com/libsndfile/libsndfile/issues/885).
_PREROLL = {"OGG": 8192, "MP3": 8192}
# A seek into an OGG file's last page is off by the samples that the end cuts from the page. A page has at most 255
# packets of at most 4,096 samples.
_LAST_PAGE = {"OGG": 255 * 4096}
# WAV files that were written to a pipe have a size near one of these limits, because their writer did not know it.
_UNKNOWN_SIZE = (1 << 31) - (1 << 16)
# The MP3 file that a thread read last, which it keeps open: a newly opened one is searched from its beginning for each
# seek, which takes .7 s at the end of an hour.
_last_mp3 = threading.local()


@dataclass(frozen=True, eq=False)
class FileSamples(Samples):
    """Samples in a file, of which only what is asked for is decoded.

    It keeps no file open, so that there can be many recordings, which can be pickled and used in several threads.

    Attributes:
        file: the absolute path, or the content.
        format: what libsndfile calls its format, such as ``"WAV"``.
    """

    file: str | bytes
    format: str

    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:  # noqa: D102
        import soundfile

        begin = min(start - _PREROLL.get(self.format, 0), self.length - _LAST_PAGE.get(self.format, 0))
        begin = min(max(0, begin), start)
        with self._decoder() as sound:
            try:
                sound.seek(begin)
                block = sound.read(stop - begin, dtype="float32", always_2d=True)
            except soundfile.SoundFileError as error:
                _last_mp3.__dict__.clear()
                raise ValueError(
                    f"{self.label} is damaged or truncated: it cannot be decoded at {start / self.rate:.6g} s ({error})"
                ) from error
        if len(block) < stop - begin:
            missing = max(start, begin + len(block)) / self.rate
            raise ValueError(
                f"{self.label} is damaged or truncated: its header promises {self.length / self.rate:.6g} s, and there "
                f"is no sample at {missing:.6g} s"
            )
        return mix_down(block[start - begin :], self.label, start / self.rate, self.rate)

    def _decoder(self) -> AbstractContextManager[Any]:
        """The open file."""
        if self.format != "MP3" or isinstance(self.file, bytes):
            return _open(self.file, self.label)
        status = os.stat(self.file)
        # A forked process shares the position in a file with its parent, so it has to open its own.
        key = (self.file, status.st_ino, status.st_mtime_ns, status.st_size, os.getpid())
        if getattr(_last_mp3, "key", None) != key:
            _last_mp3.sound, _last_mp3.key = _open(self.file, self.label), key
        return nullcontext(_last_mp3.sound)


def file_samples(file: str | bytes, label: str) -> FileSamples:
    """Samples of a sound file.

    Args:
        file: the path, or the content.
        label: what errors call the recording.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: ``soundfile`` is not installed, or does not find libsndfile.
        IsADirectoryError: a directory.
        ValueError: a URL, or a file that is not sound, has an unknown format or is truncated.
    """
    if isinstance(file, str):
        _check_path(file, label)
        file = os.path.abspath(file)  # it is read later, perhaps from another working directory
    with _open(file, label) as sound:
        rate, length, file_format, header = sound.samplerate, sound.frames, sound.format, sound.extra_info
    if length >= 1 << 62:
        raise ValueError(
            f"{label} does not say how long it is, as files do that were written to a pipe: convert it, for example "
            "with ffmpeg -i in.flac out.flac"
        )
    sizes = re.search(r"^data : (\d+) \(should be (\d+)\)", header, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < _UNKNOWN_SIZE:
        raise ValueError(
            f"{label} is truncated: its header promises {int(sizes[1]):,} bytes of samples, and there are "
            f"{int(sizes[2]):,}"
        )
    samples = FileSamples(label, rate, length, file, file_format)
    if length:
        samples.read(length - 1, length)  # the end is missing from truncated files
    return samples


def _check_path(path: str, label: str) -> None:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", path):
        raise ValueError(f"{label} is a URL: download the file first, and pass its path")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{label} is a directory: pass the path of a file, or a list of paths")
    if not os.path.exists(path):
        raise FileNotFoundError(f"{label} does not exist (the working directory is {os.getcwd()})")


def _open(file: str | bytes, label: str) -> AbstractContextManager[Any]:
    """A ``soundfile.SoundFile``."""
    try:
        import soundfile
    except ImportError as error:
        raise ImportError(
            f"{label} needs soundfile: pip install 'xattn-widget[audio]', or pass (samples, rate)"
        ) from error
    except OSError as error:  # soundfile's wheels for some systems come without libsndfile
        raise ImportError(
            f"{label} needs libsndfile, which soundfile does not find ({error}): install it with the system's package "
            "manager, such as apt-get install libsndfile1, or pass (samples, rate)"
        ) from error
    content = file if isinstance(file, bytes) else b""
    if isinstance(file, str):
        with open(file, "rb") as opened:
            content = opened.read(3)
    if not content:
        raise ValueError(f"{label} is an empty file")
    try:
        sound: AbstractContextManager[Any] = soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else file)
    except (TypeError, soundfile.SoundFileError) as error:  # a TypeError: the name ends in .raw
        if "MP3" not in soundfile.available_formats() and _looks_like_mp3(file, content):
            raise ValueError(
                f"{label} is an MP3 file, which needs libsndfile 1.1 or newer, and there is "
                f"{soundfile.__libsndfile_version__}: pip install --upgrade soundfile, or convert the file to WAV"
            ) from error
        raise ValueError(
            f"{label} is not a sound file that can be read: pass WAV, FLAC, OGG or MP3, converted for example with "
            "ffmpeg -i in.m4a out.wav, or (samples, rate)"
        ) from error
    return sound


def _looks_like_mp3(file: str | bytes, content: bytes) -> bool:
    named = isinstance(file, str) and file.lower().endswith(".mp3")
    return named or content[:3] == b"ID3" or (content[0] == 0xFF and content[1:2] >= b"\xe0")
