"""Arguments of the forward: given with a target, or carried over from generate into the second forward."""

import numpy as np
import pytest
import torch
import transformers
from families import Pair, eager
from family_sides import bert_and_gpt2, byte_level_pair

from xattn_widget import extract, head_importance, score_corpus, show_cross_attention
from xattn_widget.corpus import corpus_info, grids

pytestmark = pytest.mark.usefixtures("single_thread")

GERMAN = ["Ich habe das Buch gelesen.", "Hallo!", "Der Hund schläft unter dem Tisch.", "Das ist gut."]
ENGLISH = ["I have read the book.", "Hello!", "The dog sleeps.", "Good."]
GREEDY = {"num_beams": 1, "do_sample": False, "max_new_tokens": 6}
BEAMS = {"num_beams": 3, "num_return_sequences": 2, "do_sample": False, "max_new_tokens": 6}
LED = {"attention_window": 4, "max_encoder_position_embeddings": 64, "max_decoder_position_embeddings": 64}
every_search = pytest.mark.parametrize("search", [GREEDY, BEAMS], ids=["greedy", "beams"])


@pytest.fixture(scope="module")
def led():
    return byte_level_pair("LED", **LED)


@pytest.fixture(scope="module")
def bart():
    return byte_level_pair("Bart")


def first_and_last_but_one(ids):
    """LED's global attention on two tokens of a sentence."""
    return [1] + [0] * (len(ids) - 3) + [1, 0]


def padded(tokenizer, value, side):
    """``value`` of each sentence's ids, padded as the tokenizer pads."""
    rows = [value(ids) for ids in tokenizer(GERMAN)["input_ids"]]
    width = max(map(len, rows))
    return [[0] * (width - len(row)) + row if side == "left" else row + [0] * (width - len(row)) for row in rows]


def assert_weights_of_the_steps(pair, sentence, record, search, **arguments):
    """The record's weights equal those of the library's own generation for this sentence alone."""
    ids = torch.tensor([pair.tokenizer(sentence)["input_ids"]])
    steps = {"output_attentions": True, "return_dict_in_generate": True}
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)} | arguments
    result = eager(pair.model).generate(**inputs, **search, **steps)
    for row, hypothesis in enumerate(record.hypotheses or (record,)):
        length = len(hypothesis.target)
        assert result.sequences[row, : length + 1].tolist() == [
            hypothesis.read_as("input").target.ids[0],
            *hypothesis.target.ids,
        ]
        beams = [row] * len(result.cross_attentions)
        if "beam_indices" in result:
            beams = [beam for beam in result.beam_indices[row].tolist() if beam >= 0]
        for layer in range(hypothesis.layers):
            expected = [result.cross_attentions[step][layer][beam] for step, beam in enumerate(beams)]
            rows = torch.cat(expected, dim=1)[:, :length]
            assert rows.shape[1] >= length - 1
            torch.testing.assert_close(hypothesis.weights[layer, :, : rows.shape[1]], rows, atol=1e-5, rtol=0)


# --- Arguments that follow the source: LED's global attention.


@every_search
@pytest.mark.parametrize("batch_size", [1, 2, 16])
@pytest.mark.parametrize("side", ["right", "left"])
def test_an_argument_of_generate_is_in_the_forward_that_reads_the_weights(led, search, batch_size, side):
    led.tokenizer.padding_side = side
    mask = torch.tensor(padded(led.tokenizer, first_and_last_but_one, side))
    try:
        records = extract(*led, GERMAN, generation=search | {"global_attention_mask": mask}, batch_size=batch_size)
    finally:
        led.tokenizer.padding_side = "right"
    for record, sentence in zip(records, GERMAN, strict=True):
        own = torch.tensor([first_and_last_but_one(record.source.ids)])
        assert_weights_of_the_steps(led, sentence, record, search, global_attention_mask=own)
    plain = extract(*led, GERMAN[0], records[0].target.preview())
    assert not np.allclose(plain.weights[:, :, 0], records[0].weights[:, :, 0], atol=0.05)


FORMS = {
    "tensor": lambda rows: torch.tensor(rows),
    "array": lambda rows: np.array(rows),
    "lists": lambda rows: rows,
    "a list of tensors": lambda rows: [torch.tensor(row) for row in rows],
}


