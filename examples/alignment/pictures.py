"""Draw the pictures of the guide about policies for special tokens and about alignments from two directions.

    python examples/alignment/pictures.py [--backward DIR]

``--backward`` is the folder of an English-German model (``examples/demo_model/train.py --direction en-de``); without
it, only the policies are drawn. All sentences are among the 50 pairs that were aligned by hand.
"""

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy
from measure import backward_records, load_gold, load_records
from pictures_of_links import mark_links, save

from xattn_widget import alignment_scores, best_head_set, symmetrize

# Leaving out punctuation aligns the first better; of the second it makes a sharp row of a tenth of its attention.
POLICY_HEAD = (2, 1)
POLICIES = {"policies-help": 47, "policies-mislead": 26}
# Of the first, each direction lacks links that the other has; of the second, one direction is right and the other weak.
DIRECTIONS = {"directions-help": 8, "directions-mislead": 25}


def draw_policies(name: str, record, gold, source: list[str], target: list[str]) -> None:
    words = record.words()
    panels = {
        "all tokens": words,
        "without special tokens": words.drop_special(),
        "without special tokens and punctuation": words.drop_special(also="punctuation"),
    }
    size = (4.6 + 0.95 * len(source), 2.0 + 0.25 * len(target))
    figure, axes = plt.subplots(1, len(panels), figsize=size, layout="constrained")
    for axis, (title, shown) in zip(axes, panels.items(), strict=True):
        shown.plot(heads=[POLICY_HEAD], ax=axis)
        axis.set_title(title, fontsize=9)
        rows, columns = shown.weights.shape[2:]
        # What is left out is at the end of both sentences, so that the other words keep their numbers.
        mark_links(axis, [link for link in gold.sure if link[0] < columns and link[1] < rows])
    for axis in axes[1:]:
        axis.set_ylabel("")
    save(figure, name)
    rates = [
        alignment_scores([record.align(POLICY_HEAD, special=special)], [gold]).aer
        for special in ("keep", "renormalize", "renormalize_punctuation")
    ]
    print(f"  AER {', '.join(f'{rate:.2f}' for rate in rates)}")
    whole, left = (record.weights[POLICY_HEAD][0] for record in (words, shown))
    print(f"  first row: {whole[: len(left)].sum():.2f} is left, of which at most {left.max():.2f} on one word")


def draw_directions(name: str, panels: dict[str, list], gold, source: list[str], target: list[str]) -> None:
    size = (3.0 + 0.85 * len(source), 1.8 + 0.26 * len(target))
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, layout="constrained")
    for axis, (title, links) in zip(axes, panels.items(), strict=True):
        cells = numpy.zeros((len(target), len(source)))
        for column, row in links:
            cells[row, column] = 1
        axis.imshow(cells, cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
        axis.set_xticks(range(len(source)), source, rotation=45, ha="right", fontsize=8)
        axis.set_yticks(range(len(target)), target, fontsize=8)
        axis.set_title(f"{title}\nAER {alignment_scores([links], [gold]).aer:.2f}", fontsize=9)
        mark_links(axis, gold.sure)
    save(figure, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backward", type=Path, help="folder of an English-German model")
    folder = parser.parse_args().backward
    pairs, gold = load_gold()
    records = load_records(pairs)
    for name, index in POLICIES.items():
        draw_policies(name, records[index], gold[index], *pairs[index])
    if folder is None:
        return
    turned = backward_records(folder, pairs)
    there, back = best_head_set(records), best_head_set(turned)
    for name, index in DIRECTIONS.items():
        forward = there.align(records[index])
        backward = [(source, target) for target, source in back.align(turned[index])]
        panels = {
            "German-English": forward,
            "English-German": backward,
            "both, grow-diag-final": symmetrize(forward, backward, "grow-diag-final"),
        }
        draw_directions(name, panels, gold[index], *pairs[index])


if __name__ == "__main__":
    main()
