"""Ctrl-C at every line: when a block is entered, left, and while a model runs in it; afterwards nothing is left."""

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
pytestmark = pytest.mark.usefixtures("single_thread", "answering_interrupts")


@pytest.fixture
def answering_interrupts():
    """Python's own handler of SIGINT, which a shell's background jobs start without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt():
    signal.raise_signal(signal.SIGINT)


def fail():
    raise TimeoutError("as the handler of an alarm does")


class Lines:
    """Traces the lines of the package and of contextlib, and acts at one of them."""

    def __init__(self, place=None, act=None):
        self.passed, self._place, self._act = [], place, act

    def __enter__(self):
        sys.settrace(self._call)

    def __exit__(self, *details):
        sys.settrace(None)

    def _call(self, frame, event, argument):
        return self._line if frame.f_code.co_filename.startswith((FOLDER, contextlib.__file__)) else None

    def _line(self, frame, event, argument):
        if event == "line":
            self.passed.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.passed) - 1 == self._place:
                self._act()
        return self._line

    @property
    def places(self):
        """The first and the last time of each line."""
        first = {line: place for place, line in reversed(list(enumerate(self.passed)))}
        return sorted({*first.values(), *{line: place for place, line in enumerate(self.passed)}.values()})


def small(name="bart"):
    layers = {"num_layers": 1, "num_decoder_layers": 1} if name == "t5" else {"encoder_layers": 1, "decoder_layers": 1}
    return tiny(name, **layers)


def process_state(model):
    """What a block may change. Quicker than families.state_of, which copies every config."""
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
    """Runs ``work`` once for each of its lines, with ``act`` at that line; what it leaves must not change."""
    for _ in range(2):  # the first time fills caches
        whole = Lines()
        work(whole)
    before = state()
    assert len(whole.places) > 30
    for place in whole.places[::step]:
        # No exception but a tracer's comes between a body and the end of its lock. SIGINT is held back there anyway.
        if act is fail and linecache.getline(*whole.passed[place]).strip().startswith("with lock"):
            continue
        with pytest.raises(error) as caught:  # and its traceback keeps all frames
            work(Lines(place, act))
        assert state() == before, whole.passed[place]
        del caught
    assert is_free(lock)


def is_free(lock):
    """Whether another thread can have it."""
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
def test_an_exception_at_any_line_of_entry_and_exit_leaves_nothing(name, act, error, monkeypatch):
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
def test_an_interrupt_at_any_line_of_a_forward_does_not_disturb_the_next_one(name):
    model, inputs, _ = FAMILY[name].make()
    model.eval()
    inner = model.model  # a part of it that the interrupted forward may have been inside or not
    with torch.no_grad():
        plain = model(**inputs).logits
        with capture(model) as captured:
            model(**inputs)
        expected = captured.cross_attentions
        before = process_state(model)
        whole = Lines()
        with capture(model), whole:
            model(**inputs)
        places = whole.places
        for place in places[:: len(places) // 20]:
            with capture(model) as captured:
                with pytest.raises(KeyboardInterrupt) as caught, Lines(place, interrupt):
                    model(**inputs)
                inner(**inputs)
                assert torch.equal(model(**inputs).logits, plain)
            assert len(captured.forwards) in (2, 3), whole.passed[place]  # 3: it came after the forward
            for forward in captured.forwards:
                for layer, reference in zip(forward, expected, strict=True):
                    torch.testing.assert_close(layer, reference, atol=1e-5, rtol=0)
            assert process_state(model) == before
            del caught


def test_an_interrupt_while_a_corpus_is_scored_leaves_the_model_as_it_was():
    model, tokenizer = load_demo()
    model.train()
    before = process_state(model)
    entered = Lines()

    def work(lines):
        with lines:
            score_corpus(model, tokenizer, ["Ja.", "Nein."], ["Yes.", "No."], "entropy", progress=False)

    work(Lines())
    work(entered)
    files = ("worker.py", "forward.py", "blocks.py", "pairing.py", "products.py", "local.py", "hooks.py")
    places = [place for place in entered.places if entered.passed[place][0].endswith(files)]
    for place in places[:: len(places) // 15]:
        with pytest.raises(KeyboardInterrupt):
            work(Lines(place, interrupt))
        assert process_state(model) == before, entered.passed[place]


def test_an_interrupt_at_any_line_of_a_widgets_call_leaves_its_model_free():
    model = small()
    told = []
    worker = Worker(model, told.append, lambda text: None)

    def state():
        lines = []
        other = threading.Thread(target=lambda: worker.run(lambda call: lines.append("ran")))
        other.start()
        other.join(timeout=20)
        return lines, worker.is_busy, told[-1]

    def work(lines):
        with lines:
            worker.run(lambda call: None)

    every_line(work, state, interrupt, KeyboardInterrupt)


def test_an_interrupt_that_is_held_back_goes_to_the_programs_own_handler_once():
    got = []

    def handler(number, frame):
        got.append((number, signal.getsignal(signal.SIGINT) is handler))

    def begin(cleanup):
        cleanup.add(interrupt)
        interrupt()
        with Block(lambda inner: interrupt()):
            assert got == []
        assert got == []

    before = signal.signal(signal.SIGINT, handler)
    try:
        with Block(begin):
            assert got == [(signal.SIGINT, True)] * 2
        assert got == [(signal.SIGINT, True)] * 3
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with Block(lambda cleanup: interrupt()):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(got) == 3


def test_a_block_in_another_thread_leaves_the_handler_alone():
    handler, seen = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=Block(lambda _: seen.append(signal.getsignal(signal.SIGINT))).__enter__)
    thread.start()
    thread.join()
    assert seen == [handler]


@pytest.mark.skipif(sys.platform == "win32", reason="asyncio has no signal handlers there")
def test_a_handler_of_asyncio_is_called_once():
    async def main():
        calls = []
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, calls.append, "interrupt")
        with Block(lambda cleanup: interrupt()):
            await asyncio.sleep(0.05)
        loop.remove_signal_handler(signal.SIGINT)
        return calls

    assert asyncio.run(main()) == ["interrupt"]


def test_blocks_are_undone_when_nobody_leaves_them():
    model = small()
    before = process_state(model)
    block = capture(model)
    block.__enter__()
    assert process_state(model) != before
    with pytest.raises(RuntimeError, match="open already"):
        block.__enter__()
    del block
    assert process_state(model) == before

    def hold():
        with capture(model) as captured:
            yield captured

    holding = hold()
    model_inputs = batch("bart", model)
    captured = next(holding)
    model(**model_inputs)
    assert len(captured.forwards) == 1
    del holding
    assert process_state(model) == before


def test_a_block_decorates_a_function_and_opens_in_each_call():
    model = small()
    inputs = batch("bart", model)
    without = ablate(model, [(0, 0)])(lambda: model(**inputs).logits)
    plain = model(**inputs).logits
    assert not torch.equal(without(), plain)
    assert torch.equal(without(), without())
    assert torch.equal(model(**inputs).logits, plain)


def test_a_block_inside_a_compiled_function_is_refused_and_leaves_nothing():
    model = small()
    inputs = batch("bart", model)
    before = process_state(model)

    def inside():
        with capture(model):
            return model(**inputs).logits

    with pytest.raises(RuntimeError, match="open the block around the call"):
        torch.compile(inside, backend="eager")()
    assert process_state(model) == before
    with capture(model) as captured:
        model(**inputs)
    assert len(captured.forwards) == 1
    assert process_state(model) == before
    torch.compiler.reset()
