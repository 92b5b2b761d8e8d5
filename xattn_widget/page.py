"""A page that shows the widget without Jupyter: one file, offline, the same front end."""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_widget.entries import error_text
from xattn_widget.listing import fit_heads
from xattn_widget.markup import element, source_element
from xattn_widget.serving import quantise
from xattn_widget.texts import json_text
from xattn_widget.writing import whole_file

if TYPE_CHECKING:
    from xattn_widget.widget import CrossAttentionWidget

_STATIC = Path(__file__).parent / "static"
# Room for the words that tell what was left out.
NOTICE_BYTES = 300

_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 16px; max-width: 1600px; }
.xattn-fallback { font: 14px/1.5 system-ui, sans-serif; max-width: 48rem; }
.xattn-fallback pre { white-space: pre-wrap; }
"""
_BLOCKED = (
    "The interactive view does not run here: scripts are turned off in this browser, or the policy of the site that "
    "serves this page blocks them. Download the page and open the file itself. Whoever runs the site can allow this "
    "one script in its Content-Security-Policy: script-src "
)
# The page in a notebook is a frame that can reach nothing outside itself; its height comes in a message.
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


def write_page(widget: CrossAttentionWidget, path: str | Path, max_bytes: int | None = None) -> Path:
    """Write ``widget`` as it is now to an HTML file with everything inside, and return the path.

    Args:
        widget: what to show.
        path: the file to write.
        max_bytes: the largest size of the file. Heads that do not fit are left out (picked heads come first, then the
            best by the shown score), then sentences; the page says so. Nothing is left out when it is None.

    Raises:
        TypeError: ``max_bytes`` is no whole number.
        ValueError: not even one head of the shown sentence fits.
    """
    page = _page(widget, max_bytes)
    path = Path(path)
    with whole_file(path) as file:
        file.write(page)
    return path


class EmbeddedPage:
    """The page as a notebook's output: HTML that a saved notebook keeps, and that works without a kernel."""

    def __init__(self, widget: CrossAttentionWidget, max_bytes: int | None = None) -> None:
        self._page = _page(widget, max_bytes).decode()
        self._summary = widget.summary()

    def __repr__(self) -> str:
        return self._summary

    def _repr_html_(self) -> str:
        frame = element(
            "iframe",
            {
                "title": "Cross-attention",
                # Of no origin: what runs in it can neither read nor change the notebook.
                "sandbox": "allow-scripts allow-downloads",
                "allow": "clipboard-write *",
                "style": _FRAME_STYLE,
                "srcdoc": self._page,
            },
        )
        return f"<div>{frame}{source_element('script', {}, _FRAME_SCRIPT)}</div>"


