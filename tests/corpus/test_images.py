"""A corpus of pictures: the scores of single records, prompts, errors as rows, resuming, choosing and looking."""

from __future__ import annotations

import re

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest
import transformers
from corpus_pool import assert_same_tables, encoder_batches
from image_models import READERS, image_model, image_processor, picture
from picture_corpus import GENERATED, GIVEN, PICTURE_TEXTS, pictures

from xattn_widget import extract, profile_heads, score_corpus, select, show_corpus, show_profile
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.inputs import INPUTS

pytestmark = pytest.mark.usefixtures("single_thread")
FAMILIES = ["vit", "donut", "blip", "pix2struct", "florence2"]
ENCODERS = {
    "blip": lambda model: model.vision_model,
    "florence2": lambda model: model.model.language_model.encoder,
} | dict.fromkeys(("vit", "donut", "pix2struct"), lambda model: model.encoder)
# Their cross-attention computes its weights itself and does not expose its values.
WITHOUT_VALUES = ["vit", "donut", "blip"]
if transformers.__version__.startswith("5.0."):  # it is like T5, which has no attention function to choose there
    WITHOUT_VALUES.append("pix2struct")


@pytest.fixture(scope="module")
def vit():
    return image_model("vit")


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """A folder with ``0.png`` to ``4.png``."""
    folder = tmp_path_factory.mktemp("album")
    for number, shown in enumerate(pictures()):
        shown.save(folder / f"{number}.png")
    return folder


@pytest.fixture
def paths(album):
    return sorted(album.glob("*.png"))


def scores_of(family, special="keep"):
    """The built-in scores that a job computes for pictures."""
    needs = {name: [INPUTS[need] for need in score.needs] for name, score in BUILTIN.items()}
    names = [name for name, kinds in needs.items() if not any(kind.outside_jobs or kind.of_sound for kind in kinds)]
    return [
        name
        for name in names
        if special in BUILTIN[name].policies and not (name == "value_norm" and family in WITHOUT_VALUES)
    ]


def assert_records(table, records, scores, special="keep"):
    assert table["error"].null_count == len(records), table["error"].to_pylist()
    for row, record in enumerate(records):
        assert table["source_length"][row].as_py() == len(record.source)
        assert table["target_length"][row].as_py() == len(record.target)
        for score in scores:
            grid = record.score(score, special=special)
            np.testing.assert_allclose(grids(table, score)[row], grid.numpy(), rtol=1e-5, atol=1e-5, err_msg=score)
            assert grid.signature == corpus_info(table)["signatures"][score]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("special", ["keep", "renormalize"])
def test_scores_are_those_of_records(name, special, paths):
    model, processor = image_model(name)
    scores = scores_of(name, special)
    with encoder_batches(model, ENCODERS[name](model)) as sizes:
        table = score_corpus(model, processor, paths, PICTURE_TEXTS, scores, special=special, progress=False)
    assert max(sizes) > 1
    records = [
        extract(model, processor, path, text, value_norms="value_norm" in scores)
        for path, text in zip(paths, PICTURE_TEXTS, strict=True)
    ]
    assert_records(table, records, scores, special)
    if special == "keep":
        assert {"spatial_spread", "reading_jump", "blank_mass"} <= set(scores)


def test_the_model_that_ships_reads_lines(tmp_path):
    from PIL import ImageDraw, ImageFont

    from xattn_widget import load_demo

    model, processor = load_demo("image")
    lines = []
    for number, text in enumerate(["invoice", "total 12"]):
        line = PIL.Image.new("L", (160, 32), "white")
        ImageDraw.Draw(line).text((8, 6), text, font=ImageFont.load_default(18), fill="black")
        line.save(tmp_path / f"{number}.png")
        lines.append(tmp_path / f"{number}.png")
    generation = {"max_new_tokens": 12}
    table = score_corpus(model, processor, lines, scores=["reading_jump"], generation=generation, progress=False)
    records = extract(model, processor, lines, generation=generation)
    assert [len(text) > 3 for text in table["target"].to_pylist()] == [True, True]
    assert_records(table, records, ["reading_jump"])


