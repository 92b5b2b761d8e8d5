"""extract: from strings to records, against forwards and generations made by hand with the library's eager path."""

from functools import cache

import pytest
import torch
import transformers
from families import PAIRS, Pair, byte_level_tokenizer, eager, state_of, tiny

from xattn_widget import CrossAttention, extract, load_demo

GERMAN = [
    "Ich habe das Buch gelesen.",
    "Hallo!",
    "Gestern habe ich meinen alten Freund in der Stadt getroffen, sagte der Mann.",
    "Der Hund schläft unter dem Tisch.",
]
ENGLISH = [
    "I have read the book.",
    "Hello!",
    "Yesterday I met my old friend in town, the man said.",
    "The dog sleeps under the table.",
]


pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def pairs(demo, tmp_path_factory):
    """Gives a model with its tokenizer by name, made once."""

    @cache
    def pair(name):
        return demo if name == "demo" else PAIRS[name](tmp_path_factory.mktemp("tokenizer"))

    return pair


every_pair = pytest.mark.parametrize("name", ["demo", *PAIRS])


def assert_close(actual, expected, atol=1e-5):
    torch.testing.assert_close(actual, expected, atol=atol, rtol=0)


def assert_read_by_hand(record, pair, source, labels, **inputs):
    """The record's numbers are those of one eager forward by the library alone, and that has sharp rows."""
    given = inputs or {"labels": torch.tensor([labels])}
    with torch.no_grad():
        output = eager(pair.model)(**pair.tokenizer(source, return_tensors="pt"), **given, output_attentions=True)
    expected = torch.cat(output.cross_attentions)
    assert float(expected.amax(-1).max()) > 0.5
    assert_close(record.weights, expected)
    logprobs = output.logits[0].log_softmax(-1).gather(-1, torch.tensor(labels)[:, None])[:, 0]
    assert_close(record.logprobs, logprobs, atol=1e-4)


def generate_by_hand(pair, source, **options):
    return pair.model.generate(**pair.tokenizer(source, return_tensors="pt"), **options)[0].tolist()


def assert_same_records(actual, expected):
    assert actual.target_tokens == expected.target_tokens
    assert actual.source_tokens == expected.source_tokens
    assert_close(actual.weights, expected.weights)
    assert_close(actual.logprobs, expected.logprobs, atol=1e-4)


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
def test_rows_are_labelled_by_the_token_predicted_or_on_request_by_the_token_read(name, pairs):
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


# --- A generated target.


@every_pair
def test_the_target_is_the_models_own_greedy_one_even_where_its_settings_ask_for_beams(name, pairs):
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


def test_greedy_is_the_default_even_where_the_models_settings_ask_for_several_sequences():
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
def test_weights_of_beams_are_the_steps_weights_put_in_order(name, beams, returned, pairs):
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
    assert beams_crossed > 0 or name == "demo"  # else the order would not have mattered


def test_sampling_gives_what_the_models_own_sampling_gives_with_the_same_seed(demo):
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
def test_several_sequences_a_sentence_are_its_hypotheses(demo, batch_size, reading):
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
    found = [each.sequence_score for record in records for each in record.hypotheses]
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


# --- The model afterwards.


@pytest.mark.parametrize("options", [{}, {"target": "I read."}, {"generation": {"num_beams": 2, "max_new_tokens": 4}}])
def test_the_model_is_left_as_it_was_in_whatever_mode(options, pairs):
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


def test_nan_parameters_get_an_error_that_says_so():
    tokenizer = byte_level_tokenizer()
    model = tiny("bart", vocab_size=len(tokenizer))
    with torch.no_grad():
        model.model.encoder.layers[0].fc1.weight[0, 0] = float("nan")
    for options in ({"target": ENGLISH[0]}, {"generation": {"max_new_tokens": 3}}):
        with pytest.raises(ValueError, match="NaN"):
            extract(model, tokenizer, GERMAN[0], **options)


# --- Bad input: each an error that says what to do.


def test_an_empty_sentence_is_an_error_that_names_its_place(demo):
    for empty in ("", " ", "\n\t ", "</s>"):
        with pytest.raises(ValueError, match=r"source\[1\] is empty"):
            extract(*demo, [GERMAN[0], empty])
        with pytest.raises(ValueError, match=r"target\[0\] is empty"):
            extract(*demo, GERMAN[0], empty)


@pytest.mark.parametrize("name", PAIRS)
def test_white_space_is_an_empty_sentence_for_every_tokenizer(name, pairs):
    for empty in ("", "   ", "\n\t"):
        with pytest.raises(ValueError, match=r"source\[0\] is empty"):
            extract(*pairs(name), empty)


