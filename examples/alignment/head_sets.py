"""Measure how well sets of heads of the demo model align, chosen with gold, by cross-validation, and without gold.

python examples/alignment/head_sets.py [tatoeba.deu-eng.train.tsv]

With a file of sentences and translations, sets are also chosen without gold on 200 of them, and tested on the 50 pairs.
"""

import random
import statistics
import sys
from pathlib import Path

from calibrate import read_pairs
from measure import load_gold, load_records

from xattn_widget import alignment_scores, best_head_set, extract, load_demo

SIZES = (1, 2, 3, 4, 6)
DRAWS, SENTENCES = 20, 200


def main() -> None:
    pairs, gold = load_gold()
    records = load_records(pairs)
    others = extract(*load_demo(), *read_pairs(Path(sys.argv[1]), SENTENCES)) if sys.argv[1:] else []
    print(
        "AER by the argmax of the mean of a set. Crossed: each half is aligned by the set chosen on the other half.\n"
    )
    print(
        "| readings | most heads | with gold, same pairs | with gold, crossed (even and odd) | crossed, mean of 20 "
        "halvings (range) | without gold, same pairs | without gold, crossed (even and odd) | without gold, other "
        "sentences |"
    )
    print("| --- " * 8 + "|")
    for mixed in (False, True):
        for size in SIZES:

            def choose(chosen_on, known=None, mixed=mixed, size=size):
                return best_head_set(chosen_on, known, most_heads=size, mixed=mixed)

            random_halves = [
                crossed(records, gold, random.Random(seed).sample(range(50), 25), choose) for seed in range(DRAWS)
            ]
            even = list(range(0, 50, 2))
            numbers = [
                error_rate(choose(records, gold), records, gold),
                crossed(records, gold, even, choose),
                f"{statistics.mean(random_halves):.3f} ({min(random_halves):.3f} to {max(random_halves):.3f})",
                error_rate(choose(records), records, gold),
                crossed(records, gold, even, lambda chosen_on, _: choose(chosen_on)),
                error_rate(choose(others), records, gold) if others else "",
            ]
            cells = " | ".join(cell if isinstance(cell, str) else f"{cell:.3f}" for cell in numbers)
            print(f"| {'one for each head' if mixed else 'one'} | {size} | {cells} |")
    print("\nWith gold:", best_head_set(records, gold))
    print("Without gold:", best_head_set(records))
    if others:
        print("Without gold, other sentences:", best_head_set(others))


def error_rate(chosen, records, gold):
    return alignment_scores([chosen.align(record) for record in records], gold).aer


def crossed(records, gold, half, choose):
    """Return the error rate of all pairs, where each half is aligned by the set chosen on the other one."""
    other = [number for number in range(len(records)) if number not in half]
    links = [[] for _ in records]
    for chosen_on, tested in ((half, other), (other, half)):
        chosen = choose([records[number] for number in chosen_on], [gold[number] for number in chosen_on])
        for number in tested:
            links[number] = chosen.align(records[number])
    return alignment_scores(links, gold).aer


if __name__ == "__main__":
    main()
