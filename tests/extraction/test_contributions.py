"""Contributions of source positions against direct computation in plain torch, in batches and in records."""

from __future__ import annotations

import copy

import pytest
import torch
import transformers
from contributions_by_hand import alti_by_hand, gradients_by_hand, in_double, zeroed_by_hand
from families import Pair, eager, tiny, wordpiece_tokenizer
from family_sides import fsmt
from hypothesis import given, settings
from hypothesis import strategies as st
from sounds import sound
from speech_processors import speech_pair

from xattn_widget import CrossAttention, extract, load

pytestmark = pytest.mark.usefixtures("single_thread")

SOURCES = ["Ich habe das Buch gelesen.", "Wann stehst du auf?", "Der Hund schläft."]
TARGETS = ["I have read the book.", "When do you?", "No."]
KINDS = ["value_zeroing", "value_zeroing_heads", "alti", "gradient"]
TEXT = ["demo", "byte-level BART", "unigram T5", "mBART", "NLLB", "Marian of two vocabularies", "BERT"]


def bert():
    """A BERT encoder-decoder and its tokenizer."""
    tokenizer = wordpiece_tokenizer()
    sizes = {"vocab_size": len(tokenizer), "hidden_size": 16, "num_attention_heads": 4, "intermediate_size": 32}
    sizes |= {"num_hidden_layers": 2, "pad_token_id": tokenizer.pad_token_id}
    config = transformers.EncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.BertConfig(**sizes), transformers.BertConfig(**sizes, is_decoder=True, add_cross_attention=True)
    )
    config.decoder_start_token_id, config.pad_token_id = tokenizer.cls_token_id, tokenizer.pad_token_id
    config.eos_token_id = tokenizer.sep_token_id
    torch.manual_seed(0)
    model = transformers.EncoderDecoderModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                parameter.normal_(std=0.3)
    return Pair(model.eval(), tokenizer)


@pytest.fixture(scope="module")
def pair_of(pairs):
    made = {}

    def get(name):
        if name not in made:
            made[name] = bert() if name == "BERT" else speech_pair("whisper") if name == "whisper" else pairs(name)
        return made[name]

    return get


def inputs_of(model, processor, record):
    """The inputs of a record's forward, made by the library alone."""
    inputs = {"decoder_input_ids": torch.tensor([record.targets["input"].ids])}
    if record.sound is None:
        return inputs | {"input_ids": torch.tensor([record.source.ids])}
    extractor = processor.feature_extractor
    features = extractor(record.sound.samples.numpy(), sampling_rate=16_000, return_tensors="pt")["input_features"]
    return inputs | {"input_features": features.double()}


