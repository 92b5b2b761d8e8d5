"""A tiny random model of every encoder-decoder family of transformers, with inputs that are padded where it takes that.

python tests/family_models.py        # the README's table: family, attention modules, largest difference, remark
"""

from __future__ import annotations

import copy
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

if __name__ == "__main__":  # the package itself, where it is not installed
    sys.path.insert(0, str(Path(__file__).parent.parent))

import torch
import transformers as tf
from families import FAMILIES, one_thread, state_of
from torch import nn

from xattn_widget import capture

BATCH, SOURCE, TARGET = 3, 9, 7
_BART: dict[str, Any] = FAMILIES["bart"].settings
# More layers in the encoder: the library's cache counts its layers, even for the decoder.
_T5: dict[str, Any] = FAMILIES["t5"].settings | {"num_layers": 3, "num_decoder_layers": 2}
_BERT: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
    "pad_token_id": 1,
}
_GEMMA: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "query_pre_attn_scalar": 4,
    "sliding_window": 4,
    "layer_types": ["sliding_attention", "full_attention"],
    "max_position_embeddings": 64,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 1,
}
_VIT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 8,
    "patch_size": 4,
}
_SERIES: dict[str, Any] = {
    "prediction_length": 6,
    "context_length": 8,
    "d_model": 16,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "decoder_layers": 3,
    "lags_sequence": [1, 2],
    "num_time_features": 1,
}

# The projections of queries and keys of cross-attention, in the names that families give them.
_CROSS = re.compile(
    r"(encoder_attn|EncDecAttention|encoder_decoder_attention|[cC]ross_?[aA]tt(entio)?n|x_attn|cross_attn|"
    r"layers\.[13]\.cross_attn)\S*\.(q|k|q_proj|k_proj|query|key|query_proj|key_proj|q_attn)\.weight$"
)


