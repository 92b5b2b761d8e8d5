"""Which sentences are worth labeling? Active learning by coverage, likelihood and random choice, in minutes.

    python examples/active_learning.py [PAIRS.tsv] [--seeds N] [--rounds N] [--budget N] [--pool N] [--test N]

PAIRS.tsv has one source and one target per line (German and English for the demo model). Without it, a small grammar
makes up pairs. The model to improve is the demo model with noise added to its weights, which stands for a model with
little training. In each round, every strategy chooses sentences from the pool, gets their targets, trains on all
targets it has so far, and is measured by chrF on test sentences. Each seed draws its own noise, pool, test sentences
and training order.
"""

import argparse
import copy
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import sacrebleu
import torch

from xattn_widget import compare, load_demo, score_corpus, select

Pair = tuple[str, str]
STRATEGIES = ("coverage, best head", "coverage, all heads", "likelihood", "random", "random of the same lengths")


@dataclass(frozen=True)
class Settings:
    """The size of the study."""

    seeds: int = 3
    rounds: int = 2
    budget: int = 50  # sentences per round
    pool: int = 300
    test: int = 100
    labeled: int = 60  # sentences with targets from the start, which determine the best head
    epochs: int = 2
    noise: float = 0.5  # relative to each weight matrix's standard deviation
    longest: int = 40  # tokens of a translation


QUICK = Settings(seeds=2, rounds=1, budget=4, pool=16, test=6, labeled=8, epochs=1, longest=8)


def read_pairs(path: str | Path) -> list[Pair]:
    lines = Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [(source, target) for source, target, *_ in (line.split("\t") for line in lines)]


def make_pairs(count: int) -> list[Pair]:
    """Return pairs from a small grammar: who does what, when and where."""
    who = {
        "Ich": "I",
        "Mein Bruder": "My brother",
        "Der alte Mann": "The old man",
        "Maria": "Maria",
        "Seine Mutter": "His mother",
        "Das Kind": "The child",
    }
    acts = {
        "das Buch": ("lese", "liest", "read", "reads", "the book"),
        "den Brief": ("schreibe", "schreibt", "write", "writes", "the letter"),
        "einen Apfel": ("esse", "isst", "eat", "eats", "an apple"),
        "das Auto": ("sehe", "sieht", "see", "sees", "the car"),
        "einen Tee": ("trinke", "trinkt", "drink", "drinks", "a tea"),
        "ein Lied": ("höre", "hört", "hear", "hears", "a song"),
        "die Schlüssel": ("suche", "sucht", "look for", "looks for", "the keys"),
    }
    when = {"": "", " jeden Tag": " every day", " heute": " today", " am Morgen": " in the morning"}
    where = {
        "": "",
        " im Garten": " in the garden",
        " in der Stadt": " in the city",
        " zu Hause": " at home",
        " im Zug": " on the train",
    }
    pairs = [
        (
            f"{subject} {forms[0] if subject == 'Ich' else forms[1]}{time}{place} {thing}.",
            f"{english} {forms[2] if subject == 'Ich' else forms[3]} {forms[4]}{there}{then}.",
        )
        for subject, english in who.items()
        for thing, forms in acts.items()
        for time, then in when.items()
        for place, there in where.items()
    ]
    return random.Random(0).sample(pairs, min(count, len(pairs)))


def forgetful_model(model: Any, noise: float, seed: int) -> Any:
    """Return a copy with Gaussian noise added to every weight matrix."""
    noisy, generator = copy.deepcopy(model), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in noisy.parameters():
            if parameter.requires_grad and parameter.dim() == 2:
                parameter += torch.randn(parameter.shape, generator=generator) * noise * parameter.std()
    return noisy


def train(model: Any, tokenizer: Any, pairs: list[Pair], epochs: int, seed: int) -> None:
    torch.manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-4)
    order = random.Random(seed)
    model.train()
    for _ in range(epochs):
        for start in range(0, len(pairs), 16):
            sources, targets = zip(*order.sample(pairs, len(pairs))[start : start + 16], strict=True)
            batch = tokenizer(list(sources), text_target=list(targets), return_tensors="pt", padding=True)
            batch["labels"][batch["labels"] == tokenizer.pad_token_id] = -100
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    model.eval()


def score(model: Any, tokenizer: Any, sources: list[str], longest: int = 40) -> pa.Table:
    """Score every head's coverage and the likelihood of the model's own translations."""
    generation = {"max_new_tokens": longest}
    statistics = ["logprob_mean"]
    return score_corpus(
        model,
        tokenizer,
        sources,
        scores="coverage_penalty",
        statistics=statistics,
        generation=generation,
        progress=False,
    )


def quality(model: Any, tokenizer: Any, pairs: list[Pair], longest: int) -> float:
    """Return the chrF of the model's translations of the test sentences."""
    table = score(model, tokenizer, [source for source, _ in pairs], longest)
    return float(sacrebleu.corpus_chrf(table["target"].to_pylist(), [[target for _, target in pairs]]).score)


def best_head(model: Any, tokenizer: Any, labeled: list[Pair], longest: int) -> str:
    """Return the head whose coverage penalty correlates most negatively with chrF, on sentences with known targets."""
    table = score(model, tokenizer, [source for source, _ in labeled], longest)
    rows = compare(table, [target for _, target in labeled]).to_pylist()
    heads = [row for row in rows if row["layer"] is not None and row["correlation"] == row["correlation"]]
    best = min(heads, key=lambda row: row["correlation"])
    return f"coverage_penalty.layer{best['layer']}.head{best['head']}"


