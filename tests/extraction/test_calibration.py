"""What is known about a model's heads: the file next to its weights, the sentences shown, and when it is forgotten."""

import gc
import json
import logging
import shutil
import threading
import weakref
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, MarianMTModel

from xattn_widget import best_head_set, extract, saved_head_set, show_cross_attention
from xattn_widget.alignment import HeadSet, ReadHead
from xattn_widget.demo import FOLDER
from xattn_widget.extraction.calibration import FILE_NAME, model_evidence, save_calibration

PAIRS = Path(__file__).parents[2] / "examples" / "alignment" / "tatoeba.de-en.src-tgt"
SENTENCES = ["Ich habe das Buch gelesen.", "Der Hund schläft unter dem Tisch.", "Das Kind ist mein Sohn."]
LAST_LAYER = [[2, head] for head in range(8)]


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a copy of the demo model, without its calibration."""
    return shutil.copytree(FOLDER, tmp_path / "model", ignore=shutil.ignore_patterns(FILE_NAME))


@pytest.fixture(scope="module")
def records(demo):
    return extract(*demo, SENTENCES)


def loaded(folder, **options):
    return AutoModelForSeq2SeqLM.from_pretrained(folder, **options).eval()


# --- Sentences shown.


def test_every_new_sentence_adds_to_what_is_known(folder, records):
    model = loaded(folder)
    first = model_evidence(model, records[:1]).words["output"]
    both = model_evidence(model, records[1:2]).words["output"]
    assert both > first
    assert model_evidence(model, records[:2]).words["output"] == both  # shown again
    assert model_evidence(model, []).words["output"] == both
    assert model_evidence(loaded(folder), records[:1]).words["output"] == first  # another model object


def test_the_guess_improves_with_use(folder, demo):
    model = loaded(folder)
    lines = [line.split(" ||| ")[0] for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    assert show_cross_attention(model, demo.tokenizer, lines[0]).heads == LAST_LAYER
    widget = show_cross_attention(model, demo.tokenizer, lines[1:30])
    assert widget.heads != LAST_LAYER
    # A single sentence opens with what all of them said.
    again = show_cross_attention(model, demo.tokenizer, lines[0])
    assert (again.heads, again.reading) == (widget.heads, widget.reading)


def test_training_makes_the_panel_forget(folder, records):
    model = loaded(folder)
    before = model_evidence(model, records).words["output"]
    one = model_evidence(loaded(folder), records[:1]).words["output"]
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    model.model.decoder.layers[0].fc1.weight.sum().backward()
    optimizer.step()
    assert one < before
    assert model_evidence(model, records[:1]).words["output"] == one
    with torch.no_grad():
        model.model.decoder.layers[1].encoder_attn.v_proj.weight[:4] = 0  # one head, by hand
    assert model_evidence(model, records[1:2]).words != model_evidence(model, records[:2]).words
    model.eval()
    kept = model_evidence(model, []).words["output"]
    assert kept == model_evidence(model, records[:2]).words["output"]


def test_what_is_known_is_freed_with_the_model(folder, records):
    model = loaded(folder)
    model_evidence(model, records)
    watched = weakref.ref(model)
    del model
    gc.collect()
    assert watched() is None


def test_threads_count_each_sentence_once(folder, records):
    model = loaded(folder)
    barrier = threading.Barrier(4)

    def show():
        barrier.wait()
        model_evidence(model, records)

    threads = [threading.Thread(target=show) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model_evidence(model, []).words == model_evidence(loaded(folder), records).words


def test_weights_that_are_elsewhere_are_no_obstacle(demo, records):
    model = MarianMTModel(demo.model.config).to("meta")
    words = model_evidence(model, records).words
    assert model_evidence(model, records[:1]).words["output"] < words["output"]  # nothing is remembered


# --- The file.


def test_a_saved_calibration_is_where_a_loaded_model_starts(folder, records, demo):
    path = save_calibration(loaded(folder), records, folder)
    assert path == folder / FILE_NAME
    alone = model_evidence(demo.model, []).words["output"]
    assert alone > 3000  # the demo model's own file
    for options in ({}, {"dtype": torch.bfloat16}, {"dtype": torch.float16}):
        model = loaded(folder, **options)
        words = model_evidence(model, []).words
        assert words == model_evidence(loaded(folder), []).words
        assert words["output"] == sum(min(len(r.source_words), len(r.target_words)) for r in records)


def test_a_sentence_shown_adds_to_the_file(folder, records):
    save_calibration(loaded(folder), records[:2], folder)
    model = loaded(folder)
    saved = model_evidence(model, []).words["output"]
    assert model_evidence(model, records[2:]).words["output"] > saved


def test_nothing_is_saved_without_words(folder, demo, records):
    with pytest.raises(ValueError, match="nothing to save"):
        save_calibration(demo.model, [], folder)
    with pytest.raises(ValueError, match="not in memory"):
        save_calibration(MarianMTModel(demo.model.config).to("meta"), records, folder)


def test_a_set_of_heads_is_saved_with_its_readings(folder, records):
    chosen = best_head_set(records, most_heads=3)
    save_calibration(loaded(folder), records, folder, head_set=chosen)
    model = loaded(folder, dtype=torch.float16)
    assert saved_head_set(model) == chosen
    assert model_evidence(model, []).words["output"] > 0  # the panel's evidence is in the same file
    # The pairs are where transformers keeps those of Whisper, and everything else in the config is as it was.
    before = json.loads((FOLDER / "generation_config.json").read_text(encoding="utf-8"))
    after = json.loads((folder / "generation_config.json").read_text(encoding="utf-8"))
    assert after.pop("alignment_heads") == model.generation_config.alignment_heads
    assert model.generation_config.alignment_heads == [[layer, head] for layer, head, _ in chosen.heads]
    before.pop("alignment_heads")
    assert after == before
    save_calibration(model, records, folder)
    assert saved_head_set(loaded(folder)) is None


def test_the_demo_models_own_set_aligns(demo):
    record = extract(*demo, "Ich habe das Buch gelesen.", "I read the book.")
    links = saved_head_set(demo.model).align(record)
    words = [(record.source_words[source].text, record.target_words[target].text) for source, target in links]
    assert words == [("Ich", "I"), ("das", "the"), ("Buch", "book"), ("gelesen", "read"), (".", ".")]


def test_a_set_of_other_heads_is_not_saved(folder, records):
    foreign = HeadSet((ReadHead(7, 0, "output"),), 0.5, "one_to_one")
    with pytest.raises(ValueError, match="layer 7 head 0"):
        save_calibration(loaded(folder), records, folder, head_set=foreign)
    for heads in [(), (ReadHead(0, 0, "both"),)]:
        with pytest.raises(ValueError, match="heads must be"):
            save_calibration(loaded(folder), records, folder, head_set=HeadSet(heads, 0.5, "one_to_one"))
    with pytest.raises(TypeError, match=r"head_set must be a HeadSet, .* got \[\(0, 0\)\]"):
        save_calibration(loaded(folder), records, folder, head_set=[(0, 0)])
    assert not (folder / FILE_NAME).exists()


@pytest.mark.parametrize(
    "head_set",
    [
        {},
        {"heads": [], "value": 0.5, "measure": "aer"},
        {"heads": [[0, 9, "output"]], "value": 0.5, "measure": "aer"},
        {"heads": [[0, 1, "sideways"]], "value": 0.5, "measure": "aer"},
        {"heads": [[0, "x", "output"]], "value": 0.5, "measure": "aer"},
        {"heads": [[0, 1]], "value": 0.5, "measure": "aer"},
        {"heads": [[0, 1, "output"]], "value": "x", "measure": "aer"},
    ],
)
def test_a_damaged_set_is_an_error_that_names_the_file(head_set, folder):
    (folder / FILE_NAME).write_text(spoiled(lambda content: content.update(head_set=head_set)), encoding="utf-8")
    with pytest.raises(ValueError, match=f"{FILE_NAME} cannot be used: .*save_calibration"):
        saved_head_set(loaded(folder))


def test_a_set_is_about_the_weights_that_it_was_saved_with(folder, records):
    save_calibration(loaded(folder), records, folder, head_set=best_head_set(records, most_heads=1))
    model = loaded(folder)
    with torch.no_grad():
        model.model.decoder.layers[0].fc1.weight.add_(0.5)
    with pytest.raises(ValueError, match="other weights"):
        saved_head_set(model)


def spoiled(change):
    """Return the text of the demo model's file after ``change``."""
    content = json.loads((FOLDER / FILE_NAME).read_text(encoding="utf-8"))
    change(content)
    return json.dumps(content)


