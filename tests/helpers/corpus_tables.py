"""A scored table with made-up numbers, for tests that start from a scored table."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from corpus_pool import made_up

POOL = 200


def make_table(count=POOL, *, seed=0, sources=None, **columns):
    """Return a scored table with made-up numbers, in which some rows failed."""
    generator = np.random.default_rng(seed)
    sources = sources or [f"{text} {number}" for number, text in enumerate(made_up(count, seed=seed))]
    failed = np.arange(count) % 17 == 3
    values = generator.normal(size=(2, count, 2, 3)).astype(np.float32)
    values[0, 5:6] = np.nan  # undefined
    data = {
        "id": pa.array([f"s{number}" for number in range(count)]),
        "source": pa.array(sources),
        "target": pa.array(["x"] * count),
        "source_length": pa.array([len(text.split()) for text in sources], pa.int32()),
    }
    for name, value in zip(["coverage_penalty", "entropy"], values, strict=True):
        storage = pa.FixedSizeListArray.from_arrays(pa.array(value.ravel()), 6, mask=pa.array(failed))
        data[name] = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), (2, 3)), storage)
    data["logprob_mean"] = pa.array(generator.normal(size=count), mask=failed)
    data["error"] = pa.array(["source is empty" if row_failed else None for row_failed in failed])
    return pa.table(data | columns)
