"""extract with targets that the model generates, against the library's own generation."""

import pytest
import torch
import transformers
from families import PAIRS, Pair, eager
from reading_by_hand import GERMAN, assert_close, assert_read_by_hand, assert_same_records, generate_by_hand

from xattn_widget import extract, load_demo

pytestmark = pytest.mark.usefixtures("single_thread")
every_pair = pytest.mark.parametrize("name", ["demo", *PAIRS])


@every_pair
def test_the_target_is_greedy_even_if_the_models_settings_ask_for_beams(name, pairs):
    pair = Pair(eager(pairs(name).model), pairs(name).tokenizer)
    pair.model.set_attn_implementation("sdpa")
    settings = pair.model.generation_config
    settings.num_beams, settings.do_sample, settings.early_stopping = 4, True, True
    before = settings.to_dict()
    for source in GERMAN:
        record = extract(*pair, source)
        sequence = generate_by_hand(pair, source, num_beams=1, do_sample=False)
        assert list(record.target.ids) == sequence[1:]
        assert_read_by_hand(record, pair, source, sequence[1:], decoder_input_ids=torch.tensor([sequence[:-1]]))
    assert pair.model.generation_config.to_dict() == before


def test_the_default_is_greedy_even_if_the_models_settings_ask_for_several_sequences():
    model, tokenizer = load_demo()
    greedy = extract(model, tokenizer, GERMAN[0])
    model.generation_config.num_beams = model.generation_config.num_return_sequences = 3
    assert_same_records(extract(model, tokenizer, GERMAN[0]), greedy)


def put_in_order(result, layer, hypothesis):
    """One layer's ``[heads, target, source]`` of a finished hypothesis, out of the steps' rows in beam order."""
    beams = [beam for beam in result.beam_indices[hypothesis].tolist() if beam >= 0]
    rows = [result.cross_attentions[step][layer][beam, :, 0] for step, beam in enumerate(beams)]
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize(("name", "beams", "returned"), [("demo", 4, 1), ("demo", 5, 3), ("mBART", 4, 2)])
def test_weights_of_beams_are_those_of_the_steps_in_order(name, beams, returned, pairs):
    pair = pairs(name)
    generation = {"num_beams": beams, "num_return_sequences": returned, "max_new_tokens": 20}
    records = extract(*pair, GERMAN, generation=generation)
    inputs = pair.tokenizer(GERMAN, return_tensors="pt", padding=True)
    settings = {"return_dict_in_generate": True, "output_attentions": True, "do_sample": False}
    result = eager(pair.model).generate(**inputs, **generation, **settings)
    beams_crossed = 0
    for index, record in enumerate(records):
        hypotheses = record.hypotheses or (record,)
        assert len(hypotheses) == returned
        assert torch.equal(hypotheses[0].weights, record.weights)
        for rank, hypothesis in enumerate(hypotheses):
            row = index * returned + rank
            length = len(hypothesis.target_tokens)
            assert result.sequences[row, 1 : 1 + length].tolist() == list(hypothesis.target.ids)
            for layer in range(hypothesis.layers):
                expected = put_in_order(result, layer, row)[..., : len(hypothesis.source_tokens)]
                steps = min(expected.shape[1], length)  # beam_indices may have fewer columns than there were steps
                assert steps >= length - 1
                assert_close(hypothesis.weights[layer, :, :steps], expected[:, :steps])
            used = result.beam_indices[row][:length]
            beams_crossed += len(set(used[used >= 0].tolist())) > 1
    assert beams_crossed > 0 or name == "demo"  # otherwise the order would not matter


def test_sampling_equals_the_models_own_with_the_same_seed(demo):
    options = {"do_sample": True, "temperature": 1.5, "max_new_tokens": 12}
    texts = set()
    for seed in range(4):
        torch.manual_seed(seed)
        record = extract(*demo, GERMAN[0], generation=options)
        torch.manual_seed(seed)
        sequence = generate_by_hand(demo, GERMAN[0], num_beams=1, **options)
        assert list(record.target.ids) == sequence[1:]
        assert_read_by_hand(record, demo, GERMAN[0], sequence[1:], decoder_input_ids=torch.tensor([sequence[:-1]]))
        texts.add(tuple(record.target_tokens))
    assert len(texts) > 1


@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("reading", ["output", "input"])
def test_several_sequences_per_sentence_are_its_hypotheses(demo, batch_size, reading):
    generation = {"num_beams": 3, "num_return_sequences": 3}
    records = extract(*demo, GERMAN, generation=generation, batch_size=batch_size, reading=reading)
    assert len(records) == len(GERMAN)
    for record, source in zip(records, GERMAN, strict=True):
        assert len(record.hypotheses) == 3
        assert len({hypothesis.target.ids for hypothesis in record.hypotheses}) == 3
        for hypothesis in record.hypotheses:
            assert hypothesis.reading == reading
            assert hypothesis.source_tokens == record.source_tokens
            assert hypothesis.hypotheses == ()
        assert_same_records(record, record.hypotheses[0])
        assert_same_records(record, extract(*demo, source, generation={"num_beams": 3}, reading=reading))


def test_a_generation_config_among_the_arguments_is_followed(pairs):
    pair = pairs("mBART")
    settings = transformers.GenerationConfig(**{**pair.model.generation_config.to_dict(), "num_beams": 4})
    expected = [extract(*pair, source, generation={"num_beams": 4}).target_tokens for source in GERMAN]
    assert expected != [extract(*pair, source).target_tokens for source in GERMAN]
    followed = [extract(*pair, source, generation={"generation_config": settings}) for source in GERMAN]
    assert [record.target_tokens for record in followed] == expected


def test_hypotheses_carry_the_scores_that_ranked_them(demo):
    generation = {"num_beams": 4, "num_return_sequences": 3}
    records = extract(*demo, GERMAN[:2], generation=generation)
    inputs = demo[1](GERMAN[:2], return_tensors="pt", padding=True)
    settings = {"return_dict_in_generate": True, "output_scores": True}
    expected = demo[0].generate(**inputs, **generation, **settings).sequences_scores
    found = [hypothesis.sequence_score for record in records for hypothesis in record.hypotheses]
    assert found == pytest.approx(expected.tolist(), abs=1e-5)
    assert found[:3] == sorted(found[:3], reverse=True)
    assert extract(*demo, GERMAN[0]).sequence_score is None


def test_arguments_that_change_what_generate_returns_do_no_harm(demo):
    generation = {"return_dict_in_generate": True, "output_scores": True, "output_attentions": True, "num_beams": 2}
    expected = extract(*demo, GERMAN[0], generation={"num_beams": 2})
    assert_same_records(extract(*demo, GERMAN[0], generation=generation), expected)


def test_another_end_token_for_generation_cuts_where_generation_stopped(demo):
    plain = extract(*demo, GERMAN[3])
    generation = {"eos_token_id": plain.target.ids[2], "max_new_tokens": 20}
    assert extract(*demo, [GERMAN[3], GERMAN[2]], generation=generation)[0].target.ids == plain.target.ids[:3]
