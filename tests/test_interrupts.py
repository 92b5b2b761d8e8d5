"""Ctrl-C at any line, while a block is entered or left or a model runs in it, leaves nothing behind."""

import asyncio
import contextlib
import linecache
import os
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from families import batch, eager_weights, tiny
from family_models import FAMILY
from torch._dynamo import eval_frame
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

import xattn_widget
from xattn_widget import ablate, capture, load_demo, score_corpus
from xattn_widget.capturing.blocks import Block
from xattn_widget.capturing.threads import lock
from xattn_widget.corpus.engine import products
from xattn_widget.inputs.evaluating import evaluating
from xattn_widget.widget.jobs import Worker

FOLDER = os.path.dirname(xattn_widget.__file__)
pytestmark = pytest.mark.usefixtures("single_thread", "default_interrupt_handler")


@pytest.fixture
def default_interrupt_handler():
    """Python's default SIGINT handler, which is missing in background jobs of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def fail():
    raise TimeoutError("as an alarm handler would raise it")


class Lines:
    """Traces the lines of the package and of contextlib, and calls ``act`` at one of them."""

    def __init__(self, place=None, act=None):
        self.executed, self._place, self._act = [], place, act

    def __enter__(self):
        sys.settrace(self._call)

    def __exit__(self, *details):
        sys.settrace(None)

    def _call(self, frame, event, argument):
        return self._line if frame.f_code.co_filename.startswith((FOLDER, contextlib.__file__)) else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.executed.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.executed) - 1 == self._place:
                self._act()
        return self._line

    @property
    def places(self):
        """The positions of the first and the last run of each line."""
        first = {line: place for place, line in reversed(list(enumerate(self.executed)))}
        return sorted({*first.values(), *{line: place for place, line in enumerate(self.executed)}.values()})


def small(name="bart"):
    layers = {"num_layers": 1, "num_decoder_layers": 1} if name == "t5" else {"encoder_layers": 1, "decoder_layers": 1}
    return tiny(name, **layers)


def process_state(model):
    """Return everything that a block may change. Faster than families.state_of, which copies every config."""
    modules = [
        (
            sorted(vars(module)),
            [len(value) for key, value in vars(module).items() if "hook" in key and value],
            id(getattr(module, "config", None)),
            module.training,
        )
        for module in model.modules()
    ]
    process = threading.Thread.start, signal.getsignal(signal.SIGINT), torch.is_grad_enabled(), eval_frame._stance
    return modules, sorted(ALL_ATTENTION_FUNCTIONS.keys()), process


def every_line(work, state, act, error, step=1):
    """Run ``work`` once for each of its lines, with ``act`` at that line; the state must be the same afterwards."""
    for _ in range(2):  # the first run fills caches
        full_run = Lines()
        work(full_run)
    before = state()
    assert len(full_run.places) > 30
    for place in full_run.places[::step]:
        # Only a tracer can raise between the body of a lock and its release, and SIGINT is deferred there anyway.
        if act is fail and linecache.getline(*full_run.executed[place]).strip().startswith("with lock"):
            continue
        with pytest.raises(error) as caught:  # the traceback keeps all frames alive
            work(Lines(place, act))
        assert state() == before, full_run.executed[place]
        del caught
    assert is_free(lock)


def is_free(lock):
    """Return whether another thread can acquire the lock."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: lock.acquire(timeout=10) and (lock.release() or True)).result()


def block_work(make):
    def work(lines):
        with lines:
            block = make()
            with block:
                pass

    return work


MODELS = {"capture": "bart", "capture t5": "t5", "ablate": "bart", "evaluating": "bart", "products": "bart"}


def make_block(name, model, monkeypatch):
    if name == "products":
        monkeypatch.setattr(products, "_mkl_is_slow", lambda: True)
        monkeypatch.setattr(products, "_LEAST_WEIGHTS", 1)
        return lambda: products.faster_products(model)
    makers = {"ablate": lambda: ablate(model, [(0, 0)]), "evaluating": lambda: evaluating(model)}
    return makers.get(name, lambda: capture(model, value_norms=True))


