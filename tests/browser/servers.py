"""Servers for the browser tests: Jupyter, Voila, marimo and plain files, on the loopback, in temporary folders."""

from __future__ import annotations

import functools
import http.server
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# JupyterLab as a test wants it: no news, no look for updates, nothing that asks a question.
LAB_SETTINGS = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    "@jupyterlab/docmanager-extension:plugin": {"autosave": False},
}


def free_port() -> int:
    """A loopback port that nobody uses now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 90) -> None:
    """Returns when `url` answers; raises with the process's log if it ends or does not answer in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    how = "did not answer in time" if process.poll() is None else f"ended with exit status {process.returncode}"
    raise RuntimeError(f"{url}: the server {how}. Its log:\n{log.read_text(errors='replace')[-4000:]}")


@contextmanager
def server_process(command: list[str], url: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Runs a server until the block is left; it and its children are ended then."""
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            wait_until_it_answers(url, process, log)
            yield
        finally:
            process.terminate()  # both servers end their kernels on SIGTERM
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


@dataclass(frozen=True)
class JupyterServer:
    """A running JupyterLab or Notebook: its address, token, folder of notebooks, and which of them it is."""

    url: str
    token: str
    notebooks: Path
    app: str

    def address(self, notebook: Path) -> str:
        """Where a notebook opens, in a workspace of its own: JupyterLab would restore the tabs of earlier tests."""
        lab = f"lab/workspaces/{notebook.stem}/tree"
        return f"{self.url}/{lab if self.app == 'jupyterlab' else 'notebooks'}/{notebook.name}?token={self.token}"


def jupyter_environment(folder: Path) -> dict[str, str]:
    """Variables that keep all files of Jupyter under `folder`, with one kernel: this Python, and its package."""
    notebooks, config, data = folder / "notebooks", folder / "config", folder / "data"
    kernel = data / "kernels" / "python3"
    for path in (notebooks, config / "labconfig", kernel):
        path.mkdir(parents=True)
    (config / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(LAB_SETTINGS))
    (kernel / "kernel.json").write_text(
        json.dumps(
            {
                "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                "display_name": "Python 3 (tests)",
                "language": "python",
                "metadata": {"debugger": False},
            }
        )
    )
    return {
        "JUPYTER_CONFIG_DIR": str(config),
        "JUPYTER_DATA_DIR": str(data),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        "IPYTHONDIR": str(folder / "ipython"),
        # The kernel spec above, before that of the environment.
        "JUPYTER_PREFER_ENV_PATH": "0",
        # Nothing is fetched at run time; a test that tries is to fail.
        "HF_HUB_OFFLINE": "1",
    }


@contextmanager
def jupyter_server(folder: Path, app: str) -> Iterator[JupyterServer]:
    """`app` (jupyterlab or notebook) with all its files under `folder`."""
    environment = jupyter_environment(folder)
    notebooks = folder / "notebooks"
    port, token = free_port(), secrets.token_hex(16)
    command = [sys.executable, "-m", app, "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    application = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}[app]
    command += [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        f"--ServerApp.root_dir={notebooks}",
        f"--IdentityProvider.token={token}",
        f"--{application}.expose_app_in_browser=True",
        "--LabApp.extension_manager=readonly",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    url = f"http://127.0.0.1:{port}"
    with server_process(command, f"{url}/api/status?token={token}", folder, environment):
        yield JupyterServer(url, token, notebooks, app)


@contextmanager
def voila_server(folder: Path, notebook: Path) -> Iterator[str]:
    """Voila on one notebook; gives the address of its page, whose cells a kernel runs when it is opened."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "voila", str(notebook), "--no-browser", f"--port={port}", "--Voila.ip=127.0.0.1"]
    with server_process(command, f"{url}/voila/static/voila.js", folder, jupyter_environment(folder)):
        yield url


@contextmanager
def marimo_server(folder: Path, source: str) -> Iterator[str]:
    """`marimo run` of an app with this source; gives its address. marimo runs all cells by itself."""
    app = folder / "app.py"
    app.write_text(source, encoding="utf-8")
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "marimo", "run", str(app), "--headless", "--no-token", "--host=127.0.0.1"]
    homes = {name: str(folder / name.lower()) for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")}
    environment = homes | {"MARIMO_SKIP_UPDATE_CHECK": "1", "HF_HUB_OFFLINE": "1"}
    with server_process([*command, f"--port={port}"], f"{url}/health", folder, environment):
        yield url


@contextmanager
def file_server(folder: Path, policy: str = "") -> Iterator[str]:
    """A plain HTTP server of a folder, with this Content-Security-Policy if there is one; gives its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def end_headers(self) -> None:
            if policy:
                self.send_header("Content-Security-Policy", policy)
            super().end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
