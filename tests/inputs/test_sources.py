"""A source of another kind than text: what knows its positions, inputs and axis is the source alone."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from families import byte_level_tokenizer, eager, tiny

from xattn_widget.extraction.extraction import read_pairs
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.generating import generate
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import force
from xattn_widget.inputs.sources import Source
from xattn_widget.inputs.text.sides import Side
from xattn_widget.record.axis import Axis
from xattn_widget.record.kept import Selection

SECONDS = 0.02  # per position


@dataclass(frozen=True, eq=False)
class Recording(Source):
    """Whisper's input: two frames of features for each position of its encoder."""

    features: torch.Tensor  # [mels, frames]
    sounding: int  # positions before the padding

    def __len__(self):
        return self.features.shape[1] // 2

    @property
    def content(self):
        return self.features

    def special(self):
        return [position >= self.sounding for position in range(len(self))]

    def axis(self):
        positions = range(len(self))
        return Axis(
            labels=tuple(map(str, positions)),
            special=tuple(self.special()),
            kinds=("audio",) * len(self),
            places=[
                (SECONDS * position, SECONDS * (position + 1)) if position < self.sounding else (float("nan"),) * 2
                for position in positions
            ],
        )

    @classmethod
    def inputs(cls, model, sources):
        return {"input_features": torch.stack([source.features for source in sources])}

    @staticmethod
    def hide(inputs, row, position):
        raise NotImplementedError


@pytest.fixture(scope="module")
def speech():
    """A speech model whose source side is not asked for anything, and two recordings."""
    tokenizer = byte_level_tokenizer()
    model = tiny("whisper", vocab_size=len(tokenizer))
    frames = 2 * model.config.max_source_positions
    random = torch.Generator().manual_seed(0)
    recordings = [
        Recording(torch.randn(model.config.num_mel_bins, frames, generator=random), sounding) for sounding in (3, 5)
    ]
    return PairedModel(model, None, Side("target", tokenizer, {0, 1, 2}, 64, len(tokenizer))), recordings


def test_a_batch_of_recordings_gives_records_of_frames(speech):
    speech_model, recordings = speech
    with evaluating(speech_model.model):
        pairs = force(speech_model.model, recordings, [[5, 6, 7], [8, 9]])
        records = read_pairs(speech_model, pairs, generated=False, value_norms=False, selection=Selection())
        expected = eager(speech_model.model)(
            input_features=recordings[1].features[None],
            decoder_input_ids=torch.tensor([pairs[1].read]),
            output_attentions=True,
        ).cross_attentions
    torch.testing.assert_close(records[1].weights, torch.cat(expected), atol=1e-5, rtol=0)
    for record, recording in zip(records, recordings, strict=True):
        assert record.source == recording.axis()
        assert record.source.kind == "audio"
        assert record.source.known_places()[recording.sounding] is None
        assert record.drop_special().source.places == recording.axis().places[: recording.sounding]
        assert record.target.kind == "text"


def test_targets_are_generated_from_recordings(speech):
    speech_model, recordings = speech
    # Whisper's generate removes the start token from plain sequences.
    settings = {"num_beams": 1, "do_sample": False, "max_new_tokens": 4, "return_dict_in_generate": True}
    extras = Extras(settings, {})
    with evaluating(speech_model.model):
        arguments = extras.by_sentence(speech_model.model, recordings, ("right", "right"))
        pairs, hypotheses = generate(speech_model, recordings, arguments, extras)
    assert hypotheses == 1
    assert [pair.source for pair in pairs] == recordings
    assert all(pair.read[1:] == pair.predicted[:-1] for pair in pairs)


def test_arguments_follow_the_positions_of_a_source(speech):
    speech_model, recordings = speech
    asked = []
    extras = Extras({}, {"level": lambda features: asked.append(features) or torch.arange(features.shape[1] // 2)})
    parts = extras.by_sentence(speech_model.model, recordings, ("right", "right"))
    assert [features.shape for features in asked] == [recording.features.shape for recording in recordings]
    assert [(part["level"].axis, len(part["level"].value)) for part in parts] == [
        ("source", len(recording)) for recording in recordings
    ]