@pytest.mark.parametrize("form", [*FORMS, "function", "as long as each"])
def test_given_targets_take_arguments_too_in_every_form(led, form):
    if form == "function":
        value = first_and_last_but_one
    elif form == "as long as each":
        value = [first_and_last_but_one(ids) for ids in led.tokenizer(GERMAN)["input_ids"]]
    else:
        value = FORMS[form](padded(led.tokenizer, first_and_last_but_one, "right"))
    records = extract(*led, GERMAN, ENGLISH, forward={"global_attention_mask": value}, batch_size=3)
    for record, source, target in zip(records, GERMAN, ENGLISH, strict=True):
        mask = torch.tensor([first_and_last_but_one(record.source.ids)])
        labels = led.tokenizer(text_target=target, return_tensors="pt")["input_ids"]
        inputs = led.tokenizer(source, return_tensors="pt")
        with torch.no_grad():
            output = eager(led.model)(**inputs, labels=labels, global_attention_mask=mask, output_attentions=True)
        torch.testing.assert_close(record.weights, torch.cat(output.cross_attentions), atol=1e-5, rtol=0)


def test_one_sentence_takes_one_row_with_or_without_the_axis_of_sentences(led):
    row = first_and_last_but_one(led.tokenizer(GERMAN[0])["input_ids"])
    expected = extract(*led, GERMAN[0], ENGLISH[0], forward={"global_attention_mask": first_and_last_but_one})
    for value in (row, [row], torch.tensor(row), torch.tensor([row])):
        record = extract(*led, GERMAN[0], ENGLISH[0], forward={"global_attention_mask": value})
        assert torch.equal(record.weights, expected.weights)


def test_a_corpus_takes_functions_of_a_sentence(led):
    given = {"global_attention_mask": first_and_last_but_one}
    forced = score_corpus(*led, GERMAN, ENGLISH, "entropy", forward=given)
    generated = score_corpus(*led, GERMAN, None, "entropy", generation=GREEDY | given)
    alike = score_corpus(*led, GERMAN, None, "entropy", generation=GREEDY, forward=given)
    for index, (source, target) in enumerate(zip(GERMAN, ENGLISH, strict=True)):
        record = extract(*led, source, target, forward=given)
        np.testing.assert_allclose(grids(forced, "entropy")[index], record.score("entropy"), atol=1e-5)
        record = extract(*led, source, generation=GREEDY | given)
        np.testing.assert_allclose(grids(generated, "entropy")[index], record.score("entropy"), atol=1e-5)
    assert np.array_equal(grids(generated, "entropy"), grids(alike, "entropy"))
    assert "first_and_last_but_one" in corpus_info(forced)["job"]["forward"] or corpus_info(forced)["job"]["forward"]
    assert "forward" not in corpus_info(score_corpus(*led, GERMAN, ENGLISH, "entropy"))["job"]
    with pytest.raises(ValueError, match="score_corpus takes global_attention_mask as a value for all sentences or a"):
        score_corpus(*led, GERMAN, ENGLISH, "entropy", forward={"global_attention_mask": torch.ones(4, 22)})


def test_importance_and_experiments_keep_the_arguments(led):
    given = {"global_attention_mask": first_and_last_but_one}
    for method in ("gradient", "ablation"):
        with_them = head_importance(*led, GERMAN, ENGLISH, method=method, forward=given)
        assert not torch.allclose(with_them, head_importance(*led, GERMAN, ENGLISH, method=method), atol=1e-3)
    widget = show_cross_attention(*led, GERMAN[:2], generation=GREEDY | given)
    widget.sentence = 1
    expected = extract(*led, GERMAN[1], ENGLISH[1], forward=given).weights
    torch.testing.assert_close(widget.set_target(ENGLISH[1]).weights, expected, atol=1e-5, rtol=0)
    before = widget.records[1]
    again = widget.set_token(0, before.target.ids[0])
    torch.testing.assert_close(again.weights[:, :, :6], before.weights, atol=1e-5, rtol=0)
    widget.muted = [(0, 0)]
    assert widget.records[-1].arguments.keys() == widget.records[1].arguments.keys()


# --- Other arguments of other families.


def gemma():
    sizes = {"vocab_size": 320, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "head_dim": 4}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "layer_types": ["full_attention"] * 2}
    tokenizer = byte_level_pair("Bart").tokenizer
    settings = sizes | heads | {"query_pre_attn_scalar": 4}
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id, "bos_token_id": 0}
    torch.manual_seed(0)
    config = transformers.T5GemmaConfig(encoder=settings, decoder=dict(settings), vocab_size=320, **ids)
    model = transformers.T5GemmaForConditionalGeneration(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.3)
    return Pair(model, tokenizer)


