"""The sound that a source axis was made from: ``Sound``."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True, eq=False)
class Sound:
    """What a speech model heard, for playback and pictures. All times of a record count from its beginning.

    Attributes:
        samples: ``[samples]`` float32 tensor on the CPU, one channel, from -1 to 1.
        rate: samples per second.
        features: ``[bins, frames]`` what the encoder read, such as a log-mel spectrogram, without padding; None for
            models that read samples.
        offset: where the sound begins in the recording, in seconds; above 0 for later windows of a long recording.

    Raises:
        ValueError: samples or features of another shape, or a rate or offset that is impossible.
    """

    samples: torch.Tensor
    rate: int
    features: torch.Tensor | None = None
    offset: float = 0.0

    def __post_init__(self) -> None:
        if self.samples.dim() != 1:
            raise ValueError(f"samples must be [samples], one channel, got shape {list(self.samples.shape)}")
        if self.features is not None and self.features.dim() != 2:
            raise ValueError(f"features must be [bins, frames], got shape {list(self.features.shape)}")
        if self.rate <= 0:
            raise ValueError(f"rate must be a positive number of samples per second, got {self.rate!r}")
        if not 0 <= self.offset < float("inf"):
            raise ValueError(f"offset must be 0 or more seconds, got {self.offset!r}")
        object.__setattr__(self, "samples", self.samples.detach().to("cpu", torch.float32))
        if self.features is not None:
            object.__setattr__(self, "features", self.features.detach().to("cpu", torch.float32))

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / self.rate
