"""A scored corpus in a notebook: how its scores are spread, the worst sentences, and one of them in the panel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from os import PathLike
from typing import Any, cast

import pyarrow as pa
import traitlets

from xattn_widget.corpus.opening import opened_source
from xattn_widget.corpus.quantities import Ranked, Ranking
from xattn_widget.corpus.sources.mediums import table_medium, what_rows_are
from xattn_widget.corpus.store.reading import read_table
from xattn_widget.corpus.store.tables import count_errors, table_info
from xattn_widget.inputs.extras import make_extras
from xattn_widget.inputs.paired import pair_model
from xattn_widget.messages.characters import visible, well_formed
from xattn_widget.panel.protocol import RequestError
from xattn_widget.record.heads import check_whole
from xattn_widget.scores import Score, find_score
from xattn_widget.widget.corpus_checks import check_columns, check_pair
from xattn_widget.widget.corpus_requests import answer, file_name, read_head, read_name, read_row, read_search
from xattn_widget.widget.opening_view import OpeningView
from xattn_widget.widget.show import show_cross_attention
from xattn_widget.widget.table_scores import Column, RowScores, find_column, further_scores
from xattn_widget.widget.widget import CrossAttentionWidget

# Log-probabilities to list, the first that the table has.
_PROBABILITIES = ("logprob_sum", "logprob_mean")
# The rows of the summary in words.
_LINES, _LONGEST_LINE = 5, 100


class CorpusView(OpeningView):
    """The view that :func:`show_corpus` makes; every trait can be observed and set.

    Attributes:
        score_name: the score or other column of numbers that the list is ranked by. Another one begins with its worst
            values again.
        head: what a score is ranked by: None for the mean of all heads, a layer for its mean, or a ``(layer, head)``
            pair.
        lowest_first: whether the list begins with the lowest values; by default with the worst.
        search: only rows whose source or target contains this text, in any case.
        row: the row of the table that is open below the list, or None.
        theme: ``"auto"`` (the theme of the host), ``"light"`` or ``"dark"``.
        opened: the widget of the row that is open, or None.
    """

    _app = traitlets.Unicode("corpus").tag(sync=True)

    _from_page = frozenset({"score_name", "head", "lowest_first", "search", "row"})

    score_name = traitlets.Unicode().tag(sync=True)
    head = traitlets.Any(None, allow_none=True).tag(sync=True)
    lowest_first = traitlets.Bool().tag(sync=True)
    search = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        table: pa.Table,
        model: Any,
        tokenizer: Any,
        count: int,
        target_tokenizer: Any = None,
        forward: Mapping[str, Any] | None = None,
        scores: Sequence[str | Score | Callable[..., Any]] = (),
    ) -> None:
        """See :func:`show_corpus`."""
        # Shows a sentence with the model, its tokenizers and the arguments of its forward.
        self._show = partial(show_cross_attention, model, tokenizer, target_tokenizer=target_tokenizer, forward=forward)
        self._ranking = Ranking(table)
        # What the table says of itself, such as the folder that paths of recordings or pictures are relative to.
        self._table_info = table_info(table)
        self._medium = table_medium(self._table_info)
        self._given = {score.name: score for score in map(find_score, scores)}
        check_columns(table, self._ranking)
        paired = pair_model(model, tokenizer, target_tokenizer)
        self._shape, notice = check_pair(table, paired, make_extras(model, None, forward))
        self._count = count
        self._probability = next((name for name in _PROBABILITIES if name in self._ranking.quantities), None)
        self._columns = [
            find_column(quantity, self._given) for quantity in self._ranking.quantities.values() if quantity.per_head
        ]
        first = next(iter(self._ranking.quantities.values()))
        self.set_trait("info", self._describe(type(model).__name__, notice))
        super().__init__(score_name=first.name, lowest_first=first.lowest_first)
        self.observe(self._begin_with_the_worst, "score_name")
        self.observe(self._follow_ranking, ["score_name", "head"])

    def _describe(self, model: str, notice: str) -> dict[str, Any]:
        table, columns = self._ranking.table, {column.quantity.name: column for column in self._columns}
        errors = count_errors(table["error"]) if "error" in table.column_names else {}
        return {
            "model": model,
            "what": what_rows_are(self._table_info, table),
            "rows": table.num_rows,
            "layers": self._shape[0],
            "heads": self._shape[1],
            "page": self._count,
            "logprob": self._probability,
            "notice": notice,
            "errors": [f"{count} {well_formed(reason)}" for reason, count in errors.items()],
            "quantities": [
                {
                    "name": quantity.name,
                    "per_head": quantity.per_head,
                    "direction": quantity.direction,
                    "lowest_first": quantity.lowest_first,
                    "signature": well_formed(quantity.signature),
                    "description": quantity.description or _described(columns.get(quantity.name)),
                    "why": well_formed(columns[quantity.name].why) if quantity.per_head else "",
                }
                for quantity in self._ranking.quantities.values()
            ],
        }

    # --- Traits.

    @traitlets.validate("score_name")
    def _check_name(self, proposal: Any) -> str:
        return cast("str", self._checked(read_name, proposal["value"], self._ranking.quantities))

    @traitlets.validate("head")
    def _check_head(self, proposal: Any) -> Any:
        return self._checked(read_head, proposal["value"], *self._shape)

    @traitlets.validate("search")
    def _check_search(self, proposal: Any) -> str:
        return cast("str", self._checked(read_search, proposal["value"]))

    @traitlets.validate("row")
    def _check_row(self, proposal: Any) -> int | None:
        row = self._checked(read_row, proposal["value"], self._ranking.table.num_rows)
        if row is not None:
            cells = self._cells(row)
            if cells.get("error") or not cells["source"] or cells["target"] is None:
                why = cells.get("error") or "it has no source or no target"
                raise traitlets.TraitError(f"row {row} cannot be opened: {well_formed(why)}")
        return cast("int | None", row)

    @staticmethod
    def _checked(read: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return read(*arguments)
        except RequestError as error:
            raise traitlets.TraitError(str(error)) from None

    def _cells(self, row: int) -> dict[str, Any]:
        table = self._ranking.table
        names = [name for name in ("source", "target", "prompt", "offset", "error") if name in table.column_names]
        return cast("dict[str, Any]", table.select(names).slice(row, 1).to_pylist()[0])

    def _begin_with_the_worst(self, change: Any) -> None:
        self.lowest_first = self._ranking.quantities[self.score_name].lowest_first

    def _follow_ranking(self, change: Any) -> None:
        """Color the open sentence by the score of the list, and pick the heads that it is ranked by."""
        if self.opened is None:
            return
        for name, value in self._picked().items():
            if change["name"] == "score_name" or name == "heads":
                setattr(self.opened, name, value)

    def _picked(self) -> dict[str, Any]:
        """The settings of the panel that follow the list; what is left out, the panel chooses."""
        picked: dict[str, Any] = {}
        if self._ranking.quantities[self.score_name].per_head:
            picked["score_name"] = well_formed(self.score_name)
            if isinstance(self.head, tuple):
                picked["heads"] = [list(self.head)]
            elif self.head is not None:
                picked["heads"] = [[self.head, head] for head in range(self._shape[1])]
        return picked

    # --- The open sentence.

    def _open_row(self, row: int) -> CrossAttentionWidget:
        cells = self._cells(row)
        names = [column.quantity.name for column in self._columns]
        values = RowScores({name: self._ranking.grid(name, row) for name in names})
        entries = values.entries(self._columns)
        listed: list[Any] = [*entries, *further_scores(self._columns, self._given)]
        picked = self._picked()
        source = opened_source(cells["source"], self._table_info, cells.get("offset"))
        widget = self._show(
            source, cells["target"], prompt=cells.get("prompt"), scores=listed, theme=self.theme, **picked
        )
        values.belong_to(widget.record, entries)
        return widget

    # --- The page.

    def _answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        return answer(request, self._ranking, *self._shape, self._count, self._probability)

    def _picture(self) -> bytes:
        from xattn_widget.widget.corpus_picture import distribution_picture

        return distribution_picture(self._ranking.spread(self.score_name), self.score_name)

    def summary(self) -> str:
        """What the list shows, in words: what it is ranked by, and the first rows."""
        quantity = self._ranking.quantities[self.score_name]
        head = self.head if quantity.per_head else None
        order = self._ranking.order(quantity.name, head, self.lowest_first)
        rows, ranks, found = self._ranking.page(order, self.search, 0, _LINES)
        missing = self._ranking.table.num_rows - len(order.rows)
        lines = [
            f"{found} {self.info['what']}s by {quantity.name}{_heads(head) if quantity.per_head else ''}, "
            f"{'lowest' if self.lowest_first else 'highest'} first"
            + (f"; {missing} without a value" if missing else "")
        ]
        sources = self._ranking.table["source"].take(pa.array(rows, pa.int64())).to_pylist()
        for row, rank, source in zip(rows, ranks, sources, strict=True):
            text = source if self._medium is None else file_name(source)
            text = text if len(text) <= _LONGEST_LINE else f"{text[:_LONGEST_LINE]}…"
            lines.append(f"{rank}. {order.values[row]:.4g}  {visible(text)}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        """The table's size and the column that it is ranked by, for ``print`` and logs."""
        ranking = vars(self).get("_ranking")
        if ranking is None:  # an error in the arguments: there is nothing to show yet
            return f"{type(self).__name__}()"
        order = "lowest" if self.lowest_first else "highest"
        rows = f"{ranking.table.num_rows} {self.info['what']}s"
        return f"{type(self).__name__}({rows} by {self.score_name!r}, {order} first)"


