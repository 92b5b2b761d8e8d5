"""The engine for one machine: reads, encodes and writes in threads while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from xattn_widget.corpus.engine.worker import Worker
from xattn_widget.corpus.job import Job
from xattn_widget.corpus.memory import give_back_memory
from xattn_widget.corpus.sources.rows import Rows, Window, cut_windows
from xattn_widget.corpus.store.shards import Store
from xattn_widget.inputs.paired import PairedModel

Item = TypeVar("Item")


def run_locally(
    paired: PairedModel, job: Job, rows: Rows, size: int, store: Store, advance: Callable[[int], object]
) -> int:
    """Score the windows that the store lacks. Returns how many windows the rows have."""
    windows = 0

    def missing() -> Iterator[Window]:
        nonlocal windows
        for window in cut_windows(rows.read(), size):
            windows += 1
            if not store.has(window):
                yield window

    with ThreadPoolExecutor(1) as pool, Worker(paired, job) as worker:
        writing: Future[None] | None = None
        for prepared in ahead(worker.prepare(window) for window in missing()):
            table = worker.score(prepared, advance)
            if writing is not None:
                writing.result()  # raises the error of that thread, if any
            writing = pool.submit(store.write, prepared.window.number, prepared.window.digest, table)
            give_back_memory()
        if writing is not None:
            writing.result()
    return windows


def ahead(items: Iterator[Item]) -> Iterator[Item]:
    """The items, each produced in another thread while the previous one is in use."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming: Future[Any] = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item
