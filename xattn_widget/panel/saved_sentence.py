"""One sentence of a page without Jupyter: all replies about it, as far as there is room for them."""

from __future__ import annotations

import base64
import zlib
from typing import Any, get_args

from xattn_widget.panel.dividing import SinkChoice
from xattn_widget.panel.document import script_json
from xattn_widget.panel.dropping import Dropping
from xattn_widget.panel.image import has_places
from xattn_widget.panel.json_values import error_text
from xattn_widget.panel.own_rows import RowNames
from xattn_widget.panel.replies import outside_shares, quantize
from xattn_widget.panel.rules import fit_heads
from xattn_widget.panel.state import PanelState
from xattn_widget.panel.summary import rank_heads
from xattn_widget.panel.word_times import marked_heads
from xattn_widget.record.data import Aggregate, AttentionData, Reading

# The scores of a larger record take seconds. A page has them of all rows, and of the rows that it shows at first.
SMALL_RECORD = 2**20  # weights


class SavedSentence:
    """A sentence on the page: its axes and scores, and those of its heads and files that fit."""

    def __init__(self, state: PanelState, index: int) -> None:
        self.state, self.index = state, index
        self.heads: dict[tuple[int, int], str] = {}
        # The sound with the picture of its features, or the picture, as JSON; kept where they fit.
        self.files: dict[str, str] = {}
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
        # Everything but the layers and the files, without the closing brace.
        self._replies = script_json(replies)[:-1]
        # The list of missing heads is longest while none is kept.
        listed = len(script_json(self.described()).encode()) + 1
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
        if has_places(self.record.source):
            divides = self.state.divides(self.index)
            note = self.state.dividing_note(self.index) if divides else ""
            # It contains the weights once.
            why = f"this page was saved {'with divided weights' if divides else 'with weights as captured'}"
            described["sinks"] = SinkChoice(note, why).describe()
        return described | ({"missing": self.missing} if any(self.missing) else {})

    def _scored_readings(self) -> dict[str, list[Reading]]:
        """The readings under which it has the scores of the rows that are shown, by what is dropped from them."""
        view = self.state.view
        if self.record.weights.numel() <= SMALL_RECORD:
            return {special: list(get_args(Reading)) for special in get_args(Dropping)}
        shown: list[Reading] = [reading for reading in get_args(Reading) if reading == view.reading]
        return {view.special: shown} if view.special in get_args(Dropping) and shown else {}

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
                room = self._take_files(room)
        return room

    def _take_files(self, room: float) -> float:
        """Keep the sound and its picture, or the picture, if they fit; returns the bytes that are left."""
        sound = self.record.sound
        kinds = [] if sound is None else ["sound"] if sound.features is None else ["sound", "features"]
        if self.record.image is not None:
            kinds.append("image")
        for kind in kinds:
            content, buffers = self.state.answer({"kind": kind, "sentence": self.index})
            text = script_json(content | {"buffer": base64.b64encode(buffers[0]).decode()})
            size = len(text) + len(f',"{kind}":')
            if size <= room:
                self.files[kind] = text
                room -= size
        return room

    @property
    def lacks_sound(self) -> bool:
        """Whether the sound did not fit."""
        return self.record.sound is not None and "sound" not in self.files

    @property
    def lacks_image(self) -> bool:
        """Whether the picture did not fit."""
        return self.record.image is not None and "image" not in self.files

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
        files = "".join(f',"{kind}":{text}' for kind, text in self.files.items())
        return f'{self._replies},"layers":{script_json(layers)}{files}}}'

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
        weights = quantize(self.state.shown_at(self.index).head_weights([(layer, head)]))
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
        for reading in get_args(RowNames if state.head_set is not None else Reading)
    ]
