"""A record of a picture with printed words, in which each target word looks at its own place."""

from __future__ import annotations

import math

import torch
from PIL import Image, ImageDraw

from xattn_widget import CrossAttention
from xattn_widget.record.axis import Axis
from xattn_widget.record.picture import Picture

RECEIPT = (
    ("Coffee", 40, 60),
    ("2.40", 250, 60),
    ("Bread", 40, 130),
    ("3.10", 250, 130),
    ("Total", 40, 260),
    ("5.50", 250, 260),
)


def printed(words=RECEIPT, size=(384, 384), dark=False):
    """A picture with words at places, and the box of each."""
    paper, ink = ((24, 26, 32), (235, 235, 235)) if dark else ((255, 255, 255), (20, 20, 20))
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    boxes = []
    for text, x, y in words:
        draw.text((x, y), text, fill=ink, font_size=32)
        boxes.append(draw.textbbox((x, y), text, font_size=32))
    return image, boxes


def patch_axis(size, rows, columns, specials=("[CLS]",)):
    """Special positions without a place, and after them the patches of a picture row by row."""
    width, height = size[0] / columns, size[1] / rows
    places = [(x * width, y * height, (x + 1) * width, (y + 1) * height) for y in range(rows) for x in range(columns)]
    labels = [f"{left:.0f}, {top:.0f} px" for left, top, *_ in places]
    count = len(specials) + len(places)
    return Axis(
        (*specials, *labels),
        special=(True,) * len(specials) + (False,) * len(places),
        groups=(-1,) * len(specials) + tuple(range(len(places))),
        words=tuple(labels),
        kinds=("image",) * count,
        places=((math.nan,) * 4,) * len(specials) + tuple(places),
    )


def record_of_picture(words=RECEIPT, size=(384, 384), grid=(24, 24), layers=2, heads=3, dark=False, image=True, seed=0):
    """Each word looks at its box, the less so the higher the number of its head, and the rest at a class token."""
    picture, boxes = printed(words, size, dark)
    source = patch_axis(size, *grid)
    generator = torch.Generator().manual_seed(seed)
    places = torch.tensor(source.places)[1:]
    middles = (places[:, :2] + places[:, 2:]) / 2
    rows = []
    for left, top, right, bottom in [*boxes, (0, 0, *size)]:
        far = (middles - torch.tensor([(left + right) / 2, (top + bottom) / 2])) / torch.tensor(
            [right - left, bottom - top]
        )
        rows.append(-8 * (far**2).sum(-1))
    scores = torch.stack(rows)[None, None] + 0.3 * torch.randn(
        layers, heads, len(rows), len(places), generator=generator
    )
    inside = torch.linspace(0.95, 0.6, heads)[None, :, None, None]
    weights = torch.cat([(1 - inside).expand(layers, heads, len(rows), 1), inside * scores.softmax(-1)], -1)
    texts = tuple(text for text, *_ in words)
    target = Axis(
        (*texts, "</s>"), special=(False,) * len(texts) + (True,), groups=(*range(len(texts)), -1), words=texts
    )
    return CrossAttention(
        weights=weights,
        source=source,
        targets={"output": target},
        logprobs=-torch.rand(len(rows), generator=generator),
        image=Picture.from_image(picture) if image else None,
    )
