"""Tiny models of images with random weights, each with a processor built from the defaults of its class.

``image_model(name)`` makes the model and its processor. They read real pictures, unlike the models of ``family_media``,
whose inputs are random pixels.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import pytest
import torch
import transformers as tf
from families import byte_level_tokenizer, eager, unigram_tokenizer, wordpiece_tokenizer
from family_parts import BART, BERT, FLORENCE2_VISION, T5, draw, projected, run

IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2}
# Sides of pictures that no patch divides; the last ones are narrow.
SIZES = [(77, 50), (131, 203), (300, 299), (611, 37), (19, 240)]


class Vision(NamedTuple):
    """A model of images and its processor."""

    model: Any
    processor: Any


def image_model(name: str, **settings: Any) -> Vision:
    """Return the model of this name in ``IMAGES``, ``PROMPTED`` or ``READERS``, with further settings of its encoder.

    The test is skipped if the installed transformers is too old to have it.
    """
    try:
        return (IMAGES | PROMPTED | READERS | TILED)[name](**settings)
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


def square(size: tuple[int, int], box: tuple[int, int, int, int] | None, *, framed: bool = False) -> PIL.Image.Image:
    """Return a white picture with a black box ``(left, top, right, bottom)``.

    A frame consists of two dots, so that processors that crop margins see the same part of all pictures of one size.
    """
    width, height = size
    found = PIL.Image.new("RGB", size, "white")
    if box is not None:
        found.paste("black", box)
    if framed:
        found.putpixel((width // 10, height // 8), (0, 0, 0))
        found.putpixel((width - width // 6 - 1, height - height // 9 - 1), (0, 0, 0))
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


def pix2struct(**settings: Any) -> Vision:
    """Return Pix2Struct; with ``is_vqa=True`` it answers questions."""
    tokenizer = byte_level_tokenizer()
    processor = tf.Pix2StructProcessor(
        image_processor("Pix2StructImageProcessor", max_patches=24, **settings), tokenizer
    )
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "d_kv": 4,
        "d_ff": 32,
        "num_layers": 3,
        "num_heads": 4,
        **IDS,
    }
    vision = {"hidden_size": 16, "d_ff": 32, "d_kv": 4, "seq_len": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = tf.Pix2StructConfig(text_config=text, vision_config=vision | {"patch_embed_hidden_size": 768})
    return Vision(draw(tf.Pix2StructForConditionalGeneration(config), scale=2), processor)


def blip(**settings: Any) -> Vision:
    """Return BLIP for captions."""
    tokenizer = wordpiece_tokenizer()
    processor = tf.BlipProcessor(image_processor("BlipImageProcessor", **_SQUARE), tokenizer)
    text = BERT | {
        "vocab_size": len(tokenizer),
        "encoder_hidden_size": 16,
        "bos_token_id": 5,
        "pad_token_id": tokenizer.pad_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    config = tf.BlipConfig(text_config=text, vision_config=VIT | _SMALL | settings)
    return Vision(draw(tf.BlipForConditionalGeneration(config)), processor)


def florence2(**settings: Any) -> Vision:
    """Return Florence-2 with 2 x 3 patches of 16 pixels and their mean."""
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>"]})
    tokenizer.image_token = "<image>"
    tokenizer.image_token_id = tokenizer.convert_tokens_to_ids("<image>")
    images = image_processor(
        "CLIPImageProcessor", size={"height": 32, "width": 48}, do_center_crop=False, do_resize=True
    )
    images.image_seq_length = 7
    processor = tf.Florence2Processor(images, tokenizer)
    vision = FLORENCE2_VISION | {"patch_size": (7, 3), "patch_stride": (8, 2), "patch_padding": (3, 1)}
    text = {**BART, "model_type": "bart", "vocab_size": len(tokenizer), "max_position_embeddings": 128}
    config = tf.Florence2Config(text_config=text, vision_config=vision, image_token_id=tokenizer.image_token_id)
    return Vision(draw(tf.Florence2ForConditionalGeneration(config), scale=4), processor)


def udop(**settings: Any) -> Vision:
    """Return UDOP with 4 x 4 patches."""
    vocabulary = json.loads(unigram_tokenizer().backend_tokenizer.to_str())["model"]["vocab"]
    tokenizer = tf.UdopTokenizer(vocab=[(piece, score) for piece, score in vocabulary])
    images = image_processor("LayoutLMv3ImageProcessor", apply_ocr=False, **_SQUARE)
    config = tf.UdopConfig(**T5 | {"vocab_size": len(tokenizer)}, image_size=32, patch_size=8)
    return Vision(draw(tf.UdopForConditionalGeneration(config), scale=2), tf.UdopProcessor(images, tokenizer))


def blip_for_questions(**settings: Any) -> Vision:
    """Return BLIP for questions, in which the question attends to the image."""
    made = blip(**settings)
    return Vision(draw(tf.BlipForQuestionAnswering(made.model.config)), made.processor)


_QFORMER = BERT | {"encoder_hidden_size": 16, "cross_attention_frequency": 2, "num_hidden_layers": 4}


def _with_qformer(name: str, tokenizer: Any) -> Any:
    text = {"model_type": "opt", "vocab_size": len(tokenizer) + 1, "hidden_size": 16, "ffn_dim": 32} | {
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "word_embed_proj_dim": 16,
    }
    config = getattr(tf, f"{name}Config")(
        vision_config=VIT | _SMALL,
        qformer_config=_QFORMER | {"vocab_size": len(tokenizer) + 1},
        text_config=text,
        num_query_tokens=5,
        image_token_index=len(tokenizer),
    )
    return draw(getattr(tf, f"{name}ForConditionalGeneration")(config))


def blip2(**settings: Any) -> Vision:
    """Return BLIP-2, whose five latents attend to the image."""
    tokenizer = byte_level_tokenizer()
    model = _with_qformer("Blip2", tokenizer)
    return Vision(model, tf.Blip2Processor(image_processor("BlipImageProcessor", **_SQUARE), tokenizer, 5))


def instructblip(**settings: Any) -> Vision:
    """Return InstructBLIP, whose five latents see the question too."""
    tokenizer = byte_level_tokenizer()
    model = _with_qformer("InstructBlip", tokenizer)
    images = image_processor("BlipImageProcessor", **_SQUARE)
    return Vision(model, tf.InstructBlipProcessor(images, tokenizer, byte_level_tokenizer(), 5))


def kosmos2(**settings: Any) -> Vision:
    """Return Kosmos-2, whose three latents attend to the center of the image and to themselves."""
    tokenizer = byte_level_tokenizer()
    images = image_processor("CLIPImageProcessor", size={"shortest_edge": 32}, crop_size=_SQUARE["size"])
    processor = tf.Kosmos2Processor(images, tokenizer, num_patch_index_tokens=4)
    text = {"vocab_size": len(tokenizer), "embed_dim": 16, "layers": 1, "ffn_dim": 32, "attention_heads": 4}
    config = tf.Kosmos2Config(text_config=text, vision_config=VIT | _SMALL, latent_query_num=3)
    return Vision(draw(tf.Kosmos2ForConditionalGeneration(config), scale=20), processor)


def pp_formulanet(**settings: Any) -> Vision:
    """Return PP-FormulaNet with Nougat's processor, whose steps are its own; its processor needs torchvision."""
    tokenizer = byte_level_tokenizer()
    images = image_processor("NougatImageProcessor", size={"height": 128, "width": 128})
    text = {key: value for key, value in BART.items() if not key.startswith("encoder")} | IDS
    vision = {
        "hidden_size": 16,
        "output_channels": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 128,
        "patch_size": 8,
        "window_size": 2,
        "global_attn_indexes": [],
        "mlp_dim": 32,
        "post_conv_in_channels": 8,
        "post_conv_mid_channels": 8,
        "post_conv_out_channels": 16,
        "decoder_hidden_size": 16,
    }
    config = tf.PPFormulaNetConfig(text_config=text | {"vocab_size": len(tokenizer)}, vision_config=vision)
    model = draw(tf.PPFormulaNetForConditionalGeneration(config))
    return Vision(model, tf.TrOCRProcessor(images, tokenizer))


