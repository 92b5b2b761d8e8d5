"""Where positions of speech encoders lie in time: clicks in the sound, and the models' own counts of positions."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from family_parts import draw
from hypothesis import given, settings
from hypothesis import strategies as st
from speech_models import RATE, SPEECH, WINDOW, speech_model

from xattn_widget.inputs.audio.families import speech_family
from xattn_widget.inputs.audio.geometry import Convolution, Geometry
from xattn_widget.inputs.audio.sound_source import SoundSource

# The last module before the layers that mix positions, by its name in the encoder.
FRONT = {
    "whisper": r"conv2",
    "moonshine": r"conv3",
    "moonshine_streaming": r"embedder",
    "speech_to_text": r"conv",
    "speecht5": r"prenet\.feature_encoder",
    "canary": r"subsampling",
    "cohere_asr": r"subsampling",
    "seamless_m4t": r"adapter\.layers\.0\.residual_conv",
    "seamless_m4t_v2": r"adapter\.layers\.0\.residual_conv",
    "wav2vec2_bert": r"feature_projection",
    "wav2vec2_bert with adapters": r"adapter\.layers\.0\.residual_conv",
    "wav2vec2 with adapters": r"adapter\.layers\.2",
}
# Adapters come after these layers.
WITHOUT_LAYERS = {
    "seamless_m4t": {"speech_encoder_layers": 0},
    "seamless_m4t_v2": {"speech_encoder_layers": 0},
    "wav2vec2_bert with adapters": {"num_hidden_layers": 0},
    "wav2vec2 with adapters": {"num_hidden_layers": 0, "num_conv_pos_embeddings": 1},
}
SHIFT = {"whisper": 0.01}  # Whisper's places begin at the center of what a position hears


def states(model, source, front):
    """Return ``[positions, ...]`` what the encoder makes of a sound before its layers mix positions."""
    found = []
    (module,) = [module for name, module in model.get_encoder().named_modules() if re.fullmatch(front, name)]
    hook = module.register_forward_hook(lambda module, inputs, output: found.append(output))
    with torch.no_grad():
        model(**SoundSource.inputs(model, [source]), decoder_input_ids=torch.tensor([[5]]))
    hook.remove()
    output = found[0][0] if isinstance(found[0], tuple) else found[0]
    return output[0] if output.shape[1] == len(source) else output[0].T


def sound_with_click(seconds):
    """Return noise with a click at a time, and one at its end that keeps the loudness of all these sounds the same."""
    samples = np.random.default_rng(0).standard_normal(WINDOW - 100) * 1e-3
    for time in (seconds, 1.9):
        center = round(time * RATE)
        samples[center - 24 : center + 24] += 0.3 * np.sign(np.sin(np.arange(48)))
    return samples.astype(np.float32)


@pytest.mark.parametrize("name", SPEECH)
def test_clicks_are_heard_at_the_place_of_a_position(name):
    model, extractor = speech_model(name, **WITHOUT_LAYERS.get(name, {}))
    family = speech_family(model, extractor)
    times = np.linspace(0.31, 1.49, 6)
    sources = [SoundSource.from_samples(family, sound_with_click(time)) for time in [*times, 1.7]]
    places = np.array(sources[0].axis().places)
    centers = places.mean(1) - SHIFT.get(name, 0)
    heard = centers < 1.6
    changes = np.zeros((len(times), heard.sum()))
    for seed in range(4):
        draw(model, seed=seed)
        *clicks, silence = [states(model, source, FRONT.get(name, "feature_extractor"))[heard] for source in sources]
        changes += np.stack([(click - silence).norm(dim=-1).numpy() for click in clicks])
    # The mean of the positions that change, weighted by their change.
    changes[changes < changes.max(1, keepdims=True) / 4] = 0
    heard_at = (changes * centers[heard]).sum(1) / changes.sum(1)
    step = family.geometry.step
    assert np.abs(heard_at - times).max() < step / 2
    assert abs(np.mean(heard_at - times)) < step / 4


@pytest.mark.parametrize("name", sorted(set(SPEECH) - {"whisper"}))
def test_positions_are_as_many_as_the_decoder_sees(name):
    model, extractor = speech_model(name)
    family = speech_family(model, extractor)
    random = np.random.default_rng(1)
    # Two frames have a deviation, which some extractors divide by; one has none.
    shortest = family.shortest + (160 if name == "speech_to_text" else 0)
    for length in (shortest, shortest + 1, 5000, 16_001, 16_159, 16_160, 20_480, 24_007):
        source = SoundSource.from_samples(family, random.standard_normal(length).astype(np.float32) * 0.1)
        with torch.no_grad():
            output = model(**SoundSource.inputs(model, [source]), decoder_input_ids=torch.tensor([[5, 6]]))
        assert output.encoder_last_hidden_state.shape[1] == len(source)
        sounding = len(source) - sum(source.special())
        assert sounding >= 1
        # The last position that hears the sound hears its end.
        assert source.axis().places[sounding - 1][1] < length / RATE + family.geometry.step
        assert source.axis().places[sounding - 1][1] > length / RATE - 2 * family.geometry.step


@pytest.mark.parametrize("name", sorted(set(SPEECH) - {"whisper"}))
def test_one_sample_less_than_the_shortest_sound_gives_no_position(name):
    model, extractor = speech_model(name)
    family = speech_family(model, extractor)
    samples = np.random.default_rng(0).standard_normal(family.shortest - 1).astype(np.float32)
    with pytest.raises(ValueError, match=rf"{len(samples)} samples .* needs at least {family.shortest} "):
        SoundSource.from_samples(family, samples)
    with pytest.raises(ValueError, match="needs at least"):
        SoundSource.from_samples(family, samples[:0])


@settings(deadline=None, max_examples=60)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 4), st.integers(0, 4)), max_size=3),
    length=st.integers(1, 60),
)
def test_geometry_is_that_of_convolutions(shapes, length):
    convolutions = [Convolution(kernel, stride, min(left, kernel), right) for kernel, stride, left, right in shapes]
    geometry = Geometry(convolutions, unit=0.5, first=3.0)
    # Each unit is its own center. A position's center is halfway between those of the first and the last unit that its
    # convolution covers, and padding continues the line.
    centers, step = torch.arange(length, dtype=torch.double), 1
    for kernel, stride, left, right in convolutions:
        line = torch.arange(-left, len(centers) + right, dtype=torch.double) * step
        if len(centers) and len(line) >= kernel:
            covered = (centers[0] + line).unfold(0, kernel, stride)
            centers = (covered[:, 0] + covered[:, -1]) / 2
        else:
            centers = centers[:0]
        step *= stride
    assert geometry.count(length) == len(centers)
    assert geometry.step == 0.5 * step
    found = [geometry.center(position) for position in range(len(centers))]
    np.testing.assert_allclose(found, (3.0 + 0.5 * centers).numpy())
    assert geometry.count(geometry.shortest) >= 1
    assert geometry.shortest == 1 or geometry.count(geometry.shortest - 1) == 0
