"""Records as the widget lists them: each hypothesis for itself, named, with the shape of its model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import traitlets

from xattn_widget.messages.characters import brief, well_formed
from xattn_widget.panel.settings import HEADS_FORM
from xattn_widget.record.data import AttentionData
from xattn_widget.record.heads import check_heads, head_pairs, whole_number


def flatten(records: Any, names: Sequence[str] | None) -> tuple[list[AttentionData], list[str], list[str], list[int]]:
    """Records with each hypothesis for itself.

    Args:
        records: a record, or a list of them.
        names: a name for each record, or None.

    Returns:
        The flat list of records; for each which hypothesis of how many it is, in words; for each its name; and for each
        the number of the record that it was given as.

    Raises:
        TypeError: something else than records, or names that are no list of strings.
        ValueError: no record, or more or fewer names than records.
    """
    given = [records] if isinstance(records, AttentionData) else records
    for record in given if isinstance(given, Sequence) and not isinstance(given, str) else [given]:
        if not isinstance(record, AttentionData):
            raise TypeError(
                f"the widget shows CrossAttention records, got {type(record).__name__}: make them with extract(...) or "
                "CrossAttention.from_tokens(...), or call show_cross_attention"
            )
    if not given:
        raise ValueError("there is nothing to show: the list of sentences is empty")
    if names is None:
        named: list[str] = [""] * len(given)
    else:
        if isinstance(names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"names must be a list of strings, one for each record, got {names!r:.60}")
        named = list(names)
    if len(named) != len(given):
        raise ValueError(f"there are {len(given)} records and {len(named)} names: give one name for each record")
    flat: list[AttentionData] = []
    ranks: list[str] = []
    flat_names: list[str] = []
    groups: list[int] = []
    for group, (record, name) in enumerate(zip(given, named, strict=True)):
        hypotheses = record.hypotheses or (record,)
        flat += hypotheses
        ranks += [
            f" ({rank} of {len(hypotheses)})" if record.hypotheses else "" for rank in range(1, len(hypotheses) + 1)
        ]
        flat_names += [name] * len(hypotheses)
        groups += [group] * len(hypotheses)
    return flat, ranks, flat_names, groups


def describe_records(
    records: Sequence[AttentionData], ranks: Sequence[str], names: Sequence[str], groups: Sequence[int]
) -> dict[str, Any]:
    """The summary that the front end has before it asks for anything.

    Args:
        records: what can be shown.
        ranks: what to add to each target.
        names: what to call each.
        groups: a number for each; records of one source have the same.
    """
    first = records[0]
    return {
        "layers": first.layers,
        "heads": first.heads,
        "model": well_formed(first.model),
        "sentences": [
            {
                "source": well_formed(record.source.preview()),
                "target": well_formed(record.target.preview() + rank),
                "name": well_formed(name),
                "model": well_formed(record.model),
                "layers": record.layers,
                "heads": record.heads,
                "group": group,
                "logprob": total_logprob(record),
            }
            for record, rank, name, group in zip(records, ranks, names, groups, strict=True)
        ],
    }


def total_logprob(record: AttentionData) -> float | None:
    """The log-probability of a record's whole target, where it is known."""
    total = math.nan if record.logprobs is None else float(record.logprobs.sum())
    return total if math.isfinite(total) else None


def fit_heads(heads: Sequence[Sequence[int]], record: AttentionData) -> list[list[int]]:
    """The heads that this record has too, or else all heads of its last layer."""
    fitting = [[layer, head] for layer, head in heads if layer < record.layers and head < record.heads]
    return fitting or [[record.layers - 1, head] for head in range(record.heads)]


def settle_heads(value: Any, record: AttentionData) -> list[list[int]]:
    """Picked heads as a list of [layer, head], each once.

    Raises:
        traitlets.TraitError: something other than (layer, head) pairs, or a head that the record does not have.
    """
    try:
        heads = head_pairs(value, form=HEADS_FORM)
        if not heads:
            raise ValueError(f"heads must be {HEADS_FORM}, got {brief(value)}")
        check_heads(heads, record.layers, record.heads)
    except ValueError as error:
        raise traitlets.TraitError(str(error)) from None
    # Of a head named twice the last mention counts, as of a dictionary's keys.
    return [list(pair) for pair in reversed(dict.fromkeys(reversed(heads)))]


def settle_compare(value: Any, sentence: int, records: Sequence[AttentionData]) -> dict[str, Any] | None:
    """What to compare with as a dictionary of ``sentence`` and ``heads``, both of which may be left out.

    Raises:
        traitlets.TraitError: something else, or a sentence or head that is not there.
    """
    if value is None:
        return None
    given = dict(value) if isinstance(value, Mapping) else {"sentence": value}
    settled: dict[str, Any] = {}
    if given.get("sentence") is not None:
        settled["sentence"] = whole_number(given["sentence"])
    if set(given) - {"sentence", "heads"} or settled.get("sentence", 0) is None:
        raise traitlets.TraitError(
            "compare must be None, a sentence's number, or a dictionary of 'sentence' and 'heads' (a list of (layer, "
            f"head) pairs), got {brief(value)}"
        )
    which = settled.get("sentence", sentence)
    if not 0 <= which < len(records):
        raise traitlets.TraitError(f"compare names sentence {brief(which)}; they are 0 to {len(records) - 1} here")
    if given.get("heads") is not None:
        settled["heads"] = settle_heads(given["heads"], records[which])
    return settled