def mllama(**settings: Any) -> Vision:
    """Return Mllama with up to four tiles of 2 x 2 patches, and cross-attention in two of four layers."""
    tokenizer = byte_level_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|image|>"]})
    images = image_processor("MllamaImageProcessor", **_SQUARE, max_image_tiles=4)
    processor = tf.MllamaProcessor(images, tokenizer)
    text = {
        # The model reads the image token, and cannot write it.
        "vocab_size": len(tokenizer) - 1,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "cross_attention_layers": [1, 3],
        "max_position_embeddings": 64,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        **{name: IDS[name] for name in ("bos_token_id", "pad_token_id", "eos_token_id")},
    }
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_size": 32,
        "vision_output_dim": 32,
        "image_size": 32,
        "patch_size": 16,
        "max_num_tiles": 4,
        "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1]],
    }
    config = tf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=processor.image_token_id)
    model = draw(tf.MllamaForConditionalGeneration(config), scale=3)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):  # gates are zero at first
                parameter.fill_(0.7)
    return Vision(model, processor)


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
    "nougat": _encoder("DonutSwinConfig", SWIN | {"image_size": [64, 48]}, "NougatImageProcessor", **_PAGE),
    "pix2struct": pix2struct,
    "blip": blip,
    "florence2": florence2,
    "pp_formulanet": pp_formulanet,
}


