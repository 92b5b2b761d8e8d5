"""The notebook widget: traits both ways, weights by request; and the one call that makes it."""

from __future__ import annotations

import base64
import contextlib
import difflib
import math
import operator
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import anywidget
import torch
import traitlets
from transformers import PreTrainedModel

from xattn_widget.extraction import extract
from xattn_widget.record import CrossAttention
from xattn_widget.scores import BUILTIN, Score, find_score
from xattn_widget.serving import ScoreEntry, answer, describe_records

_STATIC = Path(__file__).parent / "static"
RANKED = 3


def _built(name: str) -> Path:
    path = _STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the front end is not built ({name} is missing): run 'make js' in the checkout, or install a release"
        )
    return path


class _Index(traitlets.Int[int, Any]):
    """A whole number, of numpy or torch too (what argmin gives)."""

    def validate(self, obj: Any, value: Any) -> Any:
        if value is not None:
            with contextlib.suppress(TypeError):  # the check below words the error
                value = operator.index(value)
        return super().validate(obj, value)


class CrossAttentionWidget(anywidget.AnyWidget):
    """Cross-attention of one or more records in a notebook; every trait can be observed and set.

    Attributes:
        layer, head: the head picked last, counted from 0.
        heads: all picked heads, a list of ``[layer, head]``, the last one being ``[layer, head]``.
        sentence: which record is shown.
        target_index, source_index: the pinned token on either side (a subword position), or None.
        score_name: the score that colours the grid.
        aggregate: ``"mean"`` or ``"max"`` over the picked heads.
        threshold: lines of less weight are not drawn, 0 to 1.
        words: merge subwords into words.
        special: ``"show"``, ``"fade"`` or ``"drop"`` special tokens (dropping renormalises the rows, and says so).
        reading: rows labelled by the token predicted (``"output"``) or read (``"input"``).
        orientation: source and target in ``"columns"`` or ``"rows"``.
        panel: ``"lines"``, ``"matrix"`` or ``"all"`` heads.
        theme: ``"auto"`` (the host's), ``"light"`` or ``"dark"``.
    """

    _esm = _built("widget.js")
    _css = _built("widget.css")

    info = traitlets.Dict(read_only=True).tag(sync=True)
    score_list: traitlets.List[dict[str, Any]] = traitlets.List(read_only=True).tag(sync=True)
    sentence = _Index(0).tag(sync=True)
    layer = _Index(0).tag(sync=True)
    head = _Index(0).tag(sync=True)
    heads: traitlets.List[list[int]] = traitlets.List().tag(sync=True)
    target_index = _Index(None, allow_none=True).tag(sync=True)
    source_index = _Index(None, allow_none=True).tag(sync=True)
    score_name = traitlets.Unicode().tag(sync=True)
    aggregate = traitlets.Enum(["mean", "max"], "mean").tag(sync=True)
    threshold = traitlets.Float(0.05, min=0.0, max=1.0).tag(sync=True)
    words = traitlets.Bool(False).tag(sync=True)
    special = traitlets.Enum(["show", "fade", "drop"], "fade").tag(sync=True)
    reading = traitlets.Enum(["output", "input"], "output").tag(sync=True)
    orientation = traitlets.Enum(["columns", "rows"], "columns").tag(sync=True)
    panel = traitlets.Enum(["lines", "matrix", "all"], "lines").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)

    def __init__(
        self,
        records: CrossAttention | Sequence[CrossAttention],
        *,
        scores: Sequence[str | Score | Callable[..., Any]] | None = None,
        **view: Any,
    ) -> None:
        """Show records.

        Args:
            records: a record, or records of one model; hypotheses of a record are shown as sentences of their own.
            scores: names of built-in scores and scores of your own; all built-in ones when left out.
            view: initial traits, such as ``layer=2`` or ``words=True``.

        Raises:
            TypeError: an unknown view setting.
            ValueError: no record, or records of different models.
        """
        check_view(view)
        self._records, ranks = _flatten([records] if isinstance(records, CrossAttention) else records)
        self._scores: dict[str, ScoreEntry] = {}
        if isinstance(scores, str | Score) or callable(scores):
            raise TypeError(f"scores must be a list, got one alone; write scores=[{scores!r:.60}]")
        if scores is None:
            # Those that need more than attention are offered where all records hold it.
            scores = [each for each in BUILTIN.values() if not any(map(each.missing, self._records))]
        for each in scores:
            entry = ScoreEntry(find_score(each))
            self._scores[entry.name] = entry
        if not self._scores:
            raise ValueError("scores is empty: name at least one score, or leave it out for all built-in ones")
        start = {"score_name": next(iter(self._scores))} | view
        if not {"layer", "head", "heads"} & set(view):
            # The last layer's mean is what most resembles an alignment where rows are labelled by the token predicted.
            first = self._records[0]
            start["heads"] = [[first.layers - 1, head] for head in range(first.heads)]
        elif "heads" not in view:
            start["heads"] = [[view.get("layer", 0), view.get("head", 0)]]
        super().__init__()
        self.set_trait("info", describe_records(self._records, ranks) | {"live": True})
        self._list_scores()
        self.observe(self._follow_heads, "heads")
        self.observe(self._follow_layer_and_head, ["layer", "head"])
        self.observe(self._follow_sentence, "sentence")
        for name in sorted(start, key=_settled_last):
            setattr(self, name, start[name])
        self.on_msg(self._receive)

    @property
    def record(self) -> CrossAttention:
        """The record that is shown."""
        return self._records[self.sentence]

    def add_score(
        self, score: str | Score | Callable[..., Any], *, special: str | None = None, **parameters: Any
    ) -> None:
        """Add a score and colour the grid by it at once; one of the same name is replaced.

        Args:
            score: a score of your own (``@score`` or a plain function), or the name of a built-in one.
            special: its policy for special tokens, ``"keep"``, ``"drop"`` or ``"renormalize"``.
            parameters: its parameters, where they differ from its defaults.

        Raises:
            ValueError: it does not return one number a head. The widget stays as it was.
        """
        entry = ScoreEntry(find_score(score), special, parameters)
        entry.of(self.record)  # an error belongs into this cell, before anything changes
        self._scores[entry.name] = entry
        self._list_scores()
        self.score_name = entry.name

    def scores(self, name: str | None = None) -> torch.Tensor:
        """``[layers, heads]`` values of a listed score for the shown sentence; of the shown score when left out."""
        name = self.score_name if name is None else name
        if name not in self._scores:
            raise ValueError(f"no score {name!r} is listed; there are {', '.join(self._scores)}")
        return self._scores[name].of(self.record)

    def to_html(self, path: str | Path) -> Path:
        """Write a page that shows this widget as it is now, offline and without a kernel; returns the path."""
        from xattn_widget.page import write_page

        return write_page(self, path)

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The reply to a request of the front end, and its buffers."""
        return answer(request, self._records, self._scores)

    def summary(self) -> str:
        """What the widget shows, in words."""
        record, entry = self.record, self._scores[self.score_name]
        ranked = rank_heads(record, entry)
        best = ", ".join(f"layer {layer} head {head} ({value:.3g})" for layer, head, value in ranked[:RANKED])
        worst = ", ".join(
            f"layer {layer} head {head} ({value:.3g})" for layer, head, value in ranked[: -RANKED - 1 : -1]
        )
        texts = self.info["sentences"][self.sentence]
        more = f" (sentence {self.sentence + 1} of {len(self._records)})" if len(self._records) > 1 else ""
        return (
            f"Cross-attention of {record.model or 'a model'}, {record.layers} layers of {record.heads} heads{more}\n"
            f"source: {texts['source']}\n"
            f"target: {texts['target']}\n"
            f"best by {entry.name} ({entry.score.direction} is better): {best}\n"
            f"worst: {worst}"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a text and a picture where widgets do not run."""
        from xattn_widget.plot import summary_picture

        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        title = f"{self.score_name} ({self._scores[self.score_name].score.direction} is better)"
        picture = summary_picture(self.record, self.heads, str(self.aggregate), self.scores(), title)
        data["text/plain"] = self.summary()
        data["image/png"] = base64.b64encode(picture).decode()
        return data, metadata

    def _list_scores(self) -> None:
        self.set_trait("score_list", [entry.describe() for entry in self._scores.values()])

    def _receive(self, _: Any, request: Any, buffers: Any) -> None:
        """Answer a message of the front end; an error is answered in words, since there nobody would see it."""
        request_id = request.get("id") if isinstance(request, dict) else None
        try:
            reply, out = self.answer(request)
        except Exception as error:
            reply, out = {"error": f"{type(error).__name__}: {error}"}, []
        self.send({"id": request_id, **reply}, out)

    def _follow_heads(self, change: Any) -> None:
        with self.hold_trait_notifications():  # the two change together, or the next observer would see half of it
            self.layer, self.head = change["new"][-1]

    def _follow_layer_and_head(self, change: Any) -> None:
        if not self.heads or list(self.heads[-1]) != [self.layer, self.head]:
            self.heads = [[self.layer, self.head]]

    def _follow_sentence(self, change: Any) -> None:
        self.target_index = self.source_index = None

    @traitlets.validate("sentence", "layer", "head", "target_index", "source_index")
    def _check_index(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        record = self._records[self.sentence] if self.sentence < len(self._records) else self._records[0]
        sizes = {
            "sentence": len(self._records),
            "layer": record.layers,
            "head": record.heads,
            "target_index": record.weights.shape[2],
            "source_index": record.weights.shape[3],
        }
        if value is not None and not 0 <= value < sizes[name]:
            raise traitlets.TraitError(f"{name} must be 0 to {sizes[name] - 1} here, got {value}")
        return value

    @traitlets.validate("heads")
    def _check_heads(self, proposal: Any) -> list[list[int]]:
        try:
            heads = [[operator.index(layer), operator.index(head)] for layer, head in proposal["value"]]
        except (TypeError, ValueError):
            heads = []
        if not heads:
            raise traitlets.TraitError(
                f"heads must be a list of at least one (layer, head) pair, got {proposal['value']!r:.80}"
            )
        for layer, head in heads:
            if not (0 <= layer < self._records[0].layers and 0 <= head < self._records[0].heads):
                raise traitlets.TraitError(
                    f"there is no layer {layer} head {head}: layers are 0 to {self._records[0].layers - 1}, heads are "
                    f"0 to {self._records[0].heads - 1}"
                )
        # Of a head named twice the last mention counts, as of a dictionary's keys.
        return [list(pair) for pair in reversed(dict.fromkeys(map(tuple, reversed(heads))))]

    @traitlets.validate("score_name")
    def _check_score_name(self, proposal: Any) -> str:
        if proposal["value"] not in self._scores:
            raise traitlets.TraitError(
                f"no score {proposal['value']!r} is listed; there are {', '.join(self._scores)}. Add one with add_score"
            )
        return str(proposal["value"])


VIEW_SETTINGS = tuple(
    name
    for name, trait in CrossAttentionWidget.class_own_traits(sync=True).items()
    if not trait.read_only and not name.startswith("_")
)


def check_view(view: Mapping[str, Any]) -> None:
    """Raise a TypeError that names the nearest setting where ``view`` has one that does not exist."""
    for name in view:
        if name not in VIEW_SETTINGS:
            near = difflib.get_close_matches(name, VIEW_SETTINGS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(VIEW_SETTINGS))}"
            raise TypeError(f"{name!r} is no view setting; {hint}")


