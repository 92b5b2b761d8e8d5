"""capture: weights equal those of the eager path, outputs do not change, and the model is afterwards as it was."""

import pytest
import torch
import transformers
from families import FAMILIES, batch, cross_attention_modules, eager, eager_weights, one_thread, sources, state_of, tiny
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from xattn_widget import capture

REGISTERED = set(ALL_ATTENTION_FUNCTIONS.keys())  # before any capture
every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield
    assert set(ALL_ATTENTION_FUNCTIONS.keys()) == REGISTERED


def assert_same_weights(actual, expected):
    assert len(actual) == len(expected)
    for layer, reference in zip(actual, expected, strict=True):
        assert layer.dtype == torch.float32
        torch.testing.assert_close(layer, reference, atol=1e-5, rtol=0)


def assert_rows_sum_to_one(layer):
    torch.testing.assert_close(layer.sum(-1), torch.ones(layer.shape[:-1]), atol=1e-5, rtol=0)


def assert_same_forwards(captured, expected):
    assert [len(forward) for forward in captured.forwards] == [len(weights) for weights in expected]
    for forward, weights in zip(captured.forwards, expected, strict=True):
        assert_same_weights(forward, weights)


def captured_run(model, inputs, **options):
    with capture(model) as captured:
        output = model(**inputs, **options)
    return captured, output


def warm_state(model, inputs):
    """The state after the library has put its own hooks on the model, as it does when outputs are first requested."""
    model(**inputs, output_hidden_states=True)
    return state_of(model)


def interrupt(model, error, *, layer=1):
    """Makes the forward fail in the middle of the cross-attention of ``layer``, after its weights were computed."""
    attention = cross_attention_modules(model)[layer]

    def fail(*_):
        raise error("in the middle")

    return (attention.o if hasattr(attention, "o") else attention.out_proj).register_forward_pre_hook(fail)


@every_family
def test_weights_equal_the_eager_path_in_a_padded_batch(name):
    model = tiny(name)
    assert model.config._attn_implementation == "sdpa" or not model._supports_sdpa
    inputs = batch(name, model)
    captured, _ = captured_run(model, inputs)
    assert_same_forwards(captured, [eager_weights(model, inputs)])
    for layer in captured.cross_attentions:
        assert_rows_sum_to_one(layer)
        if name != "whisper":  # it has no padding
            padding = inputs["attention_mask"][:, None, None, :] == 0
            assert padding.any()
            assert float(layer.masked_select(padding).abs().max()) == 0


@every_family
def test_the_models_own_outputs_are_bitwise_those_without_capture(name):
    model = tiny(name)
    inputs = batch(name, model)
    plain = model(**inputs, output_hidden_states=True)
    _, seen = captured_run(model, inputs, output_hidden_states=True)
    assert torch.equal(plain.logits, seen.logits)
    assert torch.equal(plain.encoder_last_hidden_state, seen.encoder_last_hidden_state)
    for ours, theirs in zip(seen.decoder_hidden_states, plain.decoder_hidden_states, strict=True):
        assert torch.equal(ours, theirs)


@every_family
@pytest.mark.parametrize("beams", [1, 3])
def test_generate_gives_the_same_sequences_and_one_tuple_a_step(name, beams):
    model = tiny(name, seed=3)
    inputs = sources(name, model)
    options = {"num_beams": beams, "do_sample": False, "max_new_tokens": 7}
    plain = model.generate(**inputs, **options)
    with capture(model) as captured:
        seen = model.generate(**inputs, **options)
    # Not the generate of the class: Whisper's rearranges its outputs.
    steps = transformers.GenerationMixin.generate(
        eager(model), **inputs, **options, return_dict_in_generate=True, output_attentions=True
    )
    assert torch.equal(plain, seen)
    assert len(steps.cross_attentions) > 3
    assert steps.cross_attentions[1][0].shape[:3] == (3 * beams, 4, 1)
    assert_same_forwards(captured, steps.cross_attentions)


