"""Whether a table can be shown with a model: its columns, and whether the model is the one that scored it."""

from __future__ import annotations

import logging
from typing import Any

import pyarrow as pa

from xattn_widget.corpus.fingerprints import model_fingerprint
from xattn_widget.corpus.job import probe_model
from xattn_widget.corpus.quantities import Ranking
from xattn_widget.corpus.store.tables import METADATA, corpus_info, grids, score_names
from xattn_widget.inputs.extras import Extras
from xattn_widget.inputs.paired import PairedModel

logger = logging.getLogger("xattn_widget")


def check_columns(table: pa.Table, ranking: Ranking) -> None:
    """Raise a ValueError unless there is something to rank by, and texts to list."""
    if not ranking.quantities:
        raise ValueError("the table has no scores or statistics: make one with score_corpus")
    for name in ("source", "target"):
        if name not in table.column_names:
            raise ValueError(f"the table has no column {name!r}, whose texts the view lists: keep it in the table")


def check_pair(table: pa.Table, paired: PairedModel, extras: Extras) -> tuple[tuple[int, int], str]:
    """Detect the table of another model: a clicked sentence would show what was not scored, or fail.

    Returns:
        The model's layers and heads, and a sentence for the reader if the models differ in other respects.
    """
    model = paired.model
    shape, _ = probe_model(paired, extras, "prompt" in table.column_names)
    kind = type(model).__name__
    for name in score_names(table):
        scored = grids(table.slice(0, 0), name).shape[1:]
        if scored != shape:
            raise ValueError(
                f"the table has {scored[0]} layers of {scored[1]} heads and this {kind} has {shape[0]} layers of "
                f"{shape[1]}: pass the model that the table was scored with"
            )
    if METADATA not in (table.schema.metadata or {}):
        return shape, ""
    return shape, model_notice(model, corpus_info(table).get("job", {}).get("model"), "table")


def model_notice(model: Any, before: str | None, what: str) -> str:
    """Log a warning if the model is not the one that made a table or a profile, and return a sentence for the reader.

    Args:
        model: the model that opens sentences.
        before: the model before, as ``describe_job`` writes it; None if it is not known.
        what: ``"table"`` or ``"profile"``.
    """
    now = f"{type(model).__name__} {model_fingerprint(model)}"  # the form of describe_job
    if before in (None, now):
        return ""
    made = "scored" if what == "table" else "made"
    logger.warning(
        "the %s was %s with another model (%s, this is %s): weights, configuration or number type differ, "
        "and an opened sentence may not show what was scored",
        what,
        made,
        before,
        now,
    )
    shows = "has the scores of the table and the attention of this model" if what == "table" else "shows this model"
    return f"The {what} was {made} with another model ({before}, this is {now}). An opened sentence {shows}."
