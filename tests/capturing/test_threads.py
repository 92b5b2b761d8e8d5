"""Models in several threads: a block sees the forwards of its own threads, whatever others run on the same model."""

import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from families import PAIRS, batch, eager_weights, one_thread, sources, state_of, tiny
from family_models import FAMILY
from family_parts import run
from threads import assert_same, no_grad
from transformers import TextIteratorStreamer

from xattn_widget import ablate, capture, extract
from xattn_widget.capturing.ablation import ablate_here

ROUNDS = 15


@pytest.fixture(autouse=True)
def _quick():
    with one_thread(), torch.no_grad():
        yield


def run_at_once(*works):
    """Runs each in its own thread, starting at the same moment; raises the error of any of them."""
    start = threading.Barrier(len(works))

    def begin(work):
        with torch.no_grad():  # each thread has its own setting
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
        model(**inputs[name], output_hidden_states=True)  # for this the library puts its own hooks on the model
    before = [state_of(model) for model in models.values()]

    def capturing(name):
        with capture(models[name]) as captured:
            models[name](**inputs[name])
        assert len(captured.forwards) == 1
        assert_same(captured.cross_attentions, expected[name])

    run_at_once(*[lambda name=name: capturing(name) for name in models])
    assert [state_of(model) for model in models.values()] == before


# By how their weights are obtained: through the attention interface, returned when asked, always returned.
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
    """Generates with a streamer, as users do."""
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
    with pytest.raises(RuntimeError, match="in a thread that was started before the block"):
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
        inside.set()  # now the other thread is inside the module too
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


