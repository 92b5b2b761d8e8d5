"""The heads with which the panel opens where nobody has chosen any."""

from __future__ import annotations

from typing import Any

from xattn_widget.alignment.evidence import Evidence
from xattn_widget.alignment.timing_heads import guessed_timing
from xattn_widget.panel.own_rows import PanelSet
from xattn_widget.panel.rules import last_layer
from xattn_widget.panel.word_times import marked_heads
from xattn_widget.record.data import AttentionData


def first_heads(
    record: AttentionData, reading: Any, saved: PanelSet | None, evidence: Evidence | None
) -> dict[str, Any]:
    """The settings ``heads``, and ``reading`` where the heads need one.

    Args:
        record: the record that is shown first.
        reading: the reading that the user asked for, or None.
        saved: the set of heads that was saved with the model.
        evidence: what is known about which heads align.
    """
    kept = set(record.kept_heads)
    marked = marked_heads(record)
    known = [head for head in marked["calibrated"] or marked["model"] if tuple(head) in kept]
    if known:
        return {"heads": known}
    if "audio" in record.source.kinds:
        return {"heads": [list(head) for head in guessed_timing(record).heads]}
    if saved is not None and reading in (None, saved.rows) and {(layer, head) for layer, head in saved.heads} <= kept:
        return {"heads": saved.heads, "reading": saved.rows}
    if evidence is not None and evidence.grid == (record.layers, record.heads):
        guess = evidence.guess("output" if reading == "own" else reading)
        if guess and set(guess.heads) <= kept:
            return {"heads": guess.heads, "reading": guess.reading}
    # It most resembles an alignment if rows are labeled by the token written.
    return {"heads": last_layer(record)}
