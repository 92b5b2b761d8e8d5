"""How many rows there are, how many have scores, and one digest of them all."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from xattn_widget.corpus.store.tables import count_errors

# The columns that are counted.
COUNTED = ("error", "recording")


def count_rows(table: pa.Table) -> dict[str, Any]:
    """How many rows there are, of how many recordings if they are sound, how many have scores, and how often errors."""
    kinds = count_errors(table["error"])
    counts = {"rows": table.num_rows}
    if "recording" in table.column_names:
        counts["recordings"] = pc.count_distinct(table["recording"]).as_py()
    return counts | {"scored": table.num_rows - sum(kinds.values()), "errors": kinds}


def add_counts(counts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The counts of windows, each by :func:`count_rows`, as those of one table; the most frequent errors come first."""
    numbers, kinds = Counter[str](), Counter[str]()
    for window in counts:
        numbers.update({name: number for name, number in window.items() if name != "errors"})
        kinds.update(window["errors"])
    names = ("rows", "recordings", "scored") if "recordings" in numbers else ("rows", "scored")
    return {name: numbers[name] for name in names} | {"errors": dict(kinds.most_common())}


def rows_digest(digests: Sequence[bytes]) -> str:
    """One digest of all rows, from the digests of the windows in order."""
    return hashlib.blake2b(b" ".join(digests), digest_size=16).hexdigest()
