"""Pictures of a short line of text, with the box of every character: what the image demo reads."""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

LETTERS, DIGITS, MARKS = "abcdefghijklmnopqrstuvwxyz", "0123456789", ".:-/"
CHARACTERS = LETTERS + DIGITS + MARKS + " "
FONTS = ("DejaVuSans.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf")
WIDTH, HEIGHT = 112, 24  # what the model sees, in pixels
LONGEST = 10  # characters

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Picture:
    """A grey picture with its text, and a box in its pixels for each character; None for a space."""

    image: Image.Image
    text: str
    boxes: tuple[Box | None, ...]


@cache
def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", name)), size)


def draw(
    text: str,
    name: str = FONTS[0],
    *,
    size: float = 14,
    scale: int = 4,
    corner: tuple[float, float] = (6, 3),
    paper: int = 255,
    ink: int = 0,
) -> Picture:
    """Draw ``text`` from ``corner`` on, in a font of ``size``, on a picture of 112 x 24 units of ``scale`` pixels."""
    image = Image.new("L", (WIDTH * scale, HEIGHT * scale), paper)
    pen, face = ImageDraw.Draw(image), font(name, round(size * scale))
    left, top = (value * scale for value in corner)
    pen.text((left, top), text, font=face, fill=ink)
    boxes: list[Box | None] = []
    for index, character in enumerate(text):
        start = left + face.getlength(text[:index])
        boxes.append(None if character == " " else tuple(map(float, pen.textbbox((start, top), character, font=face))))
    return Picture(image, text, tuple(boxes))


def random_line(order: random.Random, longest: int) -> str:
    """Words, numbers, prices, dates and codes in any mixture, at most ``longest`` characters."""
    parts: list[str] = []
    while True:
        kind = order.random()
        if kind < 0.5:
            part = "".join(order.choices(LETTERS, k=order.randint(1, 7)))
        elif kind < 0.65:
            part = "".join(order.choices(DIGITS, k=order.randint(1, 5)))
        elif kind < 0.75:
            part = f"{order.randint(0, 999)}.{order.randint(0, 99):02}"
        elif kind < 0.85:
            part = "".join(order.choices(LETTERS + DIGITS, k=order.randint(2, 6)))
        else:
            mark = order.choice("-/.:")
            part = mark.join(
                "".join(order.choices(order.choice((LETTERS, DIGITS)), k=order.randint(1, 4))) for _ in "ab"
            )
        if parts and order.random() < 0.2 and parts[-1][-1] not in MARKS:
            parts[-1] += ":"
        if len(" ".join([*parts, part])) > longest:
            return " ".join(parts) if parts else part[:longest].strip(MARKS) or "a"
        parts.append(part)
        if order.random() < 0.45:
            return " ".join(parts)


def is_held_out(text: str) -> bool:
    """Whether a text is kept out of training: one in twenty, by its checksum."""
    return zlib.crc32(text.encode()) % 20 == 0


def random_picture(order: random.Random, longest: int = LONGEST, fonts: tuple[str, ...] = FONTS) -> Picture:
    """A random text in a random font, size, place and shade."""
    name = order.choice(fonts)
    while True:
        text = random_line(order, longest)
        size, scale = order.uniform(12, 15), order.choice((2, 3, 4))
        face = font(name, round(size * scale))
        wide, tall = face.getlength(text) / scale, face.size / scale * 1.2
        if wide <= WIDTH - 4:
            break
    corner = order.uniform(2, WIDTH - wide - 1), order.uniform(0, HEIGHT - tall)
    paper, ink = order.randint(215, 255), order.randint(0, 90)
    return draw(text, name, size=size, scale=scale, corner=corner, paper=paper, ink=ink)