@every_search
def test_position_ids_of_both_sides(search):
    pair = gemma()
    later = lambda ids: list(range(3, 3 + len(ids)))  # noqa: E731
    prefix = {"decoder_input_ids": torch.tensor([[0, 9]]), "decoder_position_ids": torch.tensor([[4, 7]])}
    if transformers.__version__.startswith("5.0."):
        with pytest.raises(ValueError, match=r"cannot be carried over with transformers 5\.0"):
            extract(*pair, GERMAN, generation=search | prefix)
        return
    records = extract(*pair, GERMAN, generation=search | prefix | {"position_ids": later})
    for record, sentence in zip(records, GERMAN, strict=True):
        own = {"position_ids": torch.tensor([later(record.source.ids)])}
        assert_weights_of_the_steps(pair, sentence, record, search, **own, **prefix)


def test_arguments_of_the_encoder_in_a_model_of_two():
    model, source, target = bert_and_gpt2()
    types = lambda ids: [0] * 3 + [1] * (len(ids) - 3)  # noqa: E731
    for forward in ({}, {"token_type_ids": types}):
        [record] = extract(model, source, GERMAN[:1], ENGLISH[:1], target_tokenizer=target, forward=forward)
        read = torch.tensor([record.read_as("input").target.ids])
        own = {name: torch.tensor([value(record.source.ids)]) for name, value in forward.items()}
        ids = torch.tensor([record.source.ids])
        with torch.no_grad():
            output = eager(model)(input_ids=ids, decoder_input_ids=read, **own, output_attentions=True)
        torch.testing.assert_close(record.weights, torch.cat(output.cross_attentions), atol=1e-5, rtol=0)


def test_hidden_source_tokens(bart):
    mask = torch.tensor(padded(bart.tokenizer, lambda ids: [1, 0] + [1] * (len(ids) - 2), "right"))
    for record in extract(*bart, GERMAN, generation=GREEDY | {"attention_mask": mask}, batch_size=2):
        assert float(record.weights[..., 1].max()) == 0
        torch.testing.assert_close(record.weights.sum(-1), torch.ones(record.weights.shape[:3]), atol=1e-5, rtol=0)


# --- The first tokens of generated targets.


@every_search
@pytest.mark.parametrize("prefix", [[[2, 7, 2, 9]], [[7, 2, 9]], [5, 6]])
def test_generated_targets_begin_with_the_given_tokens(bart, search, prefix):
    records = extract(*bart, GERMAN, generation=search | {"decoder_input_ids": prefix})
    own = torch.tensor(prefix).reshape(1, -1)
    expected = own[0].tolist() if own[0, 0] == 2 else [2, *own[0].tolist()]
    for record, sentence in zip(records, GERMAN, strict=True):
        read = record.read_as("input").target.ids
        assert list(read[: len(expected)]) == expected
        assert list(record.target.ids[: len(expected) - 1]) == expected[1:]
        assert_weights_of_the_steps(bart, sentence, record, search, decoder_input_ids=own)


@every_search
@pytest.mark.parametrize("batch_size", [1, 3])
def test_prefixes_of_different_lengths_with_their_mask(bart, search, batch_size):
    prefixes = torch.tensor([[2, 1, 1, 5, 6], [2, 1, 7, 8, 9], [2, 5, 5, 5, 5], [2, 1, 1, 1, 9]])
    mask = (prefixes != 1).long()
    given = {"decoder_input_ids": prefixes, "decoder_attention_mask": mask}
    records = extract(*bart, GERMAN, generation=search | given, batch_size=batch_size)
    for index, (record, sentence) in enumerate(zip(records, GERMAN, strict=True)):
        own = {name: value[index : index + 1] for name, value in given.items()}
        assert_weights_of_the_steps(bart, sentence, record, search, **own)


def test_some_prefixes_with_and_some_without_the_start_symbol_are_an_error(bart):
    with pytest.raises(ValueError, match="begin with the start symbol and others do not"):
        extract(*bart, GERMAN[:2], generation={"decoder_input_ids": [[2, 5], [5, 6]]})


@pytest.mark.parametrize("given", [{"decoder_input_ids": [[2, 7]]}, {}])
def test_a_mask_that_does_not_fit_the_prefix_is_an_error(bart, given):
    with pytest.raises(ValueError, match=f"has 5 columns, and generated targets begin with {2 if given else 1} tokens"):
        extract(*bart, GERMAN[0], generation=given | {"decoder_attention_mask": torch.ones(1, 5)})


