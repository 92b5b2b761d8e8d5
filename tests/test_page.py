"""The offline page as a file: self-contained, complete, and safe whatever the tokens are."""

import base64
import json
import re

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


def test_the_page_holds_every_answer_the_panel_needs(record, tmp_path):
    page = record.to_html(tmp_path / "page.html", layer=1, head=2).read_text(encoding="utf-8")
    state = state_of(page)
    assert state["traits"]["heads"] == [[1, 2]]
    assert state["traits"]["info"]["live"] is False
    layers = [reply for reply in state["replies"] if reply["request"]["kind"] == "layer"]
    assert len(layers) == 2
    decoded = np.frombuffer(base64.b64decode(layers[1]["buffers"][0]), np.uint8).reshape(3, 9, 9)
    assert np.abs((decoded / 255) ** 2 - record.weights[1].numpy()).max() <= 0.004
    scores = [reply["request"]["name"] for reply in state["replies"] if reply["request"]["kind"] == "scores"]
    assert scores == [entry["name"] for entry in state["traits"]["score_list"]]
    sentence = next(reply["reply"] for reply in state["replies"] if reply["request"]["kind"] == "sentence")
    assert sentence["source"]["labels"] == HOSTILE


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
    assert len([reply for reply in state["replies"] if reply["request"]["kind"] == "layer"]) == 4