def _settled_last(name: str) -> int:
    """Settings that others reset come after those."""
    return ["sentence", "layer", "head", "heads"].index(name) if name in ("sentence", "layer", "head", "heads") else 9


def _flatten(records: Any) -> tuple[list[CrossAttention], list[str]]:
    """The records with each hypothesis for itself, and for each which hypothesis of how many it is, in words."""
    for record in records if isinstance(records, Sequence) and not isinstance(records, str) else [records]:
        if not isinstance(record, CrossAttention):
            raise TypeError(
                f"the widget shows CrossAttention records, got {type(record).__name__}: make them with extract(...) or "
                "CrossAttention.from_tokens(...), or call show_cross_attention"
            )
    flat: list[CrossAttention] = []
    ranks: list[str] = []
    for record in records:
        hypotheses = record.hypotheses or (record,)
        flat += hypotheses
        ranks += [
            f" ({rank} of {len(hypotheses)})" if record.hypotheses else "" for rank in range(1, len(hypotheses) + 1)
        ]
    if not flat:
        raise ValueError("there is nothing to show: the list of sentences is empty")
    for index, record in enumerate(flat):
        if (record.layers, record.heads) != (flat[0].layers, flat[0].heads):
            raise ValueError(
                f"records must come from one model: record 0 has {flat[0].layers} layers of {flat[0].heads} heads, "
                f"record {index} has {record.layers} of {record.heads}"
            )
    return flat, ranks