def _document(title: str, state: str, summary: str) -> str:
    """The whole page; ``state`` is JSON for the panel, ``summary`` is for where its script does not run."""
    style = _PAGE_STYLE + (_STATIC / "widget.css").read_text(encoding="utf-8")
    script = f"\n{(_STATIC / 'page.js').read_text(encoding='utf-8')}\n".replace("</script", "<\\/script")
    allowed = _hash(script)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )
    head = element(
        "head",
        {},
        element("meta", {"charset": "utf-8"}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("title", {}, title),
        source_element("style", {}, style),
    )
    # After the script, which takes it away before it is ever seen: it stays where the script does not run.
    fallback = element(
        "div",
        {"class": "xattn-fallback", "role": "alert"},
        element("p", {}, _BLOCKED, element("code", {}, allowed)),
        element("pre", {}, summary),
    )
    body = element(
        "body",
        {},
        element("div", {"class": "xattn-page"}),
        source_element("script", {"type": "application/json", "class": "xattn-state"}, state),
        source_element("script", {}, script),
        fallback,
    )
    return f"<!doctype html>\n{element('html', {'lang': 'en'}, head, body)}\n"


def _hash(source: str) -> str:
    """A source as a policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


def _page(widget: CrossAttentionWidget, max_bytes: int | None) -> bytes:
    if type(max_bytes) not in (int, type(None)):
        raise TypeError(f"max_bytes must be a whole number of bytes, or None for no limit, got {max_bytes!r:.60}")
    return _Budget(widget, max_bytes).page()


class _Budget:
    """Chooses what of a widget goes onto a page of at most ``max_bytes``, and puts the page together."""

    def __init__(self, widget: CrossAttentionWidget, max_bytes: int | None) -> None:
        self.widget = widget
        self.left = float("inf") if max_bytes is None else max_bytes
        self.max_bytes = max_bytes
        self.kept: dict[int, _Sentence] = {}

    def page(self) -> bytes:
        """The page's bytes."""
        shown = self.widget.sentence
        # All that does not grow with what is kept: the front end, the traits, and the words that tell what is missing.
        self.left -= len(self._render([])) + NOTICE_BYTES
        first = _Sentence(self.widget, shown, self.widget.heads)
        self._keep(first)
        if not first.held:
            need = int((self.max_bytes or 0) - self.left) + first.largest()
            raise ValueError(
                f"max_bytes={self.max_bytes} is too small: the panel and one head of sentence {shown} take {need} bytes"
            )
        for index in range(len(self.widget.info["sentences"])):
            if index != shown:
                sentence = _Sentence(self.widget, index, self.widget.heads)
                if sentence.fixed_size > self.left:
                    break
                self._keep(sentence)
                if not sentence.held:  # text without any weights is of no use
                    del self.kept[index]
                    break
        return self._render([self.kept[index] for index in sorted(self.kept)])

    def _keep(self, sentence: _Sentence) -> None:
        self.kept[sentence.index] = sentence
        self.left = sentence.take(self.left)

    def _render(self, sentences: list[_Sentence]) -> bytes:
        from xattn_widget.view import VIEW_SETTINGS

        widget = self.widget
        traits = {name: getattr(widget, name) for name in ("info", "score_list", *VIEW_SETTINGS)}
        info = traits["info"]
        listed = [
            # Without "version": on a page no sentence replaces another.
            {name: value for name, value in info["sentences"][sentence.index].items() if name != "version"}
            | ({"missing": sentence.missing} if any(sentence.missing) else {})
            for sentence in sentences
        ]
        traits["live"] = widget.live | {"busy": "", "error": ""}
        traits["info"] = info | {"live": False, "sentences": listed, "notice": self._notice(sentences)}
        if sentences:
            kept = [sentence.index for sentence in sentences]
            traits["sentence"] = kept.index(widget.sentence)
            held = sentences[traits["sentence"]].held
            # What is picked must be there; where a layer's heads are picked together, the last one leads.
            traits["heads"] = [head for head in widget.heads if tuple(head) in held] or [list(next(iter(held)))]
            traits["layer"], traits["head"] = traits["heads"][-1]
            traits["compare"] = _compared(widget.compare, kept)
        saved = ",".join(sentence.saved() for sentence in sentences)
        shown = info["sentences"][widget.sentence]
        state = f'{{"traits":{_json(traits)},"sentences":[{saved}]}}'
        return _document(f"Cross-attention: {shown['source']}", state, widget.summary()).encode()

    def _notice(self, sentences: list[_Sentence]) -> str:
        """What had to be left out, in words; empty when nothing was."""
        total = len(self.widget.info["sentences"])
        parts = []
        if sentences and len(sentences) < total:
            parts.append(f"{total - len(sentences)} of {total} sentences")
        lacking = [sentence for sentence in sentences if any(sentence.missing)]
        if lacking:
            missing = sum(len(heads) for sentence in lacking for heads in sentence.missing)
            of = "the sentence" if total == 1 else f"{len(lacking)} sentence{'s' if len(lacking) > 1 else ''}"
            whole = missing + sum(len(sentence.held) for sentence in lacking)
            parts.append(f"{missing} of {whole} heads of {of} (hatched in the grid)")
        if not parts:
            return ""
        return f"This page was limited to {self.max_bytes:,} bytes: {' and '.join(parts)} were left out."


class _Sentence:
    """One sentence on the page: its axes and scores, and the heads of it that fit."""

    def __init__(self, widget: CrossAttentionWidget, index: int, picked: list[list[int]]) -> None:
        self.widget, self.index = widget, index
        self.held: dict[tuple[int, int], str] = {}
        self.entry = widget.info["sentences"][index]
        self._picked = [(layer, head) for layer, head in fit_heads(picked, widget.records[index])]
        replies: dict[str, Any] = {
            "sentence": self._reply({"kind": "sentence"}),
            "scores": {
                score["name"]: self._reply({"kind": "scores", "name": score["name"]}) for score in widget.score_list
            },
        }
        if widget.reference(index) is not None:
            picks = _alignment_picks(widget, self.entry, index == widget.sentence)
            replies["alignments"] = [
                {"pick": pick, "reply": self._reply({"kind": "alignment"} | pick)} for pick in picks
            ]
        # Everything but the layers, without the closing brace.
        self._replies = _json(replies)[:-1]
        # The list of what is missing is at its longest where nothing is held.
        listed = len(_json(self.entry).encode()) + len(_json({"missing": self.missing}))
        self.fixed_size = listed + len(self.saved().encode()) + 1

    @property
    def missing(self) -> list[list[int]]:
        """For each layer the heads that are not held."""
        return [
            [head for head in range(self.entry["heads"]) if (layer, head) not in self.held]
            for layer in range(self.entry["layers"])
        ]

    def take(self, room: float) -> float:
        """Hold as many heads as fit into ``room`` bytes beside the rest; returns the room that is left."""
        room -= self.fixed_size
        for layer, head in self._by_rank():
            text = self._encoded(layer, head)
            if len(text) > room:
                break
            self.held[layer, head] = text
            room -= len(text)
        return room

    def largest(self) -> int:
        """The size of the head that would be held first."""
        return len(self._encoded(*self._by_rank()[0]))

    def saved(self) -> str:
        """All replies about this sentence, as the page's model looks them up (js/src/page/model.ts): JSON."""
        shape = list(self.widget.records[self.index].weights.shape[1:])
        layers = [
            {"shape": shape}
            | ({"missing": missing} if missing else {})
            | {"heads": [self.held.get((layer, head)) for head in range(shape[0])]}
            for layer, missing in enumerate(self.missing)
        ]
        return f'{self._replies},"layers":{_json(layers)}}}'

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """What the panel is told; an error in words where one part of the page cannot be computed."""
        try:
            return self.widget.answer(request | {"sentence": self.index})[0]
        except Exception as error:
            return {"error": error_text(error)}

    def _by_rank(self) -> list[tuple[int, int]]:
        """The picked heads, the one picked last first, and then the others by the shown score."""
        from xattn_widget.summary import rank_heads

        record = self.widget.records[self.index]
        ranked = [(layer, head) for layer, head, _ in rank_heads(record, self.widget.score_entry())]
        return list(dict.fromkeys([*reversed(self._picked), *ranked]))

    def _encoded(self, layer: int, head: int) -> str:
        weights = quantise(self.widget.records[self.index].weights[layer, head])
        return base64.b64encode(zlib.compress(weights.tobytes(), 6)).decode()


def _alignment_picks(widget: CrossAttentionWidget, entry: dict[str, Any], shown: bool) -> list[dict[str, Any]]:
    """Each head by itself, and those picked: a page cannot work out others."""
    picks = [[[layer, head]] for layer in range(entry["layers"]) for head in range(entry["heads"])]
    whole = [[[layer, head] for head in range(entry["heads"])] for layer in range(entry["layers"])]
    more = [widget.heads] if shown and widget.heads not in picks + whole else []
    return [
        {"heads": heads, "aggregate": aggregate, "reading": reading}
        for heads in picks + whole + more
        for aggregate in ("mean", "max")
        for reading in ("output", "input")
    ]


def _compared(compare: dict[str, Any] | None, kept: list[int]) -> dict[str, Any] | None:
    """What is compared, by the numbers of the sentences that are kept; None where it is not kept."""
    if compare is None or "sentence" not in compare:
        return compare
    return compare | {"sentence": kept.index(compare["sentence"])} if compare["sentence"] in kept else None


def _json(value: Any) -> str:
    """JSON to stand inside a script element: "<" is written as an escape, or it could end the element."""
    return json_text(value).replace("<", "\\u003c")
