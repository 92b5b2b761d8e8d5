"""Save and load records: tensors in safetensors, the rest as JSON in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xattn_widget.axes import Axis
from xattn_widget.record import CrossAttention

_KEY = "xattn_widget"
_FORMAT = 1


def save(record: CrossAttention, path: str | Path) -> Path:
    """Save a record and its hypotheses; see :meth:`CrossAttention.save`."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to save {path.name} in")
    records = record.hypotheses or (record,)
    tensors, described = {}, []
    for index, each in enumerate(records):
        tensors[f"{index}.weights"] = each.weights.contiguous()
        if each.logprobs is not None:
            tensors[f"{index}.logprobs"] = each.logprobs.contiguous()
        if each.value_norms is not None:
            tensors[f"{index}.value_norms"] = each.value_norms.contiguous()
        for method, grid in each.importance.items():
            tensors[f"{index}.importance.{method}"] = grid.contiguous()
        described.append(
            {
                "source": asdict(each.source),
                "targets": {reading: asdict(axis) for reading, axis in each.targets.items()},
                "reading": each.reading,
                "generated": each.generated,
                "sequence_score": each.sequence_score,
                "model": each.model,
                "importance": list(each.importance),
                "steps": each.steps,
            }
        )
    metadata = {_KEY: json.dumps({"format": _FORMAT, "records": described}, ensure_ascii=False)}
    save_file(tensors, path, metadata=metadata)
    return path


def load(path: str | Path) -> CrossAttention:
    """Load a record that :meth:`CrossAttention.save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no saved record, or one of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {}).get(_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file ({error}); save records with record.save(path)") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is no record of format {_FORMAT}: it was not written by record.save, or by a newer version"
        )
    records = [
        CrossAttention(
            weights=tensors[f"{index}.weights"],
            source=_axis(each["source"]),
            targets={reading: _axis(axis) for reading, axis in each["targets"].items()},
            reading=each["reading"],
            logprobs=tensors.get(f"{index}.logprobs"),
            generated=each["generated"],
            sequence_score=each["sequence_score"],
            model=each["model"],
            value_norms=tensors.get(f"{index}.value_norms"),
            # Files of earlier versions have neither.
            importance={method: tensors[f"{index}.importance.{method}"] for method in each.get("importance", [])},
            steps=tuple(each.get("steps", ())),
        )
        for index, each in enumerate(content["records"])
    ]
    return records[0] if len(records) == 1 else replace(records[0], hypotheses=tuple(records))


def _axis(fields: dict[str, Any]) -> Axis:
    return Axis(**{name: tuple(values) if isinstance(values, list) else values for name, values in fields.items()})
