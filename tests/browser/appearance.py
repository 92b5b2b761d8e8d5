"""How the panel looks, in numbers that another machine with the same browser can compare: places and coarse colors."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib import get_data_path
from matplotlib.image import imread, imsave
from numpy.typing import NDArray
from playwright.sync_api import Locator, Page

REFERENCES = Path(__file__).parent / "references"
# A reference picture has one pixel for each block of this many, as the mean of their colors.
BLOCK = 8
# Differences in the smoothing of letters and lines stay below these; another color, or a part that moved, does not.
MEAN_TOLERANCE = 2.0
BLOCK_TOLERANCE = 48.0
FEW_BLOCKS = 0.004


@cache
def _font(name: str) -> str:
    return base64.b64encode((Path(get_data_path()) / "fonts" / "ttf" / name).read_bytes()).decode()


def use_known_font(page: Page) -> None:
    """Writes the page in a font that comes with matplotlib: its letters are as wide on every machine.

    The page's own policy forbids fonts from elsewhere: the browser context has to be made with ``bypass_csp``.
    """
    faces = "".join(
        f"@font-face {{ font-family: Known; font-weight: {weight}; src: url(data:font/ttf;base64,{_font(name)}); }}"
        for name, weight in (("DejaVuSans.ttf", 400), ("DejaVuSans-Bold.ttf", 600))
    )
    mono = f"@font-face {{ font-family: KnownMono; src: url(data:font/ttf;base64,{_font('DejaVuSansMono.ttf')}); }}"
    page.add_style_tag(content=faces + mono)
    page.evaluate(
        """async () => {
          const fonts = ["400 13px Known", "600 13px Known", "10px KnownMono"];
          await Promise.all(fonts.map((font) => document.fonts.load(font)));
          await document.fonts.ready;
        }"""
    )
    page.add_style_tag(content=":root { --jp-ui-font-family: Known; --jp-code-font-family: KnownMono; }")
    # The panel measures its labels anew when its size changes.
    size = page.viewport_size
    assert size is not None
    for width in (size["width"] - 7, size["width"]):
        page.set_viewport_size({"width": width, "height": size["height"]})
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def coarse(element: Locator) -> NDArray[np.float64]:
    """``[height, width, 3]`` mean colors of the element's blocks, 0 to 255."""
    pixels = imread(io.BytesIO(element.screenshot(animations="disabled", caret="hide")))[..., :3] * 255
    height, width = (size - size % BLOCK for size in pixels.shape[:2])
    blocks = pixels[:height, :width].reshape(height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3)
    means: NDArray[np.float64] = blocks.mean((1, 3))
    return means


def differences(seen: NDArray[np.float64], name: str) -> list[str]:
    """What is unlike the reference of this name, in words; nothing where it looks the same."""
    path = REFERENCES / f"{name}.png"
    if not path.is_file():
        return [f"{name} has no reference yet: make one with UPDATE_REFERENCES=1 and look at it"]
    expected = imread(path)[..., :3] * 255
    if abs(expected.shape[0] - seen.shape[0]) > 1 or expected.shape[1] != seen.shape[1]:
        return [
            f"{name} is {seen.shape[1]}x{seen.shape[0]} blocks, the reference {expected.shape[1]}x{expected.shape[0]}"
        ]
    rows = min(expected.shape[0], seen.shape[0])
    off = np.abs(expected[:rows] - seen[:rows]).max(-1)
    found = []
    if off.mean() > MEAN_TOLERANCE:
        found.append(f"{name} differs by {off.mean():.1f} of 255 on average")
    share = float((off > BLOCK_TOLERANCE).mean())
    if share > FEW_BLOCKS:
        row, column = (int(at) * BLOCK for at in np.unravel_index(off.argmax(), off.shape))
        found.append(f"{name} differs much in {share:.1%} of its blocks, most at x={column}, y={row}")
    return found


def keep(seen: NDArray[np.float64], name: str) -> None:
    """Writes the reference of this name."""
    REFERENCES.mkdir(exist_ok=True)
    imsave(REFERENCES / f"{name}.png", np.round(seen).astype(np.uint8))
