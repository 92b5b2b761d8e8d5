"""Tiny models of images with random weights, each with a processor built from the defaults of its class.

``image_model(name)`` makes the model and its processor. They read real pictures, unlike the models of ``family_media``,
whose inputs are random pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
import torch
import transformers as tf
from families import byte_level_tokenizer
from family_parts import BART, draw

IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
# Sides of pictures that no patch divides; the last ones are narrow.
SIZES = [(77, 50), (131, 203), (300, 299), (611, 37), (19, 240)]


class Vision(NamedTuple):
    """A model of images and its processor."""

    model: Any
    processor: Any


def image_model(name: str, **settings: Any) -> Vision:
    """Return the model of this name in ``IMAGES``, with further settings of its encoder.

    The test is skipped if the installed transformers is too old to have it.
    """
    try:
        return IMAGES[name](**settings)
    except AttributeError as error:
        if "module transformers has no attribute" in str(error):
            pytest.skip(f"transformers {tf.__version__} does not have this family")
        raise


def image_processor(name: str, **settings: Any) -> Any:
    """Return an image processor that computes with Pillow and numpy, without torchvision."""
    kind = getattr(tf, f"{name}Pil", None) or getattr(tf, name)  # the older releases have one kind alone
    return kind(**settings)


def picture(width: int, height: int, *, seed: int = 0) -> PIL.Image.Image:
    """Return a picture of random colors."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return PIL.Image.fromarray(pixels)


def square(size: tuple[int, int], box: tuple[int, int, int, int] | None, *, ink: str = "black") -> PIL.Image.Image:
    """Return a white picture with a filled box ``(left, top, right, bottom)``."""
    found = PIL.Image.new("RGB", size, "white")
    if box is not None:
        found.paste(ink, box)
    return found


VIT: dict[str, Any] = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SWIN: dict[str, Any] = {"embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2], "window_size": 4, "patch_size": 4}


def _decoder(tokenizer: Any) -> Any:
    sizes = {key: BART[key] for key in ("d_model", "decoder_layers", "decoder_attention_heads", "decoder_ffn_dim")}
    return tf.TrOCRConfig(
        **sizes, vocab_size=len(tokenizer), max_position_embeddings=64, cross_attention_hidden_size=16, **IDS
    )


def vision_encoder_decoder(encoder: Any, processor: Any) -> Vision:
    """Return a model of this encoder's configuration and TrOCR's decoder."""
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, _decoder(processor.tokenizer))
    for name, value in IDS.items():
        setattr(config, name, value)
    return Vision(draw(tf.VisionEncoderDecoderModel(config), scale=4), processor)


def _encoder(
    config: str, sizes: dict[str, Any], processor: str = "ViTImageProcessor", kind: str = "TrOCRProcessor", **made: Any
) -> Callable[..., Vision]:
    def make(**settings: Any) -> Vision:
        tokenizer = byte_level_tokenizer()
        together = getattr(tf, kind)(image_processor(processor, **made), tokenizer)
        return vision_encoder_decoder(getattr(tf, config)(**sizes | settings), together)

    return make


_SQUARE = {"size": {"height": 32, "width": 32}}
_SMALL = {"image_size": 32, "patch_size": 8}
_PAGE = {"size": {"height": 64, "width": 48}}
IMAGES: dict[str, Callable[..., Vision]] = {
    "vit": _encoder("ViTConfig", VIT | _SMALL, **_SQUARE),
    "deit": _encoder(
        "DeiTConfig", VIT | _SMALL, "DeiTImageProcessor", **_SQUARE, crop_size={"height": 32, "width": 32}
    ),
    "beit": _encoder("BeitConfig", VIT | _SMALL, "BeitImageProcessor", **_SQUARE, do_center_crop=False),
    "dinov2": _encoder(
        "Dinov2Config", VIT | _SMALL, "BitImageProcessor", size={"shortest_edge": 40}, crop_size=_SQUARE["size"]
    ),
    "dinov2 with registers": _encoder("Dinov2WithRegistersConfig", VIT | _SMALL, **_SQUARE),
    "swin": _encoder("SwinConfig", SWIN | {"image_size": 32}, **_SQUARE),
    "swinv2": _encoder("Swinv2Config", SWIN | {"image_size": 32}, **_SQUARE),
    "donut": _encoder(
        "DonutSwinConfig", SWIN | {"image_size": [64, 48]}, "DonutImageProcessor", "DonutProcessor", **_PAGE
    ),
    "donut, turned": _encoder(
        "DonutSwinConfig",
        SWIN | {"image_size": [64, 48]},
        "DonutImageProcessor",
        "DonutProcessor",
        **_PAGE,
        do_align_long_axis=True,
    ),
}


def encoded(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Return ``[positions, size]`` what the encoder of a model makes of one image."""
    with torch.no_grad():
        output = model(**inputs, decoder_input_ids=torch.tensor([[5]]))
    return output.encoder_last_hidden_state[0]
