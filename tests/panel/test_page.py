"""The offline page as a file: self-contained, complete, and safe whatever the tokens are."""

import base64
import json
import re
import zlib

import numpy as np
import pytest
import torch

from xattn_widget import CrossAttention, CrossAttentionWidget

HOSTILE = ["</script><script>alert(1)</script>", "<!--", '"', "'", "&amp;", "\u2028", "a\u202eb", "🙂", "x" * 10_000]


@pytest.fixture
def record():
    weights = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(0)).softmax(-1)
    return CrossAttention.from_tokens(weights, HOSTILE, HOSTILE)


def state_of(page):
    return json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1))


def weights_of(reply):
    heads = [zlib.decompress(base64.b64decode(head)) for head in reply["heads"]]
    return (np.frombuffer(b"".join(heads), np.uint8).reshape(reply["shape"]) / 255) ** 2


def test_the_page_holds_every_answer_the_panel_needs(record, tmp_path):
    page = record.to_html(tmp_path / "page.html", layer=1, head=2).read_text(encoding="utf-8")
    state = state_of(page)
    assert state["traits"]["heads"] == [[1, 2]]
    assert state["traits"]["info"]["has_kernel"] is False
    (saved,) = state["sentences"]
    layers = saved["layers"]
    assert len(layers) == 2
    assert np.abs(weights_of(layers[1]) - record.weights[1].numpy()).max() <= 0.004
    assert list(saved["scores"]) == [entry["name"] for entry in state["traits"]["score_list"]]
    assert saved["sentence"]["source"]["labels"] == HOSTILE


def test_hostile_tokens_stay_text(record, tmp_path):
    page = record.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "alert(1)</script>" not in page
    assert "<!--" not in page


def test_the_page_loads_nothing_from_anywhere(record, tmp_path):
    page = record.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert not re.search(r"""(src|href)\s*=\s*["']""", page.split("<script>")[0])
    assert "@import" not in page
    assert not re.search(r"url\(['\"]?http", page)


def test_a_widget_is_written_as_it_is_now(record, tmp_path):
    widget = CrossAttentionWidget([record, record])
    widget.sentence, widget.panel, widget.heads = 1, "matrix", [(0, 1), (1, 0)]
    widget.add_score(lambda attention, source_mask, target_mask: attention.amax((-1, -2)), special="drop")
    state = state_of(widget.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))
    traits = state["traits"]
    assert (traits["sentence"], traits["panel"], traits["heads"]) == (1, "matrix", [[0, 1], [1, 0]])
    assert traits["score_name"] == "<lambda>(special=drop)"
    assert sum(len(saved["layers"]) for saved in state["sentences"]) == 4


def noise(layers, heads, target, source, seed=0):
    random = torch.Generator().manual_seed(seed)
    weights = torch.rand(layers, heads, target, source, generator=random).mul(4).softmax(-1)
    return CrossAttention.from_tokens(
        weights, [f"s{index}" for index in range(source)], [f"t{index}" for index in range(target)]
    )


def heads_of(state, sentence):
    return {
        (layer, head)
        for layer, reply in enumerate(state["sentences"][sentence]["layers"])
        for head, packed in enumerate(reply["heads"])
        if packed is not None
    }


@pytest.mark.parametrize("room", [4_000, 40_000, 130_000, 300_000, 700_000])
def test_a_page_keeps_to_its_budget_and_says_what_it_left_out(tmp_path, room):
    records = [noise(3, 4, 60, 60, seed) for seed in range(3)]
    widget = CrossAttentionWidget(records, sentence=1, heads=[(0, 2), (2, 1)], score_name="entropy")
    smallest = empty_page(widget, tmp_path)
    path = widget.to_html(tmp_path / "page.html", max_bytes=smallest + room)
    assert path.stat().st_size <= smallest + room
    state = state_of(path.read_text(encoding="utf-8"))
    info, traits = state["traits"]["info"], state["traits"]
    shown = heads_of(state, traits["sentence"])
    assert info["sentences"][traits["sentence"]]["source"] == widget.info["sentences"][1]["source"]
    assert (2, 1) in shown
    assert all(tuple(head) in shown for head in traits["heads"])
    assert [traits["layer"], traits["head"]] == traits["heads"][-1] == [2, 1]
    held = sum(len(heads_of(state, index)) for index in range(len(info["sentences"])))
    for index, sentence in enumerate(info["sentences"]):
        missing = sentence.get("missing", [[]] * 3)
        assert heads_of(state, index) | {(layer, head) for layer in range(3) for head in missing[layer]} == {
            (layer, head) for layer in range(3) for head in range(4)
        }
    if held == 36:
        assert info["notice"] == ""
    else:
        assert f"limited to {smallest + room:,} bytes" in info["notice"]
        assert ("sentences" in info["notice"]) == (len(info["sentences"]) < 3)
    # What the budget allows is used: neither another head nor the scores of another sentence would fit.
    assert held == 36 or path.stat().st_size > smallest + room - (12_000 if held % 12 else 30_000)
    # After what is picked, the best heads by the shown score come first.
    if len(shown) < 12:
        scores = widget.scores("entropy")
        kept = [scores[head].item() for head in shown - {(0, 2), (2, 1)}]
        left = [scores[layer, head].item() for layer in range(3) for head in range(4) if (layer, head) not in shown]
        assert max(kept, default=-1) <= min(left)


def empty_page(widget, tmp_path):
    """The size that the error names for a page with a single head."""
    with pytest.raises(ValueError, match="too small") as error:
        widget.to_html(tmp_path / "none.html", max_bytes=1)
    assert not (tmp_path / "none.html").exists()
    return int(re.search(r"take (\d+) bytes", str(error.value)).group(1))


def test_the_smallest_budget_is_the_one_that_the_error_names(tmp_path):
    widget = CrossAttentionWidget(noise(2, 2, 30, 30), layer=1, head=0)
    smallest = empty_page(widget, tmp_path)
    path = widget.to_html(tmp_path / "page.html", max_bytes=smallest)
    assert path.stat().st_size <= smallest
    assert heads_of(state_of(path.read_text(encoding="utf-8")), 0) == {(1, 0)}
    with pytest.raises(ValueError, match="too small"):
        widget.to_html(tmp_path / "page.html", max_bytes=smallest - 1)


@pytest.mark.parametrize("wrong", ["2 MB", 1.5, True])
def test_a_budget_is_a_number_of_bytes(record, tmp_path, wrong):
    with pytest.raises(TypeError, match="whole number of bytes"):
        record.to_html(tmp_path / "page.html", max_bytes=wrong)


def test_a_lone_surrogate_does_not_stop_the_page(tmp_path):
    record = CrossAttention.from_tokens(torch.ones(1, 1, 1, 1), ["\ud83d"], ["a"])
    state_of(record.to_html(tmp_path / "page.html").read_text(encoding="utf-8"))
