"""Draw the pictures of the page about contributions: cases where they and faithfulness help, and where they mislead.

python examples/contributions/pictures.py

The sentences are among the 50 pairs that were aligned by hand; white dots are the links of people.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy

sys.path.insert(0, str(Path(__file__).parents[1] / "alignment"))
from measure import load_gold, plain_text
from pictures_of_links import mark_links, save

from xattn_widget import extract, load_demo

# The sentences of which ALTI+ aligns most words better, and worse, than the mean attention of the last layer.
CASES = {"contributions-helps": 7, "contributions-misleads": 35}
# A sentence that two heads read in rows of the same sharpness.
MASKED, ALIKE = 39, ((0, 6), (2, 6))


def draw_contributions(name: str, source: list[str], target: list[str], gold) -> None:
    record = extract(*load_demo(), plain_text(source), plain_text(target), contributions=["alti", "gradient"])
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
        mark_links(axis, gold.sure)
    for axis in axes[1:]:
        axis.set_ylabel("")
    save(figure, name)


def draw_masked(source: list[str], target: list[str]) -> None:
    """Two heads with rows of the same sharpness, of which one matters to the prediction."""
    record = extract(*load_demo(), plain_text(source), plain_text(target), faithfulness=True)
    drop, words = record.score("masking_drop"), record.words().drop_special()
    sharpness = words.score("confidence")
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 1.9 + 0.24 * len(target)), sharey=True, layout="constrained")
    for axis, head in zip(axes, ALIKE, strict=True):
        words.plot(heads=[head], ax=axis)
        axis.set_title(f"head {head}\nconfidence {sharpness[head]:.2f}, masking drop {drop[head]:.2f} nats", fontsize=9)
    axes[1].set_ylabel("")
    save(figure, "faithfulness-helps")


def draw_importance(pairs: list) -> None:
    """The masking drop of each head against its importance, means over all pairs."""
    sources, targets = ([plain_text(words) for words in side] for side in zip(*pairs, strict=True))
    records = extract(*load_demo(), sources, targets, faithfulness=True, importance="gradient")
    drop, importance = (
        numpy.mean([record.score(name).numpy() for record in records], axis=0)
        for name in ("masking_drop", "importance")
    )
    figure, axis = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
    for layer in range(len(drop)):
        axis.scatter(drop[layer], importance[layer], s=24, label=f"layer {layer}")
    head = numpy.unravel_index(importance.argmax(), importance.shape)
    label = f"head ({head[0]}, {head[1]})"
    axis.annotate(label, (drop[head], importance[head]), (8, -3), textcoords="offset points", fontsize=9)
    axis.set_xlabel("masking drop (nats)")
    axis.set_ylabel("importance")
    axis.legend(fontsize=8, loc="lower right")
    save(figure, "faithfulness-misleads")
    print(f"{label}: masking drop {drop[head]:.2f}, importance {importance[head]:.3f}")


def main() -> None:
    pairs, gold = load_gold()
    for name, index in CASES.items():
        draw_contributions(name, *pairs[index], gold[index])
    draw_masked(*pairs[MASKED])
    draw_importance(pairs)


if __name__ == "__main__":
    main()
