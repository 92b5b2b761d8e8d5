"""The peak memory of this process, for benchmarks that compare processes."""

import re
from pathlib import Path


def peak_megabytes_here() -> float:
    """Return the peak resident memory of this process, in megabytes (Linux only).

    getrusage does not work here: a process inherits its figure from the process that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]
