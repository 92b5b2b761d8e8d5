"""The settings of the panel, as traits that Python and the panel both observe and set."""

from __future__ import annotations

import contextlib
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import traitlets

from xattn_widget.messages.characters import brief
from xattn_widget.messages.mistakes import argument_hint
from xattn_widget.record.heads import head_pairs


class _Index(traitlets.Int[int, Any]):
    """A whole number, of numpy or torch too (what argmin gives), and neither True nor False."""

    def validate(self, obj: Any, value: Any) -> Any:
        if value is not None and not isinstance(value, bool):
            with contextlib.suppress(TypeError):  # the check below words the error
                value = operator.index(value)
        if isinstance(value, bool):
            self.error(obj, value)
        return super().validate(obj, value)


class _Share(traitlets.Float[float, Any]):
    """A number from 0 to 1, of numpy or torch too. NaN is none: it passes every comparison, and JSON has none."""

    def validate(self, obj: Any, value: Any) -> Any:
        number = math.nan
        if not isinstance(value, bool | str | bytes):
            with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeError):
                number = float(value)
        if not 0 <= number <= 1:
            raise traitlets.TraitError(f"{self.name} must be a number from 0 to 1, got {brief(value)}")
        return number


HEADS_FORM, MUTED_FORM = "a list of at least one (layer, head) pair", "a list of (layer, head) pairs"


class _Heads(traitlets.List[list[int]]):
    """A list of (layer, head) pairs, of numpy too."""

    def validate(self, obj: Any, value: Any) -> Any:
        try:
            pairs = head_pairs(value, str(self.name), HEADS_FORM if self.name == "heads" else MUTED_FORM)
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return super().validate(obj, [list(pair) for pair in pairs])


class View(traitlets.HasTraits):
    """What the panel shows of a widget's records, and how.

    Attributes:
        layer, head: the head picked last, counted from 0.
        heads: all picked heads, a list of ``[layer, head]``, the last one being ``[layer, head]``.
        sentence: which record is shown.
        target_index, source_index: the pinned token on either side (a subword position), or None.
        score_name: the score that colours the grid.
        aggregate: ``"mean"`` or ``"max"`` over the picked heads.
        keep: which lines are drawn: those of at least ``threshold`` (``"threshold"``), the ``top_k`` strongest of each
            row (``"top"``), or of each row as many of the strongest as carry the share ``mass`` of it (``"mass"``).
        threshold, top_k, mass: see ``keep``; 0 to 1, 1 or more, 0 to 1.
        words: merge subwords into words.
        special: ``"show"``, ``"fade"`` or ``"drop"`` special tokens (dropping renormalises the rows, and says so).
        reading: rows labelled by the token predicted (``"output"``) or read (``"input"``).
        orientation: source and target in ``"columns"`` or ``"rows"``.
        panel: ``"lines"``, ``"matrix"``, ``"compare"``, ``"scores"`` or ``"all"`` heads.
        compare: what ``panel="compare"`` sets beside the picked heads, a dictionary of ``sentence`` and ``heads``; what
            is left out is the same as theirs. A number alone is a sentence. None: the next sentence, or with one
            sentence all heads of the layer before.
        second_score: the score that the scatter of ``panel="scores"`` sets ``score_name`` against; "" chooses one.
        zoom: enlarge the cells of a large matrix until each has its label, and scroll.
        table: show the matrix as a table.
        theme: ``"auto"`` (the host's), ``"light"`` or ``"dark"``.
        muted: heads whose output is zero, a list of ``[layer, head]``; [] for none. With heads muted the list of
            sentences ends with two more: the same target read without them, which is shown, and what the model writes
            without them; the widget's ``live["effect"]`` has the log-probabilities. Only where it holds its model.
    """

    sentence = _Index(0).tag(sync=True)
    layer = _Index(0).tag(sync=True)
    head = _Index(0).tag(sync=True)
    heads = _Heads().tag(sync=True)
    target_index = _Index(None, allow_none=True).tag(sync=True)
    source_index = _Index(None, allow_none=True).tag(sync=True)
    score_name = traitlets.Unicode().tag(sync=True)
    aggregate = traitlets.Enum(["mean", "max"], "mean").tag(sync=True)
    keep = traitlets.Enum(["threshold", "top", "mass"], "threshold").tag(sync=True)
    threshold = _Share(0.05).tag(sync=True)
    top_k = _Index(3, min=1, max=2**31 - 1).tag(sync=True)
    mass = _Share(0.9).tag(sync=True)
    words = traitlets.Bool(False).tag(sync=True)
    special = traitlets.Enum(["show", "fade", "drop"], "fade").tag(sync=True)
    reading = traitlets.Enum(["output", "input"], "output").tag(sync=True)
    orientation = traitlets.Enum(["columns", "rows"], "columns").tag(sync=True)
    panel = traitlets.Enum(["lines", "matrix", "compare", "scores", "all"], "lines").tag(sync=True)
    compare = traitlets.Any(None, allow_none=True).tag(sync=True)
    second_score = traitlets.Unicode("").tag(sync=True)
    zoom = traitlets.Bool(False).tag(sync=True)
    table = traitlets.Bool(False).tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    muted = _Heads().tag(sync=True)


VIEW_SETTINGS = tuple(View.class_own_traits())


def check_view(view: Mapping[str, Any], arguments: Iterable[str] = ()) -> None:
    """Raise a TypeError that says what to write where ``view`` has a setting that does not exist.

    Args:
        view: settings by name.
        arguments: what else the caller takes by name.
    """
    for name, value in view.items():
        if name not in VIEW_SETTINGS:
            hint = argument_hint(name, value, [*sorted(VIEW_SETTINGS), *arguments])
            raise TypeError(f"{name!r} is not a view setting; {hint}")


def settled_last(name: str) -> int:
    """Settings that others reset come after those."""
    order = ["sentence", "layer", "head", "heads"]
    # Muting runs the model on what all others have chosen.
    return order.index(name) if name in order else 10 if name == "muted" else 9
