"""A sound that a speech model reads: ``SoundSource``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from xattn_widget.inputs.audio.features import Features
from xattn_widget.inputs.audio.speech_family import SpeechFamily
from xattn_widget.inputs.modalities import MelPadding
from xattn_widget.inputs.sources import Source
from xattn_widget.record.axis import NO_WORD, Axis, AxisKind
from xattn_widget.record.sound import Sound


@dataclass(frozen=True, eq=False)
class SoundSource(Source):
    """A sound, or one window of a recording.

    Attributes:
        family: how the model reads sound.
        features: what the encoder reads.
        samples: ``[samples]`` float32 at the family's rate, without padding; None if only features are known.
        offset: where the sound begins in its recording, in seconds.
    """

    family: SpeechFamily
    features: Features
    samples: np.ndarray | None = None
    offset: float = 0.0

    @classmethod
    def from_samples(
        cls, family: SpeechFamily, samples: np.ndarray, *, mel_padding: MelPadding = "model", offset: float = 0.0
    ) -> Self:
        """The source of a sound that one forward can read.

        Args:
            family: how the model reads sound.
            samples: ``[samples]`` float32, one channel at the family's rate, from -1 to 1.
            mel_padding: see :meth:`SpeechFamily.features`.
            offset: where the sound begins in its recording, in seconds.

        Raises:
            ValueError: what :meth:`SpeechFamily.features` raises.
        """
        return cls(family, family.features(samples, mel_padding=mel_padding), samples, offset)

    @classmethod
    def from_features(cls, family: SpeechFamily, batch: Mapping[str, Any]) -> list[Self]:
        """The source of each sound of a processor's output. These sounds cannot be played.

        Raises:
            ValueError: what :meth:`SpeechFamily.split` raises, and a sound that is too short for a position.
        """
        sources = [cls(family, features) for features in family.split(batch)]
        for index, source in enumerate(sources):
            if not family.sounding(source.features):
                raise ValueError(
                    f"sound {index} of {family.argument} has a length of {source.features.valid}, and this model "
                    f"({family.name}) needs at least {family.geometry.shortest}: pass a longer sound"
                )
        return sources

    def __len__(self) -> int:
        return self.family.positions(self.features)

    @property
    def content(self) -> torch.Tensor:
        """The features of this sound, as the model reads them."""
        return self.features.values

    @property
    def sound(self) -> Sound | None:
        """What the model heard, for a record; None if only features are known."""
        if self.samples is None:
            return None
        return Sound(torch.tensor(self.samples), self.family.rate, self.features.picture, self.offset)

    def bare(self) -> SoundSource:
        """The sound without its samples and picture, which take more memory than the features."""
        return replace(self, samples=None, features=self.features._replace(picture=None))

    def special(self) -> list[bool]:
        """For each position whether it comes after the end of the sound."""
        sounding = self.family.sounding(self.features)
        return [position >= sounding for position in range(len(self))]

    def counted(self) -> list[bool]:
        """For each position whether it hears the sound."""
        return [not after for after in self.special()]

    def axis(self) -> Axis:
        """The axis of its positions, whose places are seconds from the beginning of the sound."""
        count, special = len(self), self.special()
        places = self.family.places(count)
        audio: AxisKind = "audio"
        labels = tuple(f"{start:.2f} s" for start, _ in places)
        return Axis(
            labels=labels,
            special=tuple(special),
            groups=tuple(NO_WORD if after else position for position, after in enumerate(special)),
            words=tuple(label for label, after in zip(labels, special, strict=True) if not after),
            kinds=(audio,) * count,
            places=tuple(places),
        )

    @classmethod
    def inputs(cls, model: Any, sources: Sequence[Self]) -> dict[str, Any]:
        """The features in the model's precision, and ``attention_mask`` ``[batch, length]``.

        Raises:
            ValueError: sounds of different lengths, for a family that cannot pad them without changing its weights.
        """
        family, values = sources[0].family, [source.features.values for source in sources]
        if not family.batches and len({len(value) for value in values}) > 1:
            raise ValueError(
                f"sounds of different lengths cannot share a batch with this model ({family.name}), because padding "
                "changes what its encoder computes: pass batch_size=1"
            )
        padding = float(getattr(family.extractor, "padding_value", 0.0))
        padded = torch.nn.utils.rnn.pad_sequence(values, batch_first=True, padding_value=padding)
        valid = torch.tensor([source.features.valid for source in sources])
        mask = torch.arange(max(map(family.length, values))) < valid[:, None]
        return {
            family.argument: padded.to(model.device, model.dtype),
            "attention_mask": mask.long().to(model.device),
        }

    def hide(self, inputs: dict[str, Any], row: int, position: int) -> None:
        """Change a batch's inputs so that the decoder cannot attend to a position of this sound in a row.

        Raises:
            ValueError: a family whose mask can only shorten a sound.
        """
        if not self.family.hideable:
            raise ValueError(
                f"single positions of a sound cannot be hidden from the decoder of this model ({self.family.name}), "
                "whose attention_mask only says where a sound ends"
            )
        inputs["attention_mask"][row, position * self.family.geometry.stride] = 0
