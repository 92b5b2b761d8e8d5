"""The engine for many workers: the same job on Ray Data, where each worker has its own copy of the model.

The rows stream from the driver's machine, one window at a time, to whichever worker is free. If the output is in shared
storage, the worker writes the scored window there. Otherwise it streams back to the driver, which stores it as the
local engine does. If a worker dies, Ray restarts it and its window, up to a few times.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import torch

from xattn_widget._compat import ray_read_task
from xattn_widget.corpus.engine.worker import Worker
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.memory import give_back_memory, keep_fewer_kernels
from xattn_widget.corpus.sources.rows import Rows, cut_windows
from xattn_widget.corpus.store.dataset import Part
from xattn_widget.corpus.store.shards import Store
from xattn_widget.corpus.store.shared import PartWriter, SharedStore
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.messages.quiet import quiet_logger
from xattn_widget.record.heads import check_whole

# When this many workers have died on one window, the job ends with an error. Machines do go away, and Ray would restart
# workers forever; but the user must learn about sentences that exhaust the memory of every worker.
_MOST_DEATHS = 4


def check_installed() -> None:
    """Raise an ImportError unless Ray Data is installed."""
    if importlib.util.find_spec("ray") is None:
        raise ImportError("engine='ray' needs Ray Data: pip install 'xattn-widget[ray]'")


def run_on_ray(
    paired: PairedModel,
    job: Job,
    rows: Rows,
    size: int,
    store: Store,
    advance: Callable[[int], object],
    *,
    workers: int | None,
    gpus: bool | None,
    address: str | None,
) -> None:
    """Score the windows that the store does not have.

    Raises:
        TypeError: a function of the user cannot be sent to workers.
        ValueError: the cluster has fewer CPUs or GPUs than the workers need, or scoring raised one.
        ConnectionError: there is no cluster at the address.
        RuntimeError: one worker after another died on the same rows.
    """
    import ray
    from ray.data import ActorPoolStrategy, read_datasource

    if workers is not None:
        check_whole(workers, "workers")
    _check_sendable(job)
    with _connected(address, workers), _quiet():
        count, with_gpu = _plan(ray.cluster_resources(), workers, gpus)  # type: ignore[no-untyped-call]
        with _on_cpu(paired.model):  # a worker may not have the model's device
            # Passed by reference and kept alive here, because a restarted worker fetches it again.
            shared = ray.put((paired, job))
        reading = ray.put(rows)
        here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}  # where the files are
        writer = store.writer if isinstance(store, SharedStore) else None
        attempts = ray.remote(num_cpus=0, label_selector=here)(Attempts).remote()
        dataset = read_datasource(
            _make_source(reading, size, set(store.done)),
            override_num_blocks=1,
            num_cpus=0,  # otherwise workers on all CPUs would leave none for it, and everything would wait forever
            label_selector=here,
        ).map_batches(
            RemoteWorker,
            fn_constructor_args=([shared], attempts, with_gpu, writer),
            batch_size=1,
            compute=ActorPoolStrategy(size=count),
            num_cpus=1,
            num_gpus=1 if with_gpu else 0,
        )
        for answer in dataset.iter_rows():
            if answer["failure"]:
                raise pickle.loads(answer["failure"])
            if isinstance(store, SharedStore):
                store.add(Part(**json.loads(answer["part"])))
            else:
                table = pa.ipc.open_stream(answer["table"]).read_all()
                store.write(answer["number"], answer["digest"], table)
            advance(answer["rows"])


def _check_sendable(job: Job) -> None:
    """Raise a TypeError that names the function of the user that cannot be pickled; Ray's would not."""
    from ray import cloudpickle

    functions: dict[str, Any] = {f"the score {score.name}": score.function for score in job.scores}
    functions["the function in targets"] = job.write_targets
    functions["what special is"] = job.special
    functions |= {f"the argument {name!r}": value for name, value in job.extras.values.items()}
    for name, function in functions.items():
        try:
            cloudpickle.dumps(function)  # type: ignore[no-untyped-call]
        except Exception as error:  # whatever an object raises
            raise TypeError(
                f"{name} cannot be sent to the workers, because something that it uses cannot be pickled "
                f"({str(error).splitlines()[0] if str(error) else type(error).__name__}): let it make this thing where "
                "it is first used, or run with engine='local'"
            ) from error


class Attempts:
    """Counts how often each window was started. Runs on the driver's machine, where it outlives the workers."""

    def __init__(self) -> None:
        self._counts = Counter[int]()

    def begin(self, window: int) -> int:
        """Count another start of a window; returns how often it was started before."""
        self._counts[window] += 1
        return self._counts[window] - 1