@pytest.mark.parametrize("name", ["bart", "t5", "whisper"])
def test_a_model_loaded_eager_gives_the_same_to_both(name):
    model = eager(tiny(name))
    inputs = batch(name, model)
    plain = model(**inputs, output_attentions=True)
    captured, seen = captured_run(model, inputs, output_attentions=True)
    assert torch.equal(plain.logits, seen.logits)
    for ours, theirs in zip(seen.cross_attentions, plain.cross_attentions, strict=True):
        assert torch.equal(ours, theirs)
    assert_same_weights(captured.cross_attentions, plain.cross_attentions)


@pytest.mark.parametrize("name", ["bart", "t5", "whisper"])
def test_self_attention_keeps_its_own_function_and_config(name):
    model = tiny(name)
    if not model._supports_sdpa:
        pytest.skip("T5 stands outside the attention interface in transformers 5.0: there is no config to swap")
    cross = cross_attention_modules(model)
    others = [module for module in model.modules() if hasattr(module, "config") and module not in cross]
    configs = {module: module.config for module in others}
    during = []
    for module in others:
        module.register_forward_pre_hook(lambda module, _: during.append((module, module.config)))
    captured_run(model, batch(name, model))
    assert len({module for module, _ in during}) > 4
    assert all(config is configs[module] for module, config in during)
    assert {config._attn_implementation for config in configs.values()} == {"sdpa"}


@pytest.mark.parametrize("name", ["marian", "t5", "whisper"])
def test_a_model_without_its_head_and_a_decoder_alone_can_be_captured(name):
    model = tiny(name)
    inputs = batch(name, model)
    expected = eager_weights(model, inputs)
    decoder_inputs = {"input_ids": inputs["decoder_input_ids"], "attention_mask": inputs["decoder_attention_mask"]}
    if name != "whisper":
        decoder_inputs["encoder_attention_mask"] = inputs["attention_mask"]
    decoder_inputs["encoder_hidden_states"] = model(**inputs).encoder_last_hidden_state
    alone, _ = captured_run(model.get_decoder(), decoder_inputs)
    assert_same_weights(alone.cross_attentions, expected)
    if name != "t5":  # T5 with a head contains no model without one
        with capture(model) as captured:
            model.model(**inputs)
            model.get_decoder()(**decoder_inputs)
        assert_same_forwards(captured, [expected, expected])


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_in_training_mode_the_weights_are_those_before_dropout(name):
    off = {"dropout_rate": 0.0} if name == "t5" else {"dropout": 0.0, "activation_dropout": 0.0}
    model = tiny(name, **off)
    inputs = batch(name, model)
    expected = eager_weights(model, inputs)
    for attention in cross_attention_modules(model):
        attention.dropout = 0.5
    model.train()
    torch.manual_seed(1)
    plain = model(**inputs).logits
    torch.manual_seed(1)
    captured, seen = captured_run(model, inputs)
    assert all(module.training for module in model.modules())
    assert torch.equal(plain, seen.logits)
    assert not torch.allclose(plain, eager(model).eval()(**inputs).logits)  # dropout was on
    if not model._supports_sdpa:  # T5 in transformers 5.0 returns its weights itself
        with pytest.raises(ValueError, match="after dropout"):
            _ = captured.cross_attentions
        return
    # The first layer's input is not changed by its own dropout; later layers read changed states.
    assert_same_weights(captured.cross_attentions[:1], expected[:1])
    for layer in captured.cross_attentions:
        assert_rows_sum_to_one(layer)


def test_captured_weights_carry_no_gradient_and_the_users_gradient_is_the_same():
    model = tiny("bart")
    inputs = batch("bart", model)

    def gradient():
        model.zero_grad()
        model(**inputs).logits.square().mean().backward()
        return cross_attention_modules(model)[0].q_proj.weight.grad.clone()

    with torch.enable_grad():
        plain = gradient()
        with capture(model) as captured:
            seen = gradient()
    assert plain.abs().max() > 0
    assert torch.equal(plain, seen)
    assert not any(layer.requires_grad for layer in captured.cross_attentions)


