"""``layers``, ``heads`` and ``dtype`` of ``extract``: the same weights as without them, and bounded memory."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from families import byte_level_tokenizer
from sounds import sound
from speech_models import speech_model
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from xattn_widget import CrossAttentionWidget, extract
from xattn_widget.widget.live_model import LiveModel

SENTENCES = ["Ich habe das Buch gelesen.", "Wann stehst du morgen auf?"]
HALF = (torch.float16, torch.bfloat16)


class LiveBytes(TorchDispatchMode):
    """The largest number of bytes that tensors of attention's shape hold at one time."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.shape = (rows, columns)
        self.live: weakref.WeakValueDictionary[int, torch.Tensor] = weakref.WeakValueDictionary()
        self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor) and leaf.dim() >= 3 and tuple(leaf.shape[-2:]) == self.shape:
                self.live[id(leaf)] = leaf
        storages = {leaf.untyped_storage().data_ptr(): leaf.untyped_storage().nbytes() for leaf in self.live.values()}
        self.peak = max(self.peak, sum(storages.values()))
        return result


def held(record):
    return record.weights.untyped_storage().nbytes()


@pytest.mark.parametrize(
    ("bounds", "pairs"),
    [
        ({"layers": [1]}, [(1, head) for head in range(8)]),
        ({"layers": 2}, [(2, head) for head in range(8)]),
        ({"layers": np.arange(2)}, [(layer, head) for layer in range(2) for head in range(8)]),
        ({"layers": range(0, 3, 2)}, [(layer, head) for layer in (0, 2) for head in range(8)]),
        ({"layers": slice(1, None)}, [(layer, head) for layer in (1, 2) for head in range(8)]),
        ({"heads": [(2, 6), (0, 3), (2, 6)]}, [(0, 3), (2, 6)]),
        ({"layers": slice(None)}, [(layer, head) for layer in range(3) for head in range(8)]),
    ],
)
@pytest.mark.parametrize("dtype", [None, *HALF])
def test_kept_heads_have_the_weights_and_numbers_that_they_have_without_bounds(demo, bounds, pairs, dtype):
    full = extract(*demo, SENTENCES, value_norms=True, importance="gradient")
    found = extract(*demo, SENTENCES, value_norms=True, importance="gradient", **bounds, dtype=dtype)
    tolerance = 0 if dtype is None else torch.finfo(dtype).eps
    for record, whole in zip(found, full, strict=True):
        assert record.kept_heads == pairs
        assert record.weights.dtype == record.value_norms.dtype == (dtype or torch.float32)
        expected = torch.stack([whole.weights[pair] for pair in pairs])
        torch.testing.assert_close(record.head_weights(), expected, rtol=tolerance, atol=1e-7 if dtype else 0)
        norms = torch.stack([whole.value_norms[pair] for pair in pairs])
        torch.testing.assert_close(record.value_norms.flatten(0, 1).float(), norms, rtol=tolerance, atol=1e-6)
        assert torch.equal(record.importance["gradient"], whole.importance["gradient"])
        assert held(record) == len(pairs) * expected[0].numel() * record.weights.element_size()


def test_the_forward_holds_the_weights_of_one_layer_and_the_kept_heads(demo):
    model, tokenizer = demo
    source = " ".join(SENTENCES * 3)
    target = "I have read the book and will get up early tomorrow."

    def peak(**bounds):
        record = extract(model, tokenizer, source, target, **bounds)
        with LiveBytes(*record.weights.shape[2:]) as live:
            record = extract(model, tokenizer, source, target, **bounds)
        return live.peak, held(record)

    everything, whole = peak()
    layer = whole // 3
    assert everything >= whole
    single, one = peak(heads=[(0, 3)])
    # Computing a layer's weights may take a second tensor of its size; the record is a copy of what was captured.
    assert single <= 2 * layer + 2 * one < whole
    half, stored = peak(heads=[(2, 6)], dtype=torch.bfloat16)
    assert stored == one / 2
    assert half <= 2 * layer + 2 * one


@pytest.mark.parametrize("dtype", [torch.float32, *HALF])
def test_whisper_keeps_heads_in_bounded_memory(dtype):
    tokenizer = byte_level_tokenizer()
    model, extractor = speech_model("whisper", len(tokenizer), decoder_layers=6)
    target = "ab cd ef gh"

    def read(**bounds):
        return extract(model, extractor, sound(1.0), target, target_tokenizer=tokenizer, **bounds)

    full = read()
    with LiveBytes(full.weights.shape[2] + 1, full.weights.shape[3]) as live:  # with the row after the end
        record = read(heads=[(5, 1), (2, 0)], dtype=dtype)
    heads, tolerance = [(2, 0), (5, 1)], 2 * torch.finfo(dtype).eps
    assert record.kept_heads == heads
    assert live.peak <= 2 * full.weights[0].nbytes * 1.2 + 2 * 2 * held(record)
    assert live.peak < full.weights.nbytes
    assert record.end_row.dtype == dtype
    expected = torch.stack([full.end_row[pair] for pair in heads])
    torch.testing.assert_close(record.end_row.flatten(0, 1).float(), expected, rtol=tolerance, atol=1e-6)
    for pair in heads:
        torch.testing.assert_close(record.outside[pair], full.outside[pair], rtol=tolerance, atol=1e-5)
        if dtype == torch.float32:
            assert record.word_times([pair]) == full.word_times([pair])
    assert record.outside[0].isnan().all()
    assert record.timing == full.timing


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ({"layers": [9]}, ValueError, "there is no layer 9 to keep: layers are 0 to 2"),
        ({"layers": [-1]}, ValueError, "not counted from the end"),
        ({"layers": slice(-2, None)}, ValueError, "not counted from the end"),
        ({"layers": slice(7, None)}, ValueError, "keeps nothing: layers are 0 to 2"),
        ({"layers": []}, ValueError, "at least one"),
        ({"layers": "1"}, TypeError, "whole numbers"),
        ({"layers": True}, TypeError, "whole numbers"),
        ({"heads": [(9, 1)]}, ValueError, "no layer 9 head 1: layers are 0 to 2, heads are 0 to 7"),
        ({"heads": [(1, 9)]}, ValueError, "no layer 1 head 9"),
        ({"heads": []}, ValueError, "heads is empty"),
        ({"heads": (1, 2)}, ValueError, r"heads=\[\(1, 2\)\]"),
        ({"heads": [(1, 1)], "layers": [1]}, ValueError, "not both"),
        ({"dtype": torch.int8}, ValueError, "dtype must be one of"),
        ({"dtype": "float16"}, TypeError, "dtype must be one of"),
    ],
)
def test_bounds_that_make_no_sense_are_refused(demo, bounds, error, message):
    with pytest.raises(error, match=message):
        extract(*demo, SENTENCES[0], **bounds)


def test_hypotheses_and_experiments_keep_the_same_heads(demo):
    heads = [(0, 3), (2, 6)]
    generation = {"num_beams": 2, "num_return_sequences": 2}
    record = extract(*demo, SENTENCES[0], generation=generation, heads=heads, dtype=torch.bfloat16)
    assert [hypothesis.kept_heads for hypothesis in record.hypotheses] == [heads] * 2
    assert record.words().kept_heads == heads
    widget = CrossAttentionWidget(record.hypotheses[0], live=LiveModel(*demo))
    edited = widget.set_target("I read the book.")
    assert edited.kept_heads == heads
    assert edited.weights.dtype == torch.bfloat16
    widget.muted = [(1, 1)]
    assert widget.record.kept_heads == heads
