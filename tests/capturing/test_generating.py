"""capture in generate: every step of every way of generating, and of every family."""

import copy

import pytest
import torch
import transformers
from families import GREEDY, one_thread, sources, tiny
from family_models import FAMILY, made_or_skip

from xattn_widget import capture


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def assert_rows_of_the_final_pass_are_among_the_steps(model, inputs, sequences, forwards):
    """Each row of one pass over each returned sequence was seen at some step."""
    hypotheses = len(sequences) // len(next(iter(inputs.values())))
    repeated = {key: value.repeat_interleave(hypotheses, 0) for key, value in inputs.items()}
    read = sequences[:, :-1]
    with capture(model) as captured:
        model(**repeated, decoder_input_ids=read, use_cache=False)
    for layer, weights in enumerate(captured.cross_attentions):
        rows = [row for forward in forwards for row in forward[layer].transpose(1, 2).flatten(0, 1)]
        seen = torch.stack(rows)  # [steps * rows, heads, source]
        for wanted in weights.transpose(1, 2).flatten(0, 1):
            assert float((seen - wanted).abs().amax((1, 2)).min()) < 1e-5


MODES = {
    "greedy": {},
    "beams": {"num_beams": 3},
    "n best": {"num_beams": 4, "num_return_sequences": 3},
    "sampling": {"do_sample": True, "num_return_sequences": 2},
    "static cache": {"cache_implementation": "static"},
    "forced language code": {"forced_bos_token_id": 7},
    "without a cache": {"use_cache": False},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["bart", "mbart", "m2m_100", "t5"])
def test_generate_shows_the_weights_of_the_returned_sequences(name, mode):
    model = tiny(name, seed=3)
    inputs = sources(name, model)
    # Padding is never a prediction: M2M100 counts its positions without it.
    options = GREEDY | MODES[mode] | {"bad_words_ids": [[model.config.pad_token_id]]}
    torch.manual_seed(1)
    plain = model.generate(**inputs, **options)
    torch.manual_seed(1)
    with capture(model) as captured:
        sequences = model.generate(**inputs, **options)
    assert torch.equal(plain, sequences)
    if mode == "forced language code":
        assert (sequences[:, 1] == 7).all()
    assert_rows_of_the_final_pass_are_among_the_steps(model, inputs, sequences, captured.forwards)


def test_assisted_generation_shows_the_main_models_weights():
    model, assistant = tiny("bart", seed=3), tiny("bart", seed=3, decoder_layers=2)
    inputs = {key: value[:1] for key, value in sources("bart", model).items()}
    with capture(model) as captured:
        sequences = model.generate(**inputs, do_sample=False, max_new_tokens=6, assistant_model=assistant)
    assert torch.equal(sequences, model.generate(**inputs, do_sample=False, max_new_tokens=6))
    assert sequences.shape[1] > 4
    assert {len(forward) for forward in captured.forwards} == {3}
    assert max(forward[0].shape[2] for forward in captured.forwards) > 1  # several tokens at once were checked
    assert_rows_of_the_final_pass_are_among_the_steps(model, inputs, sequences, captured.forwards)


def test_whisper_with_a_prompt():
    model = tiny("whisper")
    inputs = sources("whisper", model)
    prompt = torch.tensor([3, 9, 10, 11]).expand(3, -1)
    with capture(model) as captured:
        sequences = transformers.GenerationMixin.generate(model, **inputs, decoder_input_ids=prompt, **GREEDY)
    assert captured.forwards[0][0].shape[2] == 4  # the prompt is read at once
    assert len(captured.forwards) == 6
    assert_rows_of_the_final_pass_are_among_the_steps(model, inputs, sequences, captured.forwards)


def test_whispers_own_generate_with_prompt_ids():
    model = tiny("whisper", max_target_positions=64)
    inputs = sources("whisper", model)
    options = {"max_new_tokens": 4, "min_new_tokens": 4, "prompt_ids": torch.tensor([12, 13, 14])}
    plain = model.generate(**inputs, **options)
    with capture(model) as captured:
        seen = model.generate(**inputs, **options)
    assert torch.equal(plain, seen)
    assert captured.forwards[0][0].shape[2] > 3
    assert len(captured.forwards) >= 4


# Those whose generate the library cannot run on such tiny models, or at all, with or without capture.
NOT_GENERATING = {
    "blip_2 (Q-Former)": "has no language model",
    "detr": "detects",
    "informer": "predicts distributions",
    "time_series_transformer": "predicts distributions",
    "musicgen": "its tokens are ordered by a pattern that tiny vocabularies break",
    "pop2piano": "asks for a composer's token",
    "bert (add_cross_attention)": "its cache has no place for encoder states",
    "xglm (add_cross_attention)": "its cache has no place for encoder states",
}


@pytest.mark.parametrize(
    "name", [name for name, family in FAMILY.items() if not family.refused and name not in NOT_GENERATING]
)
def test_every_step_of_every_family_has_every_layer(name):
    if name == "dia" and transformers.__version__.startswith("5.0."):
        pytest.skip("the library generates with the codes of all channels at once only from 5.1")
    model, inputs, layers = made_or_skip(name)
    inputs = {key: value for key, value in inputs.items() if not key.startswith("decoder_")}
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False, "use_cache": name != "prophetnet"}
    if model.generation_config.decoder_start_token_id is None:
        model.generation_config.decoder_start_token_id = 2
    plain = model.generate(**inputs, **options)
    with capture(model) as captured:
        seen = model.generate(**inputs, **options)
    assert torch.equal(plain, seen)
    assert {len(forward) for forward in captured.forwards} == {layers}
    # Kosmos-2 looks at the image once, and only then.
    assert len(captured.forwards) == (1 if name == "kosmos2" else 3)


def test_prophetnet_gives_the_rows_of_the_predicted_tokens_at_every_step():
    model, inputs, _ = FAMILY["prophetnet"].make()
    inputs = {key: inputs[key] for key in ("input_ids", "attention_mask")}
    with capture(model) as captured:
        sequences = model.generate(**inputs, **GREEDY, use_cache=False)
    assert [forward[0].shape[2] for forward in captured.forwards] == list(range(1, 7))
    assert_rows_of_the_final_pass_are_among_the_steps(copy.copy(model), inputs, sequences, captured.forwards[-1:])
