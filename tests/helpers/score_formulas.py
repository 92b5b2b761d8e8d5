"""What tests of scores share: random attention, records, and each built-in score's formula in numpy."""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import rel_entr
from scipy.stats import kurtosis

from xattn_widget import CrossAttention, scores
from xattn_widget.record.axis import Axis

# The scores of sound, which test_sound_scores.py tests.
SOUND_NAMES = ("sound_coverage", "silence_mass", "rereading", "outside_mass", "unsupported_words")
# The scores of pictures, which test_image_scores.py tests.
IMAGE_NAMES = ("spatial_spread", "reading_jump", "blank_mass")
# The masses on tokens of single kinds, which test_punctuation.py tests.
SINK_NAMES = ("end_mass", "language_mass", "punctuation_mass")
# Those that are measured with the model; test_faithfulness.py tests the last two.
MEASURED_NAMES = ("importance", "faithfulness", "masking_drop")
# The other scores, which are computed from attention (and norms).
OTHER_NAMES = (*MEASURED_NAMES, *SOUND_NAMES, *IMAGE_NAMES, *SINK_NAMES)
NAMES = tuple(name for name in scores.BUILTIN if name not in OTHER_NAMES)


class Head(NamedTuple):
    """One head in double precision, with what scores compare it with."""

    attention: np.ndarray  # [target, source]
    special: np.ndarray  # [source] bool
    others: np.ndarray  # [heads, target, source]: the other heads of the layer
    norms: np.ndarray  # [target, source]

    @property
    def rows(self):
        return self.attention.shape[0]

    @property
    def columns(self):
        return self.attention.shape[1]

    @property
    def coverage(self):
        return self.attention.sum(0)


def entropy(head):
    weights = head.attention
    terms = np.where(weights > 0, weights * np.log(np.where(weights > 0, weights, 1)), 0)
    return -terms.sum(1).mean() / math.log(head.columns) if head.columns > 1 else math.nan


def distraction(head):
    return -np.mean(kurtosis(head.attention, axis=1, fisher=False)) if head.columns > 1 else math.nan


def monotonicity(head):
    steps = np.diff(head.attention @ np.arange(head.columns))
    return steps.sum() / np.abs(steps).sum() if np.abs(steps).sum() > 1e-6 else math.nan


def diagonality(head):
    down, across = (np.arange(head.rows) + 0.5) / head.rows, (np.arange(head.columns) + 0.5) / head.columns
    return 1 - (head.attention * np.abs(down[:, None] - across)).sum(1).mean()


def agreement(head):
    mean = head.others.mean(0)
    middle = (head.attention + mean) / 2
    divergence = (rel_entr(head.attention, middle) + rel_entr(mean, middle)).sum(1) / 2 / math.log(2)
    return 1 - divergence.mean()


FORMULAS = {
    "coverage_penalty": lambda head: -np.log(np.clip(head.coverage, 1e-8, 1)).sum() / head.columns,
    "overcoverage": lambda head: np.maximum(head.coverage - 1, 0).mean(),
    "ignored_source": lambda head: (head.coverage < 0.2).mean(),
    "least_coverage": lambda head: np.sort(head.coverage)[:2].mean(),
    "entropy": entropy,
    "confidence": lambda head: head.attention.max(1).mean(),
    "distraction": distraction,
    "marginal_divergence": lambda head: 0.5 * np.abs(head.coverage / head.rows - 1 / head.columns).sum(),
    "sink_mass": lambda head: head.attention[:, head.special].sum(1).mean(),
    "monotonicity": monotonicity,
    "diagonality": diagonality,
    "agreement": agreement,
    "alignment_norm": lambda head: sum(np.linalg.norm(head.attention, axis=axis).mean() for axis in (0, 1)),
    "value_norm": lambda head: head.norms.sum(1).mean(),
}


def in_numpy(name, attention, special, *, others=None, norms=None):
    """One head's score by its formula."""
    return FORMULAS[name](Head(attention, special, others, norms))


def random_attention(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


def record_of(attention, source_special=(), target_special=()):
    *_, rows, columns = attention.shape
    return CrossAttention(
        weights=attention,
        value_norms=attention * torch.arange(1.0, columns + 1),
        importance={"gradient": torch.ones(attention.shape[:2])},
        source=Axis(tuple(f"s{i}" for i in range(columns)), special=tuple(i in source_special for i in range(columns))),
        targets={
            "output": Axis(tuple(f"t{i}" for i in range(rows)), special=tuple(i in target_special for i in range(rows)))
        },
    )


def takes(name, special):
    """Whether a policy for special tokens makes sense for a score."""
    return special in scores.BUILTIN[name].policies
