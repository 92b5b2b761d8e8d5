"""Windows of a long recording for Whisper, from a spectrogram that is never in memory as a whole."""

from __future__ import annotations

from functools import cached_property
from typing import Protocol, get_args

import numpy as np
import numpy.typing as npt
import torch

from xattn_widget.inputs.audio.features import Features
from xattn_widget.inputs.audio.sound_source import SoundSource
from xattn_widget.inputs.audio.speech_family import WhisperFamily
from xattn_widget.inputs.modalities import MelPadding

_RANGE = 8.0  # the extractor raises what is this much below the loudest value, in powers of ten, to that floor
_SILENCE = 1e-10  # the extractor raises powers below this


class Readable(Protocol):
    """A recording of one channel, of which any part can be read."""

    @property
    def rate(self) -> int:
        """Samples per second."""
        ...

    @property
    def length(self) -> int:
        """The number of samples."""
        ...

    def read(self, start: int, stop: int) -> npt.NDArray[np.float32]:
        """The samples from ``start`` up to ``stop``, from -1 to 1."""
        ...


class WhisperWindows:
    """The windows of a recording, as Whisper reads them when it transcribes a long one.

    Each window is a slice of the log-mel spectrogram of the whole recording: its first and last frames hear samples of
    the windows beside it, and its floor is set by the loudest value of the whole recording. The last window is padded
    with 0, in transformers and in openai-whisper.

    Args:
        family: how the model reads sound.
        recording: the recording at the family's rate.
        mel_padding: how the spectrogram continues after the end: ``"model"`` mirrors the last samples, as the feature
            extractor does; ``"zeros"`` appends silence, as openai-whisper does.

    Raises:
        ValueError: a recording at another rate or shorter than one frame, an unknown ``mel_padding``, or a feature
            extractor that adds noise (``dither``).
    """

    def __init__(self, family: WhisperFamily, recording: Readable, *, mel_padding: MelPadding = "model") -> None:
        if mel_padding not in get_args(MelPadding):
            raise ValueError(f"mel_padding must be one of {', '.join(get_args(MelPadding))}, got {mel_padding!r}")
        if recording.rate != family.rate:
            raise ValueError(f"the recording has {recording.rate} samples per second, and Whisper reads {family.rate}")
        if recording.length < max(family.shortest, family.extractor.n_fft):
            raise ValueError(
                f"the recording has {recording.length} samples, and Whisper needs at least "
                f"{max(family.shortest, family.extractor.n_fft)}: pass a longer one"
            )
        if getattr(family.extractor, "dither", 0.0):
            raise ValueError(
                f"the feature extractor adds noise (dither={family.extractor.dither:g}), which differs from window to "
                "window: set its dither to 0"
            )
        self.family = family
        self.recording = recording
        self.mel_padding = mel_padding

    @property
    def frames(self) -> int:
        """The number of frames of the whole spectrogram."""
        return int(self.recording.length // self.family.extractor.hop_length)

    def seconds(self, frame: int) -> float:
        """Where a frame is in the recording."""
        return float(frame * self.family.extractor.hop_length / self.family.rate)

    def frame(self, seconds: float) -> int:
        """The frame at a place in the recording."""
        hop: int = self.family.extractor.hop_length
        return round(seconds * self.family.rate / hop)

    def source(self, first: int) -> SoundSource:
        """The source of the window that begins with this frame.

        Raises:
            ValueError: a frame outside the recording.
        """
        features = self.features(first)
        start = first * self.family.extractor.hop_length
        samples = self.recording.read(start, min(self.recording.length, start + self.family.extractor.n_samples))
        return SoundSource(self.family, features, samples, self.seconds(first))

    def features(self, first: int) -> Features:
        """What the encoder reads of the window that begins with this frame.

        Raises:
            ValueError: a frame outside the recording.
        """
        if not 0 <= first < self.frames:
            raise ValueError(f"the recording has frames 0 to {self.frames - 1}, and no window begins with {first}")
        last = min(self.frames, first + self.family.extractor.nb_max_frames)
        values = (self._log_mel(first, last).clamp(min=self._loudest - _RANGE) + 4.0) / 4.0
        return self.family.window_features(values, last - first)

    @cached_property
    def _loudest(self) -> float:
        """The highest value of the whole spectrogram, from one pass over the recording."""
        extractor = self.family.extractor
        frames = self.frames
        if self.mel_padding == "zeros":  # frames after the end that still hear some of it count too
            frames = (self.recording.length + extractor.n_fft // 2 - 1) // extractor.hop_length + 1
        step = extractor.nb_max_frames
        return max(float(self._log_mel(first, min(frames, first + step)).max()) for first in range(0, frames, step))

    def _log_mel(self, first: int, last: int) -> torch.Tensor:
        """``[bins, frames]`` of the frames from ``first`` up to ``last``, without a floor below the loudest value."""
        extractor = self.family.extractor
        samples = torch.from_numpy(self._samples_around(first, last))
        window = torch.hann_window(extractor.n_fft)
        spectrum = torch.stft(
            samples, extractor.n_fft, extractor.hop_length, window=window, center=False, return_complex=True
        )
        filters = torch.from_numpy(extractor.mel_filters).to(torch.float32)
        return (filters.T @ spectrum.abs().square().contiguous()).clamp(min=_SILENCE).log10()

    def _samples_around(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """The samples that frames hear: each is centered on a multiple of the hop, and the edges are mirrored."""
        extractor = self.family.extractor
        half, length = extractor.n_fft // 2, self.recording.length
        start, stop = first * extractor.hop_length - half, (last - 1) * extractor.hop_length + half
        before, after = max(0, -start), max(0, stop - length)
        read_from = max(0, start - half)  # more than the frames hear, because some of it may be mirrored
        samples = np.asarray(self.recording.read(read_from, min(length, stop + half)), np.float32)
        samples = np.pad(samples, (before, 0), mode="reflect")
        samples = np.pad(samples, (0, after), mode="reflect" if self.mel_padding == "model" else "constant")
        skipped = start + before - read_from
        return samples[skipped : skipped + stop - start]
