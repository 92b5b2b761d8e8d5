"""Tiny speech models with random weights, each with a feature extractor built from its defaults.

``speech_model(name)`` makes the model and its extractor. They read real samples, unlike the models of ``family_media``,
whose inputs are random features: convolutions, strides and filter banks have the sizes of published models. Only
Whisper's window is short, 2 seconds (``WINDOW``), and has 100 positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import transformers as tf
from family_parts import BART, BERT, draw

RATE = 16_000
WINDOW = 2 * RATE


class Speech(NamedTuple):
    """A speech model and its feature extractor."""

    model: Any
    extractor: Any


def speech_model(name: str, vocab_size: int = 40, **settings: Any) -> Speech:
    """Return the model of this name in ``SPEECH``, with further settings of its configuration.

    The test is skipped if the installed transformers is too old to have it.
    """
    try:
        return SPEECH[name](vocab_size, **settings)
    except AttributeError as error:
        if "module transformers has no attribute" in str(error):
            import pytest

            pytest.skip(f"transformers {tf.__version__} does not have this family")
        raise


def _whisper(vocab_size: int, seconds: int = 2, **settings: Any) -> Speech:
    sizes = BART | {"max_source_positions": 50 * seconds, "max_target_positions": 64, "vocab_size": vocab_size}
    config = tf.WhisperConfig(
        **{**sizes, "suppress_tokens": None, "begin_suppress_tokens": None, "num_mel_bins": 80, **settings}
    )
    extractor = tf.WhisperFeatureExtractor(feature_size=config.num_mel_bins, chunk_length=seconds)
    return Speech(draw(tf.WhisperForConditionalGeneration(config), scale=4), extractor)


_MOONSHINE_DECODER: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 0,
}


def _moonshine(vocab_size: int, **settings: Any) -> Speech:
    layers = {"encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 3}
    heads = {"encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4}
    config = tf.MoonshineConfig(vocab_size=vocab_size, **{**_MOONSHINE_DECODER, **layers, **heads, **settings})
    extractor = tf.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return Speech(draw(tf.MoonshineForConditionalGeneration(config)), extractor)


def _moonshine_streaming(vocab_size: int, **settings: Any) -> Speech:
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4}
    windows = [[16, 4], [16, 0]]
    encoder = {**layers, "hidden_size": 16, "intermediate_size": 32, "num_key_value_heads": 4}
    config = tf.MoonshineStreamingConfig(
        vocab_size=vocab_size,
        **{
            **_MOONSHINE_DECODER,
            **layers,
            "max_position_embeddings": 512,  # also those of the encoder
            "num_key_value_heads": 4,
            "encoder_config": encoder | {"sliding_windows": windows},
            **settings,
        },
    )
    extractor = tf.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return Speech(draw(tf.MoonshineStreamingForConditionalGeneration(config)), extractor)


def _speech_to_text(vocab_size: int, **settings: Any) -> Speech:
    sizes = {"max_source_positions": 6000, "max_target_positions": 64, "conv_channels": 16, "vocab_size": vocab_size}
    config = tf.Speech2TextConfig(**BART | sizes | settings)
    return Speech(draw(tf.Speech2TextForConditionalGeneration(config)), tf.Speech2TextFeatureExtractor())


# Seven convolutions as in published models, with few channels.
_WAV2VEC2: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16,) * 7,
    "feat_extract_norm": "layer",
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "apply_spec_augment": False,
}


def _speecht5(vocab_size: int, **settings: Any) -> Speech:
    layers = {"encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    front = {name: value for name, value in _WAV2VEC2.items() if "hidden_layers" not in name and "num_att" not in name}
    config = tf.SpeechT5Config(
        vocab_size=vocab_size,
        **{**front, **layers, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_text_positions": 64, **settings},
    )
    return Speech(draw(tf.SpeechT5ForSpeechToText(config)), tf.SpeechT5FeatureExtractor())


_CONFORMER: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "subsampling_conv_channels": 4,
    "conv_kernel_size": 3,
    "max_position_embeddings": 2000,
}
_CONFORMER_DECODER: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


def _canary(vocab_size: int, **settings: Any) -> Speech:
    decoder = _CONFORMER_DECODER | {"vocab_size": vocab_size}
    encoder = _CONFORMER | {"num_mel_bins": 80}
    config = tf.CanaryConfig(encoder_config=encoder, decoder_config=decoder, vocab_size=vocab_size, **settings)
    return Speech(draw(tf.CanaryForConditionalGeneration(config), scale=5), tf.ParakeetFeatureExtractor())


def _cohere_asr(vocab_size: int, **settings: Any) -> Speech:
    encoder = _CONFORMER | {"num_mel_bins": 128}
    config = tf.CohereAsrConfig(encoder_config=encoder, vocab_size=vocab_size, **_CONFORMER_DECODER, **settings)
    return Speech(draw(tf.CohereAsrForConditionalGeneration(config), scale=5), tf.CohereAsrFeatureExtractor())


_SEAMLESS: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "speech_encoder_layers": 1,
    "speech_encoder_attention_heads": 4,
    "speech_encoder_intermediate_size": 32,
    "max_position_embeddings": 64,
    "t2u_encoder_layers": 1,
    "t2u_decoder_layers": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}


def _seamless(vocab_size: int, **settings: Any) -> Speech:
    config = tf.SeamlessM4TConfig(vocab_size=vocab_size, **_SEAMLESS | settings)
    return Speech(draw(tf.SeamlessM4TForSpeechToText(config)), tf.SeamlessM4TFeatureExtractor())


def _seamless_v2(vocab_size: int, **settings: Any) -> Speech:
    config = tf.SeamlessM4Tv2Config(vocab_size=vocab_size, **_SEAMLESS | settings)
    return Speech(draw(tf.SeamlessM4Tv2ForSpeechToText(config)), tf.SeamlessM4TFeatureExtractor())


def _speech_encoder_decoder(encoder: Callable[..., Any], extractor: Callable[[], Any], **sizes: Any) -> Any:
    def make(vocab_size: int, **settings: Any) -> Speech:
        config = tf.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(
            encoder(**sizes | settings),
            tf.BertConfig(**BERT | {"vocab_size": vocab_size, "max_position_embeddings": 64}),
        )
        config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 0, 1, 2
        return Speech(draw(tf.SpeechEncoderDecoderModel(config)), extractor())

    return make


_BERT_ENCODER: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "apply_spec_augment": False,
}
_ADAPTER: dict[str, Any] = {"add_adapter": True, "output_hidden_size": 16}


def _masking() -> Any:
    return tf.Wav2Vec2FeatureExtractor(return_attention_mask=True)


SPEECH: dict[str, Callable[..., Speech]] = {
    "whisper": _whisper,
    "moonshine": _moonshine,
    "moonshine_streaming": _moonshine_streaming,
    "speech_to_text": _speech_to_text,
    "speecht5": _speecht5,
    "canary": _canary,
    "cohere_asr": _cohere_asr,
    "seamless_m4t": _seamless,
    "seamless_m4t_v2": _seamless_v2,
    "wav2vec2": _speech_encoder_decoder(tf.Wav2Vec2Config, _masking, **_WAV2VEC2),
    "wav2vec2 with group norm": _speech_encoder_decoder(
        tf.Wav2Vec2Config, tf.Wav2Vec2FeatureExtractor, **_WAV2VEC2 | {"feat_extract_norm": "group"}
    ),
    "wav2vec2 with adapters": _speech_encoder_decoder(tf.Wav2Vec2Config, _masking, **_WAV2VEC2 | _ADAPTER),
    "hubert": _speech_encoder_decoder(tf.HubertConfig, _masking, **_WAV2VEC2),
    "wav2vec2_bert": _speech_encoder_decoder(tf.Wav2Vec2BertConfig, tf.SeamlessM4TFeatureExtractor, **_BERT_ENCODER),
    "wav2vec2_bert with adapters": _speech_encoder_decoder(
        tf.Wav2Vec2BertConfig, tf.SeamlessM4TFeatureExtractor, **_BERT_ENCODER | _ADAPTER
    ),
}
