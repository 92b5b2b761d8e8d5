"""Jobs outside the thread of the kernel, in threads that all widgets share."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

logger = logging.getLogger("xattn_widget")


class Background:
    """Threads that run jobs in the order in which they were submitted."""

    def __init__(self, name: str, count: int = 1) -> None:
        self._name, self._count = name, count
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start the threads that are not running: all of them at first, and again in a forked process."""
        with self._lock:
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            while len(self._threads) < self._count:
                # Daemons, so that a job that never ends does not keep the process alive.
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                thread.start()
                self._threads.append(thread)

    def put(self, job: Callable[[], object]) -> None:
        """Run ``job`` in one of the threads."""
        self.start()
        self._jobs.put(job)

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            try:
                job()
            except BaseException:  # other jobs need the thread: not even SystemExit may end it
                logger.exception("a job of the thread %s failed", self._name)
            del job  # otherwise its widget would live until the next job
