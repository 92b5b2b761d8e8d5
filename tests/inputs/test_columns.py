"""Columns that are not the source's: prompts before or after the tokens, from MVP, PEFT and others."""

import copy
import inspect

import numpy as np
import peft
import pytest
import torch
import transformers
from families import eager
from family_sides import byte_level_pair

from xattn_widget import ablate, extract, head_importance, score_corpus, show_cross_attention
from xattn_widget.corpus import grids

pytestmark = [
    pytest.mark.usefixtures("single_thread"),
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
]

GERMAN = ["Ich habe das Buch gelesen.", "Hallo!", "Der Hund schläft unter dem Tisch."]
ENGLISH = ["I have read the book.", "Hello!", "The dog sleeps under the table."]
BEAMS = {"num_beams": 3, "num_return_sequences": 2, "max_new_tokens": 6}


class WithPromptBehind(transformers.BartForConditionalGeneration):
    """Adds learned states after those of the source and its padding."""

    def forward(self, input_ids=None, attention_mask=None, encoder_outputs=None, **kwargs):
        if encoder_outputs is None:
            encoder_outputs = self.get_encoder()(input_ids=input_ids, attention_mask=attention_mask)
        states, rows = encoder_outputs[0], len(attention_mask)
        prompt = 5 * self.get_input_embeddings().weight[-2:].expand(rows, -1, -1)
        mask = torch.cat([attention_mask, attention_mask.new_ones(rows, 2)], dim=1)
        outputs = (torch.cat([states, prompt], dim=1),)
        return super().forward(encoder_outputs=outputs, attention_mask=mask, **kwargs)


class WithPromptInside(transformers.BartForConditionalGeneration):
    """Adds a learned position after every second token, which the axis of the source cannot show."""

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        embeddings = self.get_input_embeddings()(input_ids)
        split = [part for pair in embeddings.split(2, 1) for part in (pair, embeddings[:, :1])]
        mask = [part for pair in attention_mask.split(2, 1) for part in (pair, torch.ones_like(attention_mask[:, :1]))]
        embeddings, mask = torch.cat(split, dim=1), torch.cat(mask, dim=1)
        return super().forward(inputs_embeds=embeddings, attention_mask=mask, **kwargs)


def bart_as(kind):
    model, tokenizer = byte_level_pair("Bart")
    model.__class__ = kind
    return model, tokenizer


def adapted(config, kind="Bart", **settings):
    # PEFT counts the layers of the encoder, even for the decoder.
    model, tokenizer = byte_level_pair(kind, decoder_layers=2, **settings)
    torch.manual_seed(0)
    model = peft.get_peft_model(model, config).eval()
    with torch.no_grad():
        for parameter in model.prompt_encoder.parameters():
            parameter.normal_(std=0.5)
    return model, tokenizer


TASK = {"task_type": "SEQ_2_SEQ_LM", "num_virtual_tokens": 3}
# Models by name, with the number of prompts before and after the source.
PROMPTED = {
    "MVP": (lambda: byte_level_pair("Mvp", use_prompt=True, prompt_length=5, prompt_mid_dim=8), 5, 0),
    "prompt tuning": (lambda: adapted(peft.PromptTuningConfig(**TASK)), 3, 0),
    "P-tuning": (lambda: adapted(peft.PromptEncoderConfig(**TASK, encoder_hidden_size=8), "Marian"), 3, 0),
    "prompt tuning of MVP": (
        lambda: adapted(peft.PromptTuningConfig(**TASK), "Mvp", use_prompt=True, prompt_length=2, prompt_mid_dim=8),
        5,
        0,
    ),
    "prefix tuning": (lambda: adapted(peft.PrefixTuningConfig(**TASK)), 0, 0),
    "behind": (lambda: bart_as(WithPromptBehind), 0, 2),
}
# Since 5.24, transformers ignores the prefix that PEFT passes in addition to its own cache.
IGNORES_PREFIXES = "cache" in inspect.signature(transformers.BartForConditionalGeneration.forward).parameters
READ = [name for name in PROMPTED if name != "prefix tuning" or not IGNORES_PREFIXES]
prompted = pytest.mark.parametrize("name", READ)


@pytest.mark.skipif(not IGNORES_PREFIXES, reason="this release of transformers reads the prefixes of PEFT")
def test_prefixes_that_the_library_ignores_are_refused():
    with pytest.raises(ValueError, match=r"PREFIX_TUNING passes its prefix .*: use transformers before 5\.24"):
        extract(*PROMPTED["prefix tuning"][0](), GERMAN)


