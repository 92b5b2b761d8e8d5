"""The scores of a table's row in the panel: exactly the numbers of the table, whatever computed them."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from xattn_widget.corpus.quantities import Quantity
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.record.data import AttentionData
from xattn_widget.scores import BUILTIN, Score, ScoreGrid
from xattn_widget.scores.grid import Direction
from xattn_widget.scores.inputs import INPUTS
from xattn_widget.scores.made import find_made
from xattn_widget.scores.signatures import current_form


class Column(NamedTuple):
    """A score column of a table, and what can compute the score again.

    Attributes:
        quantity: the column.
        score: its score, or a stand-in that only has its name and direction.
        why: why the score cannot be computed again, or "" if it can.
    """

    quantity: Quantity
    score: Score
    why: str


def find_column(quantity: Quantity, given: Mapping[str, Score]) -> Column:
    """The score of a column: one of those given, a built-in one, or one that was made in this process.

    A function counts only if its signature is that of the column; otherwise it would compute other numbers.
    """
    name = quantity.name
    score = given.get(name) or BUILTIN.get(name) or find_made(name)
    if score is None:
        why = f"no function called {name} is known in this session: pass scores=[{name}] to show_corpus"
    elif quantity.policy is None:
        why = f"{name} was computed with a function for special tokens that this session does not know"
    elif (signature := _signature(score, quantity)) == current_form(quantity.signature):
        return Column(quantity, score, "")
    elif not quantity.signature:
        why = f"the table does not say how {name} was computed"
    else:
        why = (
            f"{name} is another function now than when the table was scored (now {signature}, in the table "
            f"{quantity.signature})"
        )
    direction: Direction = "lower" if quantity.direction == "lower" else "higher"
    return Column(quantity, Score(_unknown, name, direction, score.description if score else ""), why)


def _signature(score: Score, quantity: Quantity) -> str:
    try:
        return score.signature(special=quantity.policy, steps=quantity.steps)
    except ValueError:  # a policy that makes no sense for it
        return ""


def _unknown(attention: Any, source_mask: Any, target_mask: Any) -> Any:
    raise NotImplementedError("this score has no function")


@dataclass(frozen=True, eq=False)
class TableScore(ScoreEntry):
    """A score in the panel whose values for one record come from a table.

    Other records of the panel, which experiments make, are not in the table: their values are computed.

    Attributes:
        column: the column of the table.
        row: the values and the record that they are for.
    """

    column: Column | None = None
    row: RowScores | None = None

    @property
    def name(self) -> str:
        """The name of the column."""
        return well_formed(self.score.name)

    @property
    def follows_view(self) -> bool:
        """The table has no other values."""
        return False

    def describe(self) -> dict[str, Any]:
        """The entry in the form that the front end reads."""
        return super().describe() | {"signature": well_formed(self._column.quantity.signature)}

    def _compute(self, record: AttentionData) -> ScoreGrid:
        values = self.row.find(record, self.name) if self.row is not None else None
        if values is not None:
            return ScoreGrid(values, self._column.quantity.signature, self.score.direction)
        if self._column.why:
            raise ValueError(f"the table has no values for this target, and {self._column.why}")
        return super()._compute(record)

    @property
    def _column(self) -> Column:
        assert self.column is not None
        return self.column

    @property
    def _key(self) -> Any:
        return "from the table", super()._key


@dataclass(eq=False)
class RowScores:
    """The values of one row of a table, for one record.

    Attributes:
        grids: ``[layers, heads]`` float32 values by the name of the score.
        record: the record of the row, weakly; None until it is known.
    """

    grids: Mapping[str, Any]
    record: weakref.ref[AttentionData] | None = field(default=None)

    def entries(self, columns: Sequence[Column]) -> list[TableScore]:
        """The scores to list in the panel."""
        return [TableScore(column.score, column.quantity.policy, column=column, row=self) for column in columns]

    def belong_to(self, record: AttentionData, entries: Sequence[TableScore]) -> None:
        """Say which record the values are for."""
        self.record = weakref.ref(record)
        for entry in entries:
            entry.forget(record)

    def find(self, record: AttentionData, name: str) -> torch.Tensor | None:
        """The values of a score for a record; None for any other record."""
        if self.record is None or self.record() is not record:
            return None
        return torch.from_numpy(self.grids[name].copy())


def further_scores(columns: Sequence[Column], given: Mapping[str, Score]) -> list[Score]:
    """The scores to list after those of the table: others of the user, and the built-in ones that a record allows."""
    known = {column.quantity.name for column in columns}
    further = {
        name: score for name, score in BUILTIN.items() if not any(INPUTS[need].on_request for need in score.needs)
    }
    return [score for name, score in {**further, **given}.items() if name not in known]
