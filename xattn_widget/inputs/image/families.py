"""Which models of images there are, and how the encoder of each cuts images into positions: ``image_family``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from xattn_widget.inputs.image.image_family import GridFamily, ImageFamily
from xattn_widget.inputs.image.mllama import MllamaFamily
from xattn_widget.inputs.image.pix2struct import Pix2StructFamily
from xattn_widget.inputs.image.prompted_families import Florence2Family
from xattn_widget.inputs.image.readers import Kosmos2Family, PromptedReaderFamily, ReaderFamily, latent_labels
from xattn_widget.inputs.image.udop import UdopFamily


def image_family(model: Any, processor: Any) -> ImageFamily:
    """How a model reads images.

    Args:
        model: a model of transformers for which :func:`xattn_widget.inputs.modalities.reads_images` is true.
        processor: its processor or image processor.

    Raises:
        TypeError: a processor without an image processor.
        ValueError: a model whose encoder is unknown, or the processor of another model.
    """
    image_processor = getattr(processor, "image_processor", processor)
    if not callable(image_processor) or not hasattr(image_processor, "preprocess"):
        raise TypeError(
            f"{type(model).__name__} reads images, with its processor or an image processor of transformers, got "
            f"{type(processor).__name__}: load it with AutoProcessor.from_pretrained(name), with the model's name"
        )
    family = _FAMILIES[model.config.model_type](model, image_processor, processor)
    if family.argument not in image_processor.model_input_names:
        raise ValueError(
            f"the processor ({type(image_processor).__name__}) makes {', '.join(image_processor.model_input_names)}, "
            f"and the model ({family.name}) reads {family.argument}: it is the processor of another model. Load both "
            "from one place: AutoProcessor.from_pretrained(name) with the model's name"
        )
    return family


def _vision_encoder_decoder(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    config = model.config
    encoder = config.encoder
    make = _ENCODERS.get(encoder.model_type)
    if make is None:
        raise ValueError(
            f"the encoder of this {config.model_type} model ({encoder.model_type}) is not one whose positions are "
            f"known, which are {', '.join(sorted(_ENCODERS))}: run the model yourself inside 'with capture(model)'"
        )
    step, before = make(encoder)
    return GridFamily(f"{config.model_type} of {encoder.model_type}", image_processor, step, before)


def _pp_formulanet(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    config = model.config
    vision = config.vision_config
    # The neck of its encoder halves the grid twice.
    return GridFamily(config.model_type, image_processor, (4 * vision.patch_size, 4 * vision.patch_size))


def _blip(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    settings = _clip_grid(model.config)
    if not hasattr(model, "text_encoder"):
        return GridFamily(model.config.model_type, image_processor, *settings)
    # The decoder of BLIP for questions attends to the question, and only the question to the image.
    return PromptedReaderFamily(
        f"{model.config.model_type} for questions",
        image_processor,
        *settings,
        from_question=True,
        tokenizer=_tokenizer(processor, "tokenizer"),
    )


def _blip2(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    config = model.config
    return ReaderFamily(config.model_type, image_processor, *_clip_grid(config), latents=config.num_query_tokens)


def _instructblip(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    return PromptedReaderFamily(
        model.config.model_type,
        image_processor,
        *_clip_grid(model.config),
        latents=model.config.num_query_tokens,
        tokenizer=_tokenizer(processor, "qformer_tokenizer"),
        ids_name="qformer_input_ids",
        mask_name="qformer_attention_mask",
    )


def _kosmos2(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    count = model.config.latent_query_num
    # The latents attend to the image and to themselves.
    return Kosmos2Family(
        model.config.model_type,
        image_processor,
        *_clip_grid(model.config),
        latents=count,
        after=latent_labels(count),
    )


def _clip_grid(config: Any) -> tuple[tuple[int, int], tuple[str, ...]]:
    return _pair(config.vision_config.patch_size), ("[CLS]",)


def _tokenizer(processor: Any, name: str) -> Any:
    tokenizer = getattr(processor, name, None)
    if tokenizer is None:
        raise TypeError(
            f"{type(processor).__name__} has no {name}, which this model needs for the question: pass the model's "
            "processor, as AutoProcessor.from_pretrained(name) loads it"
        )
    return tokenizer


def _pix2struct(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    return Pix2StructFamily(model.config.model_type, image_processor)


def _florence2(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    config = model.config
    step = math.prod(config.vision_config.patch_stride)
    grid = GridFamily(config.model_type, image_processor, (step, step), ("[mean]",))
    _tokenizer(processor, "tokenizer")
    return Florence2Family(config.model_type, image_processor, processor, grid, config.image_token_id)


def _udop(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    config = model.config
    grid = GridFamily(config.model_type, image_processor, _pair(config.patch_size))
    _tokenizer(processor, "tokenizer")
    return UdopFamily(config.model_type, image_processor, processor, grid)


def _mllama(model: Any, image_processor: Any, processor: Any) -> ImageFamily:
    vision = model.config.vision_config
    _tokenizer(processor, "tokenizer")
    ratios = tuple((int(down), int(across)) for down, across in vision.supported_aspect_ratios)
    step = _pair(vision.patch_size)
    return MllamaFamily(model.config.model_type, image_processor, step, ("[CLS]",), whole=processor, ratios=ratios)


def _pair(value: Any) -> tuple[int, int]:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _flat(*before: str) -> Callable[[Any], tuple[tuple[int, int], tuple[str, ...]]]:
    """Encoders whose positions are patches, after special ones."""
    return lambda config: (_pair(config.patch_size), before)


def _with_registers(config: Any) -> tuple[tuple[int, int], tuple[str, ...]]:
    registers = (f"[register {index}]" for index in range(config.num_register_tokens))
    return _pair(config.patch_size), ("[CLS]", *registers)


def _swin(config: Any) -> tuple[tuple[int, int], tuple[str, ...]]:
    height, width = _pair(config.patch_size)
    merged: int = 2 ** (len(config.depths) - 1)  # each stage but the last merges 2 x 2 patches
    return (height * merged, width * merged), ()


_ENCODERS: dict[str, Callable[[Any], tuple[tuple[int, int], tuple[str, ...]]]] = {
    "beit": _flat("[CLS]"),
    "clip_vision_model": _flat("[CLS]"),
    "data2vec-vision": _flat("[CLS]"),
    "deit": _flat("[CLS]", "[distillation]"),
    "dinov2": _flat("[CLS]"),
    "dinov2_with_registers": _with_registers,
    "dinov3_vit": _with_registers,
    "donut-swin": _swin,
    "siglip_vision_model": _flat(),
    "swin": _swin,
    "swinv2": _swin,
    "vit": _flat("[CLS]"),
    "vit_msn": _flat("[CLS]"),
}
_FAMILIES: dict[str, Callable[[Any, Any, Any], ImageFamily]] = {
    "blip": _blip,
    "blip-2": _blip2,
    "florence2": _florence2,
    "instructblip": _instructblip,
    "kosmos-2": _kosmos2,
    "mllama": _mllama,
    "pix2struct": _pix2struct,
    "pp_formulanet": _pp_formulanet,
    "udop": _udop,
    "vision-encoder-decoder": _vision_encoder_decoder,
}
