"""Check the records that users pass to what chooses heads by them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from xattn_widget.messages.characters import brief
from xattn_widget.record.data import AttentionData


def record_list(records: Any) -> list[AttentionData]:
    """The records as a list.

    Raises:
        TypeError: anything else, such as a single record.
    """
    if isinstance(records, AttentionData):
        raise TypeError("records must be a list of records, got one record: write [record]")
    found = list(records) if isinstance(records, Iterable) else [records]
    for record in found:
        if not isinstance(record, AttentionData):
            raise TypeError(f"records must be a list of records, as extract returns them, got {brief(record)}")
    return found
