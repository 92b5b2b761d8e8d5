"""Errors about mistakes in calls say how to fix them."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tokenizers
import torch
import transformers
from families import byte_level_tokenizer, tiny
from traitlets import TraitError

from xattn_widget import (
    CrossAttention,
    CrossAttentionWidget,
    ablate,
    capture,
    check_score,
    extract,
    head_importance,
    load_demo,
    score_corpus,
    scores,
    show_cross_attention,
)
from xattn_widget.corpus import select
from xattn_widget.messages.hints import nearest

GERMAN = "Ich lese das Buch."
PAIR = ("Guten Tag.", "Good day.")
CALLS = {
    "extract": extract,
    "show_cross_attention": show_cross_attention,
    "head_importance": head_importance,
    "score_corpus": lambda model, tokenizer, source, target=None, **options: score_corpus(
        model, tokenizer, [source] if isinstance(source, str) else source, target, progress=False, **options
    ),
}
every_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture(scope="module")
def demo():
    return load_demo()


@pytest.fixture(scope="module")
def record():
    weights = torch.rand((2, 3, 4, 5), generator=torch.Generator().manual_seed(0)).softmax(-1)
    return CrossAttention.from_tokens(weights, list("abcde"), list("vwxy"))


# --- The model and the tokenizer.


@every_call
def test_a_swapped_model_and_tokenizer_are_reported(call, demo):
    model, tokenizer = demo
    with pytest.raises(TypeError, match=r"model must be .* swapped\? The model comes first, then its tokenizer"):
        call(tokenizer, model, GERMAN)


@every_call
@pytest.mark.parametrize("name", ["Helsinki-NLP/opus-mt-de-en", Path("folder/model")])
def test_a_name_instead_of_a_model_or_tokenizer_gets_the_line_that_loads_it(call, name, demo):
    model, tokenizer = demo
    line = re.escape(f"model = AutoModelForSeq2SeqLM.from_pretrained({str(name)!r})")
    with pytest.raises(TypeError, match=f"model must be .*: load it by its name, {line}"):
        call(name, tokenizer, GERMAN)
    line = re.escape(f"tokenizer = AutoTokenizer.from_pretrained({str(name)!r})")
    with pytest.raises(TypeError, match=f"tokenizer must be .*: load it by its name, {line}"):
        call(model, name, GERMAN)


class Processor:
    def __init__(self, tokenizer):
        self.tokenizer = tokenizer


MODELS = {
    "a list": (lambda model, tokenizer: [model, model], "got list: pass one model at a time"),
    "both": (
        lambda model, tokenizer: (model, tokenizer),
        r"got tuple: pass the model and the tokenizer as two arguments",
    ),
    "a class": (lambda model, tokenizer: type(model), r"model = MarianMTModel.from_pretrained\(name\)"),
    "a configuration": (lambda model, tokenizer: model.config, "MarianConfig: this is a configuration without weights"),
    "weights": (lambda model, tokenizer: model.state_dict(), "these are weights without a model"),
    "a wrapper": (lambda model, tokenizer: torch.nn.DataParallel(model), r"DataParallel: pass its \.module"),
    "a processor": (lambda model, tokenizer: Processor(tokenizer), "Processor: this is a processor"),
    "None": (lambda model, tokenizer: None, "got NoneType"),
}


@pytest.mark.parametrize("case", MODELS)
def test_errors_about_models_say_what_to_pass(case, demo):
    build, message = MODELS[case]
    with pytest.raises(TypeError, match=message):
        extract(build(*demo), demo[1], GERMAN)


TOKENIZERS = {
    "a processor": (lambda model, tokenizer: Processor(tokenizer), r"Processor: pass its \.tokenizer"),
    "a class": (lambda model, tokenizer: type(tokenizer), r"tokenizer = \w+.from_pretrained\(name\)"),
    "a tokenizer of the tokenizers library": (
        lambda model, tokenizer: tokenizers.Tokenizer(tokenizers.models.BPE()),
        r"Tokenizer: wrap it, transformers\.PreTrainedTokenizerFast\(tokenizer_object=",
    ),
    "a list": (lambda model, tokenizer: [tokenizer], "got list: pass one tokenizer at a time"),
}


@pytest.mark.parametrize("case", TOKENIZERS)
def test_errors_about_tokenizers_say_what_to_pass(case, demo):
    build, message = TOKENIZERS[case]
    with pytest.raises(TypeError, match=message):
        extract(demo[0], build(*demo), GERMAN)


@pytest.mark.parametrize("block", [capture, lambda model: ablate(model, [(0, 0)])])
def test_blocks_also_report_a_name_or_a_tokenizer(block, demo):
    for argument, message in (("a/b", r"from_pretrained\('a/b'\)"), (demo[1], "swapped")):
        with pytest.raises(TypeError, match=message), block(argument):
            pass


# --- Argument names.


@every_call
@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ({"num_beams": 4}, r"generation={'num_beams': 4}"),
        ({"max_new_tokens": 20}, r"generation={'max_new_tokens': 20}"),
        ({"do_sample": True}, r"generation={'do_sample': True}"),
        ({"num_beam": 4}, r"generation={'num_beams': 4}"),
        ({"generatoin": {"num_beams": 4}}, "did you mean 'generation'"),
    ],
)
def test_errors_about_arguments_of_generate_point_to_generation(call, given, meant, demo):
    with pytest.raises(TypeError, match=meant):
        call(*demo, GERMAN, **given)


@pytest.mark.parametrize(
    ("call", "name", "meant"),
    [
        (extract, "batchsize", "extract has no argument 'batchsize': did you mean 'batch_size'"),
        (extract, "value_norm", "did you mean 'value_norms'"),
        (score_corpus, "source_col", "score_corpus has no argument 'source_col': did you mean 'source_column'"),
        (show_cross_attention, "treshold", "not a view setting; did you mean 'threshold'"),
        (show_cross_attention, "lines", "not a view setting; there are aggregate"),
        (show_cross_attention, "orient", "not a view setting; did you mean 'orientation'"),
        (show_cross_attention, "score", "not a view setting; did you mean 'scores' or 'score_name'"),
        (show_cross_attention, "batch_size", r"extract takes it: .*extract\(.*batch_size=1\)\)"),
    ],
)
def test_misspelled_arguments_get_a_suggestion(call, name, meant, demo):
    with pytest.raises(TypeError, match=meant):
        call(*demo, GERMAN, **{name: 1})


@every_call
@pytest.mark.parametrize(
    ("generation", "error", "message"),
    [
        ({"num_beam": 4}, ValueError, r"takes an argument 'num_beam' .*: did you mean generation={'num_beams': 4}"),
        ({"max_new_token": 9}, ValueError, r"did you mean generation={'max_new_tokens': 9}"),
        ([("num_beams", 4)], TypeError, r"generation must be a dictionary .*got list"),
        (transformers.GenerationConfig(), TypeError, r"such as {'generation_config': \.\.\.}, got GenerationConfig"),
    ],
)
def test_misspelled_arguments_of_generate_get_a_suggestion(call, generation, error, message, demo):
    with pytest.raises(error, match=message):
        call(*demo, GERMAN, generation=generation)


def test_functions_with_checked_arguments_keep_their_signature():
    import inspect

    assert list(inspect.signature(extract).parameters)[:4] == ["model", "tokenizer", "source", "target"]
    assert "generation" in inspect.signature(score_corpus).parameters


# --- Sentences.


SENTENCES = {
    "bytes": (b"abc", r"got bytes: decode it"),
    "a path": (Path("de.txt"), r"got \w+Path: read it first"),
    "an array": (np.array(["a", "b"]), r"got ndarray: pass its \.tolist\(\)"),
    "a series": (pd.Series(["a", "b"]), r"got Series: pass its \.tolist\(\)"),
    "a frame": (pd.DataFrame({"source": ["a"]}), "got DataFrame: pass one of its columns"),
    "a polars series": (pl.Series(["a", "b"]), r"got Series: pass"),
    "an Arrow column": (pa.array(["a", "b"]), r"got StringArray: pass its \.(tolist|to_pylist)\(\)"),
    "a generator": ((letter for letter in "ab"), r"got generator: pass list\(\.\.\.\) of it"),
    "a set": ({"a", "b"}, r"got set: pass list"),
    "a dictionary": ({"de": "a"}, "got dict: pass one of its values"),
    "ids": (torch.tensor([[1, 2]]), "got Tensor: pass text, not ids"),
    "the output of a tokenizer": (transformers.BatchEncoding({"input_ids": [1]}), "BatchEncoding: pass text, not ids"),
    "words": ([["Guten", "Tag"]], r"source\[0\] must be a string, got list .* join them"),
    "pairs": ([PAIR, PAIR], r"source\[0\] must be a string, got tuple .*: pass sources and targets as two lists"),
    "bytes in a list": (["a", b"b"], r"source\[1\] must be a string, got bytes b'b': decode it"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_errors_about_sentences_say_what_to_pass(case, demo):
    sentences, message = SENTENCES[case]
    with pytest.raises(TypeError, match=message):
        extract(*demo, sentences)


@every_call
def test_a_tuple_of_two_strings_is_refused_as_ambiguous(call, demo):
    message = re.escape("one after the other: 'Guten Tag.', 'Good day.'. If they are two sentences, pass a list")
    with pytest.raises(ValueError, match=message):
        call(*demo, PAIR)


def test_lists_and_longer_tuples_are_lists_of_sentences(demo):
    assert len(extract(*demo, list(PAIR))) == 2
    assert len(extract(*demo, (*PAIR, GERMAN))) == 3
    assert len(extract(*demo, (PAIR[0], GERMAN), (PAIR[1], "I read."))) == 2
    assert extract(*demo, *PAIR).target_tokens


# --- Heads.


HEADS = {
    "plot": (lambda record, heads: record.plot(heads=heads), ValueError, "heads"),
    "widget": (lambda record, heads: CrossAttentionWidget(record, heads=heads), TraitError, "heads"),
    "compare": (lambda record, heads: CrossAttentionWidget(record, compare={"heads": heads}), TraitError, "heads"),
    "muted": (lambda record, heads: CrossAttentionWidget(record, muted=heads), TraitError, "muted"),
}
for_every_use = pytest.mark.parametrize(("use", "error", "name"), HEADS.values(), ids=HEADS)


@for_every_use
@pytest.mark.parametrize("heads", [(1, 2), [1, 2], np.array([1, 2])])
def test_one_pair_instead_of_a_list_of_pairs_is_reported(use, error, name, heads, record):
    with pytest.raises(error, match=re.escape(f"write {name}=[(1, 2)] for head 2 of layer 1")):
        use(record, heads)


@for_every_use
def test_other_malformed_heads_are_reported(use, error, name, record):
    for heads, message in [
        (1, f"write {name}=[(layer, 1)]"),
        ([1], f"write {name}=[(layer, 1)]"),
        ([0, 1, 2], f"such as {name}=[(0, 0), (0, 1)]"),
        ("1.2", "(layer, head) pair"),
        ([(0.5, 1)], "(layer, head) pair"),
        ([(1, 2, 3)], "(layer, head) pair"),
    ]:
        with pytest.raises(error, match=re.escape(message)):
            use(record, heads)


@for_every_use
def test_swapped_or_negative_heads_get_a_suggestion(use, error, name, record):
    for heads, message in [
        ([(2, 1)], "the layer comes first: did you mean (1, 2)?"),
        ([(-1, 0)], "not counted from the end: write (1, 0)"),
        ([(1, -1)], "not counted from the end: write (1, 2)"),
    ]:
        with pytest.raises(error, match=re.escape(message)):
            use(record, heads)


def test_heads_of_alignments_models_and_tables_are_checked_too(record, demo):
    assert record.align((1, 2), words=False) == record.align([(1, 2)], words=False)
    assert record.align(np.array([1, 2]), words=False) == record.align(np.array([[1, 2]]), words=False)
    with pytest.raises(ValueError, match=r"did you mean \(1, 2\)"):
        record.align((2, 1))
    message = re.escape("write heads=[(1, 2)] for head 2 of layer 1")
    with pytest.raises(ValueError, match=message), ablate(demo[0], (1, 2)):
        pass
    table = score_corpus(*demo, [GERMAN], targets=["I read."], scores=["entropy"], progress=False)
    with pytest.raises(ValueError, match=message):
        select(table, "entropy", 1, heads=(1, 2))
    with pytest.raises(ValueError, match="did you mean 'entropy'"):
        select(table, "entropie", 1)
    with pytest.raises(ValueError, match=r"layer must be a whole number, got \(0, 1\)"):
        record.plot(layer=(0, 1))


# --- Score names and tokens.


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("coverage", ["coverage_penalty", "overcoverage"]),
        ("Entropy", ["entropy"]),
        ("coverage-penalty", ["coverage_penalty"]),
        ("covrage_penalty", ["coverage_penalty"]),
        ("norm", ["value_norm", "alignment_norm"]),
        ("sink", ["sink_mass"]),
        ("monotonicty", ["monotonicity"]),
        ("bleu", []),
    ],
)
def test_the_most_likely_score_name_comes_first(name, meant, record):
    assert nearest(name, scores.BUILTIN) == meant
    expected = f"did you mean {' or '.join(map(repr, meant))}" if meant else "there are coverage_penalty"
    with pytest.raises(ValueError, match=expected):
        record.score(name)


def test_score_parameters_and_listed_scores_are_suggested_too(record):
    with pytest.raises(TypeError, match=r"has no parameter 'epsilon'; it has eps: did you mean 'eps'\?"):
        record.score("coverage_penalty", epsilon=1e-3)
    widget = CrossAttentionWidget(record)
    with pytest.raises(TraitError, match="did you mean 'coverage_penalty' or 'overcoverage'"):
        widget.score_name = "coverage"
    with pytest.raises(ValueError, match="did you mean 'entropy'"):
        widget.scores("entropi")


def test_a_token_without_the_mark_of_a_word_start_gets_a_suggestion(demo):
    widget = show_cross_attention(*demo, GERMAN)
    for token, message in [
        ("have", "did you mean '▁have'"),
        ("read the", r"as text it is the tokens '▁read', '▁the'"),
        ("no such token", "the vocabulary has no token 'no such token'"),
    ]:
        with pytest.raises(ValueError, match=message):
            widget.set_token(1, token)
    assert len(widget.records) == 1


def test_a_byte_level_token_without_its_mark_gets_a_suggestion():
    tokenizer = byte_level_tokenizer()
    model = tiny("bart", vocab_size=len(tokenizer))
    model.generation_config.max_new_tokens = 4
    vocabulary = tokenizer.get_vocab()
    token = next(piece for piece in vocabulary if piece.startswith("Ġ") and piece[1:] not in vocabulary)
    with pytest.raises(ValueError, match=f"did you mean '{token}'"):
        show_cross_attention(model, tokenizer, GERMAN, "I read.").set_token(1, token[1:])


# --- A passed check says so.


def test_check_score_says_that_a_score_passes_all_checks(capsys):
    checks = check_score(scores.BUILTIN["entropy"])
    output = capsys.readouterr().out
    assert output.startswith(f"entropy passes all {len(checks)} checks: ")
    assert all(check in output for check in checks)
    assert output.count("\n") == 1
