"""Measure what our own code adds to the time of importing the modules that it needs.

    python tests/benchmarks/bench_imports.py [--repeats N] [--write]

Each run is a new process. The runs alternate between four kinds: (a) ``import torch, transformers``; (b) those and a
class of models; (c) all public names of ``xattn_widget``; (d) first all modules of other packages that (c) imports, in
the same order, then all public names. The second step of (d) is our own share: the time of our modules, and of modules
of the standard library that nothing else has imported. The first run of each kind is not counted: it compiles modules
and reads them from the disk.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from typing import Any

from results import Results, add_write_option, libraries

# Any name that is imported makes lazy_loader import the module that defines it.
OURS = "from xattn_widget import *"
MODULES = f"""
import json, sys
{OURS}
known = {{*sys.stdlib_module_names, "xattn_widget", "__main__", "__mp_main__"}}
print(json.dumps([name for name in sys.modules if name.partition(".")[0] not in known]))
"""
TIMED = """
import json, time
started = time.perf_counter()
{}
print(json.dumps([time.perf_counter() - started]))
"""
SPLIT = f"""
import importlib, json, sys, time
names = json.load(sys.stdin)
started = time.perf_counter()
for name in names:
    importlib.import_module(name)
others, before = time.perf_counter() - started, set(sys.modules)
started = time.perf_counter()
{OURS}
ours, new = time.perf_counter() - started, sys.modules.keys() - before
print(json.dumps([others, ours, len([name for name in new if name.partition(".")[0] == "xattn_widget"])]))
more = [name for name in new if name.partition(".")[0] not in {{"xattn_widget", *sys.stdlib_module_names}}]
assert not more, f"imported by our code alone: {{more}}"
"""
BARE = "import torch, transformers"
KINDS = {
    "bare": TIMED.format(BARE),
    "model": TIMED.format(f"{BARE}; from transformers import MarianMTModel, MarianTokenizer"),
    "ours": TIMED.format(OURS),
    "split": SPLIT,
}


def run(code: str, given: str = "") -> Any:
    """What a new process prints, as JSON. It may write bytecode, as the processes of users do."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    return json.loads(subprocess.run(command, input=given, stdout=-1, text=True, check=True, env=environment).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    add_write_option(parser, "imports")
    options = parser.parse_args()
    names = json.dumps(run(MODULES))
    found: dict[str, list[list[float]]] = {kind: [] for kind in KINDS}
    for repeat in range(options.repeats + 1):
        for kind in list(KINDS) if repeat % 2 == 0 else list(reversed(KINDS)):
            seconds = run(KINDS[kind], names)
            if repeat:
                found[kind].append(seconds)
    medians = {kind: [statistics.median(column) for column in zip(*rows, strict=True)] for kind, rows in found.items()}
    [bare], [model], [ours], [others, own, count] = medians.values()
    versions = libraries(f"Python {platform.python_version()}")
    results = Results(options.write, f"{versions}; medians of {options.repeats} processes of each kind")
    results.table(["imported", "time"])
    results.row(["`import torch, transformers`", f"{bare:.2f} s"])
    results.row(["the same, and a class of models and its tokenizer", f"{model:.2f} s"])
    results.row(["all modules of other packages that all public names need", f"{others:.2f} s"])
    results.row([f"after those, all public names: {count:.0f} modules of our own", f"{own:.2f} s"])
    results.row(["all public names, in a new process", f"{ours:.2f} s"])
    results.save()


if __name__ == "__main__":
    main()