def draw(model: Any, *, scale: float = 3.0, std: float = 0.15, seed: int = 0) -> Any:
    """Random weights large enough for attention that is far from even; norms as they were made."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and parameter.dim() >= 2:
                parameter.normal_(std=std, generator=random)
            if _CROSS.search(name):
                parameter.mul_(scale)
    return model.eval()


def ids(rows: int = BATCH, columns: int = SOURCE, *, low: int = 4, high: int = 40, seed: int = 0) -> torch.Tensor:
    return torch.randint(low, high, (rows, columns), generator=torch.Generator().manual_seed(seed))


def mask(columns: int, shortest: int = 3) -> torch.Tensor:
    """Ones for the tokens of three rows of different lengths, padded on the right."""
    lengths = torch.tensor([columns, shortest, (columns + shortest) // 2])
    return (torch.arange(columns) < lengths[:, None]).long()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Made(NamedTuple):
    """A model, the arguments of a forward, and how many calls of cross-attention that has."""

    model: Any
    inputs: dict[str, Any]
    modules: int


def _text(model: Any, modules: int = 3, *, scale: float = 3.0, masked_target: bool = True, pad: int = 1) -> Made:
    inputs = {
        "input_ids": ids().masked_fill(mask(SOURCE) == 0, pad),
        "attention_mask": mask(SOURCE),
        "decoder_input_ids": ids(columns=TARGET, seed=1),
    }
    if masked_target:
        inputs["decoder_attention_mask"] = mask(TARGET, 2)
    return Made(draw(model, scale=scale), inputs, modules)


def _bart(name: str, **settings: Any) -> Callable[[], Made]:
    model, config = getattr(tf, f"{name}ForConditionalGeneration", None), getattr(tf, f"{name}Config")
    model = model or getattr(tf, f"{name}MTModel")
    return lambda: _text(model(config(**{**_BART, **settings})))


def _t5(name: str, **settings: Any) -> Callable[[], Made]:
    model, config = getattr(tf, f"{name}ForConditionalGeneration"), getattr(tf, f"{name}Config")
    return lambda: _text(model(config(**{**_T5, **settings})), 2, scale=2, pad=0)


def _fsmt() -> Made:
    sizes = {key: value for key, value in _BART.items() if key != "vocab_size"}
    return _text(
        tf.FSMTForConditionalGeneration(
            tf.FSMTConfig(**sizes, langs=["en", "de"], src_vocab_size=40, tgt_vocab_size=40, activation_function="relu")
        )
    )


def _prophetnet() -> Made:
    config = tf.ProphetNetConfig(
        vocab_size=40,
        hidden_size=16,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        num_encoder_layers=2,
        num_decoder_layers=3,
        num_encoder_attention_heads=4,
        num_decoder_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=1,
        use_cache=False,
    )
    return _text(tf.ProphetNetForConditionalGeneration(config))


def _t5gemma() -> Made:
    settings = _GEMMA | {"attn_logit_softcapping": 5.0}
    decoder = {"num_hidden_layers": 3, "num_attention_heads": 8, "layer_types": ["full_attention"] * 3}
    config = tf.T5GemmaConfig(
        encoder=settings, decoder=settings | decoder, vocab_size=40, attn_implementation="eager", attention_dropout=0.0
    )
    return _text(tf.T5GemmaForConditionalGeneration(config), pad=0)


def _t5gemma2() -> Made:
    vision = _VIT | {"vision_use_head": False}
    encoder = {"text_config": _GEMMA, "vision_config": vision, "mm_tokens_per_image": 4, "vocab_size": 40}
    config = tf.T5Gemma2Config(
        encoder=encoder | {"boi_token_index": 36, "eoi_token_index": 37, "image_token_index": 38},
        decoder=dict(_GEMMA),
        eoi_token_index=37,
        image_token_index=38,
    )
    made = _text(tf.T5Gemma2ForConditionalGeneration(config), 2, pad=0)
    made.inputs["input_ids"].clamp_(max=35)
    return made


def _seamless(version: str) -> Callable[[], Made]:
    def make() -> Made:
        config = getattr(tf, f"SeamlessM4T{version}Config")(
            vocab_size=40,
            hidden_size=16,
            max_position_embeddings=64,
            encoder_layers=2,
            decoder_layers=3,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            pad_token_id=0,
        )
        return _text(getattr(tf, f"SeamlessM4T{version}ForTextToText")(config), pad=0)

    return make


def _pair(encoder: Any, decoder: Any) -> Any:
    config = tf.EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    return tf.EncoderDecoderModel(config)


def _bert2bert() -> Made:
    return _text(_pair(tf.BertConfig(**_BERT), tf.BertConfig(**_BERT | {"num_hidden_layers": 3})))


def _bert2gpt2() -> Made:
    decoder = tf.GPT2Config(vocab_size=40, n_embd=16, n_layer=3, n_head=4, n_positions=32)
    return _text(_pair(tf.BertConfig(**_BERT), decoder))


def _roberta2roberta() -> Made:
    settings = _BERT | {"max_position_embeddings": 40}
    return _text(_pair(tf.RobertaConfig(**settings), tf.RobertaConfig(**settings)), 2)


def _whisper() -> Made:
    family = FAMILIES["whisper"]
    model = draw(family.model(family.config(**family.settings)), scale=4)
    return Made(model, {"input_features": numbers(BATCH, 8, 24), **_target()}, 3)


def _target() -> dict[str, Any]:
    return {"decoder_input_ids": ids(columns=TARGET, seed=1), "decoder_attention_mask": mask(TARGET, 2)}


def _speech_to_text() -> Made:
    config = tf.Speech2TextConfig(
        **{**_BART, "max_source_positions": 64, "max_target_positions": 32},
        input_feat_per_channel=8,
        conv_channels=16,
        num_conv_layers=2,
    )
    model = draw(tf.Speech2TextForConditionalGeneration(config))
    return Made(model, {"input_features": numbers(BATCH, 36, 8), "attention_mask": mask(36, 12), **_target()}, 3)


def _speecht5() -> Made:
    config = tf.SpeechT5Config(
        vocab_size=40,
        hidden_size=16,
        encoder_layers=2,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        conv_dim=(16, 16),
        conv_stride=(4, 4),
        conv_kernel=(4, 4),
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        apply_spec_augment=False,
    )
    model = draw(tf.SpeechT5ForSpeechToText(config))
    return Made(model, {"input_values": numbers(BATCH, 160), "attention_mask": mask(160, 64), **_target()}, 3)


def _moonshine() -> Made:
    config = tf.MoonshineConfig(
        vocab_size=40,
        hidden_size=16,
        intermediate_size=32,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=3,
        encoder_num_attention_heads=4,
        decoder_num_attention_heads=4,
        max_position_embeddings=64,
    )
    model = draw(tf.MoonshineForConditionalGeneration(config))
    inputs = {"input_values": numbers(BATCH, 4000), "attention_mask": mask(4000, 2000)}
    return Made(model, {**inputs, "decoder_input_ids": ids(columns=TARGET, seed=1)}, 3)


def _wav2vec2() -> Any:
    return tf.Wav2Vec2Config(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16),
        conv_stride=(4, 4),
        conv_kernel=(4, 4),
        num_feat_extract_layers=2,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        apply_spec_augment=False,
    )


def _speech_encoder_decoder() -> Made:
    config = tf.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(_wav2vec2(), tf.BertConfig(**_BERT))
    inputs = {"input_values": numbers(BATCH, 160), "attention_mask": mask(160, 64), **_target()}
    return Made(draw(tf.SpeechEncoderDecoderModel(config)), inputs, 2)


def _image(size: int = 8, **more: Any) -> dict[str, Any]:
    return {"pixel_values": numbers(BATCH, 3, size, size), **more}


def _vit_trocr() -> Made:
    settings = {key: _BART[key] for key in ("vocab_size", "d_model", "decoder_layers", "decoder_attention_heads")}
    decoder = tf.TrOCRConfig(**settings, decoder_ffn_dim=32, max_position_embeddings=32, cross_attention_hidden_size=16)
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.ViTConfig(**_VIT), decoder)
    return Made(draw(tf.VisionEncoderDecoderModel(config)), _image(**_target()), 3)


def _swin_mbart() -> Made:
    encoder = tf.DonutSwinConfig(
        image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, tf.MBartConfig(**_BART | {"encoder_layers": 3})
    )
    return Made(draw(tf.VisionEncoderDecoderModel(config)), _image(16, **_target()), 3)


def _pix2struct() -> Made:
    text = {"vocab_size": 40, "hidden_size": 16, "d_kv": 4, "d_ff": 32, "num_layers": 3, "num_heads": 4}
    vision = {"hidden_size": 16, "patch_embed_hidden_size": 12, "d_ff": 32, "d_kv": 4, "seq_len": 16}
    config = tf.Pix2StructConfig(
        text_config=text, vision_config=vision | {"num_hidden_layers": 1, "num_attention_heads": 4}
    )
    patches = numbers(BATCH, SOURCE, 14)
    patches[:, :, :2] = torch.arange(SOURCE)[None, :, None]  # row and column of each patch
    inputs = {"flattened_patches": patches, "attention_mask": mask(SOURCE).float(), **_target()}
    return Made(draw(tf.Pix2StructForConditionalGeneration(config), scale=2), inputs, 3)


def _blip() -> Made:
    text = _BERT | {"encoder_hidden_size": 16, "bos_token_id": 2, "sep_token_id": 3, "num_hidden_layers": 3}
    config = tf.BlipConfig(text_config=text, vision_config=_VIT)
    inputs = _image(input_ids=ids(columns=TARGET), attention_mask=mask(TARGET, 3))
    return Made(draw(tf.BlipForConditionalGeneration(config)), inputs, 3)


def _blip2_qformer() -> Made:
    config = tf.Blip2QFormerConfig(**_BERT, encoder_hidden_size=16, cross_attention_frequency=2)
    inputs = {
        "query_embeds": numbers(BATCH, 5, 16),
        "encoder_hidden_states": numbers(BATCH, SOURCE, 16, seed=1),
        "encoder_attention_mask": mask(SOURCE),
    }
    return Made(draw(tf.Blip2QFormerModel(config)), inputs, 1)


def _florence2() -> Made:
    vision = {
        "depths": (1, 1),
        "patch_size": (3, 3),
        "patch_stride": (2, 2),
        "patch_padding": (1, 1),
        "patch_prenorm": (False, True),
        "embed_dim": (8, 16),
        "num_heads": (2, 2),
        "num_groups": (2, 2),
        "window_size": 2,
        "projection_dim": 16,
    }
    text = {**_BART, "model_type": "bart"}
    model = draw(
        tf.Florence2ForConditionalGeneration(
            tf.Florence2Config(text_config=text, vision_config=vision, image_token_id=39)
        )
    )
    source = ids(columns=14, high=39)
    source[:, :5] = 39  # 2 x 2 patches and their mean
    return Made(model, _image(input_ids=source, attention_mask=mask(14, 8), **_target()), 3)


def _udop() -> Made:
    config = tf.UdopConfig(**_T5, image_size=8, patch_size=4, max_2d_position_embeddings=32)
    model = draw(tf.UdopForConditionalGeneration(config), scale=2)
    boxes = torch.rand(BATCH, SOURCE, 4, generator=torch.Generator().manual_seed(3))
    return Made(
        model,
        {"input_ids": ids(), "attention_mask": mask(SOURCE), "bbox": boxes, "pixel_values": _image()["pixel_values"]}
        | _target(),
        2,
    )


def _musicgen() -> Made:
    text = tf.T5Config(**_T5)
    audio = tf.EncodecConfig(
        hidden_size=8, num_filters=2, codebook_size=64, codebook_dim=8, upsampling_ratios=[2, 2], num_lstm_layers=1
    )
    decoder = tf.MusicgenDecoderConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=3,
        ffn_dim=32,
        num_attention_heads=4,
        num_codebooks=2,
        max_position_embeddings=32,
        pad_token_id=0,
        bos_token_id=0,
    )
    model = tf.MusicgenForConditionalGeneration(
        tf.MusicgenConfig(text_encoder=text.to_dict(), audio_encoder=audio.to_dict(), decoder=decoder.to_dict())
    )
    inputs = {"input_ids": ids(), "attention_mask": mask(SOURCE)}
    return Made(draw(model), {**inputs, "decoder_input_ids": ids(2 * BATCH, TARGET, seed=1)}, 3)


def _pop2piano() -> Made:
    model = draw(tf.Pop2PianoForConditionalGeneration(tf.Pop2PianoConfig(**_T5)), scale=2)
    inputs = {"input_features": numbers(BATCH, SOURCE, 16), "attention_mask": mask(SOURCE), **_target()}
    return Made(model, inputs, 2)


def _kosmos2() -> Made:
    text = {
        "vocab_size": 40,
        "embed_dim": 16,
        "layers": 2,
        "ffn_dim": 32,
        "attention_heads": 4,
        "max_position_embeddings": 32,
    }
    config = tf.Kosmos2Config(text_config=text, vision_config=_VIT, latent_query_num=3)
    where = torch.zeros(BATCH, TARGET, dtype=torch.long)
    where[:, 1:4] = 1
    inputs = _image(
        input_ids=ids(columns=TARGET), attention_mask=mask(TARGET, 5), image_embeds_position_mask=where.bool()
    )
    return Made(draw(tf.Kosmos2ForConditionalGeneration(config), scale=20), inputs, 1)


_CONFORMER: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "num_mel_bins": 8,
    "subsampling_conv_channels": 4,
    "conv_kernel_size": 3,
    "max_position_embeddings": 64,
}
_SPEECH_DECODER: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


def _canary() -> Made:
    config = tf.CanaryConfig(encoder_config=_CONFORMER, decoder_config=_SPEECH_DECODER, vocab_size=40)
    model = draw(tf.CanaryForConditionalGeneration(config), scale=5)
    return Made(model, {"input_features": numbers(BATCH, 72, 8), "attention_mask": mask(72, 24), **_target()}, 3)


def _cohere_asr() -> Made:
    config = tf.CohereAsrConfig(encoder_config=_CONFORMER, **_SPEECH_DECODER)
    model = draw(tf.CohereAsrForConditionalGeneration(config), scale=5)
    return Made(model, {"input_features": numbers(BATCH, 72, 8), "attention_mask": mask(72, 24), **_target()}, 3)


def _dia() -> Made:
    encoder = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "intermediate_size": 32,
        "max_position_embeddings": 32,
    }
    decoder = encoder | {
        "num_hidden_layers": 3,
        "hidden_size": 24,
        "num_attention_heads": 4,
        "cross_num_attention_heads": 4,
        "cross_num_key_value_heads": 2,
        "cross_head_dim": 4,
        "cross_hidden_size": 16,
        "num_channels": 2,
        "pad_token_id": 1,
        "bos_token_id": 2,
        "eos_token_id": 3,
    }
    model = draw(
        tf.DiaForConditionalGeneration(
            tf.DiaConfig(encoder_config=encoder, decoder_config=decoder, delay_pattern=[0, 1], pad_token_id=1)
        )
    )
    audio = torch.stack([ids(columns=TARGET, seed=1), ids(columns=TARGET, seed=2)], -1)
    return Made(model, {"input_ids": ids(), "attention_mask": mask(SOURCE), "decoder_input_ids": audio}, 3)


def _pp_formulanet() -> Made:
    text = {key: value for key, value in _BART.items() if not key.startswith("encoder")}
    vision = {
        "hidden_size": 16,
        "output_channels": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 128,
        "patch_size": 16,
        "window_size": 2,
        "global_attn_indexes": [0],
        "mlp_dim": 32,
        "post_conv_in_channels": 8,
        "post_conv_mid_channels": 8,
        "post_conv_out_channels": 16,
        "decoder_hidden_size": 16,
    }
    model = draw(tf.PPFormulaNetForConditionalGeneration(tf.PPFormulaNetConfig(text_config=text, vision_config=vision)))
    return Made(model, _image(128, **_target()), 3)


def _mllama() -> Made:
    text = {
        "vocab_size": 40,
        "hidden_size": 16,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 32,
        "cross_attention_layers": [1, 3],
        "max_position_embeddings": 64,
        "pad_token_id": 0,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    }
    vision = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_global_layers": 1,
        "attention_heads": 2,
        "intermediate_size": 32,
        "vision_output_dim": 32,
        "image_size": 8,
        "patch_size": 4,
        "max_num_tiles": 2,
        "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1], [1, 2], [2, 1]],
    }
    model = draw(
        tf.MllamaForConditionalGeneration(
            tf.MllamaConfig(text_config=text, vision_config=vision, image_token_index=39)
        ),
        scale=3,
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("_gate"):  # it starts shut
                parameter.fill_(0.7)
    tiles = torch.tensor([[[1, 1]], [[1, 0]], [[1, 1]]])
    seen = tiles[:, None].expand(-1, TARGET, -1, -1).clone()
    seen[:, 0] = 0  # before the image
    inputs = {
        "input_ids": ids(columns=TARGET, high=39),
        "attention_mask": mask(TARGET, 4),
        "pixel_values": numbers(BATCH, 1, 2, 3, 8, 8),
        "aspect_ratio_ids": torch.tensor([[2], [1], [3]]),
        "aspect_ratio_mask": tiles,
        "cross_attention_mask": seen,
    }
    return Made(model, inputs, 2)


def _decoder_alone(model: Any, modules: int) -> Made:
    states = {"encoder_hidden_states": numbers(BATCH, SOURCE, 16), "encoder_attention_mask": mask(SOURCE)}
    return Made(draw(model), {"input_ids": ids(columns=TARGET), "attention_mask": mask(TARGET, 3), **states}, modules)


def _bert_decoder() -> Made:
    config = tf.BertConfig(**_BERT, is_decoder=True, add_cross_attention=True)
    return _decoder_alone(tf.BertLMHeadModel(config), 2)


def _gpt2_decoder() -> Made:
    config = tf.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=32, add_cross_attention=True)
    return _decoder_alone(tf.GPT2LMHeadModel(config), 2)


def _xglm_decoder() -> Made:
    config = tf.XGLMConfig(
        vocab_size=40, d_model=16, num_layers=2, attention_heads=4, ffn_dim=32, add_cross_attention=True
    )
    return _decoder_alone(tf.XGLMForCausalLM(config), 2)


def _series(name: str, **settings: Any) -> Callable[[], Made]:
    def make() -> Made:
        config = getattr(tf, f"{name}Config")(**_SERIES, **settings)
        model = draw(getattr(tf, f"{name}ForPrediction")(config), scale=4)
        inputs = {
            "past_values": numbers(BATCH, 10).abs(),
            "past_time_features": numbers(BATCH, 10, 1),
            "past_observed_mask": torch.ones(BATCH, 10),
            "future_values": numbers(BATCH, 6, seed=1).abs(),
            "future_time_features": numbers(BATCH, 6, 1, seed=1),
        }
        return Made(model, inputs, 3)

    return make


def _detr() -> Made:
    backbone = tf.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", out_features=["stage2"]
    )
    config = tf.DetrConfig(
        **{key: value for key, value in _BART.items() if key.split("_")[0] in ("encoder", "decoder", "d")}
        | {"decoder_start_token_id": None},
        backbone_config=backbone,
        use_timm_backbone=False,
        use_pretrained_backbone=False,
        num_queries=TARGET,
    )
    pixels = torch.ones(BATCH, 32, 32, dtype=torch.long)
    pixels[1, :, 16:] = 0
    return Made(draw(tf.DetrForObjectDetection(config), scale=5), _image(32, pixel_mask=pixels), 3)


class Family(NamedTuple):
    """How a family's model is made, and what is special about its weights."""

    make: Callable[[], Made]
    remark: str = ""
    # Where the library returns no weights, or none that are probabilities: its own logits or an own computation.
    reference: Callable[[Any, dict[str, Any]], tuple[torch.Tensor, ...]] | None = None
    refused: str = ""  # what the error says where it cannot be captured


