"""The picture for places where no widget runs: what it shows, and that it is light."""

import base64
import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from widget_pictures import RECEIPT, record_of_picture

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.panel.fonts import main_file, runs
from xattn_widget.panel.image_picture import MOST_WORDS, image_part
from xattn_widget.panel.ramps import overlay_ramp, white_ramp
from xattn_widget.panel.settings import View
from xattn_widget.panel.static_picture import (
    MOST_TOKENS,
    WIDTH,
    heads_title,
    kept_lines,
    shown_part,
    summary_picture,
)
from xattn_widget.plot.palette import PALETTE


def record_of(rows, columns, layers=2, heads=3):
    weights = torch.rand(layers, heads, rows, columns, generator=torch.Generator().manual_seed(0)).softmax(-1)
    return CrossAttention.from_tokens(weights, [f"s{i}" for i in range(columns)], [f"t{i}" for i in range(rows)])


def picture_of(widget):
    return np.asarray(Image.open(io.BytesIO(summary_picture(widget.state))).convert("RGB")).astype(int)


def rgb(color):
    return [int(color[place : place + 2], 16) for place in (1, 3, 5)]


def count_of(picture, color):
    return int((np.abs(picture - rgb(color)).max(-1) <= 1).sum())


def test_the_picked_heads_have_their_colors_in_the_grid_and_the_legend():
    widget = CrossAttentionWidget(record_of(4, 5), heads=[(0, 1), (1, 2)], words=False, special="show")
    picture = picture_of(widget)
    assert picture[:3].min() == 255  # white around
    assert picture.shape[1] >= WIDTH
    first, second, third = PALETTE["heads"]["light"][:3]
    assert count_of(picture, first) > 100
    assert count_of(picture, second) > 100
    assert count_of(picture, third) == 0
    widget.heads = [(0, 0)]
    assert count_of(picture_of(widget), second) == 0  # it follows the picked heads


def test_more_heads_than_colors_are_one_set_of_lines():
    widget = CrossAttentionWidget(
        record_of(4, 5, heads=9), heads=[(1, head) for head in range(9)], words=False, aggregate="max"
    )
    part = shown_part(widget.state.view, widget.record)
    assert len(part.sets) == 1
    torch.testing.assert_close(torch.tensor(part.sets[0]), widget.record.weights[1].amax(0))
    assert heads_title(widget.state) == "Layer 1, max of 9 heads"


def test_the_heading_names_the_heads():
    widget = CrossAttentionWidget(record_of(2, 2), heads=[(1, 2)])
    assert heads_title(widget.state) == "Layer 1, head 2"
    widget.heads = [(1, 0), (1, 2)]
    assert heads_title(widget.state) == "Layer 1, 2 heads"
    widget.heads = [(0, 0), (1, 2)]
    assert heads_title(widget.state) == "2 heads"


def test_words_and_dropped_tokens_are_those_of_the_record(demo):
    from xattn_widget import extract

    record = extract(*demo, "Ich habe das Buch gelesen.")
    widget = CrossAttentionWidget(record, heads=[(1, 2)], words=True, special="drop", reading="output")
    part = shown_part(widget.state.view, record)
    expected = record.drop_special().words()
    assert (part.source, part.target) == (expected.source_tokens, expected.target_tokens)
    torch.testing.assert_close(torch.tensor(part.sets[0]), expected.weights[1, 2])


def test_a_long_sentence_is_cut_and_says_so():
    widget = CrossAttentionWidget(record_of(512, 300), scores=["entropy"], words=False)
    part = shown_part(widget.state.view, widget.record)
    assert (len(part.source), len(part.target), part.lengths) == (MOST_TOKENS, MOST_TOKENS, (300, 512))
    assert len(summary_picture(widget.state)) < 500_000


@pytest.mark.parametrize("keep", [{"keep": "threshold", "threshold": 0.3}, {"keep": "top", "top_k": 2}])
def test_lines_are_kept_as_in_the_view(keep):
    weights = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], dtype=np.float32)
    lines = kept_lines(weights, View(**keep))
    wanted = {(0, 0), (0, 1), (1, 2)} if keep["keep"] == "threshold" else {(0, 0), (0, 1), (1, 2), (1, 0)}
    assert {line[:2] for line in lines} == wanted
    assert [line[2] for line in lines] == sorted(line[2] for line in lines)


def test_a_share_of_the_mass_is_kept_by_as_few_lines_as_carry_it():
    weights = np.array([[0.5, 0.3, 0.2]], dtype=np.float32)
    for mass, count in ((0.5, 1), (0.6, 2), (0.8, 2), (1.0, 3)):
        assert len(kept_lines(weights, View(keep="mass", mass=mass))) == count


