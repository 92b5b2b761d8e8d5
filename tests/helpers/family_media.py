"""Tiny models of the families that read or write speech, images and music."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf
from families import FAMILIES
from family_parts import (
    BART,
    BATCH,
    BERT,
    FLORENCE2_VISION,
    SOURCE,
    T5,
    TARGET,
    VIT,
    Family,
    Made,
    draw,
    ids,
    image,
    library,
    mask,
    numbers,
    projected,
)


def _whisper() -> Made:
    family = FAMILIES["whisper"]
    model = draw(family.model(family.config(**family.settings)), scale=4)
    return Made(model, {"input_features": numbers(BATCH, 8, 24), **_target()}, 3)


def _target() -> dict[str, Any]:
    return {"decoder_input_ids": ids(columns=TARGET, seed=1), "decoder_attention_mask": mask(TARGET, 2)}


def _speech_to_text() -> Made:
    config = tf.Speech2TextConfig(
        **{**BART, "max_source_positions": 64, "max_target_positions": 32},
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
    config = tf.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(_wav2vec2(), tf.BertConfig(**BERT))
    inputs = {"input_values": numbers(BATCH, 160), "attention_mask": mask(160, 64), **_target()}
    return Made(draw(tf.SpeechEncoderDecoderModel(config)), inputs, 2)


def _vit_trocr() -> Made:
    settings = {key: BART[key] for key in ("vocab_size", "d_model", "decoder_layers", "decoder_attention_heads")}
    decoder = tf.TrOCRConfig(**settings, decoder_ffn_dim=32, max_position_embeddings=32, cross_attention_hidden_size=16)
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.ViTConfig(**VIT), decoder)
    return Made(draw(tf.VisionEncoderDecoderModel(config)), image(**_target()), 3)


def _swin_mbart() -> Made:
    encoder = tf.DonutSwinConfig(
        image_size=16, patch_size=2, embed_dim=8, depths=[1, 1], num_heads=[2, 2], window_size=4
    )
    config = tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        encoder, tf.MBartConfig(**BART | {"encoder_layers": 3})
    )
    return Made(draw(tf.VisionEncoderDecoderModel(config)), image(16, **_target()), 3)


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
    text = BERT | {"encoder_hidden_size": 16, "bos_token_id": 2, "sep_token_id": 3, "num_hidden_layers": 3}
    config = tf.BlipConfig(text_config=text, vision_config=VIT)
    inputs = image(input_ids=ids(columns=TARGET), attention_mask=mask(TARGET, 3))
    return Made(draw(tf.BlipForConditionalGeneration(config)), inputs, 3)


def _blip2_qformer() -> Made:
    config = tf.Blip2QFormerConfig(**BERT, encoder_hidden_size=16, cross_attention_frequency=2)
    inputs = {
        "query_embeds": numbers(BATCH, 5, 16),
        "encoder_hidden_states": numbers(BATCH, SOURCE, 16, seed=1),
        "encoder_attention_mask": mask(SOURCE),
    }
    return Made(draw(tf.Blip2QFormerModel(config)), inputs, 1)


def _florence2() -> Made:
    vision = FLORENCE2_VISION | {"patch_size": (3, 3), "patch_stride": (2, 2), "patch_padding": (1, 1)}
    text = {**BART, "model_type": "bart"}
    model = draw(
        tf.Florence2ForConditionalGeneration(
            tf.Florence2Config(text_config=text, vision_config=vision, image_token_id=39)
        )
    )
    source = ids(columns=14, high=39)
    source[:, :5] = 39  # 2 x 2 patches and their mean
    return Made(model, image(input_ids=source, attention_mask=mask(14, 8), **_target()), 3)


def _udop() -> Made:
    config = tf.UdopConfig(**T5, image_size=8, patch_size=4, max_2d_position_embeddings=32)
    model = draw(tf.UdopForConditionalGeneration(config), scale=2)
    boxes = torch.rand(BATCH, SOURCE, 4, generator=torch.Generator().manual_seed(3))
    return Made(
        model,
        {"input_ids": ids(), "attention_mask": mask(SOURCE), "bbox": boxes, "pixel_values": image()["pixel_values"]}
        | _target(),
        2,
    )


def _musicgen() -> Made:
    text = tf.T5Config(**T5)
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
    model = draw(tf.Pop2PianoForConditionalGeneration(tf.Pop2PianoConfig(**T5)), scale=2)
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
    config = tf.Kosmos2Config(text_config=text, vision_config=VIT, latent_query_num=3)
    image_positions = torch.zeros(BATCH, TARGET, dtype=torch.long)
    image_positions[:, 1:4] = 1
    inputs = image(
        input_ids=ids(columns=TARGET),
        attention_mask=mask(TARGET, 5),
        image_embeds_position_mask=image_positions.bool(),
    )
    return Made(draw(tf.Kosmos2ForConditionalGeneration(config), scale=20), inputs, 1)


def _kosmos2_weights(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return the reference. With sdpa, transformers 5.0 makes this attention causal; later releases do not."""
    (weights,) = library(model, inputs)
    if model.image_to_text_projection.x_attn.is_causal:
        weights = weights.tril() / weights.tril().sum(-1, keepdim=True)
    return (weights,)


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
    text = {key: value for key, value in BART.items() if not key.startswith("encoder")}
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
    return Made(model, image(128, **_target()), 3)


MEDIA: dict[str, Family] = {
    "whisper": Family(_whisper),
    "speech_to_text": Family(_speech_to_text),
    "speecht5": Family(_speecht5),
    "moonshine": Family(_moonshine),
    "speech_encoder_decoder": Family(_speech_encoder_decoder),
    "vision_encoder_decoder (ViT, TrOCR)": Family(_vit_trocr),
    "vision_encoder_decoder (Swin, mBART)": Family(_swin_mbart),
    "pix2struct": Family(_pix2struct),
    "blip": Family(
        _blip,
        "the library returns no weights: the test computes them",
        projected("query", "key", "crossattention.self"),
    ),
    "blip_2 (Q-Former)": Family(_blip2_qformer),
    "florence2": Family(_florence2),
    "udop": Family(_udop),
    "musicgen": Family(_musicgen),
    "pop2piano": Family(_pop2piano),
    "kosmos2": Family(_kosmos2, "from latent queries to the image; none in the text decoder", _kosmos2_weights),
    "canary": Family(_canary),
    "cohere_asr": Family(_cohere_asr),
    "dia": Family(_dia),
    "pp_formulanet": Family(_pp_formulanet),
}
