"""What tests of messages share: records with random weights, and a widget's replies to a page."""

import json

import torch

from xattn_widget import CrossAttention


def record(layers=2, heads=3, target=4, source=5, seed=0):
    random = torch.Generator().manual_seed(seed)
    weights = torch.rand(layers, heads, target, source, generator=random).softmax(-1)
    return CrossAttention.from_tokens(weights, [f"s{i}" for i in range(source)], [f"t{i}" for i in range(target)])


def listen(widget):
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers or []))
    return sent


def ask(widget, request):
    sent = listen(widget)
    widget._handle_custom_msg(request, [])
    assert len(sent) == 1
    json.dumps(sent[0][0], allow_nan=False).encode()  # as a kernel packs it
    return sent[0]
