"""Draw the pictures of the page about contributions: one case where they help, one where they mislead.

python examples/contributions/pictures.py

Both are among the 50 sentence pairs that were aligned by hand; white dots are the links of people.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt

sys.path.insert(0, str(Path(__file__).parents[1] / "alignment"))
from measure import load_gold, plain_text

from xattn_widget import extract, load_demo

FOLDER = Path(__file__).parents[2] / "docs" / "_static"
# The sentences of which ALTI+ aligns most words better, and worse, than the mean attention of the last layer.
CASES = {"contributions-helps": 7, "contributions-misleads": 35}


def main() -> None:
    pairs, gold = load_gold()
    for name, index in CASES.items():
        source, target = pairs[index]
        text = [plain_text(words) for words in (source, target)]
        record = extract(*load_demo(), *text, contributions=["alti", "gradient"])
        words = record.with_words(source=source, target=target).words().drop_special()
        last = record.layers - 1
        panels = [
            ("attention, mean of the last layer", words, [(last, head) for head in range(record.heads)]),
            ("ALTI+, last layer", words.contributions("alti"), [(last, 0)]),
            ("input x gradient", words.contributions("gradient"), [(0, 0)]),
        ]
        height = 1.7 + 0.24 * len(target)
        figure, axes = plt.subplots(1, 3, figsize=(3.6 + 0.75 * len(source), height), sharey=True, layout="constrained")
        for axis, (title, shown, heads) in zip(axes, panels, strict=True):
            shown.plot(heads=heads, ax=axis)
            axis.set_title(title, fontsize=9)
            sure = sorted(gold[index].sure)
            axis.scatter(*zip(*sure, strict=True), s=14, color="white", edgecolor="black", linewidth=0.7)
        for axis in axes[1:]:
            axis.set_ylabel("")
        figure.savefig(FOLDER / f"{name}.png", dpi=110)
        print(f"{name}.png: {text[0]} -> {text[1]}")


if __name__ == "__main__":
    main()