# --- Targets and prompts.


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("prompt", [None, "ab"])
def test_generated_targets_are_those_of_extract(name, prompt, paths):
    model, processor = image_model(name)
    generation = {"max_new_tokens": 4}
    options = {"generation": generation, "prompt": prompt}
    table = score_corpus(model, processor, paths[:3], scores=["entropy"], progress=False, **options)
    records = extract(model, processor, paths[:3], **options)
    assert_records(table, records, ["entropy"])
    for text, record in zip(table["target"].to_pylist(), records, strict=True):
        assert text == processor.tokenizer.decode(
            [
                token
                for token, special in zip(record.targets["output"].ids, record.target.special, strict=True)
                if not special
            ],
            skip_special_tokens=True,
        )


@pytest.mark.parametrize("name", ["donut", "florence2"])
def test_each_picture_may_have_its_own_prompt(name, paths):
    model, processor = image_model(name)
    prompts = ["ab", "dog tisch", "ab", "", "hund"]
    table = score_corpus(model, processor, paths, PICTURE_TEXTS, prompt=prompts, **GIVEN)
    records = extract(model, processor, paths, PICTURE_TEXTS, prompt=prompts)
    assert_records(table, records, GIVEN["scores"])
    assert table["prompt"].to_pylist() == prompts
    # From iterators, whose number of pictures is known at the end.
    again = score_corpus(model, processor, iter(paths), iter(PICTURE_TEXTS), prompt=prompts, window=2, **GIVEN)
    assert_records(again, records, GIVEN["scores"])
    for count, message in ((6, "6 prompts for 5 pictures"), (4, "4 prompts for more pictures")):
        with pytest.raises(ValueError, match=message):
            score_corpus(model, processor, iter(paths), prompt=["ab"] * count, **GENERATED)


def test_a_target_that_is_too_long_with_its_prompt(vit, paths):
    table = score_corpus(*vit, paths[:2], ["c", "ab " * 6], prompt="ab " * 5, max_length=20, **GIVEN)
    first, second = table["error"].to_pylist()
    assert first is None
    assert re.match(r"target has \d+ tokens with its prompt, the limit is 20", second)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"prompt": 3}, TypeError, "prompt must be a string, or a list with one for each picture, got int"),
        ({"prompt": ["a", 1, "c", "d", "e"]}, TypeError, "prompt must be a list of strings, got int at 1"),
        ({"prompt": ["a"]}, ValueError, "there are 1 prompts for 5 pictures: give one for all, or one for each"),
        ({"scores": "silence_mass"}, ValueError, "only sound has, and this model reads images"),
        (
            {"prompt": "a", "generation": {"decoder_input_ids": [[2]]}},
            ValueError,
            "decoder_input_ids and prompt both say what targets begin with",
        ),
    ],
)
def test_wrong_arguments_are_named(vit, paths, options, error, message):
    with pytest.raises(error, match=message):
        score_corpus(*vit, paths, progress=False, **options)


def test_models_of_other_inputs_read_no_prompt_and_no_pictures(demo):
    with pytest.raises(ValueError, match="prompt= is the text that goes with an image, and this model reads none"):
        score_corpus(*demo, ["Ich habe Zeit."], prompt="ab", progress=False)
    with pytest.raises(ValueError, match="spatial_spread needs source_centers, which only images have"):
        score_corpus(*demo, ["Ich habe Zeit."], scores="spatial_spread", progress=False)


@pytest.mark.parametrize("name", READERS)
def test_models_whose_latents_read_the_image_are_refused(name, paths):
    with pytest.raises(ValueError, match=r"does not attend to the image: .* Make records in a loop with extract"):
        score_corpus(*image_model(name), paths, prompt="ab", **GENERATED)


def test_udop_needs_a_prompt(paths):
    model, processor = image_model("udop")
    with pytest.raises(ValueError, match="pass a task or a question as prompt="):
        score_corpus(model, processor, paths, **GENERATED)
    table = score_corpus(model, processor, paths[:2], ["ab", "dog"], prompt="dog tisch", **GIVEN)
    assert_records(table, extract(model, processor, paths[:2], ["ab", "dog"], prompt="dog tisch"), GIVEN["scores"])


# --- Errors as rows.


