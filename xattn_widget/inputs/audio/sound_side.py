"""The side of an encoder that hears sound: what users pass as audio becomes sources."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from xattn_widget.inputs.audio.recordings import Recording, RecordingWindow, open_recording, recordings
from xattn_widget.inputs.audio.sound_source import SoundSource
from xattn_widget.inputs.audio.speech_family import SpeechFamily, WhisperFamily
from xattn_widget.inputs.audio.windows import WhisperWindows
from xattn_widget.inputs.media_side import MediaSide, within_limit
from xattn_widget.inputs.modalities import MelPadding
from xattn_widget.record.data import AttentionData

# A second of silence is enough for a position of every encoder.
_TRIAL_SECONDS = 1.0


@dataclass(frozen=True)
class SoundSide(MediaSide):
    """The side of an encoder that hears sound.

    Attributes:
        family: how the model reads sound.
        mel_padding: how its features are padded, see :meth:`SpeechFamily.features`.
        limit: None; a sound that is too long for one forward has its own error.
    """

    family: SpeechFamily
    mel_padding: MelPadding = "model"
    limit: int | None = None
    hears = True

    @property
    def reader(self) -> Any:
        """The feature extractor."""
        return self.family.extractor

    @property
    def batches(self) -> bool:  # type: ignore[override]
        """Whether sounds of different lengths can share a batch."""
        return self.family.batches

    def collect(self, given: Any) -> tuple[list[Recording | SoundSource], bool]:
        """The recordings, or the sounds of a processor's output.

        A processor's output for one sound counts as one sound, and so does a window of a recording.
        """
        if isinstance(given, RecordingWindow):
            return [self._window(given)], True
        if isinstance(given, Mapping) and self.family.argument in given:
            sources = SoundSource.from_features(self.family, given)
            return list(sources), len(sources) == 1
        found, single = recordings(given, self.family.rate)
        return list(found), single

    def prompted(self, items: Sequence[Any], prompts: Sequence[str]) -> list[Any]:
        """Nothing: sound has no prompt.

        Raises:
            ValueError: always; it says how targets get a prompt.
        """
        ids = "prompt_ids" if isinstance(self.family, WhisperFamily) else "decoder_input_ids"
        raise ValueError(
            f"prompt= is the text that goes with an image. For this model of sound ({self.family.name}), pass the ids "
            f"that targets begin with: generation={{{ids!r}: ...}}"
        )

    def is_long(self, item: Recording | SoundSource) -> bool:
        """Whether an item is too long for one forward of a model that reads long recordings in windows."""
        return isinstance(self.family, WhisperFamily) and self._exceeds(item)

    def _exceeds(self, item: Recording | SoundSource) -> bool:
        window = self.family.window
        return window is not None and isinstance(item, Recording) and item.length > window

    @property
    def _most(self) -> str:
        """The longest sound of one forward, for messages about sounds that exceed it."""
        return f"{(self.family.window or 0) / self.family.rate:g} s"

    def windows(self, item: Recording) -> WhisperWindows:
        """The windows of a long recording."""
        assert isinstance(self.family, WhisperFamily)
        return WhisperWindows(self.family, item, mel_padding=self.mel_padding)

    def _window(self, window: RecordingWindow) -> Recording | SoundSource:
        """The window of a long recording; the recording itself if one forward reads all of it."""
        recording = open_recording(window.audio, self.family.rate)
        if not self.is_long(recording):
            return recording
        windows = self.windows(recording)
        return windows.source(windows.frame(window.offset))

    def read(self, items: Sequence[Recording | SoundSource], truncation: bool = False) -> list[SoundSource]:
        """The source of each recording.

        Raises:
            ValueError: a recording that is too short, too long for one forward, or that cannot be read.
        """
        sources = []
        for index, item in enumerate(items):
            try:
                sources.append(self._source(item, truncation))
            except ValueError as error:
                if len(items) > 1:
                    error.add_note(f"This is about audio[{index}].")
                raise
        return sources

    def try_read(
        self, items: Sequence[Any], limit: int | None, in_windows: bool = False
    ) -> Iterator[SoundSource | WhisperWindows | str]:
        """For each recording, as users pass one, its source, or the reason why it cannot be run.

        A recording is read when its turn comes, so that the samples of all need not be in memory at once.

        Raises:
            ImportError: a library that reads or resamples sound is not installed, so that no recording can be read.
        """
        return (self._try_source(item, limit, in_windows) for item in items)

    def _one_source(self, given: Any, limit: int | None, in_windows: bool) -> SoundSource | WhisperWindows | str:
        opened, _ = self.collect(given)
        if len(opened) != 1:
            return f"is {len(opened)} recordings, expected one: list each in a row of its own"
        item = opened[0]
        if isinstance(item, Recording) and self.is_long(item):
            if in_windows:
                return self._try_windows(item, limit)
            return (
                f"is too long for a given target: it has {item.seconds:.1f} s, one forward of this model "
                f"({self.family.name}) reads at most {self._most}, and nothing says which part of the target "
                f"belongs where. Cut it into parts of at most {self._most}, or let the model write the targets"
            )
        return within_limit(self._source(item, truncation=False), limit)

    def _try_windows(self, item: Recording, limit: int | None) -> WhisperWindows | str:
        windows = self.windows(item)
        positions = self.family.geometry.count(windows.family.extractor.nb_max_frames)
        if limit is not None and positions > limit:
            return f"has windows of {positions} positions, the limit is {limit}"
        return windows

    def read_again(self, record: AttentionData) -> SoundSource:
        """The source that a record was made from.

        Raises:
            ValueError: the record does not hold the sound.
        """
        sound = record.sound
        if sound is None:
            raise ValueError(
                "this record does not hold the sound that it was made from: it was made from a processor's output"
            )
        samples, features = sound.samples.numpy(), sound.features
        if isinstance(self.family, WhisperFamily) and features is not None and sound.offset > 0:
            # A window of a long recording, whose features depend on the loudest part of the whole recording.
            frames = features.shape[1]
            return SoundSource(self.family, self.family.window_features(features, frames), samples, sound.offset)
        return SoundSource.from_samples(self.family, samples, mel_padding=self.mel_padding, offset=sound.offset)

    def trial(self, prompt: str | None = None) -> SoundSource:
        """A second of quiet noise."""
        generator = torch.Generator().manual_seed(0)
        samples = 0.01 * torch.randn(round(_TRIAL_SECONDS * self.family.rate), generator=generator)
        return SoundSource.from_samples(self.family, samples.numpy())

    def _source(self, item: Recording | SoundSource, truncation: bool) -> SoundSource:
        if isinstance(item, SoundSource):
            return item
        if self._exceeds(item) and not truncation:
            name = f" {item.name!r}" if item.name else ""
            cut = (
                "Without a target, extract reads it window by window. With a target, cut"
                if self.is_long(item)
                else "Cut"
            )
            raise ValueError(
                f"the recording{name} has {item.seconds:.1f} s, and one forward of this model ({self.family.name}) "
                f"reads at most {self._most}. {cut} the recording into parts, or pass truncation=True to read its "
                f"first {self._most} alone"
            )
        length = min(item.length, self.family.window or item.length)
        return SoundSource.from_samples(self.family, item.read(0, length), mel_padding=self.mel_padding)
