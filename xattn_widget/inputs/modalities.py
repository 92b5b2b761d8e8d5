"""Which models read sound or images. What reads these for a model is imported with the first model of the kind."""

from __future__ import annotations

from typing import Any, Literal

# How the features of a sound that is shorter than the model's window are padded.
MelPadding = Literal["model", "zeros"]

# Values of ``config.model_type``; `audio.families` and `image.families` say how each of them reads.
_SOUND_MODELS = frozenset(
    (
        "whisper",
        "moonshine",
        "moonshine_streaming",
        "speech_to_text",
        "speecht5",
        "canary",
        "cohere_asr",
        "seamless_m4t",
        "seamless_m4t_v2",
        "speech-encoder-decoder",
    )
)
_IMAGE_MODELS = frozenset(
    (
        "blip",
        "blip-2",
        "florence2",
        "instructblip",
        "kosmos-2",
        "mllama",
        "pix2struct",
        "pp_formulanet",
        "udop",
        "vision-encoder-decoder",
    )
)


def reads_sound(model: Any) -> bool:
    """Whether the model is of a family that reads sound and writes text, as the main input of this class says."""
    return model.config.model_type in _SOUND_MODELS and model.main_input_name in (
        "input_features",
        "input_values",
        "inputs",
    )


def reads_images(model: Any) -> bool:
    """Whether the model is of a family that reads images and writes text."""
    return getattr(getattr(model, "config", None), "model_type", None) in _IMAGE_MODELS
