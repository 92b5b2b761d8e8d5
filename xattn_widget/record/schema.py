"""The contents of a saved record, checked field by field before a record is made from them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypeVar, get_args

import torch

from xattn_widget.messages.characters import brief
from xattn_widget.record.axis import NO_WORD, Axis, AxisKind
from xattn_widget.record.contributed import CONTRIBUTION_KINDS, Contributed
from xattn_widget.record.data import AttentionData, Reading
from xattn_widget.record.kept import KeptHeads
from xattn_widget.record.picture import Picture
from xattn_widget.record.sound import Sound
from xattn_widget.record.timing import Timing, TimingMethod, TimingSource

# Sums of rows that were given in half precision differ from 1 by at most this much.
_TOLERANCE = 0.01
_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
# The last one is a policy that leaves out what a function of the user names.
_STEP = re.compile(rf"words|drop|renormalize|contributions|crop|{'|'.join(CONTRIBUTION_KINDS)}|(drop|renormalize)_\w+")
Data = TypeVar("Data", bound=AttentionData)


class _Field(NamedTuple):
    expected: str
    check: Callable[[Any], bool]
    required: bool = True


def _list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**63


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and not math.isnan(value))


def _is_span(value: Any) -> bool:
    return _list_of(_is_whole)(value) and len(value) == 2


def _is_place(value: Any) -> bool:
    return value is None or _list_of(_is_number)(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_step(value: Any) -> bool:
    return isinstance(value, str) and _STEP.fullmatch(value) is not None


def _makes_whole(step: str) -> bool:
    """Whether a row sums to 1 after this step, or is NaN because its sum was 0."""
    return step.startswith("renormalize") or step in ("contributions", "crop", *CONTRIBUTION_KINDS)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


_CONTENT = {
    "format": _Field("a whole number", _is_whole),
    "records": _Field("a list of one or more records", lambda value: isinstance(value, list) and bool(value)),
}
# Fields that files of earlier versions lack are not required.
_AXIS = {
    "labels": _Field("a list of strings", _list_of(_is_text)),
    "special": _Field("a list of true or false", _list_of(_is_flag)),
    "groups": _Field("a list of whole numbers", _list_of(_is_whole)),
    "words": _Field("a list of strings", _list_of(_is_text)),
    "ids": _Field("a list of whole numbers, or null", _optional(_list_of(_is_whole)), required=False),
    "text": _Field("a string, or null", _optional(_is_text), required=False),
    "spans": _Field("a list of [start, stop], or null", _optional(_list_of(_is_span)), required=False),
    # Only axes with other positions than text have these two.
    "kinds": _Field(
        f"a list of {', '.join(get_args(AxisKind))}",
        _list_of(lambda value: value in get_args(AxisKind)),
        required=False,
    ),
    "places": _Field("a list of lists of numbers and null, or null", _optional(_list_of(_is_place)), required=False),
}
_SOUND = {
    "rate": _Field("a whole number above 0", lambda value: _is_whole(value) and value > 0),
    "offset": _Field("a number that is not negative", lambda value: _is_number(value) and value >= 0),
}
_IMAGE = {
    name: _Field("a whole number above 0", lambda value: _is_whole(value) and value > 0) for name in ("width", "height")
}
_TIMING = {
    "heads": _Field("a list of [layer, head]", _list_of(_is_span)),
    "lag": _Field("a number", _is_number),
    "source": _Field(f"one of {', '.join(get_args(TimingSource))}", lambda value: value in get_args(TimingSource)),
    "method": _Field(f"one of {', '.join(get_args(TimingMethod))}", lambda value: value in get_args(TimingMethod)),
    "model_heads": _Field("a list of [layer, head]", _list_of(_is_span), required=False),
}
# More layers or heads than any model has; numbers without a limit would let a small file fill the memory.
_MOST = 1024
_KEPT = {
    "layers": _Field(f"a whole number from 1 to {_MOST}", lambda value: _is_whole(value) and 0 < value <= _MOST),
    "heads": _Field(f"a whole number from 1 to {_MOST}", lambda value: _is_whole(value) and 0 < value <= _MOST),
    "pairs": _Field("a list of [layer, head]", _list_of(_is_span)),
}
_RECORD = {
    "source": _Field("an axis", _is_object),
    "targets": _Field(
        f"an axis for each reading ({' or '.join(get_args(Reading))})",
        lambda value: isinstance(value, dict) and bool(value) and set(value) <= set(get_args(Reading)),
    ),
    "reading": _Field(f"one of {', '.join(get_args(Reading))}", lambda value: value in get_args(Reading)),
    "generated": _Field("true or false", _is_flag),
    "sequence_score": _Field("a number, or null", _optional(_is_number)),
    "model": _Field("a string", _is_text),
    "importance": _Field(
        "a list of different strings",
        lambda value: _list_of(_is_text)(value) and len(set(value)) == len(value),
        required=False,
    ),
    "contributions": _Field(
        f"a list of different kinds ({', '.join(CONTRIBUTION_KINDS)})",
        lambda value: _list_of(lambda kind: kind in CONTRIBUTION_KINDS)(value) and len(set(value)) == len(value),
        required=False,
    ),
    "steps": _Field("a list of steps such as 'words'", _list_of(_is_step), required=False),
    "whole_rows": _Field("true or false", _is_flag, required=False),
    "sound": _Field("an object, or null", _optional(_is_object), required=False),
    "image": _Field("an object, or null", _optional(_is_object), required=False),
    "prompt": _Field("a string, or null", _optional(_is_text), required=False),
    "timing": _Field("an object, or null", _optional(_is_object), required=False),
    "kept": _Field("an object, or null", _optional(_is_object), required=False),
}


def read_records(content: Any, tensors: Mapping[str, torch.Tensor], record_type: type[Data]) -> list[Data]:
    """The records of a file.

    Args:
        content: the file's parsed JSON.
        tensors: the file's tensors by name.
        record_type: the class of the records.

    Raises:
        ValueError: something is not as ``save`` writes it; the message says where.
    """
    _check_fields(content, _CONTENT, "the file")
    remaining = dict(tensors)
    records = [_read_record(fields, remaining, index, record_type) for index, fields in enumerate(content["records"])]
    if remaining:
        raise ValueError(f"the tensor {min(remaining)!r} belongs to no record")
    check_hypotheses(records)
    return records


def check_hypotheses(records: Sequence[AttentionData]) -> None:
    """Raise unless the records can be hypotheses of one n-best list.

    Raises:
        ValueError: they have different heads, sources or readings.
    """
    forms = [
        ((record.layers, record.heads, record.kept), record.source, record.reading, set(record.targets))
        for record in records
    ]
    for index, form in enumerate(forms):
        for name, (value, first) in zip(
            ("heads", "source", "reading", "targets"), zip(form, forms[0], strict=True), strict=True
        ):
            if value != first:
                raise ValueError(f"records 0 and {index} are not hypotheses for one sentence: they differ in {name}")


def check_values(record: AttentionData, whole_rows: bool = False) -> None:
    """Raise unless the numbers of a record are possible.

    Rows may sum to less than 1: after special tokens were dropped, if a model shares its softmax with self-attention,
    and in records made by hand.

    Args:
        record: the record.
        whole_rows: whether all rows must sum to 1.

    Raises:
        ValueError: weights that are not probabilities, or other impossible numbers.
    """
    weights, sums = record.weights, _row_sums(record)
    undefined = weights.isnan()
    if undefined.any() and not any(map(_makes_whole, record.steps)):
        raise ValueError("the weights contain NaN, but the record went through no step that can make a row undefined")
    if (undefined.any(-1) != undefined.all(-1)).any():
        raise ValueError("a row of weights is partly NaN; a row must be NaN throughout or not at all")
    if (weights < 0).any() or (sums > 1 + _TOLERANCE).any():
        lowest, largest = float(weights.nan_to_num().min()), float(sums.nan_to_num().max())
        raise ValueError(
            "weights must be 0 or more, and rows must sum to 1 at most, got a weight of "
            f"{lowest:.3g} and a sum of {largest:.3g}"
        )
    if whole_rows and (sums < 1 - _TOLERANCE).any():
        raise ValueError(f"rows must sum to 1, got a sum of {float(sums.nan_to_num(1).min()):.3g}")
    if record.logprobs is not None and not (record.logprobs <= _TOLERANCE).all():  # NaN is not
        raise ValueError("logprobs must be 0 or less, because they are logarithms of probabilities")
    norms = record.value_norms
    if norms is not None and not (norms.isfinite().all() and (norms >= 0).all()):
        raise ValueError("value_norms must be finite and 0 or more")
    for method, grid in record.importance.items():
        if not grid.isfinite().all():
            raise ValueError(f"importance by {method!r} must be finite")
    record.contributed.check_values()
    for name in ("outside", "end_row"):
        shares = getattr(record, name)
        if shares is not None and not ((shares >= 0) & (shares <= 1 + _TOLERANCE) | shares.isnan()).all():
            raise ValueError(f"{name} must be from 0 to 1")
    if record.sound is not None and not record.sound.samples.isfinite().all():
        raise ValueError("the samples of the sound must be finite")


def has_whole_rows(record: AttentionData) -> bool:
    """Whether all rows that are not NaN sum to 1."""
    return not bool((_row_sums(record) < 1 - _TOLERANCE).any())


def _row_sums(record: AttentionData) -> torch.Tensor:
    return record.weights.sum(-1, dtype=torch.float32)


def _read_record(fields: Any, remaining: dict[str, torch.Tensor], index: int, record_type: type[Data]) -> Data:
    """Record ``index`` of a file, whose tensors are removed from ``remaining``."""
    name = f"record {index}"
    _check_fields(fields, _RECORD, name)

    def take(tensor: str, required: bool, types: Sequence[torch.dtype] = _FLOATS) -> torch.Tensor | None:
        value = remaining.pop(f"{index}.{tensor}", None)
        if value is None and required:
            raise ValueError(f"{name} has no tensor {tensor!r}")
        if value is not None and value.dtype not in types:
            expected = "floats" if types is _FLOATS else " or ".join(map(str, types))
            raise ValueError(f"the tensor {tensor!r} of {name} has the type {value.dtype}, expected {expected}")
        return value

    steps = tuple(fields.get("steps", ()))
    weights = take("weights", True)
    assert weights is not None
    try:
        record = record_type(
            weights=weights,
            source=_read_axis(fields["source"], "the source"),
            targets={reading: _read_axis(axis, f"target {reading!r}") for reading, axis in fields["targets"].items()},
            reading=fields["reading"],
            logprobs=take("logprobs", False),
            generated=fields["generated"],
            sequence_score=fields["sequence_score"],
            model=fields["model"],
            value_norms=take("value_norms", False),
            importance={
                method: grid
                for method in fields.get("importance", [])
                if (grid := take(f"importance.{method}", True)) is not None
            },
            steps=steps,
            sound=_read_sound(fields.get("sound"), take),
            image=_read_image(fields.get("image"), take),
            prompt=fields.get("prompt"),
            outside=take("outside", False),
            end_row=take("end_row", False),
            timing=_read_timing(fields.get("timing")),
            kept=_read_kept(fields.get("kept")),
            contributed=Contributed(
                {
                    kind: values
                    for kind in fields.get("contributions", [])
                    if (values := take(f"contributions.{kind}", True)) is not None
                },
                take("prefix", False),
                take("masking_drop", False),
            ),
        )
        last = next((step for step in reversed(steps) if step != "words"), "")
        check_values(record, fields.get("whole_rows", False) or _makes_whole(last))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return record


def _read_image(fields: Any, take: Callable[..., torch.Tensor | None]) -> Picture | None:
    if fields is None:
        return None
    _check_fields(fields, _IMAGE, "the image")
    data = take("image.data", True, [torch.uint8])
    assert data is not None
    return Picture(data.numpy().tobytes(), fields["width"], fields["height"])


def _read_sound(fields: Any, take: Callable[..., torch.Tensor | None]) -> Sound | None:
    if fields is None:
        return None
    _check_fields(fields, _SOUND, "the sound")
    samples = take("sound.samples", True)
    assert samples is not None
    return Sound(samples, fields["rate"], take("sound.features", False), float(fields["offset"]))


def _read_timing(fields: Any) -> Timing | None:
    if fields is None:
        return None
    _check_fields(fields, _TIMING, "the timing")
    return Timing(**fields)


def _read_kept(fields: Any) -> KeptHeads | None:
    if fields is None:
        return None
    _check_fields(fields, _KEPT, "the kept heads")
    return KeptHeads(fields["layers"], fields["heads"], tuple((layer, head) for layer, head in fields["pairs"]))


def _read_axis(fields: Any, name: str) -> Axis:
    _check_fields(fields, _AXIS, name)
    count, words = len(fields["labels"]), len(fields["words"])
    for field in ("special", "groups", "kinds"):
        if len(fields.get(field, fields["labels"])) != count:
            raise ValueError(f"{name} has {count} labels and {len(fields[field])} values for {field!r}")
    seen: set[int] = set()
    previous = NO_WORD
    for group in fields["groups"]:
        if group == NO_WORD:  # a special token may be between the pieces of a word
            continue
        if not 0 <= group < words:
            raise ValueError(f"{name} has {words} words, and a position in word {group}")
        if not fields["words"][group]:
            raise ValueError(f"{name} has a position in word {group}, which is empty")
        if group != previous and group in seen:
            raise ValueError(f"{name} has word {group} in two places")
        seen.add(group)
        previous = group
    values: dict[str, Any] = {
        field: tuple(value) if isinstance(value, list) else value for field, value in fields.items()
    }
    if fields.get("places"):
        # JSON has null where an axis has NaN.
        width = max((len(place) for place in fields["places"] if place is not None), default=0)
        values["places"] = [(math.nan,) * width if place is None else place for place in fields["places"]]
    try:
        return Axis(**values)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def axis_fields(axis: Axis) -> dict[str, Any]:
    """The fields of an axis as they are written to a file.

    A text axis has the fields from before other kinds existed, so that earlier versions load it. They refuse other axes
    because of the new fields instead of reading them as text.
    """
    fields = asdict(axis) | {"places": axis.known_places()}
    if axis.kind == "text":
        del fields["kinds"], fields["places"]
    return fields


def _check_fields(fields: Any, schema: Mapping[str, _Field], name: str) -> None:
    if not isinstance(fields, dict):
        raise ValueError(f"{name} must be an object of fields, got {brief(fields)}")
    if unknown := sorted(set(fields) - set(schema)):
        raise ValueError(f"{name} has the field {unknown[0]!r}, which this version does not know")
    for field, (expected, check, required) in schema.items():
        if field not in fields:
            if required:
                raise ValueError(f"{name} lacks the field {field!r}")
        elif not check(fields[field]):
            raise ValueError(f"{name} has {field} = {brief(fields[field])}, expected {expected}")
