"""BertViz, which the panel is measured against: its download, and what its page loads from the web."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Page

SCRATCH = Path(__file__).parents[2] / "build" / "bench"


def prepare_bertviz() -> str | None:
    """Downloads BertViz and what its page loads from the web. Returns the reason if it fails, otherwise None."""
    python, node = SCRATCH / "python", SCRATCH / "node"
    packages = ["requirejs@2.3.6", "d3@5.7.0", "jquery@2.2.4"]
    commands = []
    if not (python / "bertviz").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(python)]
        commands.append([*pip, "bertviz==1.4.1"])
    if not all((node / "node_modules" / package.split("@")[0]).is_dir() for package in packages):
        node.mkdir(parents=True, exist_ok=True)
        commands.append(["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(node), *packages])
    for command in commands:
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            return f"BertViz could not be downloaded ({command[0]}: {error})"
    sys.path.insert(0, str(python))
    return None


def serve_libraries(page: Page) -> None:
    """Gives BertViz's page what it loads from the web."""
    modules = SCRATCH / "node" / "node_modules"
    served = {
        "require.min.js": modules / "requirejs" / "require.js",
        "d3.min.js": modules / "d3" / "dist" / "d3.min.js",
        "jquery.min.js": modules / "jquery" / "dist" / "jquery.min.js",
    }
    page.route(
        "https://cdnjs.cloudflare.com/**",
        lambda route: route.fulfill(path=served[route.request.url.rsplit("/", 1)[-1]], content_type="text/javascript"),
    )
