"""A model paired with what reads its sources and what reads and writes its targets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from xattn_widget.inputs.modalities import MelPadding, reads_images, reads_sound
from xattn_widget.inputs.sources import SourceSide
from xattn_widget.inputs.text.checks import check_is_tokenizer, check_model, check_tokenizer
from xattn_widget.inputs.text.sides import Side, text_sides


@dataclass(frozen=True)
class PairedModel:
    """A model with its two sides.

    Attributes:
        model: the model.
        source: the side of its encoder.
        target: the side of its decoder.
        generation: settings without which its ``generate`` would not return all tokens that the decoder reads.
    """

    model: Any
    source: SourceSide
    target: Side
    generation: dict[str, Any] = field(default_factory=dict)

    @property
    def padding_sides(self) -> tuple[str, str]:
        """Where the user's arrays for sources and for targets are padded: ``"left"`` or ``"right"``."""
        return self.source.padding_side, str(self.target.tokenizer.padding_side)


def pair_model(
    model: Any, tokenizer: Any, target_tokenizer: Any = None, mel_padding: MelPadding | None = None
) -> PairedModel:
    """Pair a model with its tokenizer or processor, or with the tokenizers of its two sides.

    Args:
        model: an encoder-decoder model of transformers.
        tokenizer: its tokenizer, or the processor of a model that reads sound or images.
        target_tokenizer: the tokenizer of the targets if it is a different one.
        mel_padding: how the features of sound are padded; None for models that read text.

    Raises:
        TypeError: not a model or a tokenizer of transformers.
        ValueError: a model that has no cross-attention or reads something unknown, a tokenizer of another model, or one
            tokenizer for a model whose sides have different vocabularies.
    """
    sees = reads_images(model)
    check_model(model, encodes=not sees)
    if reads_sound(model):
        return _pair_speech(model, tokenizer, target_tokenizer, mel_padding or "model")
    if mel_padding is not None:
        raise ValueError(
            f"mel_padding={mel_padding!r} is for models that read sound, and {type(model).__name__} does not"
        )
    if sees:
        return _pair_vision(model, tokenizer, target_tokenizer)
    if model.main_input_name != "input_ids":
        raise ValueError(
            f"{type(model).__name__} reads {model.main_input_name}, and is not one of the models of sound or images "
            "that this package knows: run it yourself inside 'with capture(model)'"
        )
    return PairedModel(model, *text_sides(model, tokenizer, target_tokenizer))


def _pair_speech(model: Any, processor: Any, target_tokenizer: Any, mel_padding: MelPadding) -> PairedModel:
    """A speech model with its processor, or with its feature extractor and its tokenizer."""
    from xattn_widget.inputs.audio.families import speech_family
    from xattn_widget.inputs.audio.sound_side import SoundSide
    from xattn_widget.inputs.audio.speech_target import speech_target

    family = speech_family(model, processor)
    tokenizer = _target_tokenizer(model, processor, target_tokenizer)
    # By itself, Whisper's generate returns targets without their prompt, and reads the rest of a sound again after the
    # last timestamp.
    whisper = {"return_dict_in_generate": True, "force_unique_generate_call": True}
    return PairedModel(
        model,
        SoundSide(family, mel_padding),
        speech_target(model, tokenizer, processor),
        whisper if family.name == "whisper" else {},
    )


def _pair_vision(model: Any, processor: Any, target_tokenizer: Any) -> PairedModel:
    """A model of images with its processor, or with its image processor and its tokenizer."""
    from xattn_widget.inputs.image.families import image_family
    from xattn_widget.inputs.image.image_side import ImageSide
    from xattn_widget.inputs.image.image_target import image_target

    family = image_family(model, processor)
    tokenizer = _target_tokenizer(model, processor, target_tokenizer)
    return PairedModel(model, ImageSide(family), image_target(model, tokenizer))


def _target_tokenizer(model: Any, processor: Any, target_tokenizer: Any) -> Any:
    """The tokenizer of the targets of a model with a processor."""
    tokenizer = getattr(processor, "tokenizer", None) if target_tokenizer is None else target_tokenizer
    if tokenizer is None:
        raise TypeError(
            f"{type(processor).__name__} has no tokenizer to read targets with: pass the model's processor, as "
            "AutoProcessor.from_pretrained(name) loads it, or the tokenizer as target_tokenizer="
        )
    check_is_tokenizer(tokenizer, "target_tokenizer")
    check_tokenizer(model, tokenizer, "target")
    return tokenizer
