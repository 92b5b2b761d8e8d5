"""Save and load records: tensors in safetensors, the rest as JSON in its metadata."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from xattn_widget.files.writing import whole_file
from xattn_widget.record.data import AttentionData
from xattn_widget.record.schema import axis_fields, check_hypotheses, check_values, has_whole_rows, read_records

_KEY = "xattn_widget"
_FORMAT = 1
Data = TypeVar("Data", bound=AttentionData)


def save(record: AttentionData, path: str | Path) -> Path:
    """Save a record and its hypotheses; see :meth:`CrossAttention.save`."""
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to save {path.name} in: create it first")
    records: tuple[AttentionData, ...] = record.hypotheses or (record,)
    try:
        check_hypotheses(records)
        for item in records:
            check_values(item)
    except ValueError as error:
        raise ValueError(f"this record cannot be saved, because it could not be loaded again: {error}") from None
    tensors, described = {}, []
    for index, item in enumerate(records):
        tensors[f"{index}.weights"] = item.weights.contiguous()
        if item.logprobs is not None:
            tensors[f"{index}.logprobs"] = item.logprobs.contiguous()
        if item.value_norms is not None:
            tensors[f"{index}.value_norms"] = item.value_norms.contiguous()
        for method, grid in item.importance.items():
            tensors[f"{index}.importance.{method}"] = grid.contiguous()
        for kind, values in item.contributed.maps.items():
            tensors[f"{index}.contributions.{kind}"] = values.contiguous()
        for name in ("prefix", "masking_drop"):
            if (values := getattr(item.contributed, name)) is not None:
                tensors[f"{index}.{name}"] = values.contiguous()
        for name in ("outside", "end_row"):
            if (shares := getattr(item, name)) is not None:
                tensors[f"{index}.{name}"] = shares.contiguous()
        sound = item.sound
        if sound is not None:
            tensors[f"{index}.sound.samples"] = sound.samples.contiguous()
            if sound.features is not None:
                tensors[f"{index}.sound.features"] = sound.features.contiguous()
        fields: dict[str, Any] = {} if sound is None else {"sound": {"rate": sound.rate, "offset": sound.offset}}
        if item.image is not None:
            tensors[f"{index}.image.data"] = torch.frombuffer(bytearray(item.image.data), dtype=torch.uint8)
            fields["image"] = {"width": item.image.width, "height": item.image.height}
        if item.prompt is not None:
            fields["prompt"] = item.prompt
        if item.timing is not None:
            fields["timing"] = asdict(item.timing)
        if item.contributed.maps:  # earlier versions load records without contributions
            fields["contributions"] = list(item.contributed.maps)
        if item.kept is not None:
            fields["kept"] = asdict(item.kept)
        described.append(
            fields
            | {
                "source": axis_fields(item.source),
                "targets": {reading: axis_fields(axis) for reading, axis in item.targets.items()},
                "reading": item.reading,
                "generated": item.generated,
                "sequence_score": item.sequence_score,
                "model": item.model,
                "importance": list(item.importance),
                "steps": item.steps,
                "whole_rows": has_whole_rows(item),
            }
        )
    # Only ASCII: a label may contain a lone surrogate, which UTF-8 cannot encode.
    metadata = {_KEY: json.dumps({"format": _FORMAT, "records": described})}
    with whole_file(path) as file:
        try:
            save_file(tensors, file.name, metadata=metadata)
        except SafetensorError as error:  # if the disk is full, for example
            raise OSError(f"cannot write {path}: {error}") from error
    return path


def load(path: str | Path, record_type: type[Data]) -> Data:
    """Load a record as an object of the class ``record_type``; see :func:`xattn_widget.load`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a saved record, is damaged, or has a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    content, tensors = _read(path)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is not a record of format {_FORMAT}: it was not written by record.save, or by a newer version"
        )
    try:
        records = read_records(content, tensors, record_type)
    except ValueError as error:
        raise ValueError(f"{path} is damaged, or record.save did not write it: {error}") from error
    return records[0] if len(records) == 1 else replace(records[0], hypotheses=tuple(records))


def _read(path: Path) -> tuple[Any, dict[str, Any]]:
    """The JSON and the tensors of a file."""
    try:
        with safe_open(path, framework="pt") as saved:
            # Copies: the library's tensors are views of the file, which then cannot be replaced on Windows.
            tensors = {name: saved.get_tensor(name).clone() for name in saved.keys()}  # noqa: SIM118 - not a mapping
        # The library has checked the header, but takes the last of two values with the same name.
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")), object_pairs_hook=_unique)
        return json.loads(header.get("__metadata__", {}).get(_KEY, "null"), object_pairs_hook=_unique), tensors
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from error
        raise
    except Exception as error:  # from the library, and from torch for types that it cannot create
        raise ValueError(
            f"{path} is not a safetensors file, or it is damaged ({error}); save records with record.save(path)"
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError(f"a name occurs twice among {', '.join(name for name, _ in pairs)[:80]}")
    return dict(pairs)
