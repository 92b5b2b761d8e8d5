"""extract: from strings to records, against forwards made by hand with the library's eager path."""

import pytest
import torch
from families import PAIRS, byte_level_tokenizer, state_of, tiny
from reading_by_hand import ENGLISH, GERMAN, assert_close, assert_read_by_hand, assert_same_records

from xattn_widget import CrossAttention, extract

pytestmark = pytest.mark.usefixtures("single_thread")
every_pair = pytest.mark.parametrize("name", ["demo", *PAIRS])


# --- Shape of the answer.


def test_a_string_gives_a_record_and_a_list_gives_a_list_in_order(demo):
    assert isinstance(extract(*demo, GERMAN[0]), CrossAttention)
    assert extract(*demo, []) == []
    records = extract(*demo, GERMAN)
    assert isinstance(records, list)
    sizes = (demo.model.config.decoder_layers, demo.model.config.decoder_attention_heads)
    for record, sentence in zip(records, GERMAN, strict=True):
        assert "".join(record.source_tokens).replace("▁", "") == sentence.replace(" ", "") + "</s>"
        assert record.target_words
        assert record.weights.shape == (*sizes, len(record.target_tokens), len(record.source_tokens))
        assert record.weights.dtype == torch.float32
        assert not record.weights.requires_grad
        assert_close(record.weights.sum(-1), torch.ones(record.weights.shape[:-1]))
        assert (record.generated, record.model, record.hypotheses) == (True, "MarianMTModel", ())


@every_pair
@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_a_batch_of_different_lengths_gives_what_single_sentences_give(name, batch_size, pairs):
    pair = pairs(name)
    given = extract(*pair, GERMAN, ENGLISH, batch_size=batch_size)
    generated = extract(*pair, GERMAN, generation={"max_new_tokens": 20}, batch_size=batch_size)
    assert len({record.weights.shape[2:] for record in given}) == len(GERMAN)
    for index, (source, target) in enumerate(zip(GERMAN, ENGLISH, strict=True)):
        assert_same_records(given[index], extract(*pair, source, target))
        assert_same_records(generated[index], extract(*pair, source, generation={"max_new_tokens": 20}))
    assert name != "demo" or len({len(record.target_tokens) for record in generated}) > 2


# --- A given target.


@every_pair
def test_a_given_target_is_read_as_a_forward_with_labels_reads_it(name, pairs):
    pair = pairs(name)
    for source, target in zip(GERMAN, ENGLISH, strict=True):
        record = extract(*pair, source, target)
        labels = pair.tokenizer(text_target=target)["input_ids"]
        assert list(record.target.ids) == labels
        assert list(record.source.ids) == pair.tokenizer(source)["input_ids"]
        assert_read_by_hand(record, pair, source, labels)
        assert not record.generated


@every_pair
def test_rows_are_labeled_by_the_token_predicted_or_on_request_by_the_token_read(name, pairs):
    pair = pairs(name)
    for options in ({"target": ENGLISH[0]}, {"generation": {"max_new_tokens": 9}}):
        output = extract(*pair, GERMAN[0], **options)
        read = extract(*pair, GERMAN[0], **options, reading="input")
        assert (output.reading, read.reading) == ("output", "input")
        # mBART given a target starts with its last token, the language code; the others with their start symbol.
        wraps = name == "mBART" and "target" in options
        start = output.target.ids[-1] if wraps else pair.model.config.decoder_start_token_id
        assert read.target.ids == (start, *output.target.ids[:-1])
        assert read.target_tokens[1:] == output.target_tokens[:-1]
        assert bool(read.target_special[0])
        assert read.target_words[0].start == output.target_words[0].start + 1
        assert torch.equal(read.weights, output.weights)
        assert torch.equal(read.logprobs, output.logprobs)
        assert output.read_as("input").target_tokens == read.target_tokens
        assert read.read_as("output").target_tokens == output.target_tokens


# --- The model afterwards.


@pytest.mark.parametrize("options", [{}, {"target": "I read."}, {"generation": {"num_beams": 2, "max_new_tokens": 4}}])
def test_the_model_is_left_as_it_was_in_any_mode(options, pairs):
    model, tokenizer = pairs("byte-level BART")
    expected = extract(model, tokenizer, GERMAN[0], **options)
    model.train()
    model.model.encoder.eval()  # a mixed mode is kept too
    before = state_of(model)
    record = extract(model, tokenizer, GERMAN[0], **options)
    after = state_of(model)
    model.eval()
    assert after == before
    assert_same_records(record, expected)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_model_is_left_as_it_was_when_extraction_is_interrupted(error, pairs):
    model, tokenizer = pairs("byte-level BART")
    extract(model, tokenizer, GERMAN[0])
    model.train()

    def fail(*_):
        raise error("in the middle")

    hook = model.model.decoder.layers[1].encoder_attn.out_proj.register_forward_pre_hook(fail)
    before = state_of(model)
    try:
        with pytest.raises(error, match="in the middle"):
            extract(model, tokenizer, GERMAN[0], ENGLISH[0])
        assert state_of(model) == before
    finally:
        hook.remove()
        model.eval()


def test_the_error_about_nan_parameters_says_so():
    tokenizer = byte_level_tokenizer()
    model = tiny("bart", vocab_size=len(tokenizer))
    with torch.no_grad():
        model.model.encoder.layers[0].fc1.weight[0, 0] = float("nan")
    for options in ({"target": ENGLISH[0]}, {"generation": {"max_new_tokens": 3}}):
        with pytest.raises(ValueError, match="NaN"):
            extract(model, tokenizer, GERMAN[0], **options)