def show_corpus(
    table: pa.Table | str | PathLike[str],
    model: Any,
    tokenizer: Any,
    *,
    worst: int = 50,
    scores: Sequence[str | Score | Callable[..., Any]] = (),
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
) -> CorpusView:
    """Look at a scored corpus in a notebook: how each score is spread, and the worst sentences, to click.

    A click opens a sentence below the list in the cross-attention widget, with the target from the table and its
    scores: the panel shows exactly the table's numbers, also for scores of your own. An experiment in the panel makes
    another target, whose scores are computed; for your own score this takes its function.

    Example:
        >>> from xattn_widget import load_demo, score_corpus, show_corpus
        >>> model, tokenizer = load_demo()
        >>> table = score_corpus(model, tokenizer, ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"])
        >>> view = show_corpus(table, model, tokenizer)
        >>> view.row = 1  # opens this row in the panel below the list

    Args:
        table: the result of ``score_corpus``, or the path of the Parquet file that it wrote. Recordings and
            pictures are listed by the names of their files, which are read again, from where they were, when a row is
            opened; those that were passed in memory cannot be opened.
        model: the model that the table was scored with. Logs a warning if its weights, configuration or number type
            differ, and the view says so.
        tokenizer: its tokenizer, or the processor of a model that reads sound or images.
        worst: how many sentences a page of the list has, the worst first.
        scores: your own scores, functions or ``Score`` objects. Those of the table are found by their name if they were
            made in this process and still have the same code. Others are listed in the panel as well.
        target_tokenizer: the tokenizer of the targets, if it is a different one.
        forward: further arguments of the model's forward that the table was scored with, see :func:`score_corpus`.

    Returns:
        The view, which a cell shows as its last expression.

    Raises:
        TypeError: not a model or a tokenizer of transformers, or ``scores`` that are no scores.
        ValueError: a table without scores and statistics or without texts, a model with other layers or heads than the
            table, the tokenizer of another model, or a ``worst`` that is not a positive whole number.
    """
    check_whole(worst, "worst")
    if isinstance(table, str | PathLike):
        table = read_table(table)
    listed = [scores] if isinstance(scores, str | Score) or callable(scores) else list(scores)
    return CorpusView(table, model, tokenizer, worst, target_tokenizer, forward, listed)


def _heads(head: Ranked) -> str:
    """What a score is ranked by, to follow its name."""
    if isinstance(head, tuple):
        return f" (layer {head[0]}, head {head[1]})"
    return " (mean of all heads)" if head is None else f" (mean of layer {head})"


def _described(column: Column | None) -> str:
    return well_formed(column.score.description) if column else ""
