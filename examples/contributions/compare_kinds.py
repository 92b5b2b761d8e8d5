"""Compare attention with contributions: the demo model on the 50 sentence pairs that were aligned by hand.

python examples/contributions/compare_kinds.py

It prints how faithful each head is, and for the mean attention of each layer and for each kind of contributions how
faithful they are and how well they align words, with the time that they take.
"""

import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "alignment"))
from measure import load_gold, plain_text

from xattn_widget import alignment_error_rate, extract, load_demo, measure_faithfulness

KINDS = ("value_zeroing", "alti", "gradient")
# 20 words.
LONG = "Ich habe das Buch gestern Abend in der kleinen Stadt gelesen, aber ich weiß nicht mehr, wer es geschrieben hat."


def main() -> None:
    torch.set_num_threads(1)
    model, tokenizer = load_demo()
    pairs, gold = load_gold()
    sources, targets = ([plain_text(words) for words in side] for side in zip(*pairs, strict=True))
    records = extract(model, tokenizer, sources, targets, contributions=KINDS, faithfulness=True)
    for name in ("faithfulness", "masking_drop"):
        grid = torch.stack([record.score(name).values for record in records]).nanmean(0)
        print(f"\n| {name} | {' | '.join(f'head {head}' for head in range(grid.shape[1]))} |")
        print("| --- " * (grid.shape[1] + 1) + "|")
        for layer, row in enumerate(grid.tolist()):
            print(f"| layer {layer} | {' | '.join(f'{value:.2f}' for value in row)} |")

    print("\n| | correlation with gradients | masking drop | AER, rows by output | AER, rows by input |")
    print("| --- " * 5 + "|")
    layers, heads = records[0].layers, records[0].heads
    for layer in range(layers):
        print(
            row_of(f"attention, mean of layer {layer}", records, [(layer, head) for head in range(heads)], pairs, gold)
        )
    for kind in KINDS:
        shown = [record.contributions(kind) for record in records]
        for layer in range(shown[0].layers):
            name = kind if kind == "gradient" else f"{kind}, layer {layer}"
            print(row_of(name, shown, [(layer, 0)], pairs, gold))
    shares = torch.cat([record.source_contribution[:-1] for record in records])
    print(f"\nSource contribution by ALTI+: mean {shares.mean():.2f}, from {shares.min():.2f} to {shares.max():.2f}")

    print("\nSeconds for one sentence of 20 words, one core, best of 5")
    for kind in (None, "value_zeroing", "value_zeroing_heads", "alti", "gradient"):
        print(f"  {kind or 'the record alone'}: {seconds(contributions=[kind] if kind else []):.2f}")
    print(f"  faithfulness: {seconds(faithfulness=True):.2f}")


def row_of(name, records, heads, pairs, gold):
    """Return a line of the table: means over the records."""
    model, tokenizer = load_demo()
    measured = torch.tensor([measure_faithfulness(model, tokenizer, record, heads) for record in records]).nanmean(0)
    named = [
        record.with_words(source=source, target=target) for record, (source, target) in zip(records, pairs, strict=True)
    ]
    rates = [
        alignment_error_rate([record.read_as(reading).align(heads) for record in named], gold)
        for reading in ("output", "input")
    ]
    return "| " + " | ".join([name, *(f"{value:.2f}" for value in measured), *(f"{rate:.3f}" for rate in rates)]) + " |"


def seconds(**options):
    """Return the time of one call of ``extract``."""
    model, tokenizer = load_demo()
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        extract(model, tokenizer, LONG, generation={"max_new_tokens": 40}, **options)
        times.append(time.perf_counter() - begin)
    return min(times)


if __name__ == "__main__":
    main()
