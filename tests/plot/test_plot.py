"""Pictures: they show what was requested, labels are complete and in the right fonts, and files are written."""

import io
import warnings

import matplotlib
import numpy as np
import pytest
import torch
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, ft2font, pyplot
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from xattn_widget import CrossAttention, extract, load_demo, plot_distribution, score, score_corpus
from xattn_widget.corpus import grids
from xattn_widget.plot import labels
from xattn_widget.plot.heatmap import COLORS
from xattn_widget.plot.lines import HEAD_COLORS

GERMAN = ["Gestern", "habe", "ich", "geschlafen", "</s>"]
ENGLISH = ["Yesterday", "I", "slept", "</s>"]


@pytest.fixture(autouse=True)
def _headless():
    backend = matplotlib.get_backend()
    pyplot.switch_backend("agg")
    yield
    pyplot.switch_backend(backend)


def record_of(source=GERMAN, target=ENGLISH, layers=2, heads=3):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(layers, heads, len(target), len(source), generator=generator).mul(3).softmax(-1)
    return CrossAttention.from_tokens(weights, source, target)


def pixels(figure):
    """Return the saved figure as ``[height, width, 3]`` bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    picture.seek(0)
    return (pyplot.imread(picture)[..., :3] * 255).round().astype(int)


def pixel_at(ax, column, row, image):
    x, y = ax.transData.transform((column, row))
    return image[image.shape[0] - 1 - round(y), round(x)]


def texts_within(figure):
    """Return the visible texts of a figure, after checking that the whole drawing is inside its edges."""
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01
    return {text.get_text() for text in figure.findobj(Text) if text.get_visible()}


@pytest.mark.parametrize("kind", ["heatmap", "lines"])
def test_the_axis_of_the_target_says_what_its_rows_are(kind):
    """In the words of the panel, whose axis has the title "Target · word written"."""
    record = extract(*load_demo(), "Ich habe das Buch gelesen.")

    def titles(record):
        figure = record.plot(kind=kind, layer=0, head=0).figure
        return [text.get_text() for text in figure.findobj(Text) if text.get_text().startswith("target")]

    assert titles(record) == ["target · token written"]
    assert titles(record.words()) == ["target · word written"]
    assert titles(record.read_as("input").words()) == ["target · word read"]


def test_every_cell_of_a_heatmap_has_the_color_of_its_weight():
    record = record_of()
    ax = record.plot(1, 2)
    image = pixels(ax.figure)
    colors = matplotlib.colormaps[COLORS]
    for row in range(4):
        for column in range(5):
            expected = np.array(colors(float(record.weights[1, 2, row, column]), bytes=True)[:3], dtype=int)
            assert np.abs(pixel_at(ax, column, row, image) - expected).max() <= 2


def test_lines_connect_the_tokens_of_each_weight_above_the_threshold():
    record = record_of()
    ax = record.plot(kind="lines", heads=[(0, 1), (1, 2)], threshold=0.2)
    collections = [collection for collection in ax.collections if isinstance(collection, LineCollection)]
    assert len(collections) == 2
    for (layer, head), lines, color in zip([(0, 1), (1, 2)], collections, HEAD_COLORS, strict=False):
        expected = (record.weights[layer, head] >= 0.2).nonzero().tolist()
        ends = [(round(segment[1][1] * 4 - 0.5), round(segment[0][1] * 5 - 0.5)) for segment in lines.get_segments()]
        assert ends == [tuple(cell) for cell in expected]
        assert matplotlib.colors.to_hex(lines.get_colors()[0]) == color
        assert lines.get_linewidths()[0] == pytest.approx(4 * float(record.weights[layer, head][tuple(expected[0])]))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["layer 0, head 1", "layer 1, head 2"]


def test_more_heads_than_colors_are_drawn_as_their_mean():
    record = record_of(layers=3, heads=3)
    heads = [(layer, head) for layer in range(3) for head in range(3)]
    ax = record.plot(kind="lines", heads=heads, threshold=0)
    (lines,) = ax.collections
    assert ax.get_title() == "mean of 9 heads"
    widths = torch.tensor(lines.get_linewidths()) / 4
    assert torch.allclose(widths.float(), record.weights.mean((0, 1)).flatten(), atol=1e-6)


def test_a_grid_shows_the_score_its_direction_and_its_signature():
    record = record_of()
    ax = record.plot(kind="grid", score="coverage_penalty", eps=1e-3)
    values = record.score("coverage_penalty", eps=1e-3)
    assert np.allclose(ax.images[0].get_array(), values)
    assert ax.get_title() == "coverage_penalty (lower is better)"
    assert values.signature in ax.get_xlabel()
    texts = [text.get_text() for text in ax.texts]
    assert texts == [f"{value:.2f}" for value in values.flatten().tolist()]


def test_undefined_values_of_a_grid_are_gray_and_marked():
    @score
    def sometimes(attention, source_mask, target_mask):
        values = attention.amax(-1).mean(-1)
        values[0, 0] = torch.nan
        return values

    ax = record_of().plot(kind="grid", score=sometimes)
    assert ax.texts[0].get_text() == "–"
    gray = pixel_at(ax, 0, 0.35, pixels(ax.figure))
    assert gray.max() - gray.min() <= 2


def test_a_distribution_has_one_box_per_head_at_its_quartiles():
    records = [record_of(target=ENGLISH * repeats) for repeats in range(1, 9)]
    grids = [record.score("entropy") for record in records]
    ax = plot_distribution(grids)
    values = torch.stack(grids).numpy()
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 1.4]
    assert np.allclose(medians, np.median(values, axis=0).flatten())
    assert ax.get_title() == grids[0].signature
    assert {"layer 0", "layer 1"} <= texts_within(ax.figure)
    labeled = plot_distribution(torch.stack(grids), label="entropy of eight sentences", ax=Figure().subplots())
    assert labeled.get_title() == "entropy of eight sentences"


def test_a_distribution_skips_undefined_sentences_and_refuses_mixed_signatures():
    values = torch.tensor([1.0, 2.0, 3.0, torch.nan]).reshape(4, 1, 1)
    ax = plot_distribution(values)
    assert any(set(line.get_ydata()) == {2.0} for line in ax.lines)
    record = record_of()
    with pytest.raises(ValueError, match=r"different ways: .*entropy.*drop.*, .*entropy.*keep"):
        plot_distribution([record.score("entropy"), record.score("entropy", special="drop")])
    with pytest.raises(ValueError, match=r"\[sentences, layers, heads\].*got \[2, 3\]"):
        plot_distribution(torch.ones(2, 3))


def test_a_distribution_shows_a_scored_corpus_and_heads_without_values():
    model, tokenizer = load_demo()
    table = score_corpus(model, tokenizer, ["Ich lese.", "", "Das Kind spielt im Garten."], scores=["monotonicity"])
    values = grids(table, "monotonicity")
    assert np.isnan(values[1]).all()
    values[:, 2, 7] = np.nan
    ax = plot_distribution(values, label="monotonicity")
    medians = [line.get_ydata()[0] for line in ax.lines if line.get_linewidth() == 1.4]
    assert np.allclose(medians, np.median(values[[0, 2]], axis=0).flatten(), equal_nan=True)
    assert {"layer 2", "7"} <= texts_within(ax.figure)


DRAWINGS = {
    "heatmap": {},
    "lines": {"kind": "lines"},
    "lines by head": {"kind": "lines", "heads": [(0, 0), (0, 1), (1, 2)]},
    "grid": {"kind": "grid", "score": "entropy"},
}


@pytest.mark.parametrize("name", DRAWINGS)
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_pictures_are_written_in_every_format(name, suffix, tmp_path):
    path = tmp_path / f"picture.{suffix}"
    record_of().plot(**DRAWINGS[name]).figure.savefig(path)
    assert path.read_bytes().startswith({"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[suffix])


@pytest.mark.parametrize("name", DRAWINGS)
def test_no_label_is_clipped_even_if_labels_are_long_or_many(name):
    source = ["Donaudampfschifffahrtsgesellschaftskapitän", *["kurz"] * 60, "$5"]
    target = ["an", "extraordinarily-long-hyphenated-word", "end"]
    for record in (record_of(), record_of(source, target), record_of(target, source)):
        texts = texts_within(record.plot(**DRAWINGS[name]).figure)
        if name != "grid":
            assert any(text.startswith("extraordinarily-long-h") for text in texts) == (len(record.source) != 5)
            assert all(len(text) <= 30 for text in texts)


@pytest.mark.parametrize("name", DRAWINGS)
def test_given_axes_are_used_and_returned(name):
    ax = Figure().subplots()
    assert record_of().plot(**DRAWINGS[name], ax=ax) is ax
    assert not pyplot.get_fignums()


def test_right_to_left_labels_are_joined_and_ordered():
    record = record_of(["مرحبا", "عالم", "."], ["שלום", "עולם", "."])
    if not hasattr(ft2font, "__libraqm_version__"):
        with pytest.warns(UserWarning, match=r"before 3\.11"):
            record.plot(0, 0)
        return
    ax = record.plot(0, 0)
    assert {"مرحبا", "שלום"} <= texts_within(ax.figure)
    # Joined letters need less space than separate letters.
    renderer = ax.figure.canvas.get_renderer()
    joined = ax.get_xticklabels()[0].get_window_extent(renderer).height
    separate = ax.text(0, 0, "\u200c".join("مرحبا"), fontsize=8, rotation=90).get_window_extent(renderer).height
    assert joined < separate


def font_with(characters, path):
    """Write a font file in which each of the characters is a full block."""
    builder = FontBuilder(1000, isTTF=True)
    names = [f"uni{ord(character):04X}" for character in characters]
    builder.setupGlyphOrder([".notdef", *names])
    builder.setupCharacterMap({ord(character): name for character, name in zip(characters, names, strict=True)})
    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    pen.lineTo((100, 800))
    pen.lineTo((900, 800))
    pen.lineTo((900, 0))
    pen.closePath()
    block = pen.glyph()
    builder.setupGlyf(dict.fromkeys([".notdef", *names], block))
    builder.setupHorizontalMetrics(dict.fromkeys([".notdef", *names], (1000, 100)))
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Blocks For Tests", "styleName": "Regular"})
    builder.setupOS2(sTypoAscender=900, usWeightClass=400)
    builder.setupPost()
    builder.save(path)
    return path


def test_characters_that_the_font_lacks_come_from_another_installed_font(tmp_path, monkeypatch):
    # Private-use characters, which no font on the machine has, stand in for a script that one font lacks.
    characters = "\ue0f0\ue0f1"
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(font_with(characters, tmp_path / "blocks.ttf"))
    record = record_of([characters[0], "ist", "</s>"], [characters, "is", "</s>"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for drawing in ({}, {"kind": "lines"}):
            ax = record.plot(0, 0, **drawing)
            assert ax.get_yticklabels()[0].get_fontfamily()[-1] == "Blocks For Tests"
            pixels(ax.figure)  # drawing gives no warning about a missing glyph


def test_a_warning_names_characters_that_no_font_has_and_what_to_install(monkeypatch):
    monkeypatch.setattr(labels, "_installed", list)
    with pytest.warns(UserWarning, match=r"no installed font has '今日' \(CJK\).*Noto Sans CJK") as caught:
        record_of(["今日", "</s>"], ["today", "</s>"]).plot(0, 0)
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"kind": "pie"}, ValueError, "'heatmap', 'lines', 'grid', got 'pie'"),
        ({"kind": "grid"}, TypeError, "needs a score"),
        ({"kind": "grid", "score": "entropy", "layer": 1}, ValueError, "leave out layer"),
        ({"kind": "grid", "score": "entropy", "reduce": "heads"}, ValueError, "leave out reduce"),
        ({"threshold": 0.1}, TypeError, "no option 'threshold'"),
        ({"heads": [(0, 0)], "layer": 1}, ValueError, "not both"),
        ({"heads": []}, ValueError, "at least one"),
        ({"heads": [(0, 9)]}, ValueError, "no layer 0 head 9: layers are 0 to 1, heads are 0 to 2"),
    ],
)
def test_arguments_that_cannot_be_drawn_are_reported(arguments, error, message):
    with pytest.raises(error, match=message):
        record_of().plot(**arguments)
