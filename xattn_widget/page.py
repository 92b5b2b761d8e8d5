"""A page that shows the widget without Jupyter: one file, offline, the same front end."""

from __future__ import annotations

import base64
import html
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xattn_widget.listing import fit_heads
from xattn_widget.serving import quantise

if TYPE_CHECKING:
    from xattn_widget.widget import CrossAttentionWidget

_STATIC = Path(__file__).parent / "static"
# Room for the words that tell what was left out.
NOTICE_BYTES = 300

# Nothing is loaded from anywhere, whatever the page is given.
_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 16px; max-width: 1600px; }}
{style}
</style>
</head>
<body>
<div class="xattn-page"></div>
<script type="application/json" class="xattn-state">{state}</script>
<noscript><pre>{summary}</pre></noscript>
<script>
{script}
</script>
</body>
</html>
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
    path.write_bytes(page)
    return path


class EmbeddedPage:
    """The page as a notebook's output: HTML that a saved notebook keeps, and that works without a kernel."""

    def __init__(self, widget: CrossAttentionWidget, max_bytes: int | None = None) -> None:
        self._page = _page(widget, max_bytes).decode()
        self._summary = widget.summary()

    def __repr__(self) -> str:
        return self._summary

    def _repr_html_(self) -> str:
        # A frame of its own keeps the page's styles and scripts from the notebook's; the page sets its height.
        style = "display: block; width: 100%; height: 700px; border: 0"
        return f'<iframe title="Cross-attention" style="{style}" srcdoc="{html.escape(self._page)}"></iframe>'


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
            info["sentences"][sentence.index] | ({"missing": sentence.missing} if any(sentence.missing) else {})
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
        replies = ",".join(reply for number, each in enumerate(sentences) for reply in each.replies(number))
        shown = info["sentences"][widget.sentence]
        text = _TEMPLATE.format(
            policy=_POLICY,
            title=html.escape(f"Cross-attention: {shown['source']}"),
            style=(_STATIC / "widget.css").read_text(encoding="utf-8"),
            state=f'{{"traits":{_json(traits)},"replies":[{replies}]}}',
            summary=html.escape(widget.summary()),
            script=(_STATIC / "page.js").read_text(encoding="utf-8").replace("</script", "<\\/script"),
        )
        # A lone surrogate, which a broken token may hold, has no bytes of its own.
        return text.encode("utf-8", errors="replace")

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
        names = [score["name"] for score in widget.score_list]
        self._answers: list[tuple[dict[str, Any], str]] = []
        requests: list[dict[str, Any]] = [{"kind": "sentence"}, *({"kind": "scores", "name": name} for name in names)]
        if widget.reference(index) is not None:
            requests += _alignment_requests(widget, self.entry, index == widget.sentence)
        for request in requests:
            reply, _ = widget.answer(request | {"sentence": index})
            self._answers.append((request, _json(reply)))
        # The list of what is missing is at its longest where nothing is held.
        listed = len(_json(self.entry).encode(errors="replace")) + len(_json({"missing": self.missing}))
        self.fixed_size = listed + sum(len(reply.encode(errors="replace")) + 1 for reply in self.replies(index))

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

    def replies(self, number: int) -> Iterator[str]:
        """What the panel may ask of this sentence, sentence ``number`` of the page, and the answers, as JSON."""
        for request, reply in self._answers:
            yield f'{{"request":{_json(request | {"sentence": number})},"reply":{reply}}}'
        shape = list(self.widget.records[self.index].weights.shape[1:])
        for layer, missing in enumerate(self.missing):
            asked = {"kind": "layer", "sentence": number, "layer": layer}
            heads = [self.held.get((layer, head)) for head in range(shape[0])]
            answer = {"shape": shape} | ({"missing": missing} if missing else {})
            yield f'{{"request":{_json(asked)},"reply":{_json(answer)},"heads":{_json(heads)}}}'

    def _by_rank(self) -> list[tuple[int, int]]:
        """The picked heads, the one picked last first, and then the others by the shown score."""
        from xattn_widget.summary import rank_heads

        record = self.widget.records[self.index]
        ranked = [(layer, head) for layer, head, _ in rank_heads(record, self.widget.score_entry())]
        return list(dict.fromkeys([*reversed(self._picked), *ranked]))

    def _encoded(self, layer: int, head: int) -> str:
        weights = quantise(self.widget.records[self.index].weights[layer, head])
        return base64.b64encode(zlib.compress(weights.tobytes(), 6)).decode()


def _alignment_requests(widget: CrossAttentionWidget, entry: dict[str, Any], shown: bool) -> list[dict[str, Any]]:
    """Each head by itself, and those picked: a page cannot work out others."""
    picks = [[[layer, head]] for layer in range(entry["layers"]) for head in range(entry["heads"])]
    whole = [[[layer, head] for head in range(entry["heads"])] for layer in range(entry["layers"])]
    more = [widget.heads] if shown and widget.heads not in picks + whole else []
    return [
        {"kind": "alignment", "heads": heads, "aggregate": aggregate, "reading": reading}
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
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