def eager_copy(model):
    if not isinstance(model, peft.PeftModel):
        return eager(model)
    twin = copy.deepcopy(model)
    twin.get_base_model().set_attn_implementation("eager")
    return twin


def library_weights(model, tokenizer, source, record):
    """``[layers, heads, target, columns]`` of the library's eager path for one sentence."""
    read = torch.tensor([record.read_as("input").target.ids])
    with torch.no_grad():
        output = eager_copy(model)(
            **tokenizer(source, return_tensors="pt"), decoder_input_ids=read, output_attentions=True, use_cache=False
        )
    return torch.cat(output.cross_attentions)


@prompted
def test_prompts_are_special_positions_at_their_place_in_the_model(name):
    make, before, after = PROMPTED[name]
    model, tokenizer = make()
    records = extract(model, tokenizer, GERMAN, ENGLISH)
    for record, source, target in zip(records, GERMAN, ENGLISH, strict=True):
        torch.testing.assert_close(record.weights, library_weights(model, tokenizer, source, record), atol=1e-5, rtol=0)
        torch.testing.assert_close(record.weights.sum(-1), torch.ones(record.weights.shape[:3]), atol=1e-5, rtol=0)
        ids = tokenizer(source)["input_ids"]
        assert list(record.source.ids) == [-1] * before + ids + [-1] * after
        named = [label for label in record.source_tokens if label.startswith("[prompt")]
        assert named == [f"[prompt {index}]" for index in range(before + after)]
        special = record.source_special.tolist()
        assert special[:before] + special[before + len(ids) :] == [True] * (before + after)
        words = record.source_words
        assert words[0].start == before + 1
        assert all("prompt" not in word.text for word in words)
        assert record.words().source_tokens[:before] == named[:before]
        alone = extract(model, tokenizer, source, target)
        assert alone.source_tokens == record.source_tokens
        torch.testing.assert_close(alone.weights, record.weights, atol=1e-5, rtol=0)
        assert all(special[word.start] is False for word in words)
        dropped = record.drop_special()
        assert not any("prompt" in label for label in dropped.source_tokens)
        torch.testing.assert_close(dropped.weights.sum(-1), torch.ones(dropped.weights.shape[:3]), atol=1e-5, rtol=0)
        assert {pair[0] for pair in record.align()} <= set(range(len(words)))


@prompted
@pytest.mark.filterwarnings("ignore:Position ids are not supported")
def test_generated_targets_have_the_weights_of_the_steps(name):
    if name == "prefix tuning" and transformers.__version__.startswith("5.0."):
        pytest.skip("transformers 5.0 itself generates other targets with eager than with sdpa attention here")
    make, _, after = PROMPTED[name]
    model, tokenizer = make()
    records = extract(model, tokenizer, GERMAN, generation=BEAMS)
    inputs = tokenizer(GERMAN, return_tensors="pt", padding=True)
    steps = {"output_attentions": True, "return_dict_in_generate": True, "do_sample": False}
    result = eager_copy(model).generate(**inputs, **BEAMS, **steps)
    for index, record in enumerate(records):
        for rank, hypothesis in enumerate(record.hypotheses):
            row = 2 * index + rank
            length = len(hypothesis.target)
            assert result.sequences[row, 1 : 1 + length].tolist() == list(hypothesis.target.ids)
            beams = [beam for beam in result.beam_indices[row].tolist() if beam >= 0]
            for layer in range(hypothesis.layers):
                expected = [result.cross_attentions[step][layer][beam, :, 0] for step, beam in enumerate(beams)]
                rows = torch.stack(expected, dim=1)[:, :length]
                tokens, width = len(hypothesis.source) - after, rows.shape[2]
                rows = rows[..., [*range(tokens), *range(width - after, width)]]
                torch.testing.assert_close(hypothesis.weights[layer, :, : rows.shape[1]], rows, atol=1e-5, rtol=0)


@prompted
@pytest.mark.parametrize("statistics", [[], ["logprob_sum"]])
@pytest.mark.parametrize("special", ["keep", "drop", "renormalize"])
def test_a_corpus_gets_the_scores_of_its_records(name, special, statistics):
    model, tokenizer = PROMPTED[name][0]()
    scores = ["coverage_penalty", "entropy", *(["sink_mass"] if special != "renormalize" else [])]
    table = score_corpus(model, tokenizer, GERMAN, ENGLISH, scores, special=special, statistics=statistics)
    assert table["error"].to_pylist() == [None] * len(GERMAN)
    assert table["source_length"].to_pylist() == [len(ids) for ids in tokenizer(GERMAN)["input_ids"]]
    for row, record in enumerate(extract(model, tokenizer, GERMAN, ENGLISH)):
        for score in scores:
            expected = record.score(score, special=special)
            np.testing.assert_allclose(grids(table, score)[row], expected, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in READ if name in ("MVP", "prompt tuning", "prefix tuning")])
