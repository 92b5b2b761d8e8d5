"""A page that shows the panel without Jupyter: one file, offline, with the same front end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from xattn_widget.files.writing import whole_file
from xattn_widget.panel.document import document, script_json
from xattn_widget.panel.markup import element, source_element
from xattn_widget.panel.saved_sentence import SavedSentence
from xattn_widget.panel.state import PanelState

# Space for the notice of what was left out.
NOTICE_BYTES = 300

# In a notebook the page is in a frame that can reach nothing outside itself; it sends its height in a message.
_FRAME_STYLE = "display: block; width: 100%; height: 700px; border: 0"
_FRAME_SCRIPT = """
(() => {
  const frame = document.currentScript && document.currentScript.previousElementSibling;
  if (frame) addEventListener("message", (event) => {
    const height = event.source === frame.contentWindow && event.data && event.data.xattnHeight;
    if (Number.isFinite(height)) frame.style.height = Math.min(Math.max(height, 100), 20000) + "px";
  });
})();
"""


def page_bytes(state: PanelState, max_bytes: int | None = None) -> bytes:
    """The page, an HTML document with everything inside.

    Args:
        state: what to show.
        max_bytes: the largest size of the page. Heads that do not fit are left out, and then sentences; the page says
            so. The picked heads come first, then the best ones by the shown score. None leaves nothing out.

    Raises:
        TypeError: ``max_bytes`` is not a whole number.
        ValueError: not even one head of the shown sentence fits.
    """
    if type(max_bytes) not in (int, type(None)):
        raise TypeError(f"max_bytes must be a whole number of bytes, or None for no limit, got {max_bytes!r:.60}")
    return _Budget(state, max_bytes).page()


def write_page(state: PanelState, path: str | Path, max_bytes: int | None = None) -> Path:
    """Write the page to a file, and return its path; the other arguments and errors are those of :func:`page_bytes`."""
    page = page_bytes(state, max_bytes)
    path = Path(path)
    with whole_file(path) as file:
        file.write(page)
    return path


class EmbeddedPage:
    """The page as the output of a cell: HTML that is saved with the notebook and works without a kernel."""

    def __init__(self, state: PanelState, max_bytes: int | None = None) -> None:
        self._page = page_bytes(state, max_bytes).decode()
        self._summary = state.summary()

    def __repr__(self) -> str:
        return self._summary

    def _repr_html_(self) -> str:
        frame = element(
            "iframe",
            {
                "title": "Cross-attention",
                # Without an origin of its own, its script can neither read nor change the notebook.
                "sandbox": "allow-scripts allow-downloads",
                "allow": "clipboard-write *",
                "style": _FRAME_STYLE,
                "srcdoc": self._page,
            },
        )
        return f"<div>{frame}{source_element('script', {}, _FRAME_SCRIPT)}</div>"


class _Budget:
    """Chooses what goes onto a page of at most ``max_bytes``, and puts the page together."""

    def __init__(self, state: PanelState, max_bytes: int | None) -> None:
        self.state, self.view = state, state.view
        self.max_bytes = max_bytes
        self.left = float("inf") if max_bytes is None else max_bytes
        self.kept: dict[int, SavedSentence] = {}

    def page(self) -> bytes:
        """The bytes of the page."""
        shown = self.view.sentence
        # Everything that does not grow with what is kept: the front end, the settings and the notice.
        self.left -= len(self._render([])) + NOTICE_BYTES
        first = SavedSentence(self.state, shown)
        self._keep(first)
        if not first.heads:
            need = int((self.max_bytes or 0) - self.left) + first.largest()
            raise ValueError(
                f"max_bytes={self.max_bytes} is too small: the panel and one head of sentence {shown} take {need} bytes"
            )
        for index in range(len(self.state.entries)):
            if index != shown:
                sentence = SavedSentence(self.state, index)
                if sentence.fixed_size > self.left:
                    break
                self._keep(sentence)
                if not sentence.heads:  # text without any weights is useless
                    del self.kept[index]
                    break
        return self._render([self.kept[index] for index in sorted(self.kept)])

    def _keep(self, sentence: SavedSentence) -> None:
        self.kept[sentence.index] = sentence
        self.left = sentence.take(self.left)

    def _render(self, sentences: list[SavedSentence]) -> bytes:
        state, view = self.state, self.view
        info = state.describe_entries() | {
            "has_kernel": False,
            "reading": False,
            "sentences": [sentence.described() for sentence in sentences],
            "notice": self._notice(sentences),
        }
        traits: dict[str, Any] = {"info": info, "score_list": state.describe_scores(), **vars(view)}
        traits["live"] = state.live.describe() | {"busy": "", "error": ""}
        if sentences:
            kept = [sentence.index for sentence in sentences]
            traits["live"]["effect"] = _effect(state.live.effect, kept)
            traits["sentence"] = kept.index(view.sentence)
            heads = sentences[traits["sentence"]].heads
            # What is picked must be on the page; the last picked head leads, and it is the first to be kept.
            traits["heads"] = [head for head in view.heads if tuple(head) in heads] or [list(next(iter(heads)))]
            traits["layer"], traits["head"] = traits["heads"][-1]
            traits["compare"] = _compared(view.compare, kept)
        saved = ",".join(sentence.saved() for sentence in sentences)
        page_state = f'{{"traits":{script_json(traits)},"sentences":[{saved}]}}'
        return document(f"Cross-attention: {state.entry.source}", page_state, state.summary()).encode()

    def _notice(self, sentences: list[SavedSentence]) -> str:
        """What was left out, in words; empty if nothing was."""
        total = len(self.state.entries)
        parts = []
        if sentences and len(sentences) < total:
            parts.append(f"{total - len(sentences)} of {total} sentences")
        lacking = [sentence for sentence in sentences if sentence.dropped]
        if lacking:
            missing = sum(sentence.dropped for sentence in lacking)
            where = "the sentence" if total == 1 else f"{len(lacking)} sentence{'s' if len(lacking) > 1 else ''}"
            whole = missing + sum(len(sentence.heads) for sentence in lacking)
            parts.append(f"{missing} of {whole} heads of {where} (hatched in the grid)")
        silent = sum(sentence.lacks_sound for sentence in sentences)
        if silent:
            parts.append("the sound" if total == 1 else f"the sound of {silent} sentence{'s' if silent > 1 else ''}")
        blank = sum(sentence.lacks_image for sentence in sentences)
        if blank:
            parts.append("the picture" if total == 1 else f"the picture of {blank} sentence{'s' if blank > 1 else ''}")
        notes = self.state.unread()
        if parts:
            notes.insert(0, f"This page was limited to {self.max_bytes:,} bytes: {' and '.join(parts)} were left out.")
        return " ".join(notes)


def _compared(compare: dict[str, Any] | None, kept: list[int]) -> dict[str, Any] | None:
    """The setting ``compare``, renumbered for the kept sentences; None if its sentence was left out."""
    if compare is None or "sentence" not in compare:
        return compare
    return compare | {"sentence": kept.index(compare["sentence"])} if compare["sentence"] in kept else None


def _effect(effect: dict[str, Any] | None, kept: list[int]) -> dict[str, Any] | None:
    """What muting heads has changed, renumbered for the kept sentences; None if one of its sentences was left out."""
    places = ("base", "forced", "written")
    if effect is None or any(effect[place] not in kept for place in places):
        return None
    return effect | {place: kept.index(effect[place]) for place in places}
