"""The peak memory of this process, for the benchmarks that compare processes."""

import re
from pathlib import Path


def peak_megabytes_here() -> float:
    """The most memory that this process has held at once, in megabytes (Linux).

    Not getrusage's figure: that one a process takes over from the one that started it.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024  # type: ignore[index]