def test_another_start_symbol_for_all_or_for_each(bart):
    configured = transformers.GenerationConfig(**bart.model.generation_config.to_dict() | {"decoder_start_token_id": 9})
    for generation in ({"decoder_start_token_id": 9}, {"generation_config": configured}):
        record = extract(*bart, GERMAN[0], generation=generation)
        assert record.read_as("input").target.ids[0] == 9
    starts = [9, 10, 11, 12]
    records = extract(*bart, GERMAN, generation=GREEDY | {"decoder_start_token_id": starts}, batch_size=3)
    for record, sentence, start in zip(records, GERMAN, starts, strict=True):
        assert_weights_of_the_steps(bart, sentence, record, GREEDY, decoder_start_token_id=start)


def test_experiments_begin_as_their_sentence_did(bart):
    widget = show_cross_attention(*bart, GERMAN[:2], generation=GREEDY | {"decoder_input_ids": [[2, 7], [2, 8]]})
    widget.sentence = 1
    widget.muted = [(0, 0)]
    assert widget.records[-1].target.ids[0] == 8
    started = show_cross_attention(*bart, GERMAN[0], generation={"decoder_start_token_id": 9})
    assert started.set_target(ENGLISH[0]).read_as("input").target.ids[0] == 9


# --- What cannot be carried over, or is not known.


@pytest.mark.parametrize("name", ["encoder_outputs", "inputs_embeds", "past_key_values", "labels", "input_ids"])
def test_arguments_made_from_the_texts_are_refused_by_name(bart, name):
    with pytest.raises(ValueError, match=f"{name} is made from the texts"):
        extract(*bart, GERMAN[0], generation={name: torch.ones(1, 3)})
    with pytest.raises(ValueError, match=f"{name} is made from the texts"):
        extract(*bart, GERMAN[0], ENGLISH[0], forward={name: torch.ones(1, 3)})


@pytest.mark.parametrize("name", ["global_attention_mask", "head_mask", "atention_mask"])
def test_arguments_that_the_forward_does_not_take_are_refused_by_name(bart, name):
    with pytest.raises(ValueError, match=f"takes an argument '{name}'"):
        extract(*bart, GERMAN[0], generation={name: torch.ones(1, 3)})
    with pytest.raises(ValueError, match=f"no argument '{name}'; it takes attention_mask, decoder_attention_mask"):
        score_corpus(*bart, GERMAN, ENGLISH, forward={name: 1})


def test_arguments_that_only_choose_tokens_are_allowed(bart):
    processors = transformers.LogitsProcessorList([transformers.MinLengthLogitsProcessor(3, 2)])
    allowed = {
        "logits_processor": processors,
        "bad_words_ids": [[7]],
        "use_cache": False,
        "return_dict_in_generate": True,
    }
    stop = {"stop_strings": ["zzz"], "tokenizer": bart.tokenizer}
    assistant = {"assistant_model": byte_level_pair("Bart", decoder_layers=2).model}
    for generation in (allowed, stop, assistant):
        assert extract(*bart, GERMAN[0], generation=GREEDY | generation).generated


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(2, 22), "has 2 rows"),
        (torch.ones(4, 3), "has 3 columns .* the longest source has"),
        (torch.ones(4), "a value for each token"),
        (torch.ones(4, 22, dtype=torch.long), "has values on padding: .* pads on the right"),
        (1, "a value for each token"),
        ([[1, 2]] * 4, "has 2 columns"),
        (lambda ids: [1], "returned 1 values for a source of"),
        (["a", "b", "c", "d"], "must be an array of numbers"),
    ],
)
def test_values_that_do_not_fit_the_sentences_are_refused(led, value, message):
    with pytest.raises(ValueError, match=message):
        extract(*led, GERMAN, ENGLISH, forward={"global_attention_mask": value})


def test_generation_and_forward_may_not_give_the_same_argument(led):
    given = {"global_attention_mask": first_and_last_but_one}
    with pytest.raises(ValueError, match="global_attention_mask is in generation and in forward"):
        extract(*led, GERMAN[0], generation=given, forward=given)
    with pytest.raises(TypeError, match="forward must be a dictionary"):
        extract(*led, GERMAN[0], forward=["global_attention_mask"])