def test_each_picture_that_cannot_be_scored_says_why(vit, album, paths, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "cut.png").write_bytes(paths[0].read_bytes()[:90])
    sources = [
        *(paths[0], tmp_path / "missing.png", tmp_path / "text.png", tmp_path / "cut.png", tmp_path),
        *("", None, 7, np.full((4, 4), np.nan), vit.processor(images=picture(8, 8), return_tensors="pt"), b"\xff\xfe"),
        *({"bytes": b"no picture", "path": "x.png"}, {"bytes": None, "path": None}, paths[1]),
    ]
    table = score_corpus(*vit, sources, **GENERATED)
    first, *errors, last = table["error"].to_pylist()
    assert (first, last) == (None, None)
    expected = [
        "source cannot be found: image 'missing.png' cannot be found",
        "source cannot be read: image 'text.png' is not an image that Pillow reads",
        "source cannot be read: image 'cut.png' is damaged or truncated",
        "source cannot be read: image .* is a folder",
        "source is empty",
        "source is missing",
        "source is not a picture but int",
        "source cannot be read: image has floats from nan to nan",
        "source is not a picture but BatchFeature",
        "source is not a path in UTF-8",
        "source cannot be read: image is not an image that Pillow reads",
        "source is missing",
    ]
    for error, pattern in zip(errors, expected, strict=True):
        assert re.match(pattern, error), error
    assert np.isnan(grids(table, "entropy")[1:-1]).all()
    assert not np.isnan(grids(table, "entropy")[[0, -1]]).any()
    with pytest.raises(ValueError, match="row 1 cannot be scored: source cannot be found"):
        score_corpus(*vit, sources, on_error="raise", **GENERATED)


# --- Output.


def test_an_interrupted_job_continues_and_another_one_is_refused(paths, tmp_path, monkeypatch):
    from xattn_widget.corpus.engine.worker import Worker

    model, processor = image_model("donut")
    output = tmp_path / "scored.parquet"
    options = GIVEN | {"prompt": "ab", "window": 2}
    score, seen = Worker.score, []

    def interrupted(self, prepared, *args):
        seen.append(prepared.window.number)
        if seen == [0, 1]:
            raise KeyboardInterrupt
        return score(self, prepared, *args)

    monkeypatch.setattr(Worker, "score", interrupted)
    with pytest.raises(KeyboardInterrupt):
        score_corpus(model, processor, paths, PICTURE_TEXTS, output=output, **options)
    score_corpus(model, processor, paths, PICTURE_TEXTS, output=output, **options)
    assert seen in ([0, 1, 1, 2], [0, 1, 0, 1, 2])  # the first window may not have been written yet
    assert_same_tables(pq.read_table(output), score_corpus(model, processor, paths, PICTURE_TEXTS, **options))
    others = [
        (processor, options | {"prompt": "dog"}, "prompt was ab, now it is dog"),
        (processor, options | {"prompt": ["ab", "ab", "c", "ab", "ab"]}, "prompt was ab, now it is one for each"),
    ]
    images = image_processor("DonutImageProcessor", size={"height": 64, "width": 48}, image_mean=[0.4] * 3)
    others.append((type(processor)(images, processor.tokenizer), options, "image processor was"))
    for other, settings, message in others:
        with pytest.raises(FileExistsError, match=message):
            score_corpus(model, other, paths, PICTURE_TEXTS, output=output, **settings)


def test_pictures_in_memory_and_prompts_are_told_apart(vit, tmp_path):
    output = tmp_path / "scored.parquet"
    shown = [picture(20, 16, seed=seed) for seed in range(2)]
    score_corpus(*vit, shown, output=output, prompt=["ab", "c"], **GENERATED)
    assert score_corpus(*vit, list(shown), output=output, prompt=["ab", "c"], **GENERATED) == output
    turned = shown[1].copy()
    turned.getexif()[0x0112] = 6  # the same pixels, shown turned
    for pictures_of_other_job, prompts in (
        (shown[::-1], ["ab", "c"]),
        (shown, ["c", "ab"]),
        ([shown[0], turned], ["ab", "c"]),
    ):
        with pytest.raises(FileExistsError, match="belongs to another job"):
            score_corpus(*vit, pictures_of_other_job, output=output, prompt=prompts, **GENERATED)


def test_only_some_pictures_are_in_memory(vit, paths, monkeypatch):
    from xattn_widget.record.picture import Picture

    made = []
    monkeypatch.setattr(Picture, "from_image", lambda image: made.append(image))
    score_corpus(*vit, paths, PICTURE_TEXTS, window=1, **GIVEN)
    assert not made  # compressing pictures takes longer than reading them
    table = score_corpus(*vit, paths[:1], PICTURE_TEXTS[:1], scores="blank_mass", progress=False)
    assert len(made) == 1
    assert "there is no source_blank" in table["error"][0].as_py()  # the picture above is None