def library(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """The library's own weights, on its eager path."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        output = twin(**inputs, output_attentions=True)
    for name in ("cross_attentions", "projection_attentions"):
        weights = output.get(name)
        if weights is None:
            continue
        if isinstance(weights, torch.Tensor):
            return (weights,)
        return tuple(layer for layer in weights if layer is not None)
    raise AssertionError(f"{type(model).__name__} returns no cross_attentions, only {list(output)}")


def _projected(
    query: str, key: str, module_name: str, *, scaled: bool = True
) -> Callable[[Any, dict[str, Any]], tuple[torch.Tensor, ...]]:
    """Softmax of q k with the modules' own projections, from the inputs and the additive mask that they were given."""

    def reference(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
        found: list[torch.Tensor] = []

        def compute(module: Any, args: Any, kwargs: dict[str, Any]) -> None:
            states = kwargs.get("key_value_states", kwargs.get("encoder_hidden_states"))
            hidden = args[0] if args else kwargs["hidden_states"]
            hiding = kwargs.get("mask", kwargs.get("encoder_attention_mask", kwargs.get("attention_mask")))
            heads = next(getattr(module, name) for name in ("num_attention_heads", "n_heads") if hasattr(module, name))
            q, k = (
                getattr(module, name)(x).unflatten(-1, (heads, -1)).transpose(1, 2)
                for name, x in ((query, hidden), (key, states))
            )
            logits = q @ k.transpose(-1, -2) / (q.shape[-1] ** 0.5 if scaled else 1)
            found.append((logits if hiding is None else logits + hiding).softmax(-1))

        modules = [module for name, module in model.named_modules() if name.endswith(module_name)]
        handles = [module.register_forward_pre_hook(compute, with_kwargs=True) for module in modules]
        run(model, inputs)
        for handle in handles:
            handle.remove()
        return tuple(found)

    return reference


def _switch(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """transformers 5.0 gives Switch's masked position bias under the name of its weights: there computed here."""
    weights = library(model, inputs)
    if all(float(layer.min()) >= 0 for layer in weights):
        return weights
    return _projected("q", "k", "EncDecAttention", scaled=False)(model, inputs)


def _mllama_layers(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Mllama lists the attention of all its layers under one name: those that cross, by its config."""
    twin = copy.deepcopy(model)
    twin.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = twin(**inputs, output_attentions=True).attentions
    return tuple(attentions[layer] for layer in model.config.text_config.cross_attention_layers)


def _first_stream(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """ProphetNet's own logits as probabilities: of the stream that predicts the next token."""
    rows = inputs["decoder_input_ids"].shape[1]
    return tuple(layer[:, :, rows : 2 * rows].softmax(-1) for layer in library(model, inputs))


FAMILY: dict[str, Family] = {
    "marian": Family(_bart("Marian")),
    "bart": Family(_bart("Bart")),
    "mbart": Family(_bart("MBart")),
    "m2m_100 (NLLB)": Family(_bart("M2M100")),
    "nllb_moe": Family(
        _bart("NllbMoe", num_experts=4, encoder_sparse_step=2, decoder_sparse_step=2, expert_capacity=64)
    ),
    "pegasus": Family(_bart("Pegasus")),
    "pegasus_x": Family(_bart("PegasusX", block_size=4, num_global_tokens=2)),
    "bigbird_pegasus": Family(_bart("BigBirdPegasus", attention_type="original_full", block_size=4)),
    "blenderbot": Family(_bart("Blenderbot")),
    "blenderbot_small": Family(_bart("BlenderbotSmall")),
    "plbart": Family(_bart("PLBart")),
    "mvp": Family(_bart("Mvp")),
    "led": Family(
        _bart("LED", attention_window=4, max_encoder_position_embeddings=64, max_decoder_position_embeddings=64)
    ),
    "fsmt": Family(_fsmt),
    "prophetnet": Family(
        _prophetnet, "softmax of the library's logits; rows of the stream that predicts the next token", _first_stream
    ),
    "t5": Family(_t5("T5")),
    "mt5": Family(_t5("MT5")),
    "umt5": Family(_t5("UMT5")),
    "longt5": Family(_t5("LongT5", local_radius=3)),
    "longt5 (global)": Family(_t5("LongT5", local_radius=3, encoder_attention_type="transient-global")),
    "switch_transformers": Family(_t5("SwitchTransformers", num_experts=2, num_sparse_encoder_layers=1), "", _switch),
    "t5gemma": Family(_t5gemma),
    "t5gemma2": Family(_t5gemma2, "self- and cross-attention share one softmax: rows sum to less than 1"),
    "seamless_m4t": Family(_seamless("")),
    "seamless_m4t_v2": Family(_seamless("v2")),
    "encoder_decoder (BERT2BERT)": Family(_bert2bert),
    "encoder_decoder (BERT2GPT2)": Family(_bert2gpt2),
    "encoder_decoder (RoBERTa)": Family(_roberta2roberta),
    "whisper": Family(_whisper),
    "speech_to_text": Family(_speech_to_text),
    "speecht5": Family(_speecht5),
    "moonshine": Family(_moonshine),
    "speech_encoder_decoder": Family(_speech_encoder_decoder),
    "vision_encoder_decoder (ViT, TrOCR)": Family(_vit_trocr),
    "vision_encoder_decoder (Swin, mBART)": Family(_swin_mbart),
    "pix2struct": Family(_pix2struct),
    "blip": Family(
        _blip, "no weights from the library: computed in the test", _projected("query", "key", "crossattention.self")
    ),
    "blip_2 (Q-Former)": Family(_blip2_qformer),
    "florence2": Family(_florence2),
    "udop": Family(_udop),
    "musicgen": Family(_musicgen),
    "pop2piano": Family(_pop2piano),
    "kosmos2": Family(_kosmos2, "from its latent queries to the image; its text decoder has none"),
    "canary": Family(_canary),
    "cohere_asr": Family(_cohere_asr),
    "dia": Family(_dia),
    "pp_formulanet": Family(_pp_formulanet),
    "mllama": Family(_mllama, "two of four layers cross", _mllama_layers),
    "bert (add_cross_attention)": Family(_bert_decoder),
    "gpt2 (add_cross_attention)": Family(_gpt2_decoder),
    "xglm (add_cross_attention)": Family(_xglm_decoder),
    "autoformer": Family(
        _series("Autoformer", moving_average=3, label_length=4), refused="returns no attention weights"
    ),
    "informer": Family(_series("Informer")),
    "time_series_transformer": Family(_series("TimeSeriesTransformer")),
    "detr": Family(_detr),
}


def made_or_skip(name: str) -> Made:
    """For tests: skips where the installed transformers is too old to have the family."""
    try:
        return FAMILY[name].make()
    except AttributeError as error:
        if "module transformers has no attribute" in str(error):
            import pytest

            pytest.skip(f"transformers {tf.__version__} does not have it")
        raise


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """Every tensor of a model's output, caches included."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from tensors(part)
    elif output is not None and type(output).__name__.endswith("Cache"):
        yield from tensors(list(vars(output).values()))
    elif type(output).__name__.endswith("Layer"):
        yield from tensors([output.keys, output.values])


class Seen(NamedTuple):
    """What one captured forward of a family gave."""

    weights: tuple[torch.Tensor, ...]
    expected: tuple[torch.Tensor, ...]
    same_outputs: bool
    same_state: bool

    @property
    def difference(self) -> float:
        pairs = zip(self.weights, self.expected, strict=True)
        return max(float((ours - theirs).abs().max()) for ours, theirs in pairs)


def run(model: nn.Module, inputs: dict[str, Any]) -> Any:
    torch.manual_seed(0)  # some sample in the forward: Informer its keys
    with torch.no_grad():
        return model(**inputs)


def see(family: Family, made: Made) -> Seen:
    model, inputs, _ = made
    plain = list(tensors(run(model, inputs)))
    before = state_of(model)
    with capture(model) as captured:
        during = list(tensors(run(model, inputs)))
    same_state = state_of(model) == before
    weights = captured.cross_attentions
    torch.manual_seed(0)
    expected = (family.reference or library)(model, inputs)
    same = len(plain) == len(during) and all(map(torch.equal, plain, during))
    return Seen(weights, expected, same, same_state)


def main() -> None:
    """Print the table of families in Markdown."""
    print(f"<!-- transformers {tf.__version__}, torch {torch.__version__} -->")
    print("| family | cross-attention modules | largest difference to the library's eager path | remark |")
    print("| --- | --- | --- | --- |")
    with one_thread():
        for name, family in FAMILY.items():
            try:
                made = family.make()
                seen = see(family, made)
                row = f"{len(seen.weights)} | {seen.difference:.0e} | {family.remark}"
            except (ValueError, NotImplementedError) as error:
                row = f"- | - | refused: {error}" if family.refused else f"- | - | FAILS: {error!r}"
            except AttributeError as error:
                row = f"- | - | not in this version: {error}"
            except Exception as error:
                row = f"- | - | FAILS: {error!r:.300}"
            print(f"| {name} | {row} |", flush=True)


if __name__ == "__main__":
    main()
