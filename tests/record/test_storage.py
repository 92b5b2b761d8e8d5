"""Damaged saved records: loading names the file in an error, or gives a record that works."""

from __future__ import annotations

import copy
import json
import random
import struct
from dataclasses import replace

import pytest
import torch
from score_formulas import IMAGE_NAMES, MEASURED_NAMES

from xattn_widget import CrossAttention, CrossAttentionWidget, extract, load
from xattn_widget.record.axis import Axis
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

ODD = [None, True, -1, 10**30, 1.5, float("nan"), "", "x", "\ud800", [], {}, [None], [1], ["a"], {"a": 1}, 7]


OF_SOUND = {name for name, score in BUILTIN.items() if any(INPUTS[need].of_sound for need in score.needs)}


@pytest.fixture(scope="module")
def records(demo):
    measured = {"importance": "gradient", "contributions": ["alti", "value_zeroing_heads"], "faithfulness": True}
    plain = extract(*demo, "Ich lese.", value_norms=True, **measured)
    weights = plain.weights.clone()
    weights[0, 0, 0] = torch.zeros_like(weights[0, 0, 0])
    weights[0, 0, 0, -1] = 1  # all on the end of sentence, so that the row is undefined without it
    return {
        "plain": plain,
        "n-best": extract(*demo, "Ich lese.", generation={"num_beams": 2, "num_return_sequences": 2}),
        "words": plain.words(),
        "drop": plain.drop_special(renormalize=False),
        "undefined": replace(plain, weights=weights).drop_special(),
        "contributions": plain.contributions().words(),
        "value zeroing": plain.contributions("value_zeroing_heads"),
    }