@pytest.mark.parametrize(("act", "error"), [(interrupt, KeyboardInterrupt), (fail, TimeoutError)])
@pytest.mark.parametrize("name", MODELS)
def test_an_exception_at_any_line_of_entry_or_exit_leaves_nothing_behind(name, act, error, monkeypatch):
    model = small(MODELS[name])
    inputs = batch(MODELS[name], model)
    with torch.no_grad():
        plain, expected = model(**inputs).logits, eager_weights(model, inputs)
    model.train()
    work = block_work(make_block(name, model, monkeypatch))
    every_line(work, lambda: process_state(model), act, error, step=2 if name == "capture" else 8)
    model.eval()
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, plain)
        with capture(model) as captured:
            assert torch.equal(model(**inputs).logits, plain)
    assert len(captured.forwards) == 1
    torch.testing.assert_close(captured.cross_attentions[0], expected[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["bart", "fsmt", "mvp"])
def test_an_interrupt_at_any_line_of_a_forward_does_not_affect_the_next_one(name):
    model, inputs, _ = FAMILY[name].make()
    model.eval()
    inner = model.model  # a submodule; the interrupted forward may have been inside it
    with torch.no_grad():
        plain = model(**inputs).logits
        with capture(model) as captured:
            model(**inputs)
        expected = captured.cross_attentions
        before = process_state(model)
        full_run = Lines()
        with capture(model), full_run:
            model(**inputs)
        places = full_run.places
        for place in places[:: len(places) // 20]:
            with capture(model) as captured:
                with pytest.raises(KeyboardInterrupt) as caught, Lines(place, interrupt):
                    model(**inputs)
                inner(**inputs)
                assert torch.equal(model(**inputs).logits, plain)
            assert len(captured.forwards) in (2, 3), full_run.executed[place]  # 3: interrupted after the forward
            for forward in captured.forwards:
                for layer, reference in zip(forward, expected, strict=True):
                    torch.testing.assert_close(layer, reference, atol=1e-5, rtol=0)
            assert process_state(model) == before
            del caught


def test_an_interrupt_during_score_corpus_leaves_the_model_unchanged():
    model, tokenizer = load_demo()
    model.train()
    before = process_state(model)
    full_run = Lines()

    def work(lines):
        with lines:
            score_corpus(model, tokenizer, ["Ja.", "Nein."], ["Yes.", "No."], "entropy", progress=False)

    work(Lines())
    work(full_run)
    engine = ("worker.py", "forward.py", "products.py", "local.py", "pairs.py")
    files = (*engine, "blocks.py", "hooks.py", "forwards.py", "interface.py", "taps.py", "uncompiled.py")
    places = [place for place in full_run.places if full_run.executed[place][0].endswith(files)]
    for place in places[:: len(places) // 15]:
        with pytest.raises(KeyboardInterrupt):
            work(Lines(place, interrupt))
        assert process_state(model) == before, full_run.executed[place]


def test_an_interrupt_at_any_line_of_a_widgets_call_releases_the_model():
    model = small()
    progress = []
    worker = Worker(model, progress.append, lambda text: None)

    def state():
        calls = []
        thread = threading.Thread(target=lambda: worker.run(lambda call: calls.append("ran")))
        thread.start()
        thread.join(timeout=20)
        return calls, worker.is_busy, progress[-1]

    def work(lines):
        with lines:
            worker.run(lambda call: None)

    every_line(work, state, interrupt, KeyboardInterrupt)


def test_a_deferred_interrupt_reaches_the_programs_own_handler_once():
    received = []

    def handler(number, frame):
        received.append((number, signal.getsignal(signal.SIGINT) is handler))

    def begin(cleanup):
        cleanup.add(interrupt)
        interrupt()
        with Block(lambda inner: interrupt()):
            assert received == []
        assert received == []

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Block(begin):
            assert received == [(signal.SIGINT, True)] * 2
        assert received == [(signal.SIGINT, True)] * 3
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Block(lambda cleanup: interrupt()):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(received) == 3


def test_a_block_in_another_thread_does_not_change_the_handler():
    handler, handlers = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=Block(lambda _: handlers.append(signal.getsignal(signal.SIGINT))).__enter__)
    thread.start()
    thread.join()
    assert handlers == [handler]


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no signal handlers there")
def test_a_handler_of_an_asyncio_loop_is_called_once():
    async def main():
        calls = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, calls.append, "interrupt")
        with Block(lambda cleanup: interrupt()):
            await asyncio.sleep(0.05)
        loop.remove_signal_handler(signal.SIGINT)
        return calls

    assert asyncio.run(main()) == ["interrupt"]


def test_blocks_that_are_never_left_are_undone():
    model = small()
    before = process_state(model)
    block = capture(model)
    block.__enter__()
    assert process_state(model) != before
    with pytest.raises(RuntimeError, match="open already"):
        block.__enter__()
    del block
    assert process_state(model) == before

    def suspended():
        with capture(model) as captured:
            yield captured

    generator = suspended()
    model_inputs = batch("bart", model)
    captured = next(generator)
    model(**model_inputs)
    assert len(captured.forwards) == 1
    del generator
    assert process_state(model) == before


def test_a_block_as_a_decorator_opens_in_each_call():
    model = small()
    inputs = batch("bart", model)
    ablated = ablate(model, [(0, 0)])(lambda: model(**inputs).logits)
    plain = model(**inputs).logits
    assert not torch.equal(ablated(), plain)
    assert torch.equal(ablated(), ablated())
    assert torch.equal(model(**inputs).logits, plain)


def test_a_block_inside_a_compiled_function_is_refused_and_leaves_nothing_behind():
    model = small()
    inputs = batch("bart", model)
    before = process_state(model)

    def compiled():
        with capture(model):
            return model(**inputs).logits

    with pytest.raises(RuntimeError, match="open the block around the call"):
        torch.compile(compiled, backend="eager")()
    assert process_state(model) == before
    with capture(model) as captured:
        model(**inputs)
    assert len(captured.forwards) == 1
    assert process_state(model) == before
    torch.compiler.reset()
