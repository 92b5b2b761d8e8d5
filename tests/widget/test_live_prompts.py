"""Experiments keep the prompt that a record was made with: of images, of Whisper, of Canary."""

from __future__ import annotations

import pytest
import torch
from image_models import image_model, picture
from speech_processors import sound, speech_pair

from xattn_widget import ablate, extract, load, show_cross_attention

PICTURE = picture(77, 50)
RATE = 16_000


def assert_same(record, expected):
    torch.testing.assert_close(record.weights, expected.weights, atol=1e-6, rtol=0)
    torch.testing.assert_close(record.logprobs, expected.logprobs, atol=1e-5, rtol=0)
    for reading, axis in expected.targets.items():
        found = record.targets[reading]
        assert (found.ids, found.special, found.labels) == (axis.ids, axis.special, axis.labels)
        assert (found.words, found.groups) == (axis.words, axis.groups)
    assert record.prompt == expected.prompt


@pytest.mark.parametrize("name", ["vit", "donut", "blip", "pix2struct", "florence2"])
@pytest.mark.parametrize("given", [None, "tisch ab"])
def test_another_target_follows_the_prompt_of_the_picture(name, given):
    model, processor = image_model(name)
    generation = None if given else {"max_new_tokens": 3}
    widget = show_cross_attention(model, processor, PICTURE, given, prompt="dog ab", generation=generation)
    assert widget.record.prompt == "dog ab"
    assert_same(widget.set_target("ich"), extract(model, processor, PICTURE, "ich", prompt="dog ab"))


def test_the_text_to_edit_lacks_the_prompt():
    model, processor = image_model("donut")
    widget = show_cross_attention(model, processor, PICTURE, "tisch", prompt="dog ab")
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._handle_custom_msg({"id": "1", "kind": "live", "action": "text", "sentence": 0}, [])
    assert sent[-1]["text"].strip() == "tisch"


def test_a_replaced_token_leaves_the_prompt_special():
    model, processor = image_model("donut")
    widget = show_cross_attention(model, processor, PICTURE, "tisch ab", prompt="dog ab")
    before = widget.record
    last = len(before.target) - 2
    token = before.targets["output"].ids[0]
    kept = widget.set_token(last, token, rest="keep")
    assert kept.target.special == before.target.special
    prompt = next(place for place, special in enumerate(before.target.special) if not special)
    widget.sentence = 0
    model.generation_config.max_new_tokens = 3
    written = widget.set_token(prompt, token)
    assert written.target.special[: prompt + 1] == (True,) * prompt + (False,)


@pytest.mark.parametrize("given", [None, "tisch"])
def test_what_is_written_without_heads_begins_with_the_prompt(given):
    model, processor = image_model("donut")
    model.generation_config.max_new_tokens = 3
    widget = show_cross_attention(model, processor, PICTURE, given, prompt="dog ab")
    widget.muted = [(0, 1)]
    with ablate(model, [(0, 1)]):
        assert_same(widget.effect.written, extract(model, processor, PICTURE, prompt="dog ab"))


@pytest.mark.parametrize("name", ["donut", "florence2"])
def test_a_saved_record_keeps_its_prompt(name, tmp_path):
    model, processor = image_model(name)
    record = extract(model, processor, PICTURE, "ab", prompt="dog")
    assert load(record.save(tmp_path / "record.safetensors")).prompt == "dog"


# --- Speech.


def of_sound(name, generation):
    model, processor = speech_pair(name)
    audio = (sound(0.9), RATE)
    generation = {"max_new_tokens": 4, **generation}
    return model, processor, audio, show_cross_attention(model, processor, audio, generation=generation)


@pytest.mark.parametrize("timestamps", [False, True])
def test_whisper_keeps_its_task_whatever_the_tokenizer_says(timestamps):
    generation = {"language": "english", "task": "translate", "return_timestamps": timestamps}
    model, processor, audio, widget = of_sound("whisper", generation)
    record = widget.set_target("I have time.")
    assert processor.tokenizer.task != "translate"
    processor.tokenizer.set_prefix_tokens(language="english", task="translate")
    assert_same(record, extract(model, processor, audio, "I have time."))


def test_whisper_keeps_language_and_earlier_text():
    generation = {"language": "german", "task": "transcribe", "prompt_ids": torch.tensor([12, 13, 14])}
    model, processor, audio, widget = of_sound("whisper", generation)
    before, record = widget.record, widget.set_target("I have time.")
    given = extract(model, processor, audio, "I have time.")
    assert given.target.special[:4] == (True, True, True, False)
    # Earlier text, start, language, task and <|notimestamps|>; the decoder reads the start of earlier text first.
    assert before.target.labels[2:6] == ("<|startoftranscript|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>")
    assert record.targets["output"].ids == before.targets["output"].ids[:6] + given.targets["output"].ids[3:]
    assert record.targets["input"].ids[0] == before.targets["input"].ids[0]
    assert record.target.special[:7] == (True,) * 6 + (False,)
    assert record.target.words == given.target.words


def test_a_prompt_in_the_text_replaces_that_of_the_record():
    generation = {"language": "german", "task": "transcribe"}
    model, processor, audio, widget = of_sound("whisper", generation)
    text = "<|en|><|translate|><|notimestamps|> I have time."
    assert_same(widget.set_target(text), extract(model, processor, audio, text))


def test_canary_keeps_the_prompt_that_was_passed():
    model, processor = speech_pair("canary")
    ids = torch.tensor([[model.generation_config.decoder_start_token_id or model.config.decoder_start_token_id]])
    prompt = processor.tokenizer.all_special_ids[-2:]
    prefix = torch.cat([ids, torch.tensor([prompt])], dim=1)
    generation = {"decoder_input_ids": prefix, "max_new_tokens": 6}
    widget = show_cross_attention(model, processor, (sound(0.9), RATE), generation=generation)
    before, record = widget.record, widget.set_target("I have time.")
    assert record.targets["output"].ids[: len(prompt)] == before.targets["output"].ids[: len(prompt)] == tuple(prompt)


@pytest.mark.parametrize(("name", "ids"), [("whisper", "prompt_ids"), ("canary", "decoder_input_ids")])
def test_sound_has_no_prompt_but_says_what_targets_begin_with(name, ids):
    with pytest.raises(ValueError, match=rf"prompt= is the text that goes with an image.*generation=\{{'{ids}': "):
        show_cross_attention(*speech_pair(name), (sound(0.9), RATE), prompt="ab")
