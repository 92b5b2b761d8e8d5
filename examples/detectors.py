"""How well scores detect bad translations: figures of each detector on a test set that is made here.

    python examples/detectors.py [PAIRS.tsv] [--pairs N] [--samples N]

PAIRS.tsv has one German and one English sentence per line, separated by a tab; lines that the demo model was trained
on would look better than they are. Without it, the 50 sentence pairs of ``examples/alignment`` are used. Every source
is read with a good translation and with bad ones:

- omission: content words of the good translation are deleted;
- repetition: two or three words of it are repeated;
- detached: the translation of another sentence;
- sampled: what the demo model writes at a high temperature, if its chrF against the good translation is below 30.

Half of the pairs are only trusted: their marginals are the reference set of Wass-to-Data. The table has the AUROC of
each detector for each kind of bad translation against the good ones, with a bootstrap interval.
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

import pyarrow as pa
import sacrebleu

from xattn_widget import evaluate_detectors, extract, load_demo, score, score_corpus
from xattn_widget.corpus import combine_transport, grids
from xattn_widget.scores import marginal_divergence, reference_marginals

KINDS = ("omission", "repetition", "detached", "sampled")
# Words that an omission does not delete.
FUNCTION_WORDS = {
    *("a", "an", "the", "of", "to", "in", "on", "at", "and", "or", "not"),
    *("is", "are", "was", "were", "be", "it", "he", "she", "they", "i", "you", "we", "my", "your", "his", "her"),
}
TEMPERATURE = 1.6


def read_pairs(path: Path) -> list[tuple[str, str]]:
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [(source, target) for source, target, *_ in (line.split("\t") for line in lines)]


def omitted(words: list[str], order: random.Random) -> list[str] | None:
    """The words without a third of the content words, at least one; None if there are too few."""
    content = [number for number, word in enumerate(words) if word.strip(".,!?").lower() not in FUNCTION_WORDS]
    if len(content) < 3:
        return None
    left_out = set(order.sample(content, max(1, len(content) // 3)))
    return [word for number, word in enumerate(words) if number not in left_out]


def repeated(words: list[str], order: random.Random) -> list[str] | None:
    """The words with a span of two or three of them three times in a row."""
    if len(words) < 4:
        return None
    start, length = order.randrange(len(words) - 3), order.choice((2, 3))
    return [*words[:start], *words[start : start + length] * 3, *words[start + length :]]


def make_cases(pairs: list[tuple[str, str]], model, tokenizer) -> list[tuple[str, str, str]]:
    """The kind ("good" or one of ``KINDS``), source and target of each case."""
    order = random.Random(0)
    cases = []
    sampled = sample(model, tokenizer, [source for source, _ in pairs])
    for number, (source, target) in enumerate(pairs):
        words = target.split()
        cases.append(("good", source, target))
        for kind, made in (("omission", omitted(words, order)), ("repetition", repeated(words, order))):
            if made is not None:
                cases.append((kind, source, " ".join(made)))
        other = pairs[(number + order.randrange(1, len(pairs))) % len(pairs)][1]
        cases.append(("detached", source, other))
        if sacrebleu.sentence_chrf(sampled[number], [target]).score < 30:
            cases.append(("sampled", source, sampled[number]))
    return cases


def sample(model, tokenizer, sources: list[str]) -> list[str]:
    import torch

    torch.manual_seed(0)
    targets = []
    for start in range(0, len(sources), 50):
        inputs = tokenizer(sources[start : start + 50], return_tensors="pt", padding=True)
        ids = model.generate(**inputs, do_sample=True, temperature=TEMPERATURE, top_k=0, max_new_tokens=30)
        targets += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return [target or "." for target in targets]


def scored(model, tokenizer, sources: list[str], targets: list[str], to_data) -> pa.Table:
    """The scored table, with one more column for what has no score of heads."""
    scores = ["marginal_divergence", to_data, "coverage_penalty", "least_coverage", "overcoverage", "entropy"]
    table = score_corpus(
        model, tokenizer, sources, targets, scores=scores, special="drop_punctuation", statistics=["logprob_mean"]
    )
    shares = []
    for start in range(0, len(sources), 64):
        part = slice(start, start + 64)
        records = extract(model, tokenizer, sources[part], targets[part], contributions=["alti"])
        shares += [-float(record.source_contribution[~record.target_special].mean()) for record in records]
    # Columns without a direction suspect high values: little contribution of the source is suspect.
    return table.append_column("minus_source_contribution", pa.array(shares, pa.float64()))


def with_combo(table: pa.Table, trusted: pa.Table) -> pa.Table:
    """The table with Wass-Combo of the last layer, from the distances of the trusted translations."""
    distances = [
        [grids(part, name)[:, -1].mean(1) for name in ("marginal_divergence", "wass_to_data")]
        for part in (table, trusted)
    ]
    # Combined distances have no direction either: high is suspect.
    return table.append_column("wass_combo", pa.array(combine_transport(*distances[0], tuple(distances[1]))))


def report(table: pa.Table, kinds: list[str], samples: int) -> None:
    """Print the AUROC of each detector for each kind, and all figures for all kinds together."""
    print(f"{kinds.count('good')} good translations; bad ones: {', '.join(f'{kinds.count(k)} {k}' for k in KINDS)}")
    columns = {}
    for kind in (*KINDS, "any of these"):
        labels = [None if found not in ("good", kind) and kind in KINDS else found != "good" for found in kinds]
        for row in evaluate_detectors(table, labels, samples=samples).to_pylist():
            columns.setdefault(row["detector"], {})[kind] = row
    kept = [name for name in columns if name not in ("source_length", "target_length")]
    kept.sort(key=lambda name: -columns[name]["any of these"]["auroc"])
    print(f"\n| detector | {' | '.join(KINDS)} | any of these |\n|{' --- |' * (len(KINDS) + 2)}")
    for name in kept:
        cells = [
            f"{row['auroc']:.2f} ({row['auroc_low']:.2f}, {row['auroc_high']:.2f})" for row in columns[name].values()
        ]
        print(f"| `{name}` | {' | '.join(cells)} |")
    print("\n| detector | precision at 90 % recall | false positive rate at 90 % recall |\n| --- | --- | --- |")
    for name in kept:
        row = columns[name]["any of these"]
        print(f"| `{name}` | {row['precision']:.2f} | {row['false_positive_rate']:.2f} |")


def main() -> None:
    folder = Path(__file__).parent / "alignment"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", type=Path, help="German and English sentences, separated by a tab")
    parser.add_argument("--pairs", type=int, default=400, help="how many to use at most; default: %(default)s")
    parser.add_argument("--samples", type=int, default=1000, help="bootstrap samples; default: %(default)s")
    arguments = parser.parse_args()
    if arguments.path is None:
        sys.path.append(str(folder))
        from measure import load_gold, plain_text

        pairs = [(plain_text(source), plain_text(target)) for source, target in load_gold()[0]]
    else:
        pairs = read_pairs(arguments.path)
    random.Random(0).shuffle(pairs)
    pairs = pairs[: arguments.pairs]
    trusted, tested = pairs[::2], pairs[1::2]
    model, tokenizer = load_demo()
    # Half of the trusted pairs are the reference set, the others say which distances are ordinary.
    records = extract(model, tokenizer, *map(list, zip(*trusted[::2], strict=True)))
    reference = reference_marginals(records, special="drop_punctuation")

    @score(direction="lower", batched=True, scope="model")
    def wass_to_data(attention, source_mask, target_mask):
        """The distance to the marginals of trusted translations (Guerreiro et al. 2023)."""
        return marginal_divergence.function(attention, source_mask, target_mask, reference=reference)

    cases = make_cases(tested, model, tokenizer)
    kinds, sources, targets = map(list, zip(*cases, strict=True))
    table = scored(model, tokenizer, sources, targets, wass_to_data)
    ordinary = scored(model, tokenizer, *map(list, zip(*trusted[1::2], strict=True)), wass_to_data)
    report(with_combo(table, ordinary), kinds, arguments.samples)


if __name__ == "__main__":
    main()
