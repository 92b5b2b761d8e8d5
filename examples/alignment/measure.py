"""Measure which head, layer and reading of the demo model agree best with links made by hand.

python examples/alignment/measure.py
"""

import re
from pathlib import Path

from xattn_widget import alignment_scores, best_alignment_heads, extract, load_demo, read_pharaoh

FOLDER = Path(__file__).parent
METHODS = ("argmax", "mutual", "threshold", "mass", "assignment", "monotone")


def load_gold():
    """Return tokenized sentence pairs, [(source words, target words)], and their gold alignments."""
    lines = (FOLDER / "tatoeba.de-en.src-tgt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    pairs = [tuple(side.split() for side in line.split(" ||| ")) for line in lines]
    return pairs, read_pharaoh(FOLDER / "tatoeba.de-en.gold")


def load_records(pairs):
    """Return the demo model's records of the pairs (by teacher forcing), with the words of the gold alignments."""
    model, tokenizer = load_demo()
    sources, targets = ([plain_text(words) for words in side] for side in zip(*pairs, strict=True))
    records = extract(model, tokenizer, sources, targets)
    return [
        record.with_words(source=source, target=target) for record, (source, target) in zip(records, pairs, strict=True)
    ]


def plain_text(words):
    return re.sub(r" ([.,!?])", r"\1", " ".join(words))


def main() -> None:
    pairs, gold = load_gold()
    records = load_records(pairs)
    layers, heads = records[0].layers, records[0].heads
    print("AER of the argmax of each head and of each layer's mean")
    for reading in ("output", "input"):
        print(f"\n| {reading} | {' | '.join(f'head {head}' for head in range(heads))} | layer mean |")
        print("| --- " * (heads + 2) + "|")
        relabeled = [record.read_as(reading) for record in records]
        for layer in range(layers):
            picks = [[(layer, head)] for head in range(heads)] + [[(layer, head) for head in range(heads)]]
            rates = [alignment_scores([record.align(pick) for record in relabeled], gold).aer for pick in picks]
            print(f"| layer {layer} | {' | '.join(f'{rate:.3f}' for rate in rates)} |")
    best = best_alignment_heads(records, gold)
    print("\nBest heads with gold:", *best[:3], sep="\n  ")
    print("Best heads without gold:", *best_alignment_heads(records)[:3], sep="\n  ")
    print("\n| method | AER | precision | recall | best head | AER | precision | recall |")
    print("| --- " * 8 + "|")
    last = [(layers - 1, head) for head in range(heads)]
    top = [record.read_as(best[0].reading) for record in records]
    for method in METHODS:
        mean = alignment_scores([record.align(last, method=method) for record in records], gold)
        single = alignment_scores([record.align(best[0][:2], method=method) for record in top], gold)
        numbers = " | ".join(
            f"{scores.aer:.3f} | {scores.precision:.3f} | {scores.recall:.3f}" for scores in (mean, single)
        )
        print(f"| {method} | {numbers} |")


if __name__ == "__main__":
    main()
