"""How closely scores of fewer bits rank sentences and heads as float32 does, as measured on the demo model."""

from __future__ import annotations

# Spearman's rank correlation of ``precision="int8"`` with float32, over sentences and over heads, on 920 pairs from
# Tatoeba: ``python tests/benchmarks/bench_precision.py PAIRS.tsv``.
INT8_RANKS = {
    "coverage_penalty": (0.9998, 0.9980),
    "overcoverage": (0.9999, 0.9975),
    "ignored_source": (0.9884, 0.9880),
    "least_coverage": (0.9997, 0.9976),
    "entropy": (0.9997, 0.9990),
    "confidence": (0.9997, 0.9986),
    "distraction": (0.9998, 0.9972),
    "marginal_divergence": (0.9996, 0.9977),
    "sink_mass": (0.9998, 0.9985),
    "end_mass": (0.9998, 0.9985),
    "punctuation_mass": (0.9997, 0.9981),
    "monotonicity": (0.9996, 0.9983),
    "diagonality": (0.9998, 0.9991),
    "agreement": (0.9997, 0.9986),
    "alignment_norm": (0.9999, 0.9991),
    "value_norm": (0.9998, 0.9990),
}
