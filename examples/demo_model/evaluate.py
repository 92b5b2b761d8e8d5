"""Measure the demo model: BLEU and chrF of its translations, with sacrebleu's signatures.

    python examples/demo_model/evaluate.py --pairs tatoeba.deu-eng.test.tsv

``--pairs`` is a tab-separated file of German and English; ``--model`` is the folder of another model.
"""

import argparse
from pathlib import Path

import sacrebleu
import torch
from transformers import MarianMTModel, MarianTokenizer

from xattn_widget.demo import FOLDER

BATCH = 64


def translate(model: MarianMTModel, tokenizer: MarianTokenizer, sentences: list[str], beams: int) -> list[str]:
    """Return translations in the order of the sentences. Each batch has sentences of similar length."""
    order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
    translations = [""] * len(sentences)
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        inputs = tokenizer([sentences[index] for index in batch], return_tensors="pt", padding=True)
        with torch.no_grad():
            sequences = model.generate(**inputs, num_beams=beams, do_sample=False)
        for index, text in zip(batch, tokenizer.batch_decode(sequences, skip_special_tokens=True), strict=True):
            translations[index] = text
    return translations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=Path, required=True, help="tab-separated German and English sentences")
    parser.add_argument("--model", type=Path, default=FOLDER, help="folder with the model and the tokenizer")
    arguments = parser.parse_args()
    lines = arguments.pairs.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    sources, references = zip(*(line.split("\t")[:2] for line in lines), strict=True)
    tokenizer = MarianTokenizer.from_pretrained(arguments.model)
    model = MarianMTModel.from_pretrained(arguments.model, dtype=torch.float32).eval()
    for beams in (1, 4):
        translations = translate(model, tokenizer, list(sources), beams)
        print(f"{'greedy' if beams == 1 else f'{beams} beams'}, {len(sources)} sentences")
        for metric in (sacrebleu.BLEU(), sacrebleu.CHRF()):
            print(f"  {metric.corpus_score(translations, [list(references)])}")
            print(f"  {metric.get_signature()}")


if __name__ == "__main__":
    main()