def test_layers_skipped_in_training_do_not_mix_the_forwards():
    # M2M100 and NLLB skip a twentieth of their layers in training by default.
    off = {"dropout": 0.0, "attention_dropout": 0.0, "activation_dropout": 0.0, "encoder_layerdrop": 0.0}
    model = tiny("m2m_100", **off, decoder_layerdrop=0.5).train()
    inputs, reference, expected = batch("m2m_100", model), eager(model), {}
    for seed in range(10):
        torch.manual_seed(seed)
        expected[seed] = reference(**inputs, output_attentions=True).cross_attentions
    expected = {seed: weights for seed, weights in expected.items() if weights}  # some skip every layer
    assert {len(weights) for weights in expected.values()} == {1, 2, 3}
    with capture(model) as captured:
        for seed in expected:
            torch.manual_seed(seed)
            model(**inputs)
    assert_same_forwards(captured, expected.values())


@pytest.mark.parametrize("way", ["parameters", "autocast"])
@pytest.mark.parametrize("name", ["marian", "t5"])
def test_in_bfloat16_rows_are_float32_and_sum_to_one(name, way):
    model = tiny(name)
    inputs = batch(name, model)
    expected = eager_weights(model, inputs)
    if way == "parameters":
        model.to(torch.bfloat16)
    with capture(model) as captured, torch.autocast("cpu", torch.bfloat16, enabled=way == "autocast"):
        model(**inputs)
    for layer in captured.cross_attentions:
        assert layer.dtype == torch.float32
        assert_rows_sum_to_one(layer)
    first = captured.cross_attentions[0] - expected[0]
    assert float(first.abs().mean()) < 0.05  # this checks no more than three digits


# --- The model afterwards.


@every_family
def test_the_model_is_as_before_when_the_block_ends(name):
    model = tiny(name)
    cross_attention_modules(model)[0].train()  # modules may be in different modes
    inputs = batch(name, model)
    before = warm_state(model, inputs)
    with capture(model):
        assert state_of(model) != before
        model(**inputs)
        model.generate(**sources(name, model), max_new_tokens=3)
    assert state_of(model) == before


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("name", ["marian", "t5", "whisper"])
def test_the_model_is_as_before_when_a_forward_is_interrupted(name, error):
    model = tiny(name)
    inputs = batch(name, model)
    plain = model(**inputs).logits
    with_hook = interrupt(model, error)
    before = state_of(model)
    with pytest.raises(error, match="in the middle"):
        captured_run(model, inputs)
    assert state_of(model) == before
    with_hook.remove()
    assert torch.equal(model(**inputs).logits, plain)