def test_importance_and_experiments_use_the_model_with_its_prompts(name):
    model, tokenizer = PROMPTED[name][0]()
    loss = -extract(model, tokenizer, GERMAN[0], ENGLISH[0]).logprobs
    with ablate(model, [(1, 2)]):
        without = -extract(model, tokenizer, GERMAN[0], ENGLISH[0]).logprobs
    grid = head_importance(model, tokenizer, GERMAN[0], ENGLISH[0], method="ablation")
    assert float(grid[1, 2]) == pytest.approx(float((without - loss).mean()), abs=1e-5)
    assert head_importance(model, tokenizer, GERMAN[0], ENGLISH[0]).shape == grid.shape
    widget = show_cross_attention(model, tokenizer, GERMAN[0], generation={"max_new_tokens": 5})
    edited = widget.set_target(ENGLISH[0])
    torch.testing.assert_close(edited.weights, extract(model, tokenizer, GERMAN[0], ENGLISH[0]).weights)
    assert widget.set_token(1, 5).source_tokens == edited.source_tokens
    widget.muted = [(0, 1)]
    assert widget.records[-1].source_tokens == edited.source_tokens


def test_value_norms_have_the_same_columns():
    model, tokenizer = PROMPTED["prompt tuning"][0]()
    record = extract(model, tokenizer, GERMAN[:2], ENGLISH[:2], value_norms=True)[1]
    assert record.value_norms.shape == record.weights.shape
    alone = extract(model, tokenizer, GERMAN[1], ENGLISH[1], value_norms=True)
    torch.testing.assert_close(record.value_norms, alone.value_norms, atol=1e-4, rtol=0)
    assert record.contributions().source_tokens == record.source_tokens


def test_prompts_leave_fewer_positions_to_the_source():
    model, tokenizer = adapted(peft.PromptTuningConfig(**TASK), max_position_embeddings=12)
    fits, too_long = "a" * 7, "a" * 8  # with the two special tokens and three prompts
    assert len(tokenizer(fits)["input_ids"]) == 9
    extract(model, tokenizer, fits, "b")
    with pytest.raises(ValueError, match="has 10 tokens, the limit is 9 positions"):
        extract(model, tokenizer, too_long, "b")


# --- What cannot be explained is an error.


def test_columns_among_the_tokens_are_an_error():
    model, tokenizer = bart_as(WithPromptInside)
    with pytest.raises(ValueError, match="it is unclear which of them are the tokens'"):
        extract(model, tokenizer, GERMAN[0], ENGLISH[0])
    with pytest.raises(ValueError, match="it is unclear which of them are the tokens'"):
        score_corpus(model, tokenizer, GERMAN, ENGLISH, "entropy")


class WithoutMask(transformers.BartForConditionalGeneration):
    """Its decoder sees the padding of the source."""

    def forward(self, attention_mask=None, **kwargs):
        return super().forward(attention_mask=None, **kwargs)


def test_weight_on_padding_is_an_error():
    model, tokenizer = bart_as(WithoutMask)
    for source, target in zip(GERMAN, ENGLISH, strict=True):
        extract(model, tokenizer, source, target)
    with pytest.raises(ValueError, match="columns that are not tokens of their source"):
        extract(model, tokenizer, GERMAN, ENGLISH)
    table = score_corpus(model, tokenizer, GERMAN, ENGLISH, "entropy")  # the engine falls back to one at a time
    assert table["error"].to_pylist() == [None] * 3


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (peft.MultitaskPromptTuningConfig(**TASK, num_tasks=2), "MULTITASK_PROMPT_TUNING cannot be read"),
        (peft.PrefixTuningConfig(**TASK, num_transformer_submodules=1), "num_transformer_submodules=2"),
        (peft.PromptTuningConfig(**TASK | {"task_type": "FEATURE_EXTRACTION"}), "task_type='SEQ_2_SEQ_LM'"),
    ],
)
def test_prompts_that_peft_does_not_apply_to_given_targets_are_refused(config, message):
    model, tokenizer = adapted(config)
    with pytest.raises(ValueError, match=message):
        extract(model, tokenizer, GERMAN[0], ENGLISH[0])
    with pytest.raises(ValueError, match=message):
        score_corpus(model, tokenizer, GERMAN, ENGLISH, "entropy")