def in_thread(work):
    """Runs ``work`` in a thread of its own."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def elsewhere():
    """A function that runs others in a thread that exists already, and waits for them."""
    pool = ThreadPoolExecutor(1)
    pool.submit(lambda: None).result()
    return lambda work: pool.submit(work).result()


def test_threads_that_others_start_while_the_block_is_open_are_not_seen():
    """A server starts a thread for each request."""
    model = tiny("bart")
    inputs, small = batch("bart", model), batch("bart", model, seed=4)
    plain = model(**inputs).logits
    there, outputs = elsewhere(), []
    request = no_grad(lambda: outputs.append(model(**inputs).logits))
    with capture(model) as captured, ablate(model, [(0, 0), (1, 1)]):
        there(lambda: in_thread(request))
        there(lambda: in_thread(lambda: in_thread(request)))
        with torch.no_grad():
            model(**small)
    assert len(captured.forwards) == 1
    assert captured.cross_attentions[0].shape[0] == small["input_ids"].shape[0]
    assert len(outputs) == 2
    assert all(torch.equal(output, plain) for output in outputs)


def test_threads_of_the_blocks_threads_are_seen_by_each_open_block_whenever_they_were_made():
    model = tiny("bart")
    inputs = batch("bart", model)
    work = no_grad(lambda: model(**inputs))
    made_before = threading.Thread(target=work)
    start = threading.Thread.start
    with capture(model) as outer:
        in_thread(lambda: in_thread(work))
        with capture(model) as inner, ThreadPoolExecutor(2) as pool:
            made_before.start()
            made_before.join()
            list(pool.map(lambda _: work(), range(2)))
            timer = threading.Timer(0, work)
            timer.start()
            timer.join()
        in_thread(work)
    in_thread(work)
    assert threading.Thread.start is start
    assert len(inner.forwards) == 4
    assert len(outer.forwards) == 6


def test_a_thread_that_outlives_the_block_goes_on_unseen():
    model = tiny("bart")
    inputs = batch("bart", model)
    plain = model(**inputs).logits
    inside, go_on, outputs = threading.Event(), threading.Event(), []

    def stop(*_):
        inside.set()
        assert go_on.wait(timeout=60)

    handle = model.model.decoder.layers[0].register_forward_pre_hook(stop)
    thread = threading.Thread(target=no_grad(lambda: outputs.extend(model(**inputs).logits for _ in range(2))))
    before = state_of(model)
    with capture(model) as captured:
        thread.start()
        assert inside.wait(timeout=60)
    go_on.set()
    thread.join()
    handle.remove()
    assert captured._forwards == []
    assert all(torch.equal(output, plain) for output in outputs)
    assert len(outputs) == 2
    assert before[0] == state_of(model)[0]


def test_somebody_else_may_wrap_thread_start_while_a_block_is_open(monkeypatch):
    model = tiny("bart")
    started = []
    block = capture(model)
    block.__enter__()
    ours = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", lambda thread: (started.append(thread), ours(thread)))
    theirs = threading.Thread.start
    block.__exit__(None, None, None)
    assert threading.Thread.start is theirs
    in_thread(lambda: None)
    with capture(model) as captured:
        in_thread(no_grad(lambda: model(**batch("bart", model))))
    assert threading.Thread.start is theirs
    assert len(captured.forwards) == 1
    assert len(started) == 2


def test_a_thread_that_a_block_starts_gets_its_own_run_back():
    model = tiny("bart")
    seen = []
    replaced = threading.Thread(target=seen.append, args=("target",))
    replaced.run = own = lambda: seen.append(vars(replaced)["run"])
    plain = threading.Thread(target=lambda: seen.append("run" in vars(plain)))
    failing = threading.Thread(target=seen.append, args=("never",))
    with capture(model):
        for thread in (replaced, plain):
            thread.start()
            thread.join()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threading, "_start_new_thread", refuse, raising=False)
            patch.setattr(threading, "_start_joinable_thread", refuse, raising=False)
            with pytest.raises(RuntimeError, match="can't start"):
                failing.start()
    assert seen == [own, False]
    assert "run" not in vars(failing)


def refuse(*_, **__):
    raise RuntimeError("can't start new thread")


def test_a_block_may_be_left_in_another_thread_or_context():
    model = tiny("bart")
    inputs = batch("bart", model)
    before, start = state_of(model), threading.Thread.start
    block = capture(model)
    in_thread(block.__enter__)
    in_thread(lambda: block.__exit__(None, None, None))
    assert state_of(model) == before
    assert threading.Thread.start is start
    with capture(model) as captured:
        model(**inputs)
    assert len(captured.forwards) == 1


def test_what_extract_runs_is_not_changed_by_threads_that_start_meanwhile(tmp_path):
    model, tokenizer = PAIRS["NLLB"](tmp_path)
    sentence, target = "Ich habe das Buch gelesen.", "I have read the book."
    expected = extract(model, tokenizer, sentence, target)
    ids = torch.tensor([[5, 6, 7]])
    other = no_grad(lambda: model(input_ids=ids, decoder_input_ids=ids).logits)
    plain, outputs = other(), []

    def start_another(*_):
        if threading.current_thread() is threading.main_thread():
            in_thread(lambda: outputs.append(other()))

    handle = model.get_encoder().register_forward_pre_hook(start_another)
    record = extract(model, tokenizer, sentence, target)
    with ablate_here(model, [(0, 0)]):
        in_thread(lambda: outputs.append(other()))
    handle.remove()
    assert torch.equal(record.weights, expected.weights)
    assert len(outputs) == 2
    assert all(torch.equal(output, plain) for output in outputs)


@pytest.mark.parametrize("name", ["NLLB", "Marian of two vocabularies"])
def test_a_thread_for_each_request_gets_what_one_thread_gets(name, tmp_path):
    """Eight at once, with a model in training mode and a tokenizer that switches to the side that it encodes."""
    model, tokenizer = PAIRS[name](tmp_path)
    model.train()
    german = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?", "Der Hund schläft unter dem Tisch."]
    english = ["I have read the book.", "When do you get up tomorrow?", "The dog sleeps under the table."]
    requests = [(german[index % 3], english[index % 3] if index % 4 else None) for index in range(12)]
    expected = [extract(model, tokenizer, *request) for request in requests]
    before, start, interval = state_of(model), threading.Thread.start, sys.getswitchinterval()
    failures = []

    def answer(index, gate):
        gate.wait(timeout=60)
        try:
            record, reference = extract(model, tokenizer, *requests[index]), expected[index]
            assert record.source.ids == reference.source.ids
            assert record.target.ids == reference.target.ids
            torch.testing.assert_close(record.weights, reference.weights, atol=1e-5, rtol=0)
        except BaseException as error:
            failures.append(error)

    sys.setswitchinterval(1e-4)
    try:
        for turn in range(12):
            gate = threading.Barrier(8)
            threads = [threading.Thread(target=answer, args=((turn + at) % 12, gate)) for at in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
    assert state_of(model) == before
    assert threading.Thread.start is start
