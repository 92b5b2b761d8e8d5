"""Checks of settings against the listed records; ``setting_kinds.py`` has the checks that need no records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from traitlets import TraitError

from xattn_widget.messages.characters import brief
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.setting_kinds import HEADS_FORM
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import check_heads, head_pairs, whole_number


def settle_index(name: str, value: int | None, count: int) -> int | None:
    """An index from 0 to ``count - 1``, or None.

    Raises:
        TraitError: another number.
    """
    if value is not None and not 0 <= value < count:
        raise TraitError(f"{name} must be 0 to {count - 1} here, got {brief(value)}")
    return value


def settle_heads(value: Any, record: AttentionData) -> list[list[int]]:
    """Picked heads as a list of [layer, head], each once.

    Raises:
        TraitError: something other than (layer, head) pairs, or a head that the record does not have or keep.
    """
    try:
        heads = head_pairs(value, form=HEADS_FORM)
        if not heads:
            raise ValueError(f"heads must be {HEADS_FORM}, got {brief(value)}")
        record.places_of(heads)  # for its checks
    except ValueError as error:
        raise TraitError(str(error)) from None
    # The last mention of a head counts, since the last head is the one picked last.
    return [list(pair) for pair in reversed(dict.fromkeys(reversed(heads)))]


def check_layer(layer: int, record: AttentionData) -> None:
    """Raise unless the record keeps a head of a layer.

    Raises:
        TraitError: it keeps none.
    """
    if record.kept is not None and not any(number == layer for number, _ in record.kept.pairs):
        raise TraitError(f"this record keeps no head of layer {layer}; it keeps {record.kept.describe()}")


def first_head(record: AttentionData, layer: int) -> int:
    """The first head that a record keeps of a layer; 0 where it keeps none."""
    return next((head for number, head in record.kept_heads if number == layer), 0)


def settle_muted(value: Any, record: AttentionData) -> list[list[int]]:
    """Muted heads as a sorted list of [layer, head], each once; empty for none.

    Raises:
        TraitError: something other than (layer, head) pairs, or a head that the record does not have.
    """
    try:
        heads = sorted(set(head_pairs(value, "muted")))
        check_heads(heads, record.layers, record.heads)
    except ValueError as error:
        raise TraitError(f"muted: {error}") from None
    return [list(head) for head in heads]


def settle_compare(value: Any, sentence: int, entries: Sequence[Entry]) -> dict[str, Any] | None:
    """What to compare with as a dictionary of ``sentence`` and ``heads``, either of which may be missing.

    Raises:
        TraitError: something else, or a sentence or head that does not exist.
    """
    if value is None:
        return None
    setting = dict(value) if isinstance(value, Mapping) else {"sentence": value}
    settled: dict[str, Any] = {}
    if setting.get("sentence") is not None:
        settled["sentence"] = whole_number(setting["sentence"])
    if set(setting) - {"sentence", "heads"} or settled.get("sentence", 0) is None:
        raise TraitError(
            "compare must be None, a sentence's number, or a dictionary of 'sentence' and 'heads' (a list of (layer, "
            f"head) pairs), got {brief(value)}"
        )
    compared = settled.get("sentence", sentence)
    if not 0 <= compared < len(entries):
        raise TraitError(f"compare names sentence {brief(compared)}; they are 0 to {len(entries) - 1} here")
    if setting.get("heads") is not None:
        settled["heads"] = settle_heads(setting["heads"], entries[compared].record)
    return settled


def settle_score(value: str, listed: Collection[str]) -> str:
    """The name of a listed score.

    Raises:
        TraitError: another name.
    """
    if value not in listed:
        raise TraitError(f"no score {brief(value)} is listed; {did_you_mean(value, listed)} add_score adds one")
    return value


def fit_heads(heads: Sequence[Sequence[int]], record: AttentionData) -> list[list[int]]:
    """The heads that this record keeps too, or else those of its last layer."""
    kept = set(record.kept_heads)
    return [[layer, head] for layer, head in heads if (layer, head) in kept] or last_layer(record)


def last_layer(record: AttentionData) -> list[list[int]]:
    """All heads that a record keeps of the last layer with any."""
    kept = record.kept_heads
    return [[layer, head] for layer, head in kept if layer == kept[-1][0]]
