"""Measure which head, layer and reading of the demo model agree best with links made by hand, and which scores tell.

python examples/alignment/measure.py [tatoeba.deu-eng.test.tsv]

With a file of sentences and translations, scores are also compared with the importance of heads on 300 of them.
"""

import re
import sys
from dataclasses import replace
from pathlib import Path

import torch
from transformers import MarianMTModel, MarianTokenizer

from xattn_widget import (
    alignment_scores,
    best_alignment_heads,
    extract,
    head_importance,
    load_demo,
    read_pharaoh,
    saved_head_set,
)
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

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


def backward_records(folder, pairs):
    """Return the records of an English-German model in a folder, with the words of the gold alignments."""
    model, tokenizer = MarianMTModel.from_pretrained(folder).float().eval(), MarianTokenizer.from_pretrained(folder)
    german, english = ([plain_text(words) for words in side] for side in zip(*pairs, strict=True))
    records = extract(model, tokenizer, english, german)
    return [
        record.with_words(source=target, target=source) for record, (source, target) in zip(records, pairs, strict=True)
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
    shipped = saved_head_set(load_demo()[0])
    rates = {
        method: alignment_scores([shipped.align(record, method=method) for record in records], gold).aer
        for method in METHODS
    }
    print("The set that ships with the model:", ", ".join(f"{method} {rate:.3f}" for method, rate in rates.items()))
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
    compare_scores(records, gold)


def compare_scores(records, gold):
    """Print how well each score ranks heads: by error rate, by importance, and two heads that do not align at all."""
    from scipy.stats import spearmanr

    rates = {}
    for layer, head, _, value, _ in best_alignment_heads(records, gold):
        rates[layer, head] = min(value, rates.get((layer, head), 1.0))
    measures = {"AER": -torch.tensor([rates[pair] for pair in sorted(rates)])}
    if sys.argv[1:]:
        from calibrate import read_pairs

        model, tokenizer = load_demo()
        sentences = read_pairs(Path(sys.argv[1]), 300)
        for method in ("ablation", "gradient"):
            measures[method] = head_importance(model, tokenizer, *sentences, method=method).flatten()
    print("\nRank correlation of scores over the heads, and the ranks of a uniform head and of one that reads the end")
    print(f"\n| score | special tokens | {' | '.join(measures)} | uniform | end |")
    print("| --- " * (len(measures) + 4) + "|")
    lines = []
    for score in BUILTIN.values():
        if any(INPUTS[name].on_request for name in score.needs):
            continue
        for special in score.policies:
            grids = [score.of_record(with_useless_heads(record), special=special) for record in records]
            values = torch.stack(grids).nanmean(0).flatten() * (1 if score.direction == "higher" else -1)
            heads = values[: len(rates)]
            correlations = [float(spearmanr(heads, measure)[0]) for measure in measures.values()]
            ranks = [
                "undefined" if value.isnan() else int((heads > value).sum()) + 1 for value in values[len(rates) :][:2]
            ]
            lines.append((correlations, score.name, special, ranks))
    for correlations, name, special, ranks in sorted(lines, reverse=True):
        if correlations[0] != correlations[0]:  # the same value for all heads: this model has no language codes
            continue
        numbers = " | ".join(f"{value:.2f}" for value in correlations)
        print(f"| {name} | {special} | {numbers} | {ranks[0]} | {ranks[1]} |")


def with_useless_heads(record):
    """Return the record with one more layer, of a uniform head, a head that reads only the last token, and others."""
    uniform = torch.full_like(record.weights[0, 0], 1 / len(record.source))
    end = torch.zeros_like(uniform)
    end[:, -1] = 1
    layer = torch.stack([uniform, end, *record.weights[0, 2:]])
    return replace(record, weights=torch.cat([record.weights, layer[None]]))


if __name__ == "__main__":
    main()
