"""Measure how numbers of fewer bits rank sentences and heads, compared with float32.

    python tests/benchmarks/bench_precision.py [PAIRS.tsv] [--pairs N] [--write]

The demo model, whose weights are trained, scores the same pairs in float32, with ``precision="int8"``, and as a
bfloat16 model. For each score, the table gives Spearman's rank correlation with float32: over sentences (of a head, the
mean over heads), and over heads (of a sentence, the mean over sentences). Without a file, the pairs are those of
examples/alignment.
"""

import argparse
import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from results import Results, add_write_option, libraries
from scipy.stats import rankdata

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus import grids
from xattn_widget.corpus.precision import INT8_RANKS

STATISTICS = ("logprob_sum", "logprob_mean", "logprob_min")
PAIRS = Path(__file__).parents[2] / "examples" / "alignment" / "tatoeba.de-en.src-tgt"


def correlations(one: Any, other: Any) -> Any:
    """Spearman's correlation of each column; NaN for a column whose values are all equal."""
    ranks = [rankdata(values, axis=0) for values in (one, other)]
    with np.errstate(all="ignore"):
        scaled = [(rank - rank.mean(0)) / rank.std(0) for rank in ranks]
    return (scaled[0] * scaled[1]).mean(0)


def agreement(reference: Any, table: Any, name: str) -> tuple[float, float]:
    """The rank correlations over sentences and over heads, each the mean of those that are defined."""
    one, other = (grids(found, name).reshape(len(found), -1).astype(np.float64) for found in (reference, table))
    known = np.isfinite(one).all(1) & np.isfinite(other).all(1)
    one, other = one[known], other[known]
    return float(np.nanmean(correlations(one, other))), float(np.nanmean(correlations(one.T, other.T)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", metavar="PAIRS.tsv", type=Path, default=PAIRS)
    parser.add_argument("--pairs", type=int, default=1000)
    add_write_option(parser, "precision")
    options = parser.parse_args()
    lines = options.path.read_text(encoding="utf-8").splitlines()[: options.pairs]
    sources, targets = zip(*(line.replace(" ||| ", "\t").split("\t")[:2] for line in lines), strict=True)
    model, tokenizer = load_demo()
    half = copy.deepcopy(model).to(torch.bfloat16)

    def scored(used: Any, **more: Any) -> Any:
        return score_corpus(
            used, tokenizer, sources, targets, list(INT8_RANKS), statistics=STATISTICS, progress=False, **more
        )

    reference, tables = scored(model), {"int8": scored(model, precision="int8"), "bfloat16": scored(half)}
    results = Results(options.write, f"{libraries()}; the demo model, {len(sources)} pairs")
    results.table(["score", *(f"{name}, over {what}" for name in tables for what in ("sentences", "heads"))])
    for name in INT8_RANKS:
        found = [agreement(reference, table, name) for table in tables.values()]
        results.row([name, *(f"{value:.4f}" for pair in found for value in pair)])
    for name in STATISTICS:
        values = [np.asarray(table[name])[:, None] for table in (reference, *tables.values())]
        results.row(
            [name, *(cell for other in values[1:] for cell in (f"{correlations(values[0], other)[0]:.4f}", ""))]
        )
    results.save()


if __name__ == "__main__":
    main()
