"""Importance of heads, ablation and value norms for models that read sound, by direct computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from speech_models import SPEECH
from speech_processors import sound, speech_pair

from xattn_widget import ablate, extract, head_importance

pytestmark = pytest.mark.usefixtures("single_thread")

SOUNDS = [sound(0.9, 0), sound(1.3, 1)]
TEXTS = ["Ich habe das Buch gelesen.", "When do you get up tomorrow?"]
# The other names are settings of the same models.
FAMILIES = sorted(name for name in SPEECH if " with " not in name and name != "hubert")
# These do not expose their values, for text neither.
WITHOUT_NORMS = {"speecht5", "wav2vec2", "wav2vec2_bert"}
if transformers.__version__.startswith("5.0."):  # its Seamless does not use the attention interface
    WITHOUT_NORMS |= {"seamless_m4t", "seamless_m4t_v2"}


@pytest.fixture(scope="module")
def whisper():
    return speech_pair("whisper")


def loss(model, record, gates=None):
    """Return the loss on a record's target, with a factor for each head's output at each position of the target."""
    hooks = []
    for layer, block in enumerate(model.model.decoder.layers if gates is not None else ()):

        def scale(module, args, layer=layer):
            heads = args[0].unflatten(-1, (gates.shape[1], -1))
            return (heads * gates[layer].T[None, :, :, None]).flatten(-2)

        hooks.append(block.encoder_attn.out_proj.register_forward_pre_hook(scale))
    read, predicted = (torch.tensor([record.targets[reading].ids]) for reading in ("input", "output"))
    try:
        logits = model(input_features=features_of(model, record), decoder_input_ids=read).logits
    finally:
        for hook in hooks:
            hook.remove()
    return torch.nn.functional.cross_entropy(logits[0], predicted[0], reduction="sum")


def features_of(model, record):
    from transformers import WhisperFeatureExtractor

    extractor = WhisperFeatureExtractor(feature_size=model.config.num_mel_bins, chunk_length=2)
    return extractor(record.sound.samples.numpy(), sampling_rate=16_000, return_tensors="pt")["input_features"]


@pytest.fixture(scope="module")
def records(whisper):
    return extract(*whisper, SOUNDS, TEXTS)


def test_importance_by_gradient_is_that_of_gates_on_the_heads(whisper, records):
    model = whisper.model.eval()
    total, positions = torch.zeros(3, 4), 0
    for record in records:
        rows = len(record.target)
        gates = torch.ones(3, 4, rows, requires_grad=True)
        [gradient] = torch.autograd.grad(loss(model, record, gates), gates)
        total += gradient.abs().sum(-1)
        positions += rows
    grid = head_importance(*whisper, SOUNDS, TEXTS)
    torch.testing.assert_close(torch.as_tensor(grid), total / positions, rtol=1e-4, atol=1e-6, check_dtype=False)
    alone = extract(*whisper, SOUNDS[0], TEXTS[0], importance="gradient")
    torch.testing.assert_close(
        torch.as_tensor(alone.score("importance", method="gradient")),
        torch.as_tensor(head_importance(*whisper, SOUNDS[0], TEXTS[0])),
        rtol=1e-4,
        atol=1e-6,
    )


def test_importance_by_ablation_is_the_loss_without_the_head(whisper, records):
    model = whisper.model.eval()
    expected = torch.zeros(3, 4)
    with torch.no_grad():
        for record in records:
            whole = loss(model, record)
            for layer, head in np.ndindex(3, 4):
                gates = torch.ones(3, 4, len(record.target))
                gates[layer, head] = 0
                expected[layer, head] += loss(model, record, gates) - whole
    positions = sum(len(record.target) for record in records)
    grid = head_importance(*whisper, SOUNDS, TEXTS, method="ablation")
    torch.testing.assert_close(torch.as_tensor(grid), expected / positions, rtol=1e-3, atol=1e-5, check_dtype=False)


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_has_importance_ablation_and_value_norms(name):
    model, processor = speech_pair(name)
    grids = {
        method: head_importance(model, processor, SOUNDS, TEXTS, method=method) for method in ("gradient", "ablation")
    }
    records = extract(model, processor, SOUNDS, TEXTS)
    positions = sum(len(record.target) for record in records)
    for layer, head in [(0, 0), (records[0].layers - 1, records[0].heads - 1)]:
        with ablate(model, [(layer, head)]):
            muted = extract(model, processor, SOUNDS, TEXTS)
        change = sum(
            float(record.logprobs.sum() - without.logprobs.sum())
            for record, without in zip(records, muted, strict=True)
        )
        assert float(grids["ablation"][layer, head]) == pytest.approx(change / positions, rel=1e-3, abs=1e-5)
    assert bool((grids["gradient"] > 0).all())
    if name in WITHOUT_NORMS:
        with pytest.raises(NotImplementedError, match="value norms are unavailable"):
            extract(model, processor, SOUNDS, TEXTS, value_norms=True)
        return
    for record in extract(model, processor, SOUNDS, TEXTS, value_norms=True):
        assert record.value_norms.shape == record.weights.shape
        # A position without weight contributes nothing, and the cut keeps the norms of those that are heard.
        assert not record.value_norms[record.weights == 0].any()
        assert record.cropped().value_norms.shape == record.cropped().weights.shape
        assert bool(torch.isfinite(record.score("value_norm")).all())


def test_value_norms_are_those_of_the_projected_values(whisper, records):
    model = whisper.model.eval()
    [record] = extract(*whisper, SOUNDS[:1], TEXTS[:1], value_norms=True)
    with torch.no_grad():
        states = model.model.encoder(features_of(model, record)).last_hidden_state[0]
        for layer, block in enumerate(model.model.decoder.layers):
            attention = block.encoder_attn
            values = attention.v_proj(states).unflatten(-1, (record.heads, -1))
            projection = attention.out_proj.weight.unflatten(-1, (record.heads, -1))
            projected = torch.einsum("shd,ohd->hso", values, projection).norm(dim=-1)
            expected = record.weights[layer] * projected[:, None]
            torch.testing.assert_close(record.value_norms[layer], expected, rtol=1e-4, atol=1e-6)
