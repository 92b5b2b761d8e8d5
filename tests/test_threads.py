"""Models in several threads: each block sees the forwards of its own threads, whatever others run on the same model."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from families import batch, eager_weights, one_thread, sources, state_of, tiny
from family_models import FAMILY
from family_parts import run
from transformers import TextIteratorStreamer

from xattn_widget import ablate, capture

ROUNDS = 15


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def assert_same(actual, expected):
    assert len(actual) == len(expected) > 0
    for layer, reference in zip(actual, expected, strict=True):
        torch.testing.assert_close(layer, reference, atol=1e-5, rtol=0)


def run_at_once(*works):
    """Runs each in a thread of its own, all from the same moment on; raises what any of them raises."""
    start = threading.Barrier(len(works))

    def begin(work):
        with torch.no_grad():  # a setting of each thread
            start.wait(timeout=60)
            for _ in range(ROUNDS):
                work()

    with ThreadPoolExecutor(len(works)) as pool:
        for result in [pool.submit(begin, work) for work in works]:
            result.result()


def test_models_in_several_threads_do_not_disturb_each_other():
    models = {name: tiny(name) for name in ("bart", "t5", "marian", "whisper")}
    inputs = {name: batch(name, model) for name, model in models.items()}
    expected = {name: eager_weights(model, inputs[name]) for name, model in models.items()}
    for name, model in models.items():
        model(**inputs[name], output_hidden_states=True)  # the library puts hooks of its own on the model for it
    before = [state_of(model) for model in models.values()]

    def capturing(name):
        with capture(models[name]) as captured:
            models[name](**inputs[name])
        assert len(captured.forwards) == 1
        assert_same(captured.cross_attentions, expected[name])

    run_at_once(*[lambda name=name: capturing(name) for name in models])
    assert [state_of(model) for model in models.values()] == before


# By the way that their weights are had: through the attention interface, returned when asked, returned always.
@pytest.mark.parametrize("name", ["bart", "t5", "mvp", "fsmt", "vision_encoder_decoder (ViT, TrOCR)", "t5gemma2"])
def test_blocks_of_one_model_in_several_threads_see_each_its_own_forwards(name):
    model, inputs, layers = FAMILY[name].make()
    small = {key: value[:2].contiguous() for key, value in inputs.items()}
    everything = [(layer, head) for layer in range(layers) for head in range(2)]

    def reference(inputs):
        with capture(model) as captured:
            output = run(model, inputs).logits
        return captured.cross_attentions, output

    (weights, logits), (small_weights, small_logits) = reference(inputs), reference(small)
    with ablate(model, everything):
        without = run(model, inputs).logits
    assert not torch.equal(without, logits)
    before = state_of(model)

    def capturing(inputs, weights, logits):
        with capture(model) as captured:
            for _ in range(2):
                assert torch.equal(run(model, inputs).logits, logits)
        assert len(captured.forwards) == 2
        for forward in captured.forwards:
            assert_same(forward, weights)

    def switching_off():
        with ablate(model, everything):
            assert torch.equal(run(model, inputs).logits, without)

    def plain():
        assert torch.equal(run(model, inputs).logits, logits)

    run_at_once(
        lambda: capturing(inputs, weights, logits),
        lambda: capturing(small, small_weights, small_logits),
        switching_off,
        plain,
    )
    assert state_of(model) == before


def test_a_thread_that_is_started_inside_the_block_is_seen():
    """As one generates with a streamer."""
    model = tiny("bart")
    inputs = sources("bart", model)
    expected = [eager_weights(model, batch("bart", model))]

    def work():
        with torch.no_grad():
            model(**batch("bart", model))

    with capture(model) as captured:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert len(captured.forwards) == 1
    assert_same(captured.cross_attentions, expected[0])

    class Tokens:
        def decode(self, ids, **_):
            return " ".join(map(str, ids))

    one = {key: value[:1] for key, value in inputs.items()}
    streamer = TextIteratorStreamer(Tokens(), timeout=60)
    options = {"do_sample": False, "max_new_tokens": 5, "min_new_tokens": 5}
    with capture(model) as alone:
        model.generate(**one, **options)
    with capture(model) as captured:
        thread = threading.Thread(target=model.generate, kwargs={**one, **options, "streamer": streamer})
        thread.start()
        assert "".join(streamer)
        thread.join()
    assert len(captured.forwards) == 5
    for forward, same in zip(captured.forwards, alone.forwards, strict=True):
        assert_same(forward, same)


def test_a_thread_that_was_there_before_is_not_seen_and_the_error_says_so():
    model = tiny("bart")
    inputs = batch("bart", model)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: None).result()  # starts its thread
        with capture(model) as captured, ablate(model, [(0, 0)]):
            elsewhere = pool.submit(lambda: model(**inputs).logits.detach()).result()
            here = model(**inputs).logits
        assert len(captured.forwards) == 1
        with capture(model) as nothing:
            pool.submit(lambda: model(**inputs)).result()
    assert torch.equal(elsewhere, model(**inputs).logits)
    assert not torch.equal(elsewhere, here)
    with pytest.raises(RuntimeError, match="in a thread that was there before the block"):
        _ = nothing.cross_attentions


def test_an_interrupt_in_one_thread_leaves_another_ones_block_as_it_is():
    model = tiny("bart")
    inputs = batch("bart", model)
    expected = eager_weights(model, inputs)
    before = state_of(model)
    inside, go_on = threading.Event(), threading.Event()
    attention = model.model.decoder.layers[1].encoder_attn
    main = threading.get_ident()

    def stop(*_):
        if threading.get_ident() == main:
            assert inside.wait(timeout=60)
            raise KeyboardInterrupt
        inside.set()  # here the other thread is inside the module too
        assert go_on.wait(timeout=60)

    def work():
        with torch.no_grad(), capture(model) as captured:
            model(**inputs)
        return captured.cross_attentions

    handle = attention.out_proj.register_forward_pre_hook(stop)
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(work)
        assert inside.wait(timeout=60)
        with pytest.raises(KeyboardInterrupt), capture(model):
            model(**inputs)
        go_on.set()
        assert_same(other.result(), expected)
    handle.remove()
    assert state_of(model) == before
