"""A scored corpus in a notebook: the distribution of each head, the worst sentences, and one of them in the widget."""

from __future__ import annotations

import base64
import io
import logging
import math
from collections.abc import Mapping
from functools import partial
from os import PathLike
from typing import Any

import ipywidgets
import numpy as np
import pyarrow as pa
from matplotlib.figure import Figure

from xattn_widget.corpus.fingerprints import model_fingerprint
from xattn_widget.corpus.job import check_positive, probe_model
from xattn_widget.corpus.store.columns import column_values
from xattn_widget.corpus.store.parquet import read_table
from xattn_widget.corpus.store.tables import METADATA, corpus_info, grids, score_names
from xattn_widget.inputs.extras import Extras, make_extras
from xattn_widget.inputs.text.sides import TextModel, pair_model
from xattn_widget.panel.markup import element
from xattn_widget.plot import COLORS
from xattn_widget.plot.palette import PLOT
from xattn_widget.widget.show import show_cross_attention

logger = logging.getLogger("xattn_widget")

_BINS = 40
_COLUMNS = 3
_ALL = "mean of all heads"


class CorpusView(ipywidgets.VBox):  # type: ignore[misc]
    """The view that :func:`show_corpus` makes.

    Attributes:
        score: the menu of scores.
        head: the menu of heads to rank by; its value ends the name of a column,
            ``".layer2.head5"``, or is "" for the mean of all heads.
        picture: the distribution of the score for each head.
        sentences: the list of the worst sentences, to click; its value is a row of the table, or None.
        opened: the widget of the sentence that is open, or None.
    """

    def __init__(
        self,
        table: pa.Table,
        model: Any,
        tokenizer: Any,
        count: int,
        target_tokenizer: Any = None,
        forward: Mapping[str, Any] | None = None,
    ) -> None:
        self._table, self._count = table, count
        # Shows a sentence with the model, its tokenizers and the arguments of its forward.
        self._show = partial(show_cross_attention, model, tokenizer, target_tokenizer=target_tokenizer, forward=forward)
        self.opened: Any = None
        names = score_names(table)
        if not names:
            raise ValueError("the table has no scores: make one with score_corpus")
        layers, heads = grids(table.slice(0, 0), names[0]).shape[1:]
        text_model = pair_model(model, tokenizer, target_tokenizer)
        _check_pair(table, (layers, heads), text_model, make_extras(model, None, forward))
        self._pairs = {f".layer{layer}.head{head}": (layer, head) for layer in range(layers) for head in range(heads)}
        wide = ipywidgets.Layout(width="auto")
        self.score = ipywidgets.Dropdown(options=names, description="score")
        of_heads = [(f"layer {layer}, head {head}", column) for column, (layer, head) in self._pairs.items()]
        self.head = ipywidgets.Dropdown(options=[(_ALL, ""), *of_heads], description="rank by")
        self.picture = ipywidgets.Image(format="png", layout=ipywidgets.Layout(max_width="100%"))
        self.sentences = ipywidgets.Select(layout=wide)
        self._note, self._summary = ipywidgets.HTML(), ""
        self._place = ipywidgets.VBox()
        super().__init__(
            [ipywidgets.HBox([self.score, self.head]), self.picture, self._note, self.sentences, self._place]
        )
        self.score.observe(self._update, "value")
        self.head.observe(self._update, "value")
        self.sentences.observe(self._open, "value")
        self._update()

    def _update(self, change: Any = None) -> None:
        name = self.score.value
        field = self._table.schema.field(name)
        high_is_bad = (field.metadata or {}).get(b"direction", b"higher") == b"lower"
        self.picture.value = distribution_picture(self._table, name)
        values = column_values(self._table, name + self.head.value)
        known = np.flatnonzero(~np.isnan(values))
        worst = known[np.argsort(-values[known] if high_is_bad else values[known], kind="stable")][: self._count]
        extreme = "highest" if high_is_bad else "lowest"
        missing = self._table.num_rows - len(known)
        self._summary = f"{len(worst)} worst of {len(known)} sentences, {extreme} {name} first" + (
            f"; {missing} without a value" if missing else ""
        )
        self._note.value = element("span", {}, self._summary)  # escaped, because the score's name comes from the file
        texts = self._table["source"].take(pa.array(worst, pa.int64())).to_pylist()
        options = [(f"{values[row]:#.3g}  {text}", int(row)) for row, text in zip(worst, texts, strict=True)]
        self.sentences.options, self.sentences.rows = options, min(10, max(2, len(options)))
        self.sentences.value = None

    def _open(self, change: Any) -> None:
        if self.opened is not None:
            self.opened.close()
            self.opened = None
        row = change["new"]
        if row is None:
            self._place.children = ()
            return
        cells = self._table.slice(row, 1).select(["source", "target"]).to_pylist()[0]
        view: dict[str, Any] = {"heads": [self._pairs[self.head.value]]} if self.head.value else {}
        self.opened = self._show(cells["source"], cells["target"], **view)
        if self.score.value in [entry["name"] for entry in self.opened.score_list]:
            self.opened.score_name = self.score.value
        self._place.children = (self.opened,)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The widget, with the picture for places where no widget runs."""
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        data["image/png"] = base64.b64encode(self.picture.value).decode()
        listed = "\n".join(label for label, _ in self.sentences.options[:5])
        data["text/plain"] = f"{self._summary}\n{listed}"
        return bundle


def show_corpus(
    table: pa.Table | str | PathLike[str],
    model: Any,
    tokenizer: Any,
    *,
    worst: int = 50,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
) -> CorpusView:
    """Look at a scored corpus in a notebook: the distribution of each head, and the worst sentences, to click.

    A click opens a sentence below in the cross-attention widget, with the target from the table.

    Args:
        table: the result of ``score_corpus``, or the path of the Parquet file that it wrote.
        model: the model that the table was scored with. Logs a warning if its weights, configuration or number type
            differ.
        tokenizer: its tokenizer.
        worst: the number of sentences to list.
        target_tokenizer: the tokenizer of the targets, if it is a different one.
        forward: further arguments of the model's forward that the table was scored with, see :func:`score_corpus`.

    Returns:
        The view, which a cell shows as its last expression.

    Raises:
        TypeError: not a model or a tokenizer of transformers.
        ValueError: a table without scores, a model with other layers or heads than the table, the tokenizer of another
            model, or a ``worst`` that is not a positive whole number.
    """
    check_positive(worst, "worst")
    if isinstance(table, str | PathLike):
        table = read_table(table)
    return CorpusView(table, model, tokenizer, worst, target_tokenizer, forward)


def _check_pair(table: pa.Table, scored: tuple[int, int], text_model: TextModel, extras: Extras) -> None:
    """Detect the table of another model: a clicked sentence would show what was not scored, or fail."""
    model = text_model.model
    shape, _ = probe_model(text_model, extras)
    kind = type(model).__name__
    if shape != scored:
        raise ValueError(
            f"the table has {scored[0]} layers of {scored[1]} heads and this {kind} has {shape[0]} layers of "
            f"{shape[1]}: pass the model that the table was scored with"
        )
    if METADATA not in (table.schema.metadata or {}):
        return
    before = corpus_info(table).get("job", {}).get("model")
    now = f"{kind} {model_fingerprint(model)}"  # the form of describe_job
    if before not in (None, now):
        logger.warning(
            "the table was scored with another model (%s, this is %s): weights, configuration or number type differ, "
            "and an opened sentence may not show what was scored",
            before,
            now,
        )


def distribution_picture(table: pa.Table, name: str) -> bytes:
    """A picture (PNG) of the distribution of a score over the corpus: one plot per layer, one column per head."""
    values = grids(table, name)
    layers, heads = values.shape[1:]
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    edges = np.linspace(low, high if high > low else low + 1, _BINS + 1)
    columns = min(_COLUMNS, layers)
    rows = math.ceil(layers / columns)
    figure = Figure(figsize=(3.2 * columns, 2.2 * rows + 0.3), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flat
    for layer, ax in enumerate(axes):
        if layer >= layers:
            ax.set_axis_off()
            continue
        columns_of_layer = [values[:, layer, head] for head in range(heads)]
        counts = np.stack([np.histogram(head[np.isfinite(head)], edges)[0] for head in columns_of_layer], axis=1)
        shares = counts / np.maximum(counts.max(0), 1)  # relative to the fullest bin of the head
        box = (-0.5, heads - 0.5, edges[0], edges[-1])
        ax.imshow(shares, origin="lower", aspect="auto", extent=box, cmap=COLORS, vmin=0, vmax=1)
        medians = [
            np.median(head[np.isfinite(head)]) if np.isfinite(head).any() else np.nan for head in columns_of_layer
        ]
        ax.plot(range(heads), medians, "_", color=PLOT["median"], markersize=9, markeredgewidth=2)
        ax.set_title(f"layer {layer}", fontsize=9)
        ax.set_xticks(range(0, heads, max(1, heads // 8)))
        ax.tick_params(labelsize=8)
    figure.supylabel(name, fontsize=9, parse_math=False)
    figure.supxlabel("head (red: its median)", fontsize=9)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=96)
    return picture.getvalue()
