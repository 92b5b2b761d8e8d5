"""Alignment error rates on the 50 hand-aligned pairs: heads, contributions, both directions, and dedicated aligners.

    python tests/benchmarks/bench_aligners.py PAIRS.tsv [--backward DIR] [--eflomal PROGRAM] [--fast-align PROGRAM]

PAIRS.tsv has German and English sentences, separated by a tab, on which the dedicated aligners are trained together
with the 50 pairs. ``--backward`` is the folder of an English-German model (``examples/demo_model/train.py --direction
en-de``), ``--eflomal`` the program ``eflomal-align`` (GPL, Östling & Tiedemann 2016), and ``--fast-align`` that of Dyer
et al. 2013; none of them is part of this package. Links of attention are those of the argmax of each row.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from xattn_widget import alignment_scores, best_head_set, extract, load_demo, read_pharaoh, symmetrize

sys.path.insert(0, str(Path(__file__).parents[2] / "examples/alignment"))
from measure import backward_records, load_gold, load_records, plain_text

METHODS = ("intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and")
TOKEN = re.compile(r"\w+(?:['’]\w+)?|[^\w\s]")


def show(name: str, links: list, gold: list) -> None:
    scores = alignment_scores(links, gold)
    print(f"| {name} | {scores.aer:.3f} | {scores.precision:.3f} | {scores.recall:.3f} |", flush=True)


def turned(links: list) -> list:
    """Links of a model that translates back, as (source word, target word) of the other direction."""
    return [[(source, target) for target, source in pair] for pair in links]


def show_both(name: str, forward: list, backward: list, gold: list) -> None:
    show(f"{name}, forward", forward, gold)
    show(f"{name}, backward", backward, gold)
    for method in METHODS:
        show(f"{name}, {method}", symmetrize(forward, backward, method), gold)


def show_aligners(arguments: argparse.Namespace, pairs: list, gold: list) -> None:
    """Train the dedicated aligners on the 50 pairs and the others, and show what they say about the 50."""
    others = [line.split("\t")[:2] for line in arguments.path.read_text(encoding="utf-8").splitlines()]
    sides = [[" ".join(pair[side]) for pair in pairs] for side in (0, 1)]
    for side in (0, 1):
        sides[side] += [" ".join(TOKEN.findall(pair[side])) for pair in others]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for side, lines in zip(("source", "target"), sides, strict=True):
            (folder / side).write_text("".join(f"{line.lower()}\n" for line in lines), encoding="utf-8")
        (folder / "both").write_text(
            "".join(f"{source.lower()} ||| {target.lower()}\n" for source, target in zip(*sides, strict=True)),
            encoding="utf-8",
        )
        forward, backward = folder / "forward", folder / "backward"
        if arguments.eflomal:
            files = ["-s", folder / "source", "-t", folder / "target", "-f", forward, "-r", backward]
            subprocess.run([arguments.eflomal, "--overwrite", *files], check=True, stderr=subprocess.DEVNULL)
            show_both("eflomal", *(read_pharaoh(path)[: len(pairs)] for path in (forward, backward)), gold)
        if arguments.fast_align:
            command = [arguments.fast_align, "-i", folder / "both", "-d", "-o", "-v"]
            for path, options in ((forward, []), (backward, ["-r"])):
                with path.open("w") as file:
                    subprocess.run([*command, *options], check=True, stdout=file, stderr=subprocess.DEVNULL)
            show_both("fast_align", *(read_pharaoh(path)[: len(pairs)] for path in (forward, backward)), gold)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="German and English sentences, separated by a tab")
    parser.add_argument("--backward", type=Path, help="folder of an English-German model")
    parser.add_argument("--eflomal", help="the program eflomal-align")
    parser.add_argument("--fast-align", help="the program fast_align")
    arguments = parser.parse_args()
    pairs, gold = load_gold()
    records = load_records(pairs)
    print("| links | AER | precision | recall |\n| --- | --- | --- | --- |")
    show("best single head, (0, 6) read as input", [record.read_as("input").align((0, 6)) for record in records], gold)
    show("mean of the last layer", [record.align([(2, head) for head in range(8)]) for record in records], gold)
    chosen = best_head_set(records)
    links = [chosen.align(record) for record in records]
    show(f"best set without gold, {len(chosen.heads)} heads", links, gold)
    model, tokenizer = load_demo()
    sources, targets = ([plain_text(words) for words in side] for side in zip(*pairs, strict=True))
    contributed = extract(model, tokenizer, sources, targets, contributions=["value_zeroing", "alti"])
    for kind in ("value_zeroing", "alti"):
        read = [
            record.with_words(source=source, target=target).contributions(kind)
            for record, (source, target) in zip(contributed, pairs, strict=True)
        ]
        show(f"{kind}, last layer", [record.align((2, 0)) for record in read], gold)
    if arguments.backward:
        there = backward_records(arguments.backward, pairs)
        chosen_back = best_head_set(there)
        backward = turned([chosen_back.align(record) for record in there])
        show_both("best sets without gold", links, backward, gold)
    show_aligners(arguments, pairs, gold)


if __name__ == "__main__":
    main()