@pytest.mark.parametrize("name", ["byte-level BART", "mBART", "NLLB", "Marian of two vocabularies"])
def test_too_long_a_sentence_is_an_error_with_both_lengths_unless_cutting_is_asked_for(name, pairs):
    pair = pairs(name)
    long = " ".join(["Hund"] * 70)
    source_length = len(pair.tokenizer(long)["input_ids"])
    target_length = len(pair.tokenizer(text_target=long)["input_ids"])
    with pytest.raises(ValueError, match=rf"source\[1\] has {source_length} tokens.* 64 positions.*truncation=True"):
        extract(*pair, [GERMAN[0], long])
    with pytest.raises(ValueError, match=rf"target\[0\] has {target_length} tokens.* 64 positions.*truncation=True"):
        extract(*pair, GERMAN[0], long)
    cut = extract(*pair, long, truncation=True)
    assert cut.weights.shape[-1] == 64
    assert bool(cut.source_special[-1])
    both = extract(*pair, [long, GERMAN[1]], [GERMAN[1], long], truncation=True)
    assert [record.weights.shape[2] == 64 for record in both] == [False, True]


def test_a_model_of_relative_positions_reads_a_long_sentence(pairs):
    assert extract(*pairs("unigram T5"), " ".join(["Hund"] * 200)).weights.shape[-1] > 200


BAD_CALLS = {
    "fewer targets": ((["a", "b"], ["c"]), {}, ValueError, r"list of 2.*list of 1"),
    "one target for a list": ((["a"], "c"), {}, ValueError, r"list of 1.*one string"),
    "a list of targets for one string": (("a", ["c"]), {}, ValueError, r"one string.*list of 1"),
    "targets beside generation": (("a", "b"), {"generation": {"num_beams": 2}}, ValueError, "generation.*target"),
    "a number in the list": ((["a", 3],), {}, TypeError, r"source\[1\].*int"),
    "None in the list": ((["a", None],), {}, TypeError, r"source\[1\].*NoneType"),
    "bytes": ((b"abc",), {}, TypeError, "source"),
    "a list in the targets": ((["a"], [["b"]]), {}, TypeError, r"target\[0\].*list"),
    "no source": ((None,), {}, TypeError, "source.*NoneType"),
    "no batch": (("a",), {"batch_size": 0}, ValueError, "batch_size.*0"),
    "no such reading": (("a",), {"reading": "both"}, ValueError, "'output' or 'input'.*both"),
}


@pytest.mark.parametrize("case", BAD_CALLS)
def test_arguments_that_do_not_fit_are_told_with_what_was_expected(case, demo):
    arguments, options, error, message = BAD_CALLS[case]
    with pytest.raises(error, match=message):
        extract(*demo, *arguments, **options)


def test_a_tokenizer_of_another_model_is_told():
    model, tokenizer = tiny("bart", vocab_size=400), byte_level_tokenizer()
    assert extract(model, tokenizer, GERMAN[0], ENGLISH[0]).target_tokens
    with pytest.raises(ValueError, match=rf"{len(tokenizer)} tokens.*40.*another model.*from_pretrained"):
        extract(tiny("bart"), tokenizer, GERMAN[0])
    for name in ("pad_token_id", "eos_token_id"):
        with pytest.raises(ValueError, match=rf"{name} is \d+ and the model's is 7.*another model"):
            extract(tiny("bart", vocab_size=400, **{name: 7}), tokenizer, GERMAN[0])


def test_what_is_no_tokenizer_is_told(demo):
    for thing in (None, "Helsinki-NLP/opus-mt-de-en", len):
        with pytest.raises(TypeError, match="tokenizer must be a tokenizer"):
            extract(demo.model, thing, GERMAN[0])


GPT2 = transformers.GPT2Config(vocab_size=320, n_embd=16, n_layer=1, n_head=2)
BAD_MODELS = {
    "decoder-only": (
        lambda: transformers.GPT2LMHeadModel(GPT2),
        ValueError,
        "GPT2LMHeadModel is not an encoder-decoder",
    ),
    "Whisper": (lambda: tiny("whisper"), ValueError, r"input_features, not text.*capture\(model\)"),
    "without head": (lambda: tiny("bart", vocab_size=320).model, ValueError, "no language-model head.*Seq2SeqLM"),
    "a name": (lambda: "Helsinki-NLP/opus-mt-de-en", TypeError, "model must be a model of transformers.*str"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_model_that_cannot_be_read_is_told_with_what_to_load(case):
    build, error, message = BAD_MODELS[case]
    with pytest.raises(error, match=message):
        extract(build(), byte_level_tokenizer(), GERMAN[0])


def test_a_pipeline_in_place_of_a_model_is_told_to_pass_its_model(demo):
    pipeline = transformers.pipeline("feature-extraction", model=demo.model, tokenizer=demo.tokenizer)
    with pytest.raises(TypeError, match=r"FeatureExtractionPipeline.*\.model"):
        extract(pipeline, demo.tokenizer, GERMAN[0])


def test_a_compiled_model_is_told_to_pass_the_model_it_was_made_of(demo):
    compiled = torch.compile(demo.model, backend="eager")
    with pytest.raises(TypeError, match=r"OptimizedModule: pass its \._orig_mod"):
        extract(compiled, demo.tokenizer, GERMAN[0])
    record = extract(compiled._orig_mod, demo.tokenizer, GERMAN[0])
    assert torch.equal(record.weights, extract(demo.model, demo.tokenizer, GERMAN[0]).weights)
