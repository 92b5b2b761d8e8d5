"""What the package changes for the whole process is afterwards as it was before, after an error too."""

import logging
import os
import signal
import subprocess
import sys
import threading
import warnings

import pytest
import torch
from families import batch, tiny
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.utils.logging import disable_progress_bar, enable_progress_bar, is_progress_bar_enabled

from xattn_widget import ablate, capture, extract, load_demo, score_corpus
from xattn_widget.cli import main
from xattn_widget.messages.quiet import no_loading_bars, quiet_logger, quiet_warnings

pytestmark = pytest.mark.usefixtures("single_thread")
LOGGERS = ("transformers", "huggingface_hub", "ray", "ray.data")
# from_pretrained draws random numbers.
DRAWN = {"random numbers": None}
SAMPLING = {"do_sample": True, "max_new_tokens": 3}


def process_state():
    from torch._dynamo import eval_frame

    return {
        "SIGINT": signal.getsignal(signal.SIGINT),
        "hooks of Python": (sys.excepthook, threading.excepthook, sys.displayhook),
        "start of threads": threading.Thread.start,
        "stance of torch.compile": eval_frame._stance,
        "attention functions": sorted(ALL_ATTENTION_FUNCTIONS.keys()),
        "gradient": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "random numbers": torch.get_rng_state().tolist(),
        "threads of torch": torch.get_num_threads(),
        "types": (torch.get_default_dtype(), torch.get_autocast_dtype("cpu"), torch.is_autocast_enabled("cpu")),
        "libraries of torch": (torch.backends.mkldnn.enabled, torch.are_deterministic_algorithms_enabled()),
        "environment": {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"},
        "warnings": list(warnings.filters),
        "levels of logs": [logging.getLogger(name).level for name in LOGGERS],
        "level of all logs": logging.root.level,
        "progress bars": is_progress_bar_enabled(),
    }


def model_state(model):
    return [(id(getattr(module, "config", None)), sorted(vars(module)), module.training) for module in model.modules()]


def run_block(block, model, fails):
    with block:
        model(**batch("bart", model))
        if fails:
            raise RuntimeError("stop")


def run_corpus(model, tokenizer, fails):
    def score(attention, source_mask, target_mask):
        if fails and attention.shape[0] == 1:  # not when the score is tried at first
            raise RuntimeError("stop")
        return attention.amax((-2, -1))

    score_corpus(model, tokenizer, ["Ja."], scores=[score], generation=SAMPLING, progress=False, on_error="raise")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("make", [capture, lambda model: ablate(model, [(0, 1)])])
def test_a_block(make, fails):
    model = tiny("bart").train()
    torch.compile(lambda x: x, backend="eager")(torch.ones(1))  # so that there is a stance to change
    before = process_state(), model_state(model)
    with torch.random.fork_rng():  # dropout draws
        if fails:
            with pytest.raises(RuntimeError, match="stop"):
                run_block(make(model), model, fails)
        else:
            run_block(make(model), model, fails)
    assert (process_state(), model_state(model)) == before


@pytest.mark.parametrize("fails", [False, True])
def test_a_corpus_with_sampled_targets(fails, monkeypatch):
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")  # which would stay: oneDNN reads it once
    model, tokenizer = load_demo()
    model.train()
    before = process_state(), model_state(model)
    if fails:
        with pytest.raises((RuntimeError, ValueError), match="stop"):
            run_corpus(model, tokenizer, fails)
    else:
        run_corpus(model, tokenizer, fails)
    assert (process_state(), model_state(model)) == before


def test_extract_and_its_errors():
    model, tokenizer = load_demo()
    before = process_state(), model_state(model)
    extract(model, tokenizer, "Ja.", "Yes.")
    with pytest.raises(ValueError, match="is empty"):
        extract(model, tokenizer, "", "Yes.")
    assert (process_state(), model_state(model)) == before


@pytest.mark.parametrize("shown", [False, True])
def test_loading_the_demo(shown):
    was = is_progress_bar_enabled()
    (enable_progress_bar if shown else disable_progress_bar)()
    try:
        before = process_state() | DRAWN
        load_demo()
        assert process_state() | DRAWN == before
    finally:
        (enable_progress_bar if was else disable_progress_bar)()


@pytest.mark.parametrize("fails", [False, True])
def test_the_command_line(tmp_path, monkeypatch, fails):
    corpus = tmp_path / "corpus.txt"
    corpus.write_text("Ja.\n", encoding="utf-8")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{", encoding="utf-8")
    name = str(tmp_path / "broken") if fails else "demo"
    arguments = ["score", str(corpus), "--model", name, "--output", str(tmp_path / "scored.parquet")]
    monkeypatch.setenv("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "128")
    before = process_state() | DRAWN
    assert main(arguments) == (1 if fails else 0)
    assert process_state() | DRAWN == before


def seen(level):
    logger = logging.getLogger("huggingface_hub")
    return logger.isEnabledFor(level), is_progress_bar_enabled()


def test_quiet_blocks_do_what_they_say_and_nothing_afterwards():
    before = process_state()

    def work():
        with quiet_logger("huggingface_hub"), no_loading_bars():
            assert seen(logging.ERROR) == (False, False)
            assert seen(logging.CRITICAL) == (True, False)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        work()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_warnings("not this"):
            warnings.warn("not this one", UserWarning, stacklevel=1)
            warnings.warn("but this one", UserWarning, stacklevel=1)
        with quiet_warnings():
            warnings.warn("nor that", UserWarning, stacklevel=1)
        warnings.warn("not this again", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in caught] == ["but this one", "not this again"]
    assert process_state() == before


# --- Ray, without a cluster.


@pytest.fixture
def no_cluster(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    return ray


@pytest.mark.parametrize("fails", ["to connect", "inside", ""])
@pytest.mark.parametrize("given", [None, "1"])
def test_a_connection_to_ray(no_cluster, monkeypatch, fails, given):
    from xattn_widget.corpus.engine import cluster

    settings = []

    def init(**options):
        settings.append((os.environ["RAY_USAGE_STATS_ENABLED"], logging.getLogger("ray").level))
        logging.getLogger("ray").setLevel(options["logging_level"])
        if fails == "to connect":
            raise ConnectionError("stop")

    monkeypatch.setattr(no_cluster, "init", init)
    if given:
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", given)

    def connect():
        with cluster._connected(None, 1), cluster._quiet():
            assert not no_cluster.data.DataContext.get_current().enable_progress_bars
            assert not logging.getLogger("ray.data").isEnabledFor(logging.ERROR)
            if fails:
                raise ConnectionError("stop")

    from ray.data import DataContext

    before = process_state(), vars(DataContext.get_current()).copy()
    if fails:
        with pytest.raises(ConnectionError, match="stop"):
            connect()
    else:
        connect()
    assert (process_state(), vars(DataContext.get_current())) == before
    assert settings == [(given or "0", logging.ERROR)]


def test_a_model_that_cannot_be_sent_to_workers_is_on_its_device_again():
    from xattn_widget.corpus.engine import cluster

    model = tiny("bart").to("meta")
    with pytest.raises(NotImplementedError), cluster._on_cpu(model):  # weights on "meta" cannot be moved
        pass
    model = tiny("bart")
    with pytest.raises(RuntimeError, match="stop"), cluster._on_cpu(model):
        raise RuntimeError("stop")
    assert model.device.type == "cpu"


def test_importing_the_package_outside_ipython_registers_nothing():
    """In IPython it adds formatters of Arrow tables, which leave other tables alone: tests/corpus/test_display.py."""
    program = (
        "import sys, xattn_widget\n"
        "assert 'IPython' not in sys.modules\n"
        "import IPython\n"
        "shell = IPython.core.interactiveshell.InteractiveShell()\n"
        "formatters = shell.display_formatter.formatters.values()\n"
        "assert all(formatter.for_type_by_name('pyarrow.lib', 'Table') is None for formatter in formatters)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
