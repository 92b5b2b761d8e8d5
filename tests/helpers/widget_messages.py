"""Helpers for tests of messages: records with random weights, and a widget's replies to a page."""

import json
import time

import torch

from xattn_widget import CrossAttention
from xattn_widget.record.axis import Axis
from xattn_widget.record.sound import Sound
from xattn_widget.record.timing import Timing

# A request of each kind that fits a widget of two such records and one of sound.
GOOD_REQUESTS = {
    "sentence": {"sentence": 1},
    "layer": {"sentence": 0, "layer": 1},
    "whole": {"sentence": 0, "layers": "all"},
    "scores": {"sentence": 0, "name": "entropy"},
    "head": {"sentence": 0, "layer": 1, "head": 2},
    "alignment": {"sentence": 0, "heads": [[0, 1]], "aggregate": "max", "reading": "output"},
    "row": {"sentence": 0, "heads": [[0, 1]], "target": 3},
    "column": {"sentence": 0, "heads": [[0, 1]], "source": 4},
    "image": {"sentence": 3},
    "sound": {"sentence": 2},
    "features": {"sentence": 2},
    "word_times": {"sentence": 2, "heads": [[0, 1]]},
}


TIMING = Timing(((0, 1), (1, 2)), 0.05, "model")


def record(layers=2, heads=3, target=4, source=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(layers, heads, target, source, generator=generator).softmax(-1)
    return CrossAttention.from_tokens(weights, [f"s{i}" for i in range(source)], [f"t{i}" for i in range(target)])


def record_of_sound(
    layers=2, heads=3, columns=50, heard=40, words=("one", "two", "three"), seed=0, offset=0.0, timing=TIMING
):
    """A record of a sound of ``0.02 * heard`` seconds: the rows of a prompt, of the words, and of the end."""
    generator = torch.Generator().manual_seed(seed)
    rows = len(words) + 2
    places = torch.linspace(0, 1, rows)[:, None] - torch.linspace(0, columns / heard, columns)
    noise = torch.rand(layers, heads, rows, columns, generator=generator)
    weights = (noise - 80 * places**2).softmax(-1)
    special = (True, *(False for _ in words), True)
    target = Axis(
        ("<|start|>", *words, "<|end|>"),
        special=special,
        groups=(-1, *range(len(words)), -1),
        words=tuple(words),
    )
    source = Axis(
        tuple(f"{0.02 * position:.2f} s" for position in range(columns)),
        special=tuple(position >= heard for position in range(columns)),
        kinds=("audio",) * columns,
        places=tuple((0.02 * position, 0.02 * (position + 1)) for position in range(columns)),
    )
    time = torch.arange(320 * heard) / 16_000
    return CrossAttention(
        weights=weights,
        source=source,
        targets={"output": target},
        logprobs=-torch.rand(rows, generator=generator),
        sound=Sound(0.5 * torch.sin(1500 * time) * time, 16_000, torch.rand(8, 2 * heard, generator=generator), offset),
        outside=weights[..., heard:].sum(-1),
        end_row=torch.rand(layers, heads, columns, generator=generator).softmax(-1),
        timing=timing,
    )


def listen(widget):
    messages = []
    widget.send = lambda content, buffers=None: messages.append((content, buffers or []))
    return messages


def ask(widget, request):
    messages = listen(widget)
    widget._handle_custom_msg(request, [])
    deadline = time.monotonic() + 20
    while not messages and time.monotonic() < deadline:  # some replies come from a thread
        time.sleep(0.01)
    assert len(messages) == 1
    json.dumps(messages[0][0], allow_nan=False).encode()  # as a kernel serializes it
    return messages[0]