@pytest.mark.parametrize("layer", ["first", "last"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_forward_is_none_and_those_after_it_are_right(error, layer):
    model = tiny("bart")
    inputs = batch("bart", model)
    with capture(model) as captured:
        model(**inputs)
        with_hook = interrupt(model, error, layer=0 if layer == "first" else -1)
        with pytest.raises(error):
            model(**batch("bart", model, seed=9))
        with_hook.remove()
        model(**inputs)
    assert_same_forwards(captured, [eager_weights(model, inputs)] * 2)


def test_a_forward_that_was_cut_short_is_not_given_as_a_whole_one():
    model = tiny("bart")
    interrupt(model, RuntimeError)
    with capture(model) as captured, pytest.raises(RuntimeError, match="in the middle"):
        model(**batch("bart", model))
    with pytest.raises(RuntimeError, match="captured"):
        _ = captured.cross_attentions


# --- Several at once.


@pytest.mark.parametrize("name", ["bart", "t5"])
def test_captures_of_one_model_nest_and_give_each_forward_its_own_tuple(name):
    model = tiny(name)
    inputs = [batch(name, model, seed=seed) for seed in range(3)]
    expected = [eager_weights(model, each) for each in inputs]
    before = warm_state(model, inputs[0])
    with capture(model) as outer:
        model(**inputs[0])
        assert_same_weights(outer.cross_attentions, expected[0])  # inside the block too
        with capture(model) as inner:
            model(**inputs[1])
        assert_same_weights(outer.cross_attentions, expected[1])
        model(**inputs[2])
    assert state_of(model) == before
    assert_same_forwards(inner, expected[1:2])
    assert_same_forwards(outer, expected)


def test_two_captures_may_end_in_the_order_in_which_they_began():
    model = tiny("bart")
    inputs = batch("bart", model)
    before = state_of(model)
    first, second = capture(model), capture(model)
    first.__enter__()
    captured = second.__enter__()
    first.__exit__(None, None, None)
    model(**inputs)
    second.__exit__(None, None, None)
    assert_same_weights(captured.cross_attentions, eager_weights(model, inputs))
    assert state_of(model) == before


def test_two_models_at_once_get_each_its_own():
    bart, t5 = tiny("bart"), tiny("t5")
    with capture(bart) as of_bart, capture(t5) as of_t5:
        bart(**batch("bart", bart))
        t5(**batch("t5", t5))
    assert_same_forwards(of_bart, [eager_weights(bart, batch("bart", bart))])
    assert_same_forwards(of_t5, [eager_weights(t5, batch("t5", t5))])


# --- What cannot be captured.


SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 40}
NO_ENCODER = {
    transformers.LlamaForCausalLM: transformers.LlamaConfig(**SIZES),
    transformers.GPT2LMHeadModel: transformers.GPT2Config(vocab_size=40, n_embd=16, n_layer=2, n_head=2),
    transformers.BertModel: transformers.BertConfig(**SIZES),
}


@pytest.mark.parametrize("kind", NO_ENCODER)
def test_a_model_without_an_encoder_to_attend_to_gets_an_error_that_says_so(kind):
    model = kind(NO_ENCODER[kind])
    before = state_of(model)
    with pytest.raises((ValueError, RuntimeError), match=rf"{kind.__name__}.*encoder") as caught:  # noqa: PT012
        with capture(model) as captured:
            model(input_ids=torch.tensor([[5, 6, 7]]))
        _ = captured.cross_attentions
    assert "cross-attention" in str(caught.value)
    assert state_of(model) == before


@pytest.mark.parametrize(
    ("thing", "error", "message"),
    [
        (torch.nn.Linear(2, 2), ValueError, r"Linear has no cross-attention.*MarianMTModel"),
        ("Helsinki-NLP/opus-mt-de-en", TypeError, "takes a model.*got str"),
    ],
)
def test_what_is_no_model_with_attention_gets_an_error_that_names_it(thing, error, message):
    with pytest.raises(error, match=message), capture(thing):
        pass


@pytest.mark.parametrize("run", [lambda model: None, lambda model: model.get_encoder()(input_ids=torch.tensor([[5]]))])
def test_reading_when_no_decoder_ran_gets_an_error(run):
    model = tiny("marian")
    with capture(model) as captured:
        run(model)
    for read in (lambda: captured.cross_attentions, lambda: captured.forwards):
        with pytest.raises(RuntimeError, match=r"no cross-attention was captured.*MarianMTModel"):
            read()


def test_nan_parameters_are_told_on_reading_and_the_users_output_is_not_lost():
    model = tiny("bart")
    cross_attention_modules(model)[1].q_proj.weight[0, 0] = float("nan")
    captured, output = captured_run(model, batch("bart", model))
    assert output.logits.isnan().any()
    with pytest.raises(ValueError, match=r"layer 1 .*NaN.*parameters"):
        _ = captured.cross_attentions