def parsed(content):
    """The header, the metadata in it, and the tensors' bytes."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return header, json.loads(header["__metadata__"]["xattn_widget"]), content[8 + length :]


def packed(header, metadata, data):
    header = copy.deepcopy(header)
    header["__metadata__"]["xattn_widget"] = json.dumps(metadata)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def uses(record, folder):
    """Ways to use a record, by name."""
    named = {name: lambda name=name: record.score(name) for name in BUILTIN}
    return named | {
        "repr": lambda: repr(record),
        "words": lambda: record.words().score("entropy"),
        "drop_special": record.drop_special,
        "align": record.align,
        "save": lambda: load(record.save(folder / "again.safetensors")),
        "widget": lambda: CrossAttentionWidget(record).summary(),
    }


def places(item, place=()):
    """The paths of all values in the metadata."""
    if place:
        yield place
    inside = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    for key, value in inside:
        yield from places(value, (*place, key))


def damaged(content, draw):
    """The file with something in it changed at random."""
    header, metadata, data = parsed(content)
    kind = draw.randrange(5)
    if kind == 0:
        place = draw.randrange(len(content))
        return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]
    if kind == 1:
        return content[: draw.randrange(len(content))]
    if kind == 2:
        place = draw.randrange(len(data) // 4) * 4
        value = draw.choice([7.0, -1.0, float("nan"), float("inf"), 0.5, 0.0])
        return packed(header, metadata, data[:place] + struct.pack("<f", value) + data[place + 4 :])
    place = draw.choice([path for path in places(metadata) if kind == 3 or len(path) <= 5])
    inside = metadata
    for key in place[:-1]:
        inside = inside[key]
    if draw.random() < 0.2:
        del inside[place[-1]]
    else:
        inside[place[-1]] = draw.choice(ODD)
    return packed(header, metadata, data)


def test_a_damaged_record_is_an_error_or_works(records, tmp_path):
    draw, path, errors = random.Random(0), tmp_path / "record.safetensors", 0
    for name, record in records.items():
        content = record.save(path).read_bytes()
        sound = set()
        for use, call in uses(load(path), tmp_path).items():
            try:
                call()
                sound.add(use)
            except ValueError as error:  # the undamaged record lacks what the score needs
                assert use in ("value_norm", *MEASURED_NAMES, *IMAGE_NAMES) or use in OF_SOUND
                assert "holds no" in str(error) or "needs" in str(error)  # noqa: PT017
        for _ in range(30):
            path.write_bytes(damaged(content, draw))
            try:
                loaded = load(path)
            except ValueError as error:
                assert str(path) in str(error), name  # noqa: PT017 - an error or harmless
                errors += 1
                continue
            for use, call in uses(loaded, tmp_path).items():
                if use in sound and not (all(loaded.source.special) or all(loaded.target.special)):
                    call()
    assert errors > 100


CHANGES = {
    "a label that is a number": (lambda record: record["source"]["labels"].__setitem__(0, 5), "labels"),
    "an empty label": (lambda record: record["source"]["labels"].__setitem__(0, ""), "not empty"),
    "a flag that is a number": (lambda record: record["source"]["special"].__setitem__(0, 0), "special"),
    "a flag too few": (lambda record: record["source"]["special"].pop(), "values for 'special'"),
    "no flags": (lambda record: record["source"]["special"].clear(), "values for 'special'"),
    "a group out of range": (lambda record: record["source"]["groups"].__setitem__(0, 99), "in word 99"),
    "a negative group": (lambda record: record["source"]["groups"].__setitem__(0, -2), "in word -2"),
    "a group in two places": (lambda record: record["source"]["groups"].__setitem__(2, 0), "word 0 in two places"),
    "an id out of range": (lambda record: record["source"]["ids"].__setitem__(0, 2**64), "ids"),
    "a word that is nothing": (lambda record: record["source"]["words"].__setitem__(0, None), "words"),
    "another reading": (lambda record: record.update(reading="label"), "reading"),
    "a reading without an axis": (lambda record: record["targets"].pop("output"), "no target axis"),
    "a target of another length": (lambda record: record["targets"]["input"]["labels"].pop(), "labels"),
    "an unknown step": (lambda record: record.update(steps=["sort"]), "steps"),
    "an unknown field": (lambda record: record.update(color="red"), "does not know"),
    "a missing field": (lambda record: record.pop("model"), "lacks the field 'model'"),
    "importance without a tensor": (lambda record: record.update(importance=["ablation"]), "no tensor"),
    "a tensor of nothing": (lambda record: record.update(importance=[]), "belongs to no record"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_field_is_checked(records, tmp_path, name):
    change, message = CHANGES[name]
    path = records["plain"].save(tmp_path / "record.safetensors")
    header, metadata, data = parsed(path.read_bytes())
    change(metadata["records"][0])
    path.write_bytes(packed(header, metadata, data))
    with pytest.raises(ValueError, match=message) as raised:
        load(path)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("tensor", "value", "message"),
    [
        ("weights", 7.0, "sum to 1 at most"),
        ("weights", -0.5, "0 or more"),
        ("weights", float("nan"), "NaN"),
        ("weights", float("inf"), "sum to 1 at most"),
        ("logprobs", 1.0, "logprobs"),
        ("logprobs", float("nan"), "logprobs"),
        ("value_norms", -1.0, "value_norms"),
        ("value_norms", float("nan"), "value_norms"),
        ("importance.gradient", float("inf"), "importance"),
    ],
)
def test_impossible_numbers_are_errors(records, tmp_path, tensor, value, message):
    path = records["plain"].save(tmp_path / "record.safetensors")
    header, metadata, data = parsed(path.read_bytes())
    first = header[f"0.{tensor}"]["data_offsets"][0]
    path.write_bytes(packed(header, metadata, data[:first] + struct.pack("<f", value) + data[first + 4 :]))
    with pytest.raises(ValueError, match=message) as raised:
        load(path)
    assert str(path) in str(raised.value)


def test_rows_that_no_longer_sum_to_1_are_an_error(records, tmp_path):
    path = records["plain"].save(tmp_path / "record.safetensors")
    header, metadata, data = parsed(path.read_bytes())
    start, stop = header["0.weights"]["data_offsets"]
    halves = (torch.frombuffer(bytearray(data[start:stop]), dtype=torch.float32) / 2).numpy().tobytes()
    path.write_bytes(packed(header, metadata, data[:start] + halves + data[stop:]))
    with pytest.raises(ValueError, match="rows must sum to 1"):
        load(path)


def test_rows_that_sum_to_less_when_saved_are_kept(tmp_path):
    shared = CrossAttention.from_tokens(torch.full((1, 1, 2, 2), 0.25), ["a", "b"], ["x", "y"])  # with self-attention
    assert torch.equal(load(shared.save(tmp_path / "record.safetensors")).weights, shared.weights)


def test_names_that_occur_twice_are_an_error(records, tmp_path):
    path = records["plain"].save(tmp_path / "record.safetensors")
    header, metadata, data = parsed(path.read_bytes())
    text = json.dumps(metadata).replace('"generated"', '"model": "other", "generated"', 1)
    header["__metadata__"]["xattn_widget"] = text
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)
    with pytest.raises(ValueError, match="occurs twice"):
        load(path)


def test_a_record_that_could_not_be_loaded_is_not_saved(tmp_path):
    path = tmp_path / "record.safetensors"
    path.write_text("before")
    logits = CrossAttention.from_tokens(torch.full((1, 1, 1, 1), 7.0), ["a"], ["x"])
    with pytest.raises(ValueError, match=r"cannot be saved.*sum to 1 at most"):
        logits.save(path)
    assert path.read_text() == "before"


def test_a_lone_surrogate_is_saved(tmp_path):
    record = CrossAttention.from_tokens(torch.ones(1, 1, 1, 1), ["\ud83d"], ["x"])
    assert load(record.save(tmp_path / "record.safetensors")).source == Axis(("\ud83d",))
