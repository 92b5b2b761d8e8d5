"""Measure how many sentences it takes to guess, without gold, the heads of the demo model that align.

python examples/alignment/guess.py tatoeba.deu-eng.train.tsv

The file has a German sentence, a tab and its English translation on each line. For each number n of sentences, n of
them are drawn at random again and again; the heads guessed from each draw align the 50 sentence pairs of this folder.
"""

import argparse
import functools
import random
import statistics
from pathlib import Path

import torch
from calibrate import read_pairs
from measure import load_gold, load_records

from xattn_widget import alignment_error_rate, extract, load_demo
from xattn_widget.alignment.evidence import gather_evidence

NUMBERS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
COUNTS = (1, 2, 3, 4, 6, 8)
POOL, DRAWS = 2000, 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", type=Path, help="tab-separated file of sentences that the model was trained on")
    path = parser.parse_args().sentences
    measured = (gather_evidence([record]) for record in extract(*load_demo(), *read_pairs(path, POOL)))
    pool = [evidence for evidence in measured if evidence is not None]
    pairs, gold = load_gold()
    merged = {
        reading: [record.read_as(reading).words() for record in load_records(pairs)] for reading in ("output", "input")
    }

    @functools.cache
    def error_rate(reading, heads):
        return alignment_error_rate([record.align(heads) for record in merged[reading]], gold)

    last = tuple((2, head) for head in range(8))
    print(f"Mean of the last layer: {error_rate('output', last):.3f}\n")
    print("Mean AER of the k heads guessed best (share of the draws in which it is at most that of the last layer)\n")
    print(f"| sentences | words | {' | '.join(f'k = {count}' for count in COUNTS)} | rule of the panel |")
    print("| --- " * (len(COUNTS) + 3) + "|")
    rng = random.Random(1)
    for number in NUMBERS:
        rates = {count: [] for count in (*COUNTS, "rule")}
        words, weak = [], 0
        for _ in range(DRAWS):
            drawn = rng.sample(pool, number)
            evidence = functools.reduce(lambda left, right: left + right, drawn)
            words.append(evidence.words["output"])
            for count in COUNTS:
                rates[count].append(error_rate(*best_heads(evidence, count)))
            guess = evidence.guess()
            weak += guess is None
            rates["rule"].append(
                error_rate("output", last) if guess is None else error_rate(guess.reading, tuple(sorted(guess.heads)))
            )
        cells = [
            f"{statistics.mean(part):.3f} ({sum(rate <= error_rate('output', last) for rate in part) / DRAWS:.2f})"
            for part in rates.values()
        ]
        print(f"| {number} | {statistics.mean(words):.0f} | {' | '.join(cells)}, {weak / DRAWS:.2f} weak |")


def best_heads(evidence, count):
    """Return the reading under which the best ``count`` heads have the largest values, and these heads."""
    ranked = {}
    for reading in evidence.linked:
        values, order = torch.sort(evidence.values(reading).flatten(), descending=True)
        heads = [divmod(head, evidence.grid[1]) for head in order[:count].tolist()]
        ranked[reading] = float(values[:count].mean()), tuple(sorted(heads))
    reading = max(ranked, key=lambda reading: ranked[reading][0])
    return reading, ranked[reading][1]


if __name__ == "__main__":
    main()
