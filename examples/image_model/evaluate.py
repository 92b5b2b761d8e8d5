"""Measure the image demo model: how many held-out texts it reads without an error, and where its heads look.

    python examples/image_model/evaluate.py [--model DIR] [--pictures 300]

The texts are drawn at random, in each font, and none of them was in the training data. A head looks at the right
character if the patch with the most attention overlaps the box of the character that it writes; with slack, the box is
half a patch larger on each side.
"""

import argparse
import random
from pathlib import Path

import torch
from lines import FONTS, Picture, is_held_out, random_picture
from transformers import TrOCRProcessor, VisionEncoderDecoderModel

from xattn_widget import extract
from xattn_widget.demo import IMAGE_FOLDER


def held_out_pictures(count: int, font_name: str) -> list[Picture]:
    """Return pictures in a font whose texts were not in the training data."""
    order, pictures = random.Random(f"held out {font_name}"), []
    while len(pictures) < count:
        picture = random_picture(order, fonts=(font_name,))
        if is_held_out(picture.text):
            pictures.append(picture)
    return pictures


def distance(first: str, second: str) -> int:
    """Return the number of characters to insert, delete or replace."""
    row = list(range(len(second) + 1))
    for number, character in enumerate(first, 1):
        before, row[0] = row[0], number
        for index, other in enumerate(second, 1):
            before, row[index] = row[index], min(row[index] + 1, row[index - 1] + 1, before + (character != other))
    return row[-1]


def looks_right(record, picture: Picture, slack: float) -> torch.Tensor:
    """Return [(heads + mean) of each layer, characters]: whether the most attended patch is at the character."""
    weights = torch.cat([record.weights, record.weights.mean(1, keepdim=True)], 1).flatten(0, 1)
    places = torch.tensor(record.source.places)
    left, top, right, bottom = places[-1]
    around = slack * torch.stack([left - right, top - bottom, right - left, bottom - top])
    columns = []
    for row, box in enumerate(picture.boxes):
        if box is not None:
            left, top, right, bottom = torch.tensor(box) + around
            best = places[weights[:, row].argmax(-1)]
            columns.append((best[:, 0] < right) & (best[:, 2] > left) & (best[:, 1] < bottom) & (best[:, 3] > top))
    return torch.stack(columns, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=IMAGE_FOLDER, help="folder with the model and the processor")
    parser.add_argument("--pictures", type=int, default=300, help="in each font; default: %(default)s")
    arguments = parser.parse_args()
    model = VisionEncoderDecoderModel.from_pretrained(arguments.model, dtype=torch.float32).eval()
    processor = TrOCRProcessor.from_pretrained(arguments.model)
    found: dict[float, list[torch.Tensor]] = {0.0: [], 0.5: []}
    print("| font | exact | characters wrong |\n| --- | --- | --- |")
    exact = errors = characters = 0
    for name in FONTS:
        pictures = held_out_pictures(arguments.pictures, name)
        records = extract(model, processor, [picture.image for picture in pictures])
        read = ["".join(record.target.text or "") for record in records]
        right = sum(text == picture.text for text, picture in zip(read, pictures, strict=True))
        wrong = sum(distance(text, picture.text) for text, picture in zip(read, pictures, strict=True))
        length = sum(len(picture.text) for picture in pictures)
        print(f"| {name.removesuffix('.ttf')} | {right / len(pictures):.1%} | {wrong / length:.2%} |")
        exact, errors, characters = exact + right, errors + wrong, characters + length
        for text, picture, record in zip(read, pictures, records, strict=True):
            if text == picture.text:
                for slack, parts in found.items():
                    parts.append(looks_right(record, picture, slack))
    print(f"| all | {exact / (arguments.pictures * len(FONTS)):.1%} | {errors / characters:.2%} |\n")
    heads = model.config.decoder.decoder_attention_heads
    for slack, parts in found.items():
        shares = torch.cat(parts, 1).float().mean(1).reshape(-1, heads + 1)
        for layer, row in enumerate(shares):
            listed = ", ".join(f"{share:.1%}" for share in row[:-1])
            print(f"slack {slack} of a patch, layer {layer}: mean {row[-1]:.1%}, heads {listed}")


if __name__ == "__main__":
    main()