def test_a_long_sentence_has_one_line_for_each_row():
    weights = np.random.default_rng(0).random((30, 40), dtype=np.float32)
    lines = kept_lines(weights, View(keep="threshold", threshold=0.0))
    assert sorted(line[:2] for line in lines) == [(row, int(weights[row].argmax())) for row in range(30)]


def test_weights_that_are_none_and_a_failing_score_are_drawn():
    def broken(attention, source_mask, target_mask):
        raise RuntimeError("no")

    weights = torch.full((1, 1, 2, 2), torch.nan)
    widget = CrossAttentionWidget(CrossAttention.from_tokens(weights, ["a", "b"], ["x", "y"]), scores=[broken])
    assert picture_of(widget).shape[1] >= WIDTH


def colored(picture):
    """Where a picture in grays has a color, in the part left of the grid of heads."""
    return (np.ptp(picture, axis=-1) > 30) & (np.arange(picture.shape[1]) < 0.6 * picture.shape[1])


def test_without_a_pinned_word_the_mean_and_the_first_words_are_shown():
    record = record_of_picture()
    part = image_part(View(heads=[[0, 0], [1, 2]]), record)
    assert part.whole.name == "Mean of 6 words"
    assert [seen.name for seen in part.words] == [text for text, *_ in RECEIPT][:MOST_WORDS]
    joint = record.weights[[0, 1], [0, 2]].mean(0).numpy()
    np.testing.assert_allclose(part.whole.weights, joint[:6, 1:].mean(0), atol=1e-6)
    np.testing.assert_allclose(part.words[4].weights, joint[4, 1:], atol=1e-6)
    assert part.whole.inside == pytest.approx(joint[:6, 1:].sum() / 6, abs=1e-5)
    dropped = image_part(View(heads=[[0, 0]], special="drop", target_index=6), record)
    assert dropped.whole.name == "Mean of 6 words"  # the pinned token is dropped
    assert dropped.whole.inside == pytest.approx(1)


def test_colors_over_a_dark_picture_are_bright():
    for dark in (False, True):
        picture = picture_of(CrossAttentionWidget(record_of_picture(dark=dark), target_index=0, heads=[[1, 0]]))
        luma = picture[: int(1.5 * 394)][colored(picture)[: int(1.5 * 394)]].mean()
        assert (luma > 70) if dark else (luma < 225)
        ramp = np.array(overlay_ramp(on_dark=dark))[::15] @ (0.2126, 0.7152, 0.0722)
        assert (np.diff(ramp) > 0).all() if dark else (np.diff(ramp) < 0).all()


@pytest.mark.parametrize(
    ("record", "view"),
    [
        ({"image": False}, {}),
        ({"words": (("A", 5, 2),), "size": (16, 16), "grid": (1, 1)}, {}),
        ({"size": (4000, 30), "grid": (1, 64)}, {"keep": "top", "top_k": 2, "image_outline": "strongest"}),
        ({"size": (30, 2000), "grid": (64, 2)}, {"keep": "mass", "words": False}),
        ({}, {"keep": "threshold", "threshold": 1.0, "image_opacity": 0.0}),
    ],
)
def test_any_size_of_picture_is_drawn(record, view):
    picture = picture_of(CrossAttentionWidget(record_of_picture(**record), **view))
    assert picture.shape[1] == 1.5 * WIDTH
    assert picture.shape[0] < 1400


def test_any_script_can_be_drawn_in_the_picture():
    labels = ["日本語", "שלום", "$x", "🙂", "a\u202eb"]
    record = CrossAttention.from_tokens(torch.full((1, 1, 5, 5), 0.2), labels, labels)
    data, _ = CrossAttentionWidget(record)._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")


def test_every_script_has_a_font_or_a_box():
    assert runs("plain ") == [(main_file(), "plain ")]
    for text in ("日本語", "שלום עולם", "🙂", "e\u0301", ""):
        assert "".join(piece for _, piece in runs(text)) == text


def test_the_ramp_goes_from_white_to_its_last_color():
    ramp = white_ramp()
    assert (ramp[0], list(ramp[255])) == ((255, 255, 255), rgb(PALETTE["sequential"]["light"][-1]))
    light = [sum(color) for color in ramp]
    assert light == sorted(light, reverse=True)


def test_showing_a_widget_imports_no_matplotlib():
    code = (
        "import sys, torch\n"
        "from xattn_widget import CrossAttention, CrossAttentionWidget\n"
        "record = CrossAttention.from_tokens(torch.full((1, 1, 2, 2), 0.5), ['a', 'b'], ['x', 'y'])\n"
        "data = CrossAttentionWidget(record)._repr_mimebundle_()[0]\n"
        "assert data['image/png']\n"
        "assert 'matplotlib' not in sys.modules, 'matplotlib'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