def choose(strategy: str, table: pa.Table, head: str, budget: int, seed: int) -> list[int]:
    """Return the rows of the pool's table that a strategy chooses for labeling."""
    if strategy == "coverage, best head":
        chosen = select(table, head, budget)
    elif strategy == "coverage, all heads":
        chosen = select(table, "coverage_penalty", budget)
    elif strategy == "likelihood":
        chosen = select(table, "logprob_mean", budget, order="lowest")
    elif strategy == "random":
        chosen = select(table, "random", budget, seed=seed)
    else:
        chosen = select(table, "random", budget, seed=seed, match=select(table, head, budget))
    rows: list[int] = chosen["row"].to_pylist()
    return rows


def run(pairs: list[Pair], settings: Settings) -> Any:
    """Return the chrF of each strategy, ``[strategies, seeds, rounds + 1]``, starting before the first round."""
    demo, tokenizer = load_demo()
    results = np.empty((len(STRATEGIES), settings.seeds, settings.rounds + 1))
    for seed in range(settings.seeds):
        drawn = random.Random(seed).sample(pairs, settings.labeled + settings.pool + settings.test)
        labeled, rest = drawn[: settings.labeled], drawn[settings.labeled :]
        whole_pool, test = rest[: settings.pool], rest[settings.pool :]
        start = forgetful_model(demo, settings.noise, seed)
        results[:, seed, 0] = quality(start, tokenizer, test, settings.longest)
        head = best_head(start, tokenizer, labeled, settings.longest)
        for index, strategy in enumerate(STRATEGIES):
            model, known, pool = start, list(labeled), list(whole_pool)
            for number in range(1, settings.rounds + 1):
                table = score(model, tokenizer, [source for source, _ in pool], settings.longest)
                rows = choose(strategy, table, head, settings.budget, seed)
                known += [pool[row] for row in rows]
                pool = [pair for row, pair in enumerate(pool) if row not in set(rows)]
                model = copy.deepcopy(start)
                train(model, tokenizer, known, settings.epochs, seed)
                results[index, seed, number] = quality(model, tokenizer, test, settings.longest)
    return results


def intervals(results: Any) -> tuple[Any, Any]:
    """Return the mean over the seeds and half the width of its 95% interval (Student's t).

    Both have the shape ``[strategies, rounds + 1]``. With one seed the width is 0.
    """
    seeds = results.shape[1]
    if seeds == 1:
        return results[:, 0], np.zeros_like(results[:, 0])
    quantiles = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262]  # for 2, 3 ... 10 seeds
    quantile = quantiles[min(seeds, 10) - 2]  # slightly too wide for more seeds
    return results.mean(1), quantile * results.std(1, ddof=1) / np.sqrt(seeds)


def gains(results: Any) -> Any:
    """Return the gain of each seed since the start, so that seeds with an easier start do not add to the spread."""
    return results - results[:, :, :1]


def report(results: Any) -> str:
    """Return a table of the gain in chrF after each round, with its interval over the seeds."""
    mean, half_width = intervals(gains(results))
    rounds = results.shape[2] - 1
    lines = ["| strategy | " + " | ".join(f"after round {number}" for number in range(1, rounds + 1)) + " |"]
    lines.append("| --- |" + " --- |" * rounds)
    for index, strategy in enumerate(STRATEGIES):
        spreads = [f" ± {width:.1f}" if results.shape[1] > 1 else "" for width in half_width[index]]
        cells = [f"{mean[index, number]:+.1f}{spreads[number]}" for number in range(1, rounds + 1)]
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(results: Any, budget: int) -> Any:
    """Plot the gain in chrF by the number of labeled sentences, with intervals over the seeds."""
    from matplotlib import pyplot

    mean, half_width = intervals(gains(results))
    figure, axes = pyplot.subplots(figsize=(7.5, 4), layout="constrained")
    colors = ("#E69F00", "#56B4E9", "#009E73", "#0072B2", "#CC79A7")  # Okabe-Ito
    for index, (strategy, color) in enumerate(zip(STRATEGIES, colors, strict=True)):
        places = budget * np.arange(results.shape[2]) + (index - 2) * 0.04 * budget  # side by side
        axes.errorbar(
            places, mean[index], half_width[index], label=strategy, color=color, capsize=3, marker="o", markersize=4
        )
    axes.set(xlabel="sentences labeled", ylabel="gain in chrF, 95% interval over the seeds")
    axes.axhline(0, color="0.7", linewidth=0.8, zorder=0)
    axes.legend(fontsize=8, frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", metavar="PAIRS.tsv")
    sizes = ("seeds", "rounds", "budget", "pool", "test")
    for name in sizes:
        parser.add_argument(f"--{name}", type=int, default=getattr(Settings, name))
    options = parser.parse_args()
    settings = Settings(**{name: getattr(options, name) for name in sizes})
    needed = settings.labeled + settings.pool + settings.test
    pairs = read_pairs(options.path) if options.path else make_pairs(needed)
    if len(pairs) < needed:
        parser.error(f"{needed} pairs are needed, but there are only {len(pairs)}: pass a smaller --pool or --test")
    results = run(pairs, settings)
    print(report(results))


if __name__ == "__main__":
    main()
