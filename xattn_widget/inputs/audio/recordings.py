"""Recordings: what users pass as audio, read as one channel at the rate of the model."""

from __future__ import annotations

import operator
import os
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from xattn_widget.inputs.audio.arrays import array_samples
from xattn_widget.inputs.audio.resampling import check_scipy, read_resampled, resampled_length
from xattn_widget.inputs.audio.samples import Samples
from xattn_widget.inputs.audio.sound_files import file_samples

# Rates of sound in use are within this range. Others are most likely mistakes, such as kHz or a number of samples.
_LOWEST_RATE, _HIGHEST_RATE = 1_000, 768_000
_EXPECTED = (
    "the path or the bytes of a sound file, (samples, rate), a dictionary with 'array' and 'sampling_rate', an array "
    "or tensor of samples, or a list of these"
)


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording at the rate of the model, of which only the parts that are asked for are read.

    Attributes:
        rate: samples per second.
        length: the number of samples at this rate.
        name: the name of its file; ``""`` for samples in memory.
        samples: the samples at the rate at which they are stored.
    """

    rate: int
    length: int
    name: str
    samples: Samples

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.length / self.rate

    def read(self, start: int = 0, stop: int | None = None) -> npt.NDArray[np.float32]:
        """Samples from ``start`` to ``stop``, mixed down to one channel and resampled if necessary.

        Parts are the same whether they are read alone or together with others.

        Args:
            start: the first sample, counted at the rate of the recording.
            stop: the sample after the last one; None for the end.

        Returns:
            ``[stop - start]`` float32, from -1 to 1 except for overshoot. The caller may change the array.

        Raises:
            ValueError: samples that the recording does not have, a file that is damaged there, samples that are not
                finite, or floating-point samples far beyond -1..1.
        """
        stop = self.length if stop is None else stop
        if not 0 <= start <= stop <= self.length:
            raise ValueError(f"{self.samples.label} has {self.length:,} samples, so {start:,}:{stop:,} is not in it")
        if self.samples.rate == self.rate:
            return self.samples.read(start, stop)
        return read_resampled(self.samples, self.rate, start, stop)


@dataclass(frozen=True)
class RecordingWindow:
    """A window of a recording that one forward is too short for.

    Attributes:
        audio: the recording, as :func:`open_recording` takes it.
        offset: where the window begins, in seconds.
    """

    audio: Any
    offset: float


def recordings(audio: Any, rate: int) -> tuple[list[Recording], bool]:
    """The recordings that a user passed, and whether it was one and not a list.

    A list of numbers is one recording, and so is a tuple of samples and their rate.

    Args:
        audio: a recording as ``open_recording`` takes it, or a list or another sequence of them.
        rate: samples per second that the model reads.

    Raises:
        FileNotFoundError, ImportError, IsADirectoryError, TypeError, ValueError: as ``open_recording``.
    """
    if _is_several(audio):
        return [open_recording(item, rate, name=f"audio[{index}]") for index, item in enumerate(audio)], False
    return [open_recording(audio, rate)], True


def open_recording(audio: Any, rate: int, *, name: str = "audio") -> Recording:
    """What a user passed as one recording.

    Args:
        audio: the path of a sound file (WAV, FLAC, OGG, MP3), its bytes, ``(samples, rate)``, a dictionary with
            ``array`` and ``sampling_rate`` or with ``path`` or ``bytes``, a decoder of ``datasets`` or torchcodec, or
            the samples alone, which are taken to have the model's rate, as the feature extractors of transformers do.
            Samples are an array, a tensor or a list, ``[samples]``, ``[channels, samples]`` or ``[samples, channels]``;
            floats between -1 and 1, or int8, uint8, int16 or int32. Channels are mixed down by their mean.
        rate: samples per second that the model reads. Other rates are resampled with ``scipy.signal.resample_poly``.
        name: what errors call it.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: ``soundfile`` or scipy is necessary and not installed.
        IsADirectoryError: a directory.
        TypeError: an object of another type, or samples of a type whose scale is unknown.
        ValueError: a URL, a file that cannot be read, no samples, samples that are not finite or far beyond -1..1, a
            shape that does not tell channels from samples, or an impossible rate.
    """
    rate = _checked_rate(rate, "the model")
    samples, file_name = _stored_samples(audio, rate, name)
    if not samples.length:
        raise ValueError(f"{samples.label} has no samples")
    _checked_rate(samples.rate, samples.label)
    if samples.rate != rate:
        check_scipy(samples.label, samples.rate, rate)
    return Recording(rate, resampled_length(samples.length, samples.rate, rate), file_name, samples)


def _is_several(audio: Any) -> bool:
    if isinstance(audio, list):
        return not (audio and isinstance(audio[0], Real))
    return isinstance(audio, Sequence) and not isinstance(audio, str | bytes | bytearray | memoryview | tuple | array)


def _stored_samples(audio: Any, rate: int, label: str) -> tuple[Samples, str]:
    """The samples at the rate at which they are stored, and the name of their file."""
    if isinstance(audio, str | os.PathLike):
        path = os.fsdecode(audio)
        return file_samples(path, f"{label} {path!r}"), os.path.basename(path)
    if isinstance(audio, bytes | bytearray | memoryview):
        return file_samples(bytes(audio), label), ""
    if isinstance(audio, Mapping):
        return _samples_of_dictionary(audio, rate, label)
    if isinstance(audio, tuple):
        return _samples_of_pair(audio, label), ""
    if hasattr(audio, "get_all_samples"):  # torchcodec's AudioDecoder, and that of datasets
        decoded = audio.get_all_samples()
        channels = decoded.data.reshape(-1, decoded.data.shape[-1])
        return array_samples(channels.float().mean(0), _checked_rate(decoded.sample_rate, label), label), ""
    if isinstance(audio, list | array | torch.Tensor) or hasattr(audio, "__array__"):
        return array_samples(audio, rate, label), ""
    raise TypeError(f"{label} has type {type(audio).__name__}, expected {_EXPECTED}")


def _samples_of_dictionary(audio: Mapping[Any, Any], rate: int, label: str) -> tuple[Samples, str]:
    """The samples of a dictionary as ``datasets`` makes it, decoded or not."""
    path = audio.get("path")
    if path and audio.get("array") is None and audio.get("bytes") is None:
        return _stored_samples(path, rate, label)
    name = os.path.basename(os.fsdecode(path)) if path else ""
    label = f"{label} {name!r}" if name else label
    if audio.get("array") is not None:
        if audio.get("sampling_rate") is None:
            raise ValueError(f"{label} has an 'array' without a 'sampling_rate', the samples per second: add it")
        return array_samples(audio["array"], _checked_rate(audio["sampling_rate"], label), label), name
    if audio.get("bytes") is not None:
        return file_samples(bytes(audio["bytes"]), label), name
    raise ValueError(
        f"{label} is a dictionary with {', '.join(map(repr, audio)) or 'nothing'}, expected 'array' and "
        "'sampling_rate', or 'bytes' or 'path'"
    )


def _samples_of_pair(audio: tuple[Any, ...], label: str) -> Samples:
    """The samples of ``(samples, rate)``."""
    if len(audio) == 2 and isinstance(audio[0], Real) and not isinstance(audio[1], Real):
        raise ValueError(f"{label} is (rate, samples), expected (samples, rate): swap the two")
    if len(audio) != 2 or isinstance(audio[0], Real):
        raise ValueError(f"{label} is a tuple, expected (samples, rate): pass several recordings as a list")
    return array_samples(audio[0], _checked_rate(audio[1], label), label)


def _checked_rate(rate: Any, label: str) -> int:
    """A rate as an integer."""
    try:
        if isinstance(rate, bool):
            raise TypeError
        whole = int(rate) if isinstance(rate, float) and rate.is_integer() else operator.index(rate)
    except TypeError:
        raise TypeError(f"the rate of {label} must be a whole number of samples per second, got {rate!r}") from None
    if not _LOWEST_RATE <= whole <= _HIGHEST_RATE:
        raise ValueError(
            f"the rate of {label} must be between {_LOWEST_RATE:,} and {_HIGHEST_RATE:,} samples per second, got "
            f"{whole:,}"
        )
    return whole