class RemoteWorker:
    """A worker on a machine of the cluster."""

    def __init__(self, shared: list[Any], attempts: Any, with_gpu: bool, writer: PartWriter | None) -> None:
        import ray

        keep_fewer_kernels()
        paired, job = ray.get(shared[0])
        if not with_gpu:
            torch.set_num_threads(1)  # it has one CPU
        self._attempts = attempts
        if with_gpu:
            paired.model.to("cuda")
        self._worker = Worker(paired, job)
        self._writer = writer

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Score one window: pickled rows in, an Arrow stream out, or what was written to shared storage.

        Errors are returned, because Ray would try again.
        """
        import ray

        window = pickle.loads(batch["window"][0])
        content, part, failure = b"", "", b""
        try:
            if ray.get(self._attempts.begin.remote(window.number)) >= _MOST_DEATHS:
                raise RuntimeError(
                    f"{_MOST_DEATHS} workers died while they scored rows {window.first} to "
                    f"{window.first + len(window.rows) - 1}, most likely because memory ran out: pass a smaller "
                    "batch_tokens, or fewer workers. If there is an output, scored rows are kept"
                )
            with self._worker as worker:
                table = worker.score(worker.prepare(window))
            if self._writer is None:
                content = _serialized(table)
            else:
                part = json.dumps(self._writer.write(window.number, window.digest, table)._asdict())
        except Exception as error:
            failure = _pickled(error)
        give_back_memory()
        return {
            "number": [window.number],
            "rows": [len(window.rows)],  # a long recording has several rows in the table
            "digest": [window.digest],
            "table": [content],
            "part": [part],
            "failure": [failure],
        }


def _serialized(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _pickled(error: Exception) -> bytes:
    try:
        pickle.loads(pickle.dumps(error))
        return pickle.dumps(error)
    except Exception:
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _make_source(reading: Any, size: int, done: set[int]) -> Any:
    """A source for Ray Data with one block per unfinished window; a single task reads them on demand."""
    import ray
    from ray.data import Datasource

    def read() -> Iterator[pa.Table]:
        rows = ray.get(reading)
        for window in cut_windows(rows.read(), size):
            if window.number not in done:
                yield pa.table({"window": pa.array([pickle.dumps(window)], pa.binary())})

    class Windows(Datasource):
        def estimate_inmemory_data_size(self) -> None:
            return None

        def get_read_tasks(self, parallelism: int, *args: Any, **options: Any) -> list[Any]:
            return [ray_read_task(read)]

    return Windows()  # type: ignore[no-untyped-call]


def _plan(resources: dict[str, float], workers: int | None, gpus: bool | None) -> tuple[int, bool]:
    """The number of workers, and whether each has a GPU. Ray would wait forever for more than the cluster has."""
    cpu, gpu = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    with_gpu = gpu > 0 if gpus is None else gpus
    available = gpu if with_gpu else cpu
    count = available if workers is None else workers
    if not 0 < count <= min(cpu, available):
        raise ValueError(
            f"{count} workers need {count} {'GPUs and CPUs' if with_gpu else 'CPUs'}, the cluster has {gpu} GPUs and "
            f"{cpu} CPUs: ask for fewer workers, or start more nodes"
        )
    return count, with_gpu


@contextmanager
def _on_cpu(model: torch.nn.Module) -> Iterator[None]:
    """Move the model itself to the CPU inside the block, and back to its device afterwards."""
    home: Any = model.device
    if home.type == "cpu":
        yield
        return
    model.to("cpu")
    try:
        yield
    finally:
        model.to(home)


@contextmanager
def _connected(address: str | None, workers: int | None) -> Iterator[None]:
    """Connect to a cluster: the one in use by this process, the one at the address, or a new one on this machine.

    A new cluster is told not to report usage, by the environment variable ``RAY_USAGE_STATS_ENABLED``, unless the
    variable is already set. The connection and the variable last as long as the block.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    # Logical CPUs: workers share the machine's CPUs if there are fewer.
    options: dict[str, Any] = (
        {} if address else {"num_cpus": max(workers or 1, os.cpu_count() or 1), "include_dashboard": False}
    )
    with quiet_logger("ray", logging.ERROR), _usage_reports_off():
        try:
            # "local": without an address, Ray would look for a cluster that runs on this machine.
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
            yield
        finally:
            ray.shutdown()


@contextmanager
def _usage_reports_off() -> Iterator[None]:
    name = "RAY_USAGE_STATS_ENABLED"
    if name in os.environ:
        yield
        return
    os.environ[name] = "0"
    try:
        yield
    finally:
        os.environ.pop(name, None)


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside the block, keep each window in its own Ray block, and silence Ray Data's progress bars and reports."""
    from ray.data import DataContext

    context = DataContext.get_current()
    before = context.target_max_block_size, context.enable_progress_bars
    context.target_max_block_size, context.enable_progress_bars = 1, False
    try:
        with quiet_logger("ray.data"):  # errors are raised
            yield
    finally:
        context.target_max_block_size, context.enable_progress_bars = before
