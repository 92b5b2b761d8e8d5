"""Save which heads of a model align, so that its panel opens with them: alignment_heads.json, next to its weights.

python examples/alignment/calibrate.py tatoeba.deu-eng.train.tsv [--model DIR]

The file has a sentence, a tab and its translation on each line: sentences like those that the model is made for, such
as its training data, and not those that alignments are measured on. The demo model's file was made by this script. It
also saves a set of heads that aligns words, each head with its reading, chosen without gold on these sentences.
"""

import argparse
import csv
import random
from pathlib import Path

from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

from xattn_widget import best_head_set, extract, save_calibration
from xattn_widget.demo import FOLDER

SENTENCES = 500


def read_pairs(path, count):
    """Return sentences and their translations, drawn at random with a fixed seed."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row[:2] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if len(row) >= 2]
    chosen = random.Random(0).sample(rows, min(count, len(rows)))
    return [list(side) for side in zip(*chosen, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sentences", type=Path, help="tab-separated file of sentences and translations")
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder of the model; by default the demo model")
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForSeq2SeqLM.from_pretrained(arguments.model).eval()
    records = extract(model, tokenizer, *read_pairs(arguments.sentences, SENTENCES), truncation=True)
    head_set = best_head_set(records)
    print(*head_set.heads, sep="\n")
    print(save_calibration(model, records, arguments.model, head_set=head_set))


if __name__ == "__main__":
    main()
