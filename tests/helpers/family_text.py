"""Tiny models of the families that read and write text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as tf
from family_parts import BART, BERT, SOURCE, T5, TARGET, VIT, Family, Made, draw, ids, library, mask, projected

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
    return lambda: _text(model(config(**{**BART, **settings})))


def _t5(name: str, **settings: Any) -> Callable[[], Made]:
    model, config = getattr(tf, f"{name}ForConditionalGeneration"), getattr(tf, f"{name}Config")
    return lambda: _text(model(config(**{**T5, **settings})), 2, scale=2, pad=0)


def _fsmt() -> Made:
    sizes = {key: value for key, value in BART.items() if key != "vocab_size"}
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
    vision = VIT | {"vision_use_head": False}
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
    return _text(_pair(tf.BertConfig(**BERT), tf.BertConfig(**BERT | {"num_hidden_layers": 3})))


def _bert2gpt2() -> Made:
    decoder = tf.GPT2Config(vocab_size=40, n_embd=16, n_layer=3, n_head=4, n_positions=32)
    return _text(_pair(tf.BertConfig(**BERT), decoder))


def _roberta2roberta() -> Made:
    settings = BERT | {"max_position_embeddings": 40}
    return _text(_pair(tf.RobertaConfig(**settings), tf.RobertaConfig(**settings)), 2)


def _switch(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return the reference, computed here if transformers returns Switch's position bias as weights (as 5.0 does)."""
    weights = library(model, inputs)
    if all(float(layer.min()) >= 0 for layer in weights):
        return weights
    return projected("q", "k", "EncDecAttention", scaled=False)(model, inputs)


def _first_stream(model: Any, inputs: dict[str, Any]) -> tuple[torch.Tensor, ...]:
    """Return ProphetNet's own logits as probabilities, for the stream that predicts the next token."""
    rows = inputs["decoder_input_ids"].shape[1]
    return tuple(layer[:, :, rows : 2 * rows].softmax(-1) for layer in library(model, inputs))


TEXT: dict[str, Family] = {
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
}
