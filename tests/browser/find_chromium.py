"""Finds a Chromium for the browser tests, or installs one: `python tests/browser/find_chromium.py` prints its path.

On the PATH first; else with apt, where that needs no password; else with playwright's own installer. If none can be had
it says why and fails: browser tests are never skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class NoChromiumError(RuntimeError):
    """There is no Chromium; the message says what was tried."""


def find() -> str | None:
    """The path of a Chromium that starts, from the PATH or from playwright's own download."""
    for candidate in [*map(shutil.which, NAMES), playwright_path()]:
        if candidate and starts(candidate):
            return candidate
    return None


def find_or_fail() -> str:
    """As `find`, for the fixtures: a test run installs nothing behind one's back."""
    path = find()
    if path is None:
        raise NoChromiumError(f"No Chromium on the PATH (as {', '.join(NAMES)}). `make chromium` installs one.")
    return path


def find_or_install() -> str:
    """As `find`, and installs Chromium if there is none."""
    path = find()
    if path:
        return path
    tried = []
    for install in (install_with_apt, install_with_playwright):
        tried.append(install())
        path = find()
        if path:
            return path
    raise NoChromiumError(
        f"The browser tests need Chromium, and none could be had.\n- PATH: none of {', '.join(NAMES)} starts.\n- "
        + "\n- ".join(tried)
        + "\nInstall Chromium or Google Chrome so that one of these names is on the PATH, and try again."
    )


def starts(path: str) -> bool:
    """Whether it runs at all: Ubuntu's `chromium-browser`, say, may be a stub that only asks for a snap."""
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and "chrom" in result.stdout.lower()


def playwright_path() -> str | None:
    """Where playwright's own Chromium lies, or would lie. In a process of its own: the caller may run playwright."""
    code = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as playwright:\n    print(playwright.chromium.executable_path)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    path = result.stdout.strip()
    return path if os.path.exists(path) else None


def install_with_apt() -> str:
    """Tries apt-get; returns what came of it, in words."""
    if shutil.which("apt-get") is None:
        return "apt-get: not on this machine."
    if os.geteuid() == 0:
        apt_get = ["apt-get"]
    elif shutil.which("sudo") and subprocess.run(["sudo", "-n", "true"], check=False).returncode == 0:
        apt_get = ["sudo", "-n", "apt-get"]
    else:
        return "apt-get: neither root nor sudo without a password."
    return run([*apt_get, "update"], [*apt_get, "install", "-y", "chromium"])


def install_with_playwright() -> str:
    """Tries playwright's installer; returns what came of it, in words."""
    return run([sys.executable, "-m", "playwright", "install", "chromium"])


def run(*commands: Sequence[str]) -> str:
    """Runs the commands up to the first that fails, with their output on stderr; returns how it ended, in words."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in commands:
        line = " ".join(command)
        print(f"Chromium: {line}", file=sys.stderr)
        status = subprocess.run(command, stdout=sys.stderr, env=environment, check=False).returncode
        if status != 0:
            return f"{line}: exit status {status}."
    return f"{line}: ended well, but no Chromium that starts came of it."


if __name__ == "__main__":
    try:
        print(find_or_install())
    except NoChromiumError as error:
        sys.exit(str(error))
