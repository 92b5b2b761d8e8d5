"""extract on models in which latent queries or a question attend to the image."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from family_parts import projected
from image_models import READERS, image_model, picture

from xattn_widget import extract, load

PICTURE = picture(77, 50)
PROMPTS = {"instructblip": "ab cd", "blip for questions": "ab cd"}


class Part(SimpleNamespace):
    """The part of a model that reads images, called like a model."""

    def __call__(self, **inputs):
        return self.call(**inputs)


def expected_weights(name, model, processor, prompt):
    """Return the softmax of queries and keys that the model's own projections compute."""
    inputs = {"pixel_values": processor.image_processor(images=PICTURE, return_tensors="pt")["pixel_values"]}
    if name == "kosmos-2":
        attention = []
        handle = model.image_to_text_projection.register_forward_hook(lambda *call: attention.append(call[2][1]))
        model.set_attn_implementation("eager")
        ids = torch.zeros(1, 3, dtype=torch.long)
        with torch.no_grad():
            model(**inputs, input_ids=ids, image_embeds_position_mask=ids == 0)
        handle.remove()
        return attention[0]
    if name == "blip for questions":
        inputs |= {"input_ids": torch.tensor([processor.tokenizer(prompt)["input_ids"]])}
        inputs |= {"decoder_input_ids": torch.tensor([[5]])}
        layers = projected("query", "key", "crossattention.self")(model, inputs)
        return torch.cat(layers[: len(layers) // 2])
    if prompt is not None:
        inputs["qformer_input_ids"] = torch.tensor([processor.qformer_tokenizer(prompt)["input_ids"]])
    part = Part(call=model.get_image_features, named_modules=model.named_modules)
    return torch.cat(projected("query", "key", "crossattention.attention")(part, inputs))


@pytest.mark.parametrize("name", READERS)
def test_weights_equal_those_of_the_library(name, tmp_path):
    model, processor = image_model(name)
    prompt = PROMPTS.get(name)
    record = extract(model, processor, PICTURE, prompt=prompt)
    expected = expected_weights(name, model, processor, prompt)
    torch.testing.assert_close(record.weights, expected.reshape(record.weights.shape), atol=1e-5, rtol=0)
    if name == "blip for questions":
        assert record.target_tokens == processor.tokenizer.convert_ids_to_tokens(
            processor.tokenizer(prompt)["input_ids"]
        )
    else:
        assert record.target_tokens == [f"[latent {number}]" for number in range(len(record.target_tokens))]
    assert record.source.places is not None
    assert record.logprobs is None
    assert load(record.save(tmp_path / "record.safetensors")).source == record.source
    assert record.drop_special().score("entropy").shape == (record.layers, record.heads)
    records = extract(model, processor, [PICTURE, picture(40, 60)], prompt=prompt and [prompt, "a"], layers=[0])
    torch.testing.assert_close(records[0].weights[0], record.weights[0], atol=1e-5, rtol=0)


def test_the_latents_of_kosmos_are_special_columns():
    axis = extract(*image_model("kosmos-2"), PICTURE).source
    special = [label for label, flag in zip(axis.labels, axis.special, strict=True) if flag]
    assert special == ["[CLS]", "[latent 0]", "[latent 1]", "[latent 2]"]


def test_what_needs_a_decoder_is_refused():
    blip2, questions = image_model("blip-2"), image_model("blip for questions")
    with pytest.raises(ValueError, match=r"decoder of this model \(blip-2\) does not attend.*Leave out target"):
        extract(*blip2, PICTURE, "ab")
    with pytest.raises(ValueError, match="Leave out importance, faithfulness"):
        extract(*blip2, PICTURE, importance="gradient", faithfulness=True)
    with pytest.raises(ValueError, match="reads no prompt"):
        extract(*blip2, PICTURE, prompt="ab")
    with pytest.raises(ValueError, match="with a question: pass it as prompt="):
        extract(*questions, PICTURE)
