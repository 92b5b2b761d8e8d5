"""Helpers for tests of messages: records with random weights, and a widget's replies to a page."""

import json
import time

import torch

from xattn_widget import CrossAttention

# A request of each kind that fits a widget of two such records.
GOOD_REQUESTS = {
    "sentence": {"sentence": 1},
    "layer": {"sentence": 0, "layer": 1},
    "whole": {"sentence": 0, "layers": "all"},
    "scores": {"sentence": 0, "name": "entropy"},
    "head": {"sentence": 0, "layer": 1, "head": 2},
    "alignment": {"sentence": 0, "heads": [[0, 1]], "aggregate": "max", "reading": "output"},
    "row": {"sentence": 0, "heads": [[0, 1]], "target": 3},
    "column": {"sentence": 0, "heads": [[0, 1]], "source": 4},
}


def record(layers=2, heads=3, target=4, source=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.rand(layers, heads, target, source, generator=generator).softmax(-1)
    return CrossAttention.from_tokens(weights, [f"s{i}" for i in range(source)], [f"t{i}" for i in range(target)])


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
