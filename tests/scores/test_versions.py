"""The version in a signature belongs to numbers: whoever changes the numbers of a score must raise its version.

``EXPECTED`` has, for each score, its version and its numbers for the fixed attention of ``fixed_record``: with special
tokens kept, dropped and renormalized, and with subwords merged; None where that has no meaning for the score. A number
is the weighted mean of all heads.
"""

import math
from dataclasses import replace

import numpy as np
import PIL.Image
import pytest
import torch

from xattn_widget import CrossAttention, score, scores
from xattn_widget.record.axis import Axis
from xattn_widget.record.contributed import Contributed
from xattn_widget.record.picture import Picture
from xattn_widget.record.sound import Sound
from xattn_widget.scores.inputs import INPUTS
from xattn_widget.scores.signatures import current_form

LAYERS, HEADS, ROWS, COLUMNS = 2, 3, 5, 6
CASES = ("keep", "drop", "renormalize", "words")

EXPECTED = {
    "coverage_penalty": ("1", [0.322217, 0.482469, 0.326411, 0.403773]),
    "overcoverage": ("1", [0.072371, 0.012255, 0.044235, 0.072738]),
    "ignored_source": ("1", [0.007937, 0.000000, 0.000000, 0.009524]),
    "least_coverage": ("1", [0.506182, 0.464612, 0.540391, 0.478826]),
    "entropy": ("1", [0.669327, 0.621030, 0.635027, 0.723613]),
    "confidence": ("1", [0.491473, 0.464324, 0.561469, 0.485696]),
    "distraction": ("1", [-2.220150, -2.069655, -2.069655, -1.889431]),
    "marginal_divergence": ("1", [0.155884, 0.143825, 0.145756, 0.189956]),
    "sink_mass": ("1", [0.168347, 0.159358, None, 0.167563]),
    "end_mass": ("1", [0.168347, 0.159358, None, 0.167563]),
    "language_mass": ("1", [0.0, 0.0, None, 0.0]),
    "punctuation_mass": ("1", [0.1769, 0.179767, None, 0.166714]),
    "monotonicity": ("1", [0.116549, 0.095558, 0.213129, 0.270265]),
    "diagonality": ("1", [0.687976, 0.739448, 0.693573, 0.689225]),
    "agreement": ("1", [0.571059, 0.632800, 0.577336, 0.713856]),
    "alignment_norm": ("1", [1.120136, 1.013401, 1.211706, 1.105731]),
    "value_norm": ("1", [3.587754, 2.573129, None, 3.556570]),
    "importance": ("1", [0.191815, None, None, 0.191815]),
    "faithfulness": ("1", [-0.011905, None, None, 0.196825]),
    "masking_drop": ("1", [0.140012, None, None, 0.140012]),
    "sound_coverage": ("1", [0.992064, 0.849206, 0.849206, 0.952381]),
    "silence_mass": ("1", [0.332656, 0.342160, 0.342160, 0.166714]),
    "rereading": ("1", [0.128242, 0.128242, 0.128242, 0.185828]),
    "outside_mass": ("1", [0.077229, 0.081564, None, 0.078090]),
    "unsupported_words": ("1", [0.650135, 0.650135, 0.650135, 0.610757]),
    "spatial_spread": ("1", [0.225027, 0.223309, 0.223309, 0.219957]),
    "reading_jump": ("1", [0.16329, 0.16329, 0.16329, 0.161237]),
    "blank_mass": ("1", [0.46117, 0.480559, 0.480559, 0.472881]),
    "own": ("1", [11.491473, 9.464324, 9.561468, 9.485696]),
    "overcoverage by length": ("1", [0.155884, 0.064146, 0.145756, 0.189956]),
    "marginal_divergence from a reference": ("1", [0.355638, 0.574339, 0.428872, 0.647419]),
    "importance by ablation": ("1", [-0.198404, None, None, -0.198404]),
}


@score(description="Stands for the scores of users: what the package does around a function.")
def own(attention, source_mask, target_mask):
    return attention.amax(-1).mean(-1) + attention.shape[-2] + attention.shape[-1]


def fixed_record(seed=7):
    """Attention from whole numbers: the same on every system, uneven, with special tokens and words of two pieces."""
    layers, heads, rows, columns = torch.meshgrid(
        *(torch.arange(size) for size in (LAYERS, HEADS, ROWS, COLUMNS)), indexing="ij"
    )
    numbers = 1 + (seed * (layers + 2 * heads) + 5 * rows + 3 * columns + rows * columns) % 11
    attention = numbers.double() ** 3
    attention = (attention / attention.sum(-1, keepdim=True)).float()
    source = Axis(
        ("a", "b", "c", "d", ",", "</s>"),
        special=(False,) * 5 + (True,),
        groups=(0, 0, 1, 2, 3, -1),
        words=("ab", "c", "d", ","),
    )
    target = Axis(tuple("vwxyz"), special=(False,) * 4 + (True,), groups=(0, 1, 1, 2, -1), words=("v", "wx", "y"))
    return CrossAttention(
        attention,
        source,
        {"output": target},
        value_norms=attention * torch.arange(1.0, COLUMNS + 1),
        importance={"gradient": attention[..., 0, 0], "ablation": -attention[..., 0, 1]},
        contributed=Contributed({"gradient": attention[:1, :1].flip(-1) / 2}, masking_drop=attention[..., 1, 0]),
    )


