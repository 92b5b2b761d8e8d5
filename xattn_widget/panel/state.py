"""The state of the panel, without Jupyter and without a model: ``PanelState``."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from traitlets import TraitError

from xattn_widget.alignment import HeadSet
from xattn_widget.alignment.evidence import Evidence, gather_evidence
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.panel.dividing import Dividing
from xattn_widget.panel.entries import Entry, Window, list_entries, window_entry
from xattn_widget.panel.first_heads import first_heads
from xattn_widget.panel.held_windows import HeldWindows
from xattn_widget.panel.image import has_places
from xattn_widget.panel.own_rows import PanelSet, joint_record, own_rows
from xattn_widget.panel.protocol import Subject, read_request
from xattn_widget.panel.replies import answer
from xattn_widget.panel.rules import (
    check_layer,
    first_head,
    fit_heads,
    settle_compare,
    settle_heads,
    settle_index,
    settle_muted,
    settle_score,
)
from xattn_widget.panel.score_entries import DEFAULT_SCORE, ScoreEntry, list_scores
from xattn_widget.panel.settings import SETTINGS, View, check_view, setting_order
from xattn_widget.panel.summary import summarize
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.heads import whole_number
from xattn_widget.record.sinks import PositionSinks
from xattn_widget.record.special import Special
from xattn_widget.scores import Score, find_score

NO_MODEL = (
    "This widget holds records and no model: show_cross_attention(model, tokenizer, ...) makes one that can run "
    "experiments."
)


@dataclass
class LiveStatus:
    """The status of experiments with a model, as the panel shows it.

    Attributes:
        has_model: whether there is a model to experiment with.
        busy: what the running call of the model is doing, or "".
        error: why the last call failed, or "".
        effect: what muting heads has changed, or None.
    """

    has_model: bool = False
    busy: str = ""
    error: str = ""
    effect: dict[str, Any] | None = None

    def describe(self) -> dict[str, Any]:
        """The status in the form that the front end reads."""
        why = "" if self.has_model else NO_MODEL
        return {"why": why, "busy": self.busy, "error": self.error, "effect": self.effect}


class PanelState:
    """What the panel shows, and its answers to the page: pages and exports take it, the widget wraps it.

    Attributes:
        entries: the sentences in the list, first those given, then results of experiments.
        scores: the listed scores by name.
        view: the settings.
        live: what is known about experiments.
        evidence: which heads align, as far as is known; None if nothing is, or if the records are of several models.
        head_set: the set of heads that was saved with the model, or None.
        reading: whether windows of a long recording are being read.
    """

    def __init__(
        self,
        records: Any,
        *,
        scores: Sequence[str | Score | Callable[..., Any]] | None = None,
        names: Sequence[str] | None = None,
        reference: Any = None,
        reference_words: bool = True,
        evidence: Evidence | None = None,
        head_set: HeadSet | None = None,
        sinks: PositionSinks | None = None,
        **view: Any,
    ) -> None:
        """List records, and set the initial view; :class:`xattn_widget.CrossAttentionWidget` describes the arguments.

        ``evidence`` is what is known about which heads of the records' model align; gathered from the records when left
        out. ``head_set`` is the set of heads that was saved with it, or None. ``sinks`` are what the setting
        ``divide_sinks`` divides by; the mean over the records when left out.

        Raises:
            TypeError: an unknown view setting, or arguments of another type.
            ValueError: no record, or names or references that do not fit the records.
            TraitError: a setting that the records do not allow.
        """
        check_view(view, inspect.signature(type(self)).parameters)
        self.entries = list_entries(records, names, reference, reference_words)
        self.scores = list_scores(scores, [entry.record for entry in self.entries if not entry.contribution])
        self._dividing = Dividing(sinks)
        self.live = LiveStatus()
        self.reading = False
        self.view = View()
        self.evidence = self._gathered() if evidence is None else evidence
        self.head_set = PanelSet.fitting(head_set, self.entries)
        self._given = len(self.entries)
        self._numbers = itertools.count(self._given + 1)
        is_default = scores is None and DEFAULT_SCORE in self.scores
        score_name = DEFAULT_SCORE if is_default else next(iter(self.scores))
        self.set(**{"score_name": score_name} | self._opening(view))

    @property
    def entry(self) -> Entry:
        """The sentence that is shown."""
        return self.entries[self.view.sentence]

    @property
    def record(self) -> AttentionData:
        """The record that is shown."""
        return self.entry.record

    @property
    def shown(self) -> AttentionData:
        """The record with the weights and rows that are shown; see :meth:`shown_at` and :meth:`as_moved`."""
        return self.as_moved(self.view.sentence, self.shown_at(self.view.sentence))

    def shown_at(self, sentence: int) -> AttentionData:
        """The record of an entry, with its weights divided by the sinks if the view says so and they are known."""
        entry = self._dividing.divided(self.entries, sentence) if self.divides(sentence) else self.entries[sentence]
        return entry.record

    def as_moved(self, sentence: int, record: AttentionData) -> AttentionData:
        """The record of an entry, with the rows of some heads moved if the view says so."""
        moved = self.moved(sentence)
        return own_rows(record, moved) if moved else record

    def moved(self, sentence: int | None = None) -> list[tuple[int, int]]:
        """The heads whose rows are moved in an entry as the view shows it, in the shown one when left out."""
        if self.head_set is None or self.view.reading != "own":
            return []
        return self.head_set.moved(self.entry if sentence is None else self.entries[sentence])

    def divides(self, sentence: int) -> bool:
        """Whether the weights of an entry are shown divided by the sinks."""
        return bool(self.view.divide_sinks and self.dividing_note(sentence))

    def dividing_note(self, sentence: int) -> str:
        """What the weights of an entry can be divided by, in words; "" if they cannot be."""
        choice = self._dividing.choices(self.entries)[sentence]
        return "" if choice is None else choice.note

    @property
    def given(self) -> Sequence[Entry]:
        """The entries that no experiment made."""
        return self.entries[: self._given]

    @property
    def variants(self) -> Sequence[Entry]:
        """The results of experiments."""
        return self.entries[self._given :]

    def list_variants(self, variants: Sequence[Entry]) -> None:
        """Replace the results of experiments in the list."""
        self.entries = [*self.given, *variants]

    def next_number(self) -> int:
        """A number that no entry has yet, to tell apart entries that take each other's places."""
        return next(self._numbers)

    def windows_at(self, sentence: int) -> HeldWindows | None:
        """The windows of the recording that an entry is a window of; None for other entries."""
        content = self.entries[sentence].content if 0 <= sentence < len(self.entries) else None
        return content.windows if isinstance(content, Window) else None

    def unread(self) -> list[str]:
        """What has not been read of long recordings, a sentence for each of them."""
        recordings = dict.fromkeys(self.windows_at(index) for index in range(self._given))
        return [
            f"Only the first {windows.end:.0f} s of a recording of {windows.seconds:.0f} s had been transcribed."
            for windows in recordings
            if windows is not None and not windows.is_complete
        ]

    def list_window(self, windows: HeldWindows) -> int:
        """List the next window that has been read, after those before it; returns its index.

        The entries from there on, the shown one among them, are then one place later.
        """
        places = [index for index in range(self._given) if self.windows_at(index) is windows]
        place, last = places[-1] + 1, self.entries[places[-1]]
        assert isinstance(last.content, Window)
        number = self.next_number()
        window = last.content._replace(number=last.content.number + 1)
        entry = window_entry(window, number, number, last.given_name)
        self.entries = [*self.entries[:place], entry, *self.entries[place:]]
        self._given += 1
        return place

    def original(self, sentence: int) -> int:
        """The index of a given sentence, or of the first sentence that an experiment was based on."""
        group = self.entries[sentence].group
        if sentence < self._given:
            return sentence
        return next(index for index, entry in enumerate(self.entries) if entry.group == group)

    def score_entry(self, name: str | None = None) -> ScoreEntry:
        """A listed score as it is shown, with its parameters; the one that colors the grid when left out.

        Raises:
            ValueError: no score of this name is listed.
        """
        name = self.view.score_name if name is None else name
        if name not in self.scores:
            raise ValueError(f"no score {name!r} is listed; {did_you_mean(name, self.scores)}")
        entry, view = self.scores[name], self.view
        if not view.as_shown or view.reading == "own":
            return entry
        return entry.as_shown(view.reading, view.special)

    def add_score(self, score: Any, special: Special | None, parameters: Mapping[str, Any]) -> str:
        """List a score, replacing any score of the same name, and return its name.

        Raises:
            Exception: what the score raises for the shown record; the list stays as it was.
        """
        entry = ScoreEntry(find_score(score), special, parameters)
        entry.forget(self.record)  # what the function uses may have changed since
        entry.grid(self.record)
        self.scores[entry.name] = entry
        return entry.name

    def describe_entries(self) -> dict[str, Any]:
        """The model and the list of sentences, as the front end reads them."""
        choices = self._dividing.choices(self.entries)
        sentences = [
            entry.describe() | ({} if choice is None else {"sinks": choice.describe()})
            for entry, choice in zip(self.entries, choices, strict=True)
        ]
        return {name: sentences[0][name] for name in ("layers", "heads", "model")} | {
            "sentences": sentences,
            "alignment_guess": self._describe_evidence(),
            "head_set": None if self.head_set is None else self.head_set.describe(),
            "reading": self.reading,
        }

    def describe_scores(self) -> list[dict[str, Any]]:
        """The listed scores, as the front end reads them."""
        return [score.describe() for score in self.scores.values()]

    # --- Settings.

    def set(self, **settings: Any) -> None:
        """Set settings, and those that follow them.

        Raises:
            TraitError: a setting is invalid; all settings stay as they were.
        """
        before = self.view
        try:
            for name in sorted(settings, key=setting_order):
                self._change({name: self.settle(name, SETTINGS[name].kind.read(name, settings[name]))})
        except TraitError:
            self.view = before
            raise

    def settle(self, name: str, value: Any) -> Any:
        """The value that a setting takes; ``value`` is one of its kind.

        Raises:
            TraitError: the records do not allow it.
        """
        sentence = self.view.sentence
        record = self._record_at(sentence)
        _, _, rows, columns = record.weights.shape
        counts = {
            "sentence": len(self.entries),
            "layer": record.layers,
            "head": record.heads,
            "target_index": rows,
            "source_index": columns,
        }
        if name in counts:
            settled = settle_index(name, value, counts[name])
            if record.kept is not None and settled is not None:
                if name == "layer":
                    check_layer(settled, record)
                elif name == "head":
                    settle_heads([(self.view.layer, settled)], record)
            return settled
        if name == "heads":
            return settle_heads(value, record)
        if name == "compare":
            return settle_compare(value, sentence, self.entries)
        if name == "score_name" or (name == "second_score" and value):
            return settle_score(value, self.scores)
        if name == "muted":
            muted = settle_muted(value, record)
            if muted and not self.live.has_model:
                raise TraitError(f"no head can be muted here. {NO_MODEL}")
            if muted and self.entries[sentence].contribution:
                raise TraitError("heads can be muted where attention is shown: these are contributions")
            return muted
        return value

    def consequences(self, name: str) -> dict[str, Any]:
        """The settings that must follow a changed setting, with their new values."""
        view = self.view
        if name == "heads":
            layer, head = view.heads[-1]
            return {"layer": layer, "head": head}
        if name in ("layer", "head") and view.heads[-1:] != [[view.layer, view.head]]:
            pair = (view.layer, view.head)
            is_kept = name == "head" or pair in self.record.kept_heads
            return {"heads": [list(pair) if is_kept else [view.layer, first_head(self.record, view.layer)]]}
        if name == "sentence":
            return {
                "target_index": None,
                "source_index": None,
                "heads": view.heads and fit_heads(view.heads, self.record),
            }
        return {}

    def _change(self, changes: Mapping[str, Any]) -> None:
        changed = [name for name, value in changes.items() if getattr(self.view, name) != value]
        self.view = replace(self.view, **changes)
        for name in changed:
            self._change(self.consequences(name))

    def _opening(self, view: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a new panel: ``view``, and what it leaves open."""
        record = self._record_at(whole_number(view.get("sentence", 0)))
        medium = "sound" if "audio" in record.source.kinds else "image" if has_places(record.source) else None
        opening = ({} if medium is None else {"panel": medium}) | dict(view)
        if not {"layer", "head", "heads"} & set(view):
            opening = first_heads(record, view.get("reading"), self.head_set, self.evidence) | opening
            opening = {"combined": True} | opening
        elif "heads" not in view:
            layer = view.get("layer", 0)
            head = first_head(self._record_at(whole_number(view.get("sentence", 0))), layer)
            opening["heads"] = [[layer, view.get("head", head)]]
        return opening

    def _gathered(self) -> Evidence | None:
        """The evidence of the records, if they are of one model."""
        records = [entry.record for entry in self.entries if entry.rank in (None, 1) and not entry.contribution]
        models = {(record.model, record.layers, record.heads) for record in records}
        return gather_evidence(records) if len(models) == 1 else None

    def _describe_evidence(self) -> dict[str, Any] | None:
        """The values of the predictor that the guess is made from, where both readings of the rows are known."""
        evidence = self.evidence
        if evidence is None or len(evidence.words) < len(get_args(Reading)):
            return None
        grids: dict[str, Any] = {
            reading: [[round(value, 4) for value in row] for row in evidence.values(reading).tolist()]
            for reading in evidence.words
        }
        return grids | {"words": min(evidence.words.values())}

    def _record_at(self, sentence: int | None) -> AttentionData:
        """The record at an index that is not checked yet; the first one for a wrong index, whose own check fails."""
        if sentence is None or not 0 <= sentence < len(self.entries):
            sentence = 0
        return self.entries[sentence].record

    # --- Answers.

    def read_request(self, request: Any) -> dict[str, Any]:
        """A request of the page with every field checked.

        Raises:
            ValueError: it breaks the contract, or another experiment has replaced the sentence that it refers to.
        """
        checked = read_request(request, Subject(self.entries, self.scores, self.view.sentence))
        version = checked.get("version")
        if version is not None and version != self.entries[checked["sentence"]].version:
            raise ValueError("another experiment has taken the place of this sentence")
        return checked

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The reply to a request of the page, and its buffers; scores are computed before it returns.

        Raises:
            ValueError: a request that breaks the contract, in a sentence; see :mod:`xattn_widget.panel.protocol`.
        """
        checked = self.read_request(request)
        index = checked["sentence"]
        entry = self._dividing.divided(self.entries, index) if checked.get("divided") else self.entries[index]
        moved = self.head_set.moved(entry) if checked.get("reading") == "own" and self.head_set is not None else []
        if moved and entry.reference is not None:
            record = own_rows(entry.record, moved)
            words = entry.reference.words
            entry = replace(entry, content=joint_record(record, checked["heads"], checked["aggregate"], words=words))
            checked["heads"] = [[0, 0]]
        return answer(checked, entry, self.scores)

    def summary(self) -> str:
        """What is shown, in words."""
        return summarize(self.entry, self.score_entry(), self.view.sentence, len(self.entries))
