"""Read the sources of a window with what goes with them, and group those that can share a batch."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol, TypeVar

from xattn_widget.corpus.sources.rows import Row
from xattn_widget.inputs.batches import batch_form
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.sources import Source, SourceSide
from xattn_widget.inputs.text.sides import Side


def given_source(row: Row, side: SourceSide) -> Any:
    """What a side reads of a row: its text, its recording, or its picture with the text that goes with it."""
    if side.sees:
        from xattn_widget.inputs.image.image_side import ImageItem

        return ImageItem(row.media, row.prompt)
    return row.media if side.hears else row.source


def with_inputs(item: Any, find: Callable[[Source], Any]) -> Any:
    """A source without what only people need, and what scores need of it; or the reason why it cannot be scored."""
    if not isinstance(item, Source):
        return item
    try:
        return item.bare(), find(item)
    except ValueError as error:
        return f"cannot be scored: {error}"


def after_prompt(side: Side, source: Source, ids: list[int], limit: int | None) -> list[int] | str:
    """The ids of a given target after the prompt of its source, or the reason why it cannot be run."""
    prompted = side.after_prompt(source, ids)
    if limit is not None and len(prompted) > limit:
        return f"target has {len(prompted)} tokens with its prompt, the limit is {limit}"
    return prompted


class HasSource(Protocol):
    """A row with the source that was read for it."""

    source: Source


Item = TypeVar("Item", bound=HasSource)


def by_form(paired: PairedModel, items: Sequence[Item]) -> list[list[Item]]:
    """The items whose sources can share a batch, one list for each form that they have."""
    groups: dict[Hashable, list[Item]] = {}
    for item in items:
        groups.setdefault(batch_form(paired, item.source), []).append(item)
    return list(groups.values())