def fixed_record_of_sound():
    """The same attention over 1.2 seconds of sound, loud and silent by turns."""
    record = fixed_record()
    return replace(
        record,
        source=Axis(
            record.source.labels,
            groups=record.source.groups,
            words=record.source.words,
            kinds=("audio",) * COLUMNS,
            places=tuple((0.2 * column, 0.2 * (column + 1)) for column in range(COLUMNS)),
        ),
        sound=Sound(torch.tensor([0.5, 0.0, 0.25, 0.5, 0.0, 0.5]).repeat_interleave(200), 1000),
        outside=record.weights[..., 0] / 2,
    )


def fixed_record_of_picture():
    """The same attention over a picture of 3 x 2 patches, the first row of them blank."""
    record = fixed_record()
    pixels = np.full((20, 30, 3), 255, dtype=np.uint8)
    pixels[10:, ::2] = 0
    return replace(
        record,
        source=Axis(
            record.source.labels,
            groups=record.source.groups,
            words=record.source.words,
            kinds=("image",) * COLUMNS,
            places=tuple((10 * (c % 3), 10 * (c // 3), 10 * (c % 3) + 10, 10 * (c // 3) + 10) for c in range(COLUMNS)),
        ),
        image=Picture.from_image(PIL.Image.fromarray(pixels)),
    )


def all_cases():
    """Each score with its parameters, by name."""
    reference = scores.reference_marginals([fixed_record(3), fixed_record(5)])
    return {name: (built_in, {}) for name, built_in in scores.BUILTIN.items()} | {
        "own": (own, {}),
        "overcoverage by length": (scores.overcoverage, {"by_length": True}),
        "marginal_divergence from a reference": (scores.marginal_divergence, {"reference": reference, "nearest": 1}),
        "importance by ablation": (scores.importance, {"method": "ablation"}),
    }


def numbers_of(name):
    scored, parameters = all_cases()[name]
    record = fixed_record()
    if any(INPUTS[need].of_sound for need in scored.needs):
        record = fixed_record_of_sound()
    if any(INPUTS[need].of_image for need in scored.needs):
        record = fixed_record_of_picture()
    values = []
    for case in CASES:
        special = "keep" if case == "words" else case
        if special not in scored.policies:
            values.append(None)
            continue
        grid = scored.of_record(record.words() if case == "words" else record, special=special, **parameters)
        weights = torch.arange(1.0, LAYERS * HEADS + 1).reshape(LAYERS, HEADS)
        values.append((grid.values * weights).sum().item() / weights.sum().item())
    return values


@pytest.mark.parametrize("name", [*scores.BUILTIN, *(name for name in EXPECTED if name not in scores.BUILTIN)])
def test_numbers_that_change_get_another_version(name):
    scored, _ = all_cases()[name]
    numbers = numbers_of(name)
    line = f'"{name}": ("{scored.version}", {[value if value is None else round(value, 6) for value in numbers]}),'
    assert name in EXPECTED, f"{name} is new: add its version and numbers to EXPECTED:\n    {line}"
    version, expected = EXPECTED[name]
    same = all(
        (value is None) == (other is None) and (value is None or math.isclose(value, other, rel_tol=1e-5, abs_tol=1e-5))
        for value, other in zip(numbers, expected, strict=True)
    )
    if scored.version == version:
        assert same, (
            f"{name} gives other numbers, but tables of earlier releases have version {version} as well. If the change "
            "is intended, raise the version: of this score, with @score(version=...), or DEFAULT_VERSION in "
            f"scores/definition.py if every score changed. Then put this line into EXPECTED:\n    {line}"
        )
    else:
        assert not same, f"{name} has another version, but still the numbers of version {version}: keep the version"
        pytest.fail(f"{name} has a new version. If its numbers are right, put this line into EXPECTED:\n    {line}")


def test_a_signature_carries_the_version_of_the_formula_not_of_the_package():
    assert scores.entropy.signature().endswith("|v:1")
    second = score(version="2", name="own")(own.function)
    assert second.signature() == own.signature().removesuffix("v:1") + "v:2"


def test_a_score_that_calls_another_has_one_signature_before_and_after_its_first_use():
    entropy = scores.Score(scores.entropy.function, "entropy", batched=True)

    def doubled(attention, source_mask, target_mask):
        return 2 * entropy(attention, source_mask, target_mask)

    before = score(doubled).signature()
    assert entropy.parameters == {}
    assert score(doubled).signature() == before
    # A new description does not change the signature. A new version does.
    entropy = scores.Score(scores.entropy.function, "entropy", batched=True, description="How scattered it is.")
    assert score(doubled).signature() == before
    entropy = scores.Score(scores.entropy.function, "entropy", batched=True, version="2")
    assert score(doubled).signature() != before


def test_signatures_of_release_0_1_0_name_the_first_versions():
    assert current_form("entropy|special:keep|v:0.1.0") == "entropy|special:keep|v:1"
    assert current_form("own|special:drop|code:1a2b3c4d|v:0.1.0") == "own|special:drop|code:1a2b3c4d|v:1"
    for other in ("entropy|special:keep|v:2", "entropy|special:keep|v:1", "score", ""):
        assert current_form(other) == other
