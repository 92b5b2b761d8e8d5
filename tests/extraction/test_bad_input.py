"""extract with bad input: each time an error that says what to do."""

import pytest
import torch
import transformers
from families import PAIRS, byte_level_tokenizer, tiny
from reading_by_hand import ENGLISH, GERMAN

from xattn_widget import extract

pytestmark = pytest.mark.usefixtures("single_thread")


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
def test_a_sentence_that_is_too_long_is_an_error_with_both_lengths_unless_truncated(name, pairs):
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
    "one target for a list": ((["a"], "c"), {}, ValueError, r"list of 1.*one target"),
    "a list of targets for one string": (("a", ["c"]), {}, ValueError, r"one source.*list of 1"),
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
def test_errors_about_arguments_say_what_was_expected(case, demo):
    arguments, options, error, message = BAD_CALLS[case]
    with pytest.raises(error, match=message):
        extract(*demo, *arguments, **options)


def test_a_tokenizer_of_another_model_is_refused():
    model, tokenizer = tiny("bart", vocab_size=400), byte_level_tokenizer()
    assert extract(model, tokenizer, GERMAN[0], ENGLISH[0]).target_tokens
    with pytest.raises(ValueError, match=rf"{len(tokenizer)} tokens.*40.*another model.*from_pretrained"):
        extract(tiny("bart"), tokenizer, GERMAN[0])
    for name in ("pad_token_id", "eos_token_id"):
        with pytest.raises(ValueError, match=rf"{name} is \d+ and the model's is 7.*another model"):
            extract(tiny("bart", vocab_size=400, **{name: 7}), tokenizer, GERMAN[0])


def test_another_object_than_a_tokenizer_is_refused(demo):
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
    "Whisper": (lambda: tiny("whisper"), TypeError, r"processor.*got \w+Tokenizer.*AutoProcessor"),
    "without head": (lambda: tiny("bart", vocab_size=320).model, ValueError, "no language-model head.*Seq2SeqLM"),
    "a name": (lambda: "Helsinki-NLP/opus-mt-de-en", TypeError, "model must be a model of transformers.*str"),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_errors_about_models_say_what_to_load(case):
    build, error, message = BAD_MODELS[case]
    with pytest.raises(error, match=message):
        extract(build(), byte_level_tokenizer(), GERMAN[0])


def test_the_error_about_a_pipeline_says_to_pass_its_model(demo):
    pipeline = transformers.pipeline("feature-extraction", model=demo.model, tokenizer=demo.tokenizer)
    with pytest.raises(TypeError, match=r"FeatureExtractionPipeline.*\.model"):
        extract(pipeline, demo.tokenizer, GERMAN[0])


def test_the_error_about_a_compiled_model_says_to_pass_the_original(demo):
    compiled = torch.compile(demo.model, backend="eager")
    with pytest.raises(TypeError, match=r"OptimizedModule: pass its \._orig_mod"):
        extract(compiled, demo.tokenizer, GERMAN[0])
    record = extract(compiled._orig_mod, demo.tokenizer, GERMAN[0])
    assert torch.equal(record.weights, extract(demo.model, demo.tokenizer, GERMAN[0]).weights)