def rank_heads(record: CrossAttention, entry: ScoreEntry) -> list[tuple[int, int, float]]:
    """(layer, head, value) of every head, best first by the score's direction; undefined values last."""
    grid = entry.of(record)
    sign = -1 if entry.score.direction == "higher" else 1
    ranked = [(layer, head, value) for layer, row in enumerate(grid.tolist()) for head, value in enumerate(row)]
    return sorted(ranked, key=lambda item: (not math.isfinite(item[2]), sign * item[2]))


def show_cross_attention(
    model: PreTrainedModel,
    tokenizer: Any,
    source: str | Sequence[str],
    target: str | Sequence[str] | None = None,
    *,
    generation: Mapping[str, Any] | None = None,
    scores: Sequence[str | Score | Callable[..., Any]] | None = None,
    truncation: bool = False,
    **view: Any,
) -> CrossAttentionWidget:
    """Show the cross-attention of a model on sentences, in a notebook.

    Args:
        model: an encoder-decoder model of transformers, as loaded.
        tokenizer: the model's tokenizer.
        source: a sentence, or a list of them.
        target: None to let the model generate; a sentence (or a list as long as ``source``) to read by teacher forcing.
        generation: keyword arguments of ``model.generate``; greedy when left out.
        scores: names of built-in scores and scores of your own; all built-in ones when left out.
        truncation: cut sentences that are longer than the model's positions, in place of the error.
        view: initial settings of the panel, such as ``words=True``, ``orientation="rows"`` or ``layer=2``; see
            :class:`CrossAttentionWidget`.

    Returns:
        The widget; as the last expression of a cell it is shown.

    Raises:
        TypeError: an unknown view setting, or what :func:`extract` raises.
        ValueError: what :func:`extract` raises.
    """
    check_view(view)  # before the model runs
    records = extract(model, tokenizer, source, target, generation=generation, truncation=truncation)
    return CrossAttentionWidget(records, scores=scores, **view)
