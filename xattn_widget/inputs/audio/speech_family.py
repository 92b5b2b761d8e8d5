"""How one speech model reads sound: ``SpeechFamily``, and Whisper's, which pads everything to 30 seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch

from xattn_widget.inputs.audio.features import Features
from xattn_widget.inputs.audio.geometry import Geometry
from xattn_widget.inputs.modalities import MelPadding


@dataclass(frozen=True, eq=False)
class SpeechFamily:
    """How one speech model reads sound.

    Attributes:
        name: the model's ``config.model_type``.
        extractor: the feature extractor of its processor.
        argument: the argument of its forward: ``"input_features"`` or ``"input_values"``.
        geometry: when its positions hear what, over the length of the features.
        shortest: the least number of samples that gives a position.
        window: the most samples of one forward, or None without a limit.
        batches: whether sounds of different lengths give the same weights in one batch as one at a time. Where they do
            not, padding changes what the encoder computes, and only sounds of one length can share a batch.
        hideable: whether single positions can be hidden with the ``attention_mask`` of its forward.
        multiple: the length of the features is a multiple of this; zeros are added.
        stacked: how many frames of the spectrogram make one frame of the features.
    """

    name: str
    extractor: Any
    argument: str
    geometry: Geometry
    shortest: int
    window: int | None = None
    batches: bool = True
    hideable: bool = False
    multiple: int = 1
    stacked: int = 1

    @property
    def rate(self) -> int:
        """Samples per second that the model reads."""
        return int(self.extractor.sampling_rate)

    def features(self, samples: np.ndarray, *, mel_padding: MelPadding = "model") -> Features:
        """What the encoder reads of a sound.

        Args:
            samples: ``[samples]`` float32, one channel at :attr:`rate`, from -1 to 1.
            mel_padding: ``"model"`` to pad as the feature extractor does. ``"zeros"``, for Whisper alone, pads the
                log-mel spectrogram with 0, as openai-whisper does; transformers pads it with silence, which is lower.

        Raises:
            ValueError: a sound that is too short or longer than :attr:`window`, features that are not finite, or a
                ``mel_padding`` that the model does not have.
        """
        self._check(samples, mel_padding)
        if mel_padding != "model":
            raise ValueError(
                f"mel_padding={mel_padding!r} is how openai-whisper pads, and this model ({self.name}) is not Whisper: "
                'pass mel_padding="model"'
            )
        with np.errstate(divide="ignore", invalid="ignore"):  # the check below reports what is not finite
            found = self.extractor(samples, sampling_rate=self.rate, return_tensors="pt")
        values = found[self.argument][0].float()
        mask = found.get("attention_mask")
        if not bool(values.isfinite().all()):
            raise ValueError(
                f"{type(self.extractor).__name__} makes features of this sound that are not finite, because it divides "
                "by their deviation, which is 0 in silence and in a single frame: pass a longer sound that is not "
                "silent"
            )
        return self._padded(values, len(values) if mask is None else int(mask[0].sum()))

    def split(self, batch: Mapping[str, Any]) -> list[Features]:
        """The features of each sound of a processor's output, without the padding of the batch.

        Args:
            batch: ``input_features`` or ``input_values``, with ``attention_mask`` if sounds were padded. The mask of a
                single sound marks its end; without a mask everything counts as sound.

        Raises:
            ValueError: another model's output, arrays of an unexpected shape, or padding on the left.
        """
        values = self._batch_values(batch)
        mask = batch.get("attention_mask")
        if mask is None:
            return [self._padded(row, self.length(row)) for row in values]
        mask = torch.as_tensor(mask).long()
        if mask.shape != (len(values), self.length(values[0])):
            raise ValueError(
                f"attention_mask is {list(mask.shape)} for {self.argument} {list(values.shape)}: it needs one value "
                "for each sound and frame (or sample)"
            )
        if bool((mask[:, 1:] > mask[:, :-1]).any()):
            raise ValueError('attention_mask has padding before the sound: pad on the right (padding_side="right")')
        return [
            self._padded(self._cut(row, valid, len(values)), valid)
            for row, valid in zip(values, mask.sum(-1).tolist(), strict=True)
        ]

    def positions(self, features: Features) -> int:
        """The number of positions that the encoder gives features."""
        return self.geometry.count(self.length(features.values))

    def sounding(self, features: Features) -> int:
        """How many of the positions hear the sound; those after them hear padding."""
        return self.geometry.count(features.valid + -features.valid % self.multiple)

    def places(self, count: int) -> list[tuple[float, float]]:
        """Start and end in seconds of the first positions: a step around the center of what each hears."""
        return self.geometry.places(count)

    def _check(self, samples: np.ndarray, mel_padding: str) -> None:
        if mel_padding not in get_args(MelPadding):
            raise ValueError(f"mel_padding must be one of {', '.join(get_args(MelPadding))}, got {mel_padding!r}")
        if samples.ndim != 1:
            raise ValueError(f"samples must be [samples], one channel, got shape {list(samples.shape)}")
        if len(samples) < self.shortest:
            raise ValueError(
                f"the sound has {len(samples)} samples at {self.rate} Hz, and this model ({self.name}) needs at least "
                f"{self.shortest} ({self.shortest / self.rate:.3f} s) for a position: pass a longer sound"
            )
        if self.window is not None and len(samples) > self.window:
            raise ValueError(
                f"the sound has {len(samples) / self.rate:.2f} s, and this model ({self.name}) reads at most "
                f"{self.window / self.rate:g} s at a time: split it"
            )

    def length(self, values: torch.Tensor) -> int:
        """How many frames or samples the features of a sound have."""
        return len(values)

    def _cut(self, values: torch.Tensor, valid: int, sounds: int) -> torch.Tensor:
        return values if sounds == 1 else values[:valid]

    def _padded(self, values: torch.Tensor, valid: int) -> Features:
        missing = -len(values) % self.multiple
        if missing:
            values = torch.cat([values, values.new_zeros(missing, *values.shape[1:])])
        picture = values[:valid].reshape(valid * self.stacked, -1).T if values.dim() == 2 else None
        return Features(values, valid, picture)

    def _batch_values(self, batch: Mapping[str, Any]) -> torch.Tensor:
        if self.argument not in batch:
            raise ValueError(
                f"this model ({self.name}) reads {self.argument}, and the processor's output has {', '.join(batch)}: "
                "use the processor of the model"
            )
        values = torch.as_tensor(batch[self.argument]).detach().to("cpu", torch.float32)
        dimensions = 2 if self.argument == "input_values" else 3
        if values.dim() != dimensions or not values.numel():
            raise ValueError(
                f"{self.argument} must have {dimensions} dimensions, none of them empty, got shape {list(values.shape)}"
            )
        return values


class WhisperFamily(SpeechFamily):
    """How Whisper reads sound: as a log-mel spectrogram ``[bins, frames]`` that is padded to its window."""

    def features(self, samples: np.ndarray, *, mel_padding: MelPadding = "model") -> Features:
        """What the encoder reads of a sound; see :meth:`SpeechFamily.features`."""
        self._check(samples, mel_padding)
        settings: dict[str, Any] = {"sampling_rate": self.rate, "return_tensors": "pt"}
        frames = len(samples) // self.extractor.hop_length
        if mel_padding == "model":
            return self.window_features(self.extractor(samples, **settings)["input_features"][0], frames)
        # openai-whisper computes the spectrogram with 30 seconds of silence after the sound, and cuts them off again.
        length = len(samples) + self.extractor.n_samples
        values = self.extractor(samples, max_length=length, **settings)["input_features"][0]
        return self.window_features(values[:, :frames], frames)

    def window_features(self, values: torch.Tensor, valid: int) -> Features:
        """Features of the first frames of a window; 0 is added up to its full length.

        Args:
            values: ``[bins, frames]`` a log-mel spectrogram.
            valid: how many of its frames hear the sound.
        """
        missing = self.extractor.nb_max_frames - values.shape[1]
        return Features(torch.nn.functional.pad(values, (0, missing)), valid, values[:, :valid])

    def sounding(self, features: Features) -> int:
        """How many of the positions hear the sound, counted as openai-whisper counts them; at least 1."""
        return max(1, features.valid // self.geometry.stride)

    def places(self, count: int) -> list[tuple[float, float]]:
        """Start and end in seconds of the first positions, counted as openai-whisper counts them.

        What position ``p`` hears is centered at its start, ``.02 p`` seconds.
        """
        return [(position * self.geometry.step, (position + 1) * self.geometry.step) for position in range(count)]

    def length(self, values: torch.Tensor) -> int:
        """How many frames a spectrogram has."""
        return values.shape[1]

    def _cut(self, values: torch.Tensor, valid: int, sounds: int) -> torch.Tensor:
        return values

    def _padded(self, values: torch.Tensor, valid: int) -> Features:
        frames = self.extractor.nb_max_frames
        if values.shape[1] != frames:
            raise ValueError(
                f"input_features have {values.shape[1]} frames, and Whisper reads {frames}: leave the processor's "
                "padding and truncation as they are, or pass the recording itself for one record per window"
            )
        return self.window_features(values, valid)
