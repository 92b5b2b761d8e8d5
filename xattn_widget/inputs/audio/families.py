"""Which speech models there are, and the numbers that describe each: ``speech_family``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any

from xattn_widget.inputs.audio.geometry import Convolution, Geometry
from xattn_widget.inputs.audio.speech_family import SpeechFamily, WhisperFamily
from xattn_widget.inputs.modalities import reads_sound

# Frames of Kaldi's filter banks, which two feature extractors imitate: 25 ms every 10 ms, none across the edges.
_KALDI_WINDOW, _KALDI_HOP = 400, 160


def speech_family(model: Any, processor: Any) -> SpeechFamily:
    """How a speech model reads sound.

    Args:
        model: an encoder-decoder model of transformers that reads sound.
        processor: its processor or feature extractor.

    Raises:
        TypeError: a processor without a feature extractor.
        ValueError: a model of an unknown family, or the processor of another model.
    """
    find = _FAMILIES.get(model.config.model_type)
    if find is None or not reads_sound(model):
        raise ValueError(
            f"{type(model).__name__} ({model.config.model_type}) is not a speech model that this package knows: "
            f"it knows {', '.join(sorted(_FAMILIES))}. Run it yourself inside 'with capture(model)'"
        )
    extractor = getattr(processor, "feature_extractor", processor)
    if not hasattr(extractor, "sampling_rate") or not callable(extractor):
        raise TypeError(
            "a speech model is read with its processor, or with a feature extractor of transformers, got "
            f"{type(processor).__name__}: load it with AutoProcessor.from_pretrained(name), with the model's name"
        )
    family = find(model.config, extractor)
    if family.argument not in extractor.model_input_names:
        raise _other_processor(model.config, extractor, f"makes {extractor.model_input_names[0]}", family.argument)
    return family


def _whisper(config: Any, extractor: Any) -> SpeechFamily:
    _check_bins(config, extractor, config.num_mel_bins)
    # The convolutions of WhisperEncoder, whose numbers are not in the configuration.
    convolutions = [Convolution(3, 1, 1, 1), Convolution(3, 2, 1, 1)]
    family = WhisperFamily(
        config.model_type,
        extractor,
        "input_features",
        Geometry(convolutions, getattr(extractor, "hop_length", 160) / extractor.sampling_rate),
        shortest=2 * getattr(extractor, "hop_length", 160),
        window=getattr(extractor, "n_samples", None),
    )
    frames = getattr(extractor, "nb_max_frames", None)
    if frames != 2 * config.max_source_positions:
        raise _other_processor(config, extractor, f"makes {frames} frames", str(2 * config.max_source_positions))
    return family


def _moonshine(config: Any, extractor: Any) -> SpeechFamily:
    # The convolutions of MoonshineEncoder, whose numbers are not in the configuration. Its group norm over time sees
    # padding.
    geometry = Geometry([Convolution(127, 64), Convolution(7, 3), Convolution(3, 2)], 1 / extractor.sampling_rate)
    return _of_samples(config, extractor, geometry, batches=False, hideable=True)


def _moonshine_streaming(config: Any, extractor: Any) -> SpeechFamily:
    frame = round(config.encoder_config.sample_rate * config.encoder_config.frame_ms / 1000)
    # Causal convolutions. They move the mask of a padded sound by up to two positions, which are then attended to.
    causal = Convolution(5, 2, left=4)
    geometry = Geometry([Convolution(frame, frame), causal, causal], 1 / extractor.sampling_rate)
    window = config.max_position_embeddings * geometry.stride  # its decoder embeds the positions of the encoder
    return _of_samples(config, extractor, geometry, window=window, batches=False, multiple=frame)


def _speech_to_text(config: Any, extractor: Any) -> SpeechFamily:
    _check_bins(config, extractor, config.input_feat_per_channel * config.input_channels)
    convolutions = [Convolution(kernel, 2, kernel // 2, kernel // 2) for kernel in config.conv_kernel_sizes]
    # The second convolution reads what the first made of padding.
    return _of_kaldi_frames(config, extractor, convolutions, batches=False)


def _speecht5(config: Any, extractor: Any) -> SpeechFamily:
    return _of_samples(config, extractor, _wav2vec2_geometry(config, extractor), batches=False)


def _fast_conformer(config: Any, extractor: Any) -> SpeechFamily:
    encoder = config.encoder_config
    _check_bins(config, extractor, encoder.num_mel_bins)
    kernel, stride = encoder.subsampling_conv_kernel_size, encoder.subsampling_conv_stride
    padding = (kernel - 1) // 2
    layers = encoder.subsampling_factor.bit_length() - 1
    hop, rate = extractor.hop_length, extractor.sampling_rate
    seconds = getattr(extractor, "max_audio_clip_s", None)  # Cohere's extractor splits longer sounds by itself
    return SpeechFamily(
        config.model_type,
        extractor,
        "input_features",
        Geometry([Convolution(kernel, stride, padding, padding)] * layers, hop / rate),
        shortest=2 * hop,  # features are divided by their deviation over frames
        window=None if seconds is None else round(seconds * rate),
    )


def _seamless(config: Any, extractor: Any) -> SpeechFamily:
    _check_bins(config, extractor, config.feature_projection_input_dim, extractor.stride)
    convolutions = []
    if config.add_adapter:
        kernel, stride = config.adaptor_kernel_size, config.adaptor_stride
        convolutions = [Convolution(kernel, stride, stride // 2, stride // 2)] * config.num_adapter_layers
    return _of_kaldi_frames(config, extractor, convolutions, batches=False, stacked=extractor.stride)


def _speech_encoder_decoder(config: Any, extractor: Any) -> SpeechFamily:
    encoder = config.encoder
    name = f"{config.model_type} of {encoder.model_type}"
    adapters = []
    if getattr(encoder, "add_adapter", False):
        kernel, stride = encoder.adapter_kernel_size, encoder.adapter_stride
        padding = stride // 2 if encoder.model_type == "wav2vec2-bert" else 1
        adapters = [Convolution(kernel, stride, padding, padding)] * encoder.num_adapter_layers
    if encoder.model_type == "wav2vec2-bert":
        _check_bins(config, extractor, encoder.feature_projection_input_dim, extractor.stride)
        return _of_kaldi_frames(config, extractor, adapters, name=name, batches=not adapters, stacked=extractor.stride)
    if not hasattr(encoder, "conv_kernel"):
        raise ValueError(
            f"the encoder of this {config.model_type} model ({encoder.model_type}) is not one whose convolutions are "
            "known, such as wav2vec2, hubert or wavlm: run the model yourself inside 'with capture(model)'"
        )
    geometry = _wav2vec2_geometry(encoder, extractor, adapters)
    # A group norm over time sees padding, and adapters read what the encoder made of it.
    batches = getattr(encoder, "feat_extract_norm", "layer") == "layer" and not adapters
    return _of_samples(config, extractor, geometry, name=name, batches=batches)


def _wav2vec2_geometry(config: Any, extractor: Any, adapters: Sequence[Convolution] = ()) -> Geometry:
    convolutions = map(Convolution, config.conv_kernel, config.conv_stride, repeat(0), repeat(0))
    return Geometry([*convolutions, *adapters], 1 / extractor.sampling_rate)


def _of_samples(
    config: Any, extractor: Any, geometry: Geometry, *, name: str | None = None, **settings: Any
) -> SpeechFamily:
    """A family that reads samples."""
    return SpeechFamily(
        name or config.model_type, extractor, "input_values", geometry, shortest=geometry.shortest, **settings
    )


def _of_kaldi_frames(
    config: Any,
    extractor: Any,
    convolutions: Sequence[Convolution],
    *,
    name: str | None = None,
    stacked: int = 1,
    **settings: Any,
) -> SpeechFamily:
    """A family that reads frames of Kaldi's filter banks."""
    hop = _KALDI_HOP / extractor.sampling_rate
    first = _KALDI_WINDOW / 2 / extractor.sampling_rate + (stacked - 1) / 2 * hop
    geometry = Geometry(convolutions, stacked * hop, first)
    frames = stacked * geometry.shortest
    return SpeechFamily(
        name or config.model_type,
        extractor,
        "input_features",
        geometry,
        shortest=_KALDI_WINDOW + (frames - 1) * _KALDI_HOP,
        stacked=stacked,
        **settings,
    )


def _check_bins(config: Any, extractor: Any, expected: int, stacked: int = 1) -> None:
    """Raise a ValueError for an extractor whose frames do not have the width that the model reads."""
    bins = getattr(extractor, "num_mel_bins", extractor.feature_size) * stacked
    if bins != expected:
        raise _other_processor(config, extractor, f"makes {bins} values per frame", str(expected))


def _other_processor(config: Any, extractor: Any, found: str, expected: str) -> ValueError:
    return ValueError(
        f"the processor ({type(extractor).__name__}) {found}, and the model ({config.model_type}) reads {expected}: it "
        "is the processor of another model. Load both from one place: AutoProcessor.from_pretrained(name) with the "
        "model's name"
    )


_FAMILIES: dict[str, Callable[[Any, Any], SpeechFamily]] = {
    "whisper": _whisper,
    "moonshine": _moonshine,
    "moonshine_streaming": _moonshine_streaming,
    "speech_to_text": _speech_to_text,
    "speecht5": _speecht5,
    "canary": _fast_conformer,
    "cohere_asr": _fast_conformer,
    "seamless_m4t": _seamless,
    "seamless_m4t_v2": _seamless,
    "speech-encoder-decoder": _speech_encoder_decoder,
}