@pytest.mark.parametrize(("name", "rows"), [("vit", 64), ("donut", 64)])
def test_windows_hold_as_much_as_fits(name, rows, paths, monkeypatch):
    import xattn_widget.corpus.scoring as module

    model, processor = image_model(name)
    assert corpus_info(score_corpus(model, processor, paths[:1], **GENERATED))["job"]["rows a window"] == rows
    size = processor.image_processor(paths and PIL.Image.open(paths[0]), return_tensors="pt")["pixel_values"].nbytes
    monkeypatch.setattr(module, "_PICTURE_BYTES", 3 * size)
    assert corpus_info(score_corpus(model, processor, paths[:1], **GENERATED))["job"]["rows a window"] == 3


# --- After scoring.


def test_choosing_compares_what_was_written(vit, paths):
    texts = [PICTURE_TEXTS[0], PICTURE_TEXTS[1], PICTURE_TEXTS[0], *PICTURE_TEXTS[3:]]
    table = score_corpus(*vit, paths, texts, prompt="ab", **GIVEN)
    chosen = select(table, "entropy", 4)
    assert sorted(chosen["target"].to_pylist()) == sorted([PICTURE_TEXTS[0], PICTURE_TEXTS[1], *PICTURE_TEXTS[3:]])
    assert set(chosen["prompt"].to_pylist()) == {"ab"}


@pytest.mark.parametrize("name", ["donut", "florence2"])
def test_a_row_opens_with_its_picture_and_its_prompt(name, album, tmp_path, monkeypatch):
    model, processor = image_model(name)
    lines = ["image,text", *(f"{number}.png,{text}" for number, text in enumerate(PICTURE_TEXTS))]
    (album / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    columns = {"source_column": "image", "target_column": "text"}
    table = score_corpus(
        model, processor, album / "rows.csv", prompt=["ab", "c", "ab", "dog", "ab"], **columns, **GIVEN
    )
    monkeypatch.chdir(tmp_path)
    view = show_corpus(table, model, processor)
    assert view.summary().startswith("5 pictures by entropy")
    assert "3.png" in view.summary()
    view.row = 3
    opened = view.opened
    assert opened.panel == "image"
    assert opened.record.image.width == pictures()[3].width
    expected = extract(model, processor, album / "3.png", PICTURE_TEXTS[3], prompt="dog")
    np.testing.assert_allclose(opened.record.weights, expected.weights, atol=1e-6)
    values, _ = opened.answer({"kind": "scores", "sentence": 0, "name": "entropy"})
    np.testing.assert_allclose(values["values"], grids(table, "entropy")[3], atol=1e-6)
    # Experiments keep the prompt.
    edited = opened.set_target("c")
    np.testing.assert_allclose(
        edited.weights, extract(model, processor, album / "3.png", "c", prompt="dog").weights, atol=1e-6
    )
    view.close()


def test_a_picture_from_memory_cannot_be_opened_later(vit):
    table = score_corpus(*vit, [picture(20, 16)], PICTURE_TEXTS[:1], **GIVEN)
    assert table["source"].to_pylist() == ["picture 0"]
    view = show_corpus(table, *vit)
    with pytest.raises(FileNotFoundError, match="the picture was scored from memory"):
        view.row = 0
    view.close()


def test_heads_are_profiled_over_pictures(paths):
    model, processor = image_model("florence2")
    options = {"scores": "spatial_spread", "prompt": "ab", "progress": False}
    profile = profile_heads(model, processor, paths, PICTURE_TEXTS, **options)
    assert profile.head_set is profile.agreement is None
    table = score_corpus(model, processor, paths, PICTURE_TEXTS, **options)
    means = np.array(profile.table["spatial_spread.mean"].to_pylist()).reshape(profile.shape)
    np.testing.assert_allclose(means, grids(table, "spatial_spread").mean(0), rtol=1e-5)
    view = show_profile(profile, model, processor)
    assert view.info["what"] == "picture"
    view.row = int(profile.strongest("spatial_spread", 0, 0)["row"][0].as_py())
    expected = extract(model, processor, paths[view.row], PICTURE_TEXTS[view.row], prompt="ab")
    np.testing.assert_allclose(view.opened.record.weights, expected.weights, atol=1e-6)
    view.close()
