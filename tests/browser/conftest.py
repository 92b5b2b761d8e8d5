"""Fixtures of the browser tests: Chromium, JupyterLab, marimo and a plain file server. None of them needs a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, sync_playwright

from . import servers
from .find_chromium import find_or_fail
from .notebooks import Notebook

HERE = Path(__file__).parent

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Containers give /dev/shm 64 MB, too little for a page with large canvases.
    "--disable-dev-shm-usage",
    # Nothing but the loopback has an address: a page that wants the network fails its test.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of this folder, and puts them last: they are the slowest."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.browser)
    items.sort(key=lambda item: item.path.is_relative_to(HERE))  # a stable sort


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One headless Chromium for each file; each test gets its own profile with `page` or `new_page`.

    While it is open, playwright's synchronous interface keeps an event loop running in this thread, which tests of
    other files should not meet.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_or_fail(), headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    """An empty profile with a notebook-sized window."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.set_default_timeout(90_000)  # a busy machine must not fail a test
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    """A page of its own for the test."""
    return context.new_page()


@pytest.fixture
def page_errors(page: Page) -> list[str]:
    """What the page threw or wrote to the console as an error so far; for `assert page_errors == []`."""
    errors: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(f"{message.text} ({message.location.get('url', '')})")

    page.on("console", on_console)
    page.on("pageerror", lambda error: errors.append(str(error)))
    return errors


@pytest.fixture
def screenshot(page: Page, request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Function that pictures the page, or one element of it, for people to look at: build/screenshots/<name>.png.

    `screenshot("panel-dark", page.locator(".xattn"))`; it returns the picture's path.
    """
    folder = request.config.rootpath / "build" / "screenshots"

    def take(name: str, element: Locator | None = None) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        (element or page).screenshot(path=path)
        return path

    return take


@pytest.fixture(scope="session")
def jupyterlab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.JupyterServer]:
    """A real JupyterLab server, for all tests; its kernel is this Python."""
    with servers.jupyter_server(tmp_path_factory.mktemp("jupyterlab"), "jupyterlab") as server:
        yield server


@pytest.fixture
def notebook7(tmp_path: Path) -> Iterator[servers.JupyterServer]:
    """A real Notebook 7 server."""
    with servers.jupyter_server(tmp_path, "notebook") as server:
        yield server


@pytest.fixture
def run_voila(tmp_path: Path) -> Iterator[Callable[[Path], str]]:
    """Function that serves a notebook as a page by Voila and returns its address."""
    with ExitStack() as stack:
        yield lambda notebook: stack.enter_context(servers.voila_server(tmp_path / "voila", notebook))


OpenNotebook = Callable[..., Notebook]


@pytest.fixture
def open_notebook(
    page: Page, jupyterlab: servers.JupyterServer, request: pytest.FixtureRequest
) -> Iterator[OpenNotebook]:
    """Function that opens a notebook made from cells (or a given notebook) in JupyterLab, with a kernel of its own.

    `open_notebook(["import xattn_widget", "..."], theme="dark")`; nothing is run yet.
    """
    with ExitStack() as stack:

        def open_one(cells: Sequence[str] | nbformat.NotebookNode, *, theme: str = "light") -> Notebook:
            notebook = Notebook(page, jupyterlab, cells, name=request.node.originalname)
            notebook.open()
            stack.callback(notebook.close)
            notebook.set_theme(theme)  # the server keeps the theme of the test before
            return notebook

        yield open_one


@pytest.fixture
def run_marimo(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Function that serves a marimo app with the given source and returns its address."""
    with ExitStack() as stack:
        yield lambda source: stack.enter_context(servers.marimo_server(tmp_path, source))


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Function that serves a folder's files over HTTP and returns the address; `file://` is `path.as_uri()`.

    `serve(folder, "default-src 'self'")` serves them under this Content-Security-Policy.
    """
    with ExitStack() as stack:
        yield lambda folder, policy="": stack.enter_context(servers.file_server(folder, policy))
