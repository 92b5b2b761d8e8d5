"""The code in README.md and in the documentation runs, and the documentation builds without a warning."""

from __future__ import annotations

import doctest
import inspect
import re
import subprocess
import sys
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import transformers
from image_models import image_model, picture
from speech_processors import speech_pair, write_sound

import xattn_widget
from xattn_widget import load_demo
from xattn_widget.capturing.recorder import Capture

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
DOCUMENTS = [path for path in PAGES if BLOCK.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_the_code_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of a document run in order and in one namespace, with small models instead of those of a hub.

    For text it is the demo model. For speech it is a Whisper with random weights and a window of 2 s, so that a
    recording of 3 s is a long one.
    """
    monkeypatch.chdir(tmp_path)
    _replace_pretrained(monkeypatch, "AutoModelForSeq2SeqLM", "AutoTokenizer", load_demo())
    text = path.read_text(encoding="utf-8")
    if "AutoModelForSpeechSeq2Seq" in text:
        _replace_pretrained(monkeypatch, "AutoModelForSpeechSeq2Seq", "AutoProcessor", speech_pair("whisper"))
        write_sound(tmp_path / "jfk.flac", seconds=1.9)
        write_sound(tmp_path / "interview.mp3", seconds=3.0)
    if "VisionEncoderDecoderModel.from_pretrained(" in text:
        _replace_pretrained(monkeypatch, "VisionEncoderDecoderModel", "AutoProcessor", image_model("vit"))
        picture(200, 48).save(tmp_path / "line.png")
    names: dict[str, object] = {"__name__": "__main__"}
    for found in BLOCK.finditer(text):
        # The block starts at its line in the document, which a traceback then names.
        line = text.count("\n", 0, found.start(1))
        exec(compile("\n" * line + found[1], str(path), "exec"), names)


def _replace_pretrained(monkeypatch: pytest.MonkeyPatch, model_class: str, reader_class: str, pair: Any) -> None:
    """Let these classes of transformers load the model and the tokenizer or processor of ``pair``.

    The models that ship in the package are still loaded.
    """
    for name, replacement in zip((model_class, reader_class), pair, strict=True):
        kind = getattr(transformers, name)

        def load(
            place: Any, *args: Any, _load: Any = kind.from_pretrained, _replacement: Any = replacement, **kw: Any
        ) -> Any:
            return _load(place, *args, **kw) if Path(place).is_absolute() else _replacement

        monkeypatch.setattr(kind, "from_pretrained", load)


EXAMPLES = [name for name in xattn_widget.__all__ if ">>> " in (inspect.getdoc(getattr(xattn_widget, name)) or "")]


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_of_a_docstring_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a public function runs by itself, and gives the output that it shows."""
    monkeypatch.chdir(tmp_path)
    text = inspect.getdoc(getattr(xattn_widget, name)) or ""
    problems: list[str] = []
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    doctest.DocTestRunner(verbose=False, optionflags=doctest.ELLIPSIS).run(example, out=problems.append)
    assert problems == []


DOCUMENTED = [getattr(xattn_widget, name) for name in xattn_widget.__all__] + [Capture]


@pytest.mark.parametrize("documented", filter(inspect.isclass, DOCUMENTED), ids=lambda documented: documented.__name__)
def test_no_property_begins_with_a_colon_in_its_text(documented: type) -> None:
    """In the text of an attribute, Napoleon takes what is before a colon in the first line for its type."""
    properties = inspect.getmembers(documented, lambda member: isinstance(member, property | cached_property))
    texts = {name: (inspect.getdoc(member) or "").split("\n")[0] for name, member in properties if name[0] != "_"}
    assert [name for name, text in texts.items() if re.search(r":(\s|$)", re.sub(r"`[^`]*`", "", text))] == []


@pytest.mark.notebook
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """No broken link, no public name without an entry, and no file that a page loads from the network."""
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(tmp_path / "site")]
    result = subprocess.run([*command, "-d", str(tmp_path / "doctrees")], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    loaded = re.compile(r"""<(?:script|img|iframe|link rel="stylesheet")[^>]* (?:src|href)=["']?(?:https?:)?//""")
    assert [page.name for page in pages if loaded.search(page.read_text(encoding="utf-8"))] == []