# These read no image without a prompt.
PROMPTED: dict[str, Callable[..., Vision]] = {"udop": udop}
# Its language model has layers of cross-attention, and targets begin with an image token.
TILED: dict[str, Callable[..., Vision]] = {"mllama": mllama}
# In these families, latent queries or a question attend to the image.
READERS: dict[str, Callable[..., Vision]] = {
    "blip for questions": blip_for_questions,
    "blip-2": blip2,
    "instructblip": instructblip,
    "kosmos-2": kosmos2,
}


# Families whose processors crop the margins of pictures.
CROPPING = ("nougat", "pp_formulanet")
# Height and width of a position in pixels that the encoder reads, for families that read a grid of pixels.
STEPS = dict.fromkeys(IMAGES, 8) | {"florence2": 16, "pp_formulanet": 32}
del STEPS["pix2struct"]


def library_inputs(vision: Vision, image: Any, prompt: str | None = None) -> dict[str, Any]:
    """Return what the processor makes of an image or of several, without the ids of a target."""
    processor = vision.processor
    if hasattr(processor, "image_token"):
        texts = [prompt or ""] * len(image) if isinstance(image, list) else prompt or ""
        return dict(processor(images=image, text=texts, return_tensors="pt"))
    return dict(processor.image_processor(images=image, return_tensors="pt"))


def library_forward(model: Any, inputs: dict[str, Any], read: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ``[layers, heads, target, source]`` weights by the library's eager path, and logits ``[target, ids]``."""
    ids = torch.tensor([list(read)])
    if model.config.model_type == "blip":  # it returns no weights
        inputs = inputs | {"input_ids": ids}
        weights = projected("query", "key", "crossattention.self")(model, inputs)
        return torch.stack(weights)[:, 0], run(model, inputs).logits[0]
    with torch.no_grad():
        output = eager(model)(**inputs, decoder_input_ids=ids, output_attentions=True)
    return torch.stack(output.cross_attentions)[:, 0], output.logits[0]


def attended(model: Any, family: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Return ``[positions, size]`` the states of one image, with its text, that cross-attention reads of it."""
    found: list[torch.Tensor] = []
    if not hasattr(family, "run"):  # UDOP, before its layers mix words and patches
        handle = model.get_encoder().block[0].register_forward_pre_hook(lambda _, args: found.append(args[0]))
        with torch.no_grad():
            model.get_encoder()(**inputs)
        handle.remove()
        return found[0][0]

    def keep(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        states = kwargs.get("encoder_hidden_states", kwargs.get("key_value_states"))
        if states is not None:
            found.append(states)

    handles = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in model.modules()]
    with torch.no_grad():
        family.run(model, inputs)
    for handle in handles:
        handle.remove()
    # The decoder of BLIP for questions attends to the question, after that has read the image.
    return found[0][0]


def encoded(model: Any, inputs: dict[str, Any]) -> torch.Tensor:
    """Return ``[positions, size]`` the states of one image that cross-attention reads."""
    if model.config.model_type == "florence2":  # before its encoder of texts mixes them
        with torch.no_grad():
            return model.get_image_features(inputs["pixel_values"]).pooler_output[0]
    found: list[torch.Tensor] = []

    def keep(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
        states = kwargs.get("encoder_hidden_states", kwargs.get("key_value_states"))
        if states is not None:
            found.append(states)

    handles = [module.register_forward_pre_hook(keep, with_kwargs=True) for module in model.modules()]
    name = "input_ids" if model.config.model_type == "blip" else "decoder_input_ids"
    run(model, inputs | {name: torch.tensor([[5]])})
    for handle in handles:
        handle.remove()
    return found[-1][0]
