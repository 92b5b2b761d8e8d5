"""A page that shows the panel without Jupyter: one file, offline, with the same front end."""

from __future__ import annotations

import base64
import hashlib
import zlib
from pathlib import Path
from typing import Any, get_args

from xattn_widget.files.csv_json import json_text
from xattn_widget.files.writing import whole_file
from xattn_widget.panel.dropping import Dropping
from xattn_widget.panel.front_end import built_file
from xattn_widget.panel.json_values import error_text
from xattn_widget.panel.markup import element, source_element
from xattn_widget.panel.replies import outside_shares, quantize
from xattn_widget.panel.rules import fit_heads
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.summary import rank_heads
from xattn_widget.panel.word_times import marked_heads
from xattn_widget.record.data import Aggregate, AttentionData, Reading

# Space for the notice of what was left out.
NOTICE_BYTES = 300
# The scores of a larger record take seconds. A page has them of all rows, and of the rows that it shows at first.
SMALL_RECORD = 2**20  # weights

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


def _document(title: str, state: str, summary: str) -> str:
    """The whole page; ``state`` is JSON for the panel, ``summary`` is shown where the script does not run."""
    style = _PAGE_STYLE + built_file("widget.css")
    script = f"\n{built_file('page.js')}\n".replace("</script", "<\\/script")
    allowed = _hash(script)
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data: blob:; media-src blob:; "
        "base-uri 'none'; form-action 'none'"
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
    # The script removes it before anyone sees it; without the script it stays.
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
    """The hash of a script or style, as a Content-Security-Policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


class _Budget:
    """Chooses what goes onto a page of at most ``max_bytes``, and puts the page together."""

    def __init__(self, state: PanelState, max_bytes: int | None) -> None:
        self.state, self.view = state, state.view
        self.max_bytes = max_bytes
        self.left = float("inf") if max_bytes is None else max_bytes
        self.kept: dict[int, _Sentence] = {}

    def page(self) -> bytes:
        """The bytes of the page."""
        shown = self.view.sentence
        # Everything that does not grow with what is kept: the front end, the settings and the notice.
        self.left -= len(self._render([])) + NOTICE_BYTES
        first = _Sentence(self.state, shown)
        self._keep(first)
        if not first.heads:
            need = int((self.max_bytes or 0) - self.left) + first.largest()
            raise ValueError(
                f"max_bytes={self.max_bytes} is too small: the panel and one head of sentence {shown} take {need} bytes"
            )
        for index in range(len(self.state.entries)):
            if index != shown:
                sentence = _Sentence(self.state, index)
                if sentence.fixed_size > self.left:
                    break
                self._keep(sentence)
                if not sentence.heads:  # text without any weights is useless
                    del self.kept[index]
                    break
        return self._render([self.kept[index] for index in sorted(self.kept)])

    def _keep(self, sentence: _Sentence) -> None:
        self.kept[sentence.index] = sentence
        self.left = sentence.take(self.left)

    def _render(self, sentences: list[_Sentence]) -> bytes:
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
        page_state = f'{{"traits":{_json(traits)},"sentences":[{saved}]}}'
        return _document(f"Cross-attention: {state.entry.source}", page_state, state.summary()).encode()

    def _notice(self, sentences: list[_Sentence]) -> str:
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
        notes = self.state.unread()
        if parts:
            notes.insert(0, f"This page was limited to {self.max_bytes:,} bytes: {' and '.join(parts)} were left out.")
        return " ".join(notes)


class _Sentence:
    """A sentence on the page: its axes and scores, and those of its heads that fit."""

    def __init__(self, state: PanelState, index: int) -> None:
        self.state, self.index = state, index
        self.heads: dict[tuple[int, int], str] = {}
        # The sound and its picture, as JSON; kept where they fit.
        self.sound: dict[str, str] = {}
        replies: dict[str, Any] = {
            "sentence": self._reply({"kind": "sentence"}),
            "scores": {name: self._reply({"kind": "scores", "name": name}) for name in state.scores},
            "as_shown": {
                special: {reading: self._shown_scores(special, reading) for reading in readings}
                for special, readings in self._scored_readings().items()
            },
        }
        if state.entries[index].reference is not None:
            replies["alignments"] = [
                {"pick": pick, "reply": self._reply({"kind": "alignment"} | pick)}
                for pick in _alignment_picks(state, index)
            ]
        if "audio" in self.record.source.kinds:
            replies["word_times"] = [
                {"heads": heads, "reply": self._reply({"kind": "word_times", "heads": heads})}
                for heads in self._timed_heads()
            ]
        # Everything but the layers and the sound, without the closing brace.
        self._replies = _json(replies)[:-1]
        # The list of missing heads is longest while none is kept.
        listed = len(_json(self.described()).encode()) + 1
        self.fixed_size = listed + len(self.saved().encode()) + 1

    @property
    def record(self) -> AttentionData:
        """Its record, which is not kept in memory here."""
        return self.state.entries[self.index].record

    @property
    def missing(self) -> list[list[int]]:
        """For each layer the heads that are not on the page."""
        return [
            [head for head in range(self.record.heads) if (layer, head) not in self.heads]
            for layer in range(self.record.layers)
        ]

    @property
    def dropped(self) -> int:
        """How many heads of the record did not fit."""
        return len(self.record.kept_heads) - len(self.heads)

    def described(self) -> dict[str, Any]:
        """Its entry in the page's list of sentences, with the heads that are missing."""
        described = self.state.entries[self.index].describe()
        # On a page no sentence replaces another.
        described.pop("version", None)
        described["scored_readings"] = self._scored_readings()
        return described | ({"missing": self.missing} if any(self.missing) else {})

    def _scored_readings(self) -> dict[str, list[Reading]]:
        """The readings under which it has the scores of the rows that are shown, by what is dropped from them."""
        view = self.state.view
        if self.record.weights.numel() <= SMALL_RECORD:
            return {special: list(get_args(Reading)) for special in get_args(Dropping)}
        return {view.special: [view.reading]} if view.special in get_args(Dropping) else {}

    def _shown_scores(self, special: str, reading: Reading) -> dict[str, Any]:
        """The scores of the rows that are shown under a reading, by name."""
        request = {"kind": "scores", "as_shown": reading, "special": special}
        listed = self.state.scores.items()
        return {name: self._reply(request | {"name": name}) for name, score in listed if score.follows_view}

    def take(self, room: float) -> float:
        """Keep as many heads as fit into ``room`` bytes next to the rest; returns the bytes that are left."""
        room -= self.fixed_size
        for layer, head in self._by_rank():
            text = self._encoded(layer, head)
            if len(text) > room:
                break
            self.heads[layer, head] = text
            room -= len(text)
            if len(self.heads) == 1:  # without any head, the page would show nothing
                room = self._take_sound(room)
        return room

    def _take_sound(self, room: float) -> float:
        """Keep the sound and its picture if they fit; returns the bytes that are left."""
        sound = self.record.sound
        kinds = [] if sound is None else ["sound"] if sound.features is None else ["sound", "features"]
        for kind in kinds:
            content, buffers = self.state.answer({"kind": kind, "sentence": self.index})
            text = _json(content | {"buffer": base64.b64encode(buffers[0]).decode()})
            size = len(text) + len(f',"{kind}":')
            if size <= room:
                self.sound[kind] = text
                room -= size
        return room

    @property
    def lacks_sound(self) -> bool:
        """Whether the sound did not fit."""
        return self.record.sound is not None and "sound" not in self.sound

    def _timed_heads(self) -> list[list[list[int]]]:
        """The heads by which the page knows word times: the best ones, the known sets, and the picked ones."""
        picked = fit_heads(self.state.view.heads, self.record)
        marked = marked_heads(self.record)
        # The first known set is the best one.
        return [[], *([marked["model"]] if marked["calibrated"] and marked["model"] else []), picked]

    def largest(self) -> int:
        """The size in bytes of the first head to keep."""
        return len(self._encoded(*self._by_rank()[0]))

    def saved(self) -> str:
        """All replies about this sentence, in the structure in which the page looks them up, as JSON."""
        shape = [self.record.heads, *self.record.weights.shape[2:]]
        layers = [
            {"shape": shape}
            | ({"missing": missing} if missing else {})
            | outside_shares(self.record, layer)
            | {"heads": [self.heads.get((layer, head)) for head in range(shape[0])]}
            for layer, missing in enumerate(self.missing)
        ]
        sound = "".join(f',"{kind}":{text}' for kind, text in self.sound.items())
        return f'{self._replies},"layers":{_json(layers)}{sound}}}'

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        """The reply to a request; an error as text where one part of the page cannot be computed."""
        try:
            return self.state.answer(request | {"sentence": self.index})[0]
        except Exception as error:
            return {"error": error_text(error)}

    def _by_rank(self) -> list[tuple[int, int]]:
        """The picked heads, starting with the one picked last, and then the others by the shown score."""
        picked = [(layer, head) for layer, head in fit_heads(self.state.view.heads, self.record)]
        kept = set(self.record.kept_heads)
        ranked = [(layer, head) for layer, head, _ in rank_heads(self.record, self.state.score_entry())]
        return list(dict.fromkeys([*reversed(picked), *(pair for pair in ranked if pair in kept)]))

    def _encoded(self, layer: int, head: int) -> str:
        weights = quantize(self.record.head_weights([(layer, head)]))
        return base64.b64encode(zlib.compress(weights.tobytes(), 6)).decode()


def _alignment_picks(state: PanelState, index: int) -> list[dict[str, Any]]:
    """Each head, each layer and the picked heads: a page cannot compute others."""
    record, picked = state.entries[index].record, state.view.heads
    single = [[[layer, head]] for layer, head in record.kept_heads]
    layers = range(record.layers) if record.kept is None else record.kept.whole_layers()
    whole = [[[layer, head] for head in range(record.heads)] for layer in layers]
    more = [picked] if index == state.view.sentence and picked not in single + whole else []
    return [
        {"heads": heads, "aggregate": aggregate, "reading": reading}
        for heads in single + whole + more
        for aggregate in get_args(Aggregate)
        for reading in get_args(Reading)
    ]


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


def _json(value: Any) -> str:
    """JSON for inside a script element: "<" is written as an escape, since it could end the element."""
    return json_text(value).replace("<", "\\u003c")
