"""What a speech model reads of one sound: ``Features``."""

from __future__ import annotations

from typing import NamedTuple

import torch


class Features(NamedTuple):
    """What an encoder reads of one sound, as the model's feature extractor computes it.

    Attributes:
        values: float32 on the CPU: samples ``[length]``, frames ``[length, bins]``, or for Whisper a log-mel
            spectrogram ``[bins, length]``.
        valid: how many of ``length`` hear the sound; the rest is padding.
        picture: ``[bins, frames]`` the same as a picture, such as the log-mel spectrogram, without padding; None for
            samples.
    """

    values: torch.Tensor
    valid: int
    picture: torch.Tensor | None = None