def close(found, expected, tolerance=1e-5):
    torch.testing.assert_close(found.double(), expected.double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", TEXT)
def test_value_zeroing_and_gradients_of_a_padded_batch_are_those_of_direct_computation(pair_of, name):
    model, tokenizer = pair_of(name)
    kinds = [kind for kind in KINDS if kind != "alti"]
    record = extract(model, tokenizer, SOURCES, TARGETS, contributions=kinds)[1]
    inputs, twin = inputs_of(model, tokenizer, record), in_double(model)
    maps = record.contributed.maps
    close(maps["value_zeroing"], zeroed_by_hand(twin, inputs))
    close(maps["value_zeroing_heads"], zeroed_by_hand(twin, inputs, record.heads))
    close(maps["gradient"][0, 0], gradients_by_hand(twin, inputs, list(record.targets["output"].ids)))


@pytest.mark.parametrize("source", ["Ja", *SOURCES])
def test_rounding_is_no_contribution(demo, source):
    twin = copy.deepcopy(demo.model)
    for layer in twin.model.decoder.layers:
        torch.nn.init.zeros_(layer.encoder_attn.v_proj.weight)
        torch.nn.init.zeros_(layer.encoder_attn.v_proj.bias)
    record = extract(twin, demo.tokenizer, source, "I", contributions=["value_zeroing", "value_zeroing_heads"])
    for values in record.contributed.maps.values():
        assert bool(values.isnan().all())


@pytest.mark.parametrize("separate", [False, True])
def test_gradients_of_fsmt_are_those_of_direct_computation(tmp_path, separate):
    model, tokenizer = fsmt(tmp_path, separate=separate)  # its encoder does not say what embeds its tokens
    for record in extract(model, tokenizer, SOURCES, TARGETS, contributions=["gradient"]):
        inputs, predicted = inputs_of(model, tokenizer, record), list(record.targets["output"].ids)
        close(record.contributed.maps["gradient"][0, 0], gradients_by_hand(eager(model), inputs, predicted))


@pytest.mark.parametrize("name", ["demo", "byte-level BART", "unigram T5", "mBART", "NLLB"])
def test_alti_of_a_padded_batch_is_that_of_the_paper(pair_of, name):
    model, tokenizer = pair_of(name)
    record = extract(model, tokenizer, SOURCES, TARGETS, contributions=["alti"])[1]
    source, prefix = alti_by_hand(in_double(model), inputs_of(model, tokenizer, record))
    close(record.contributed.maps["alti"][:, 0], source)
    close(record.prefix_contributions[:, 0], prefix)
    close(record.source_contribution, source[-1].sum(-1))
    assert not record.prefix_contributions[-1, 0].triu(1).any()


@pytest.mark.parametrize("name", ["marian", "m2m_100", "t5"])
def test_alti_of_one_layer_is_the_formula(pair_of, name):
    pair = pair_of({"marian": "demo", "m2m_100": "NLLB", "t5": "unigram T5"}[name])
    layers = {"num_layers": 1, "num_decoder_layers": 1} if name == "t5" else {"encoder_layers": 1, "decoder_layers": 1}
    start = {"decoder_start_token_id": pair.model.config.decoder_start_token_id}
    ends = {"pad_token_id": pair.tokenizer.pad_token_id, "eos_token_id": pair.tokenizer.eos_token_id}
    model = tiny(name, vocab_size=len(pair.tokenizer), **layers, **start, **ends)
    record = extract(model, pair.tokenizer, SOURCES[2], TARGETS[2], contributions=["alti"])
    source, prefix = alti_by_hand(in_double(model), inputs_of(model, pair.tokenizer, record))
    assert source.shape[0] == 1
    close(record.contributed.maps["alti"][:, 0], source)
    close(record.prefix_contributions[:, 0], prefix)
    both = record.contributed.maps["alti"].sum(-1) + record.prefix_contributions.sum(-1)
    close(both, torch.ones_like(both))


def test_contributions_of_sound_are_those_of_direct_computation(pair_of):
    model, processor = pair_of("whisper")
    record = extract(model, processor, sound(0.5), "ab", contributions=KINDS)
    inputs, twin = inputs_of(model, processor, record), in_double(model)
    heard = ~record.source_special
    maps = record.contributed.maps
    close(maps["value_zeroing"][..., heard], zeroed_by_hand(twin, inputs, positions=int(heard.sum())))
    assert not maps["value_zeroing"][..., ~heard].any()
    close(maps["gradient"][0, 0], gradients_by_hand(twin, inputs, list(record.targets["output"].ids)))
    source, prefix = alti_by_hand(twin, inputs)
    close(maps["alti"][:, 0], source)
    close(record.prefix_contributions[:, 0], prefix)
    for kind in KINDS:
        cropped = record.contributions(kind).cropped()
        assert cropped.source_tokens == record.cropped().source_tokens
        assert cropped.weights.sum(-1).allclose(torch.ones(1), atol=1e-5)


@pytest.fixture(scope="module")
def alone(demo):
    return [extract(*demo, *pair, contributions=KINDS) for pair in zip(SOURCES, TARGETS, strict=True)]


@settings(max_examples=5)
@given(order=st.lists(st.integers(0, 2), min_size=1, max_size=4), batch_size=st.integers(1, 4))
def test_batches_and_padding_change_nothing(demo, alone, order, batch_size):
    together = extract(
        *demo,
        [SOURCES[index] for index in order],
        [TARGETS[index] for index in order],
        contributions=KINDS,
        batch_size=batch_size,
    )
    for record, expected in zip(together, [alone[index] for index in order], strict=True):
        for kind in KINDS:
            close(record.contributed.maps[kind], expected.contributed.maps[kind])
        close(record.prefix_contributions, expected.prefix_contributions)


@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_every_attention_implementation_gives_the_same(demo, implementation):
    model, tokenizer = demo
    expected = extract(model, tokenizer, SOURCES[1], TARGETS[1], contributions=KINDS)
    before = model.config._attn_implementation
    model.set_attn_implementation(implementation)
    try:
        found = extract(model, tokenizer, SOURCES[1], TARGETS[1], contributions=KINDS)
    finally:
        model.set_attn_implementation(before)
    for kind in KINDS:
        close(found.contributed.maps[kind], expected.contributed.maps[kind])


def test_a_model_with_frozen_parameters_is_left_as_it_was(demo):
    model, tokenizer = demo
    flags = [parameter.requires_grad for parameter in model.parameters()]
    expected = extract(model, tokenizer, SOURCES[0], TARGETS[0], contributions=KINDS)
    try:
        model.requires_grad_(False)
        frozen = extract(model, tokenizer, SOURCES[0], TARGETS[0], contributions=KINDS)
        assert not any(parameter.requires_grad for parameter in model.parameters())
    finally:
        for parameter, flag in zip(model.parameters(), flags, strict=True):
            parameter.requires_grad_(flag)
    assert all(parameter.grad is None for parameter in model.parameters())
    for kind in KINDS:
        close(frozen.contributed.maps[kind], expected.contributed.maps[kind], 1e-7)


def test_contributions_are_a_record_in_the_usual_form(demo, tmp_path):
    record = extract(*demo, SOURCES[0], contributions=KINDS, importance="gradient")
    for kind, heads in {"value_zeroing": 1, "value_zeroing_heads": 8, "alti": 1, "gradient": 1}.items():
        shown = record.contributions(kind)
        assert (shown.layers, shown.heads) == (1 if kind == "gradient" else 3, heads)
        assert shown.weights.sum(-1).allclose(torch.ones(1), atol=1e-5)
        assert f"|record:{kind}|" in shown.score("entropy").signature
        assert f"|record:words+{kind}|" in record.words().contributions(kind).score("entropy").signature
        assert shown.score("entropy").shape == (shown.layers, shown.heads)
        assert bool(shown.importance) == (kind == "value_zeroing_heads")
        assert shown.align(heads=(0, 0)) == record.words().contributions(kind).align(heads=(0, 0))
        assert shown.plot(0, 0).get_title()
        assert shown.to_html(tmp_path / "page.html").is_file()
        loaded = load(shown.save(tmp_path / "shown.safetensors"))
        assert torch.equal(loaded.weights, shown.weights)
        assert loaded.steps == shown.steps
    loaded = load(record.save(tmp_path / "record.safetensors"))
    for kind in KINDS:
        assert torch.equal(loaded.contributed.maps[kind], record.contributed.maps[kind])
    assert torch.equal(loaded.source_contribution, record.source_contribution)


def test_changes_of_a_record_change_its_contributions_alike(demo):
    record = extract(*demo, SOURCES[0], TARGETS[0], contributions=KINDS)
    stand_in = CrossAttention(record.contributed.maps["value_zeroing"], record.source, record.targets)
    for change in (
        lambda record: record.words(),
        lambda record: record.drop_special(renormalize=False),
        lambda record: record.read_as("input"),
        lambda record: record.with_words(source=["Ich", "habe", "das", "Buch", "gelesen", "."]).words(),
    ):
        close(change(record).contributed.maps["value_zeroing"], change(stand_in).weights)
    rows = len(record.words().target)
    assert record.words().source_contribution.shape == (rows,)
    units = record.target.units()
    share = torch.stack([record.source_contribution[list(unit)].mean() for unit in units])
    close(record.words().source_contribution, share)
    with pytest.raises(ValueError, match=r"holds no contributions by 'alti' \(it holds 'gradient'\)"):
        _ = extract(*demo, "Hallo!", contributions=["gradient"]).source_contribution


def test_hypotheses_and_kept_heads_have_contributions(demo):
    generation = {"num_beams": 2, "num_return_sequences": 2}
    heads = [(0, 3), (2, 6)]
    record = extract(*demo, SOURCES[0], generation=generation, heads=heads, contributions=KINDS)
    for hypothesis, shown in zip(record.hypotheses, record.contributions("alti").hypotheses, strict=True):
        assert (shown.layers, shown.heads, shown.kept) == (3, 1, None)
        assert shown.weights.shape[2] == len(hypothesis.target)
    full = extract(*demo, SOURCES[0], generation=generation, contributions=KINDS)
    single = record.contributions("value_zeroing_heads")
    assert single.kept_heads == heads
    close(single.head_weights(), full.contributions("value_zeroing_heads").head_weights(heads))
    layer = extract(*demo, SOURCES[0], layers=[1], contributions=["value_zeroing_heads"])
    assert layer.contributed.maps["value_zeroing_heads"].shape[:2] == (1, 8)


@pytest.mark.parametrize(
    ("contributions", "error", "message"),
    [
        (["altii"], ValueError, "one of|must be a list of 'value_zeroing'.*did you mean 'alti'"),
        ("alti", TypeError, r"write contributions=\['alti'\]"),
        (None, TypeError, "must be a list of 'value_zeroing'.*got None"),
        ([3], TypeError, "must be a list of 'value_zeroing'"),
        (["value_norm"], ValueError, "value_norms=True"),
    ],
)
def test_unknown_kinds_are_refused(demo, contributions, error, message):
    with pytest.raises(error, match=message):
        extract(*demo, "Hallo!", contributions=contributions)


def test_a_layer_order_that_alti_does_not_know_is_refused(pair_of):
    with pytest.raises(NotImplementedError, match=r"neither in a pre-norm layer .* nor in a post-norm layer"):
        extract(*pair_of("BERT"), SOURCES[0], TARGETS[0], contributions=["alti"])


def test_records_without_contributions_say_how_to_get_them(demo):
    record = extract(*demo, "Hallo!")
    with pytest.raises(ValueError, match=r"extract\(\.\.\., contributions=\['alti'\]\)"):
        record.contributions("alti")
    with pytest.raises(ValueError, match="kind must be one of 'value_norm', 'value_zeroing'"):
        record.contributions("attention")