BAD_FILES = {
    "empty": "",
    "text": "no JSON",
    "list": "[]",
    "deep": "[" * 100_000,
    "large": " " * (2**22 + 1),
    "bytes": b"\xff\xfe\x00",
    "newer": spoiled(lambda content: content.update(format=2)),
    "no evidence": spoiled(lambda content: content.pop("evidence")),
    "no weights": spoiled(lambda content: content.pop("weights")),
    "other weights": spoiled(lambda content: content["weights"].update({"model.shared.weight": 7.0})),
    "weights of another kind": spoiled(lambda content: content["weights"].update({"model.shared.weight": "x"})),
    "another model": spoiled(lambda content: content.update(weights={"a": 1.0})),
    "another grid": spoiled(
        lambda content: content.update(evidence={"output": {"words": 100, "linked": [[100.0, 1.0]]}})
    ),
    "huge numbers": spoiled(
        lambda content: content.update(evidence={"output": {"words": 10**400, "linked": [[10**400] * 8] * 3}})
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_does_not_fit_is_ignored_with_a_warning(name, folder, demo, caplog):
    text = BAD_FILES[name]
    (folder / FILE_NAME).write_bytes(text if isinstance(text, bytes) else text.encode())
    model = loaded(folder)
    with caplog.at_level(logging.WARNING, "xattn_widget"):
        widget = show_cross_attention(model, demo.tokenizer, SENTENCES[0])
    assert widget.heads == LAST_LAYER
    (message,) = [entry.getMessage() for entry in caplog.records if FILE_NAME in entry.getMessage()]
    assert "is ignored" in message
    caplog.clear()
    show_cross_attention(model, demo.tokenizer, SENTENCES[0])  # it is said once
    assert caplog.records == []


def test_a_new_model_made_from_a_saved_configuration_has_no_calibration(demo, records, caplog):
    """Its configuration names the folder, but its weights are others."""
    model = MarianMTModel(loaded(FOLDER).config)
    assert model.name_or_path == str(FOLDER)
    assert model_evidence(model, records[:1]).words["output"] < 20
    assert "made with other weights" in caplog.text


def test_a_model_trained_after_loading_does_not_use_the_file(records, caplog):
    model = loaded(FOLDER)
    assert model_evidence(model, []).words["output"] > 3000
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    assert model_evidence(model, records[:1]).words["output"] < 20
    assert caplog.records == []
