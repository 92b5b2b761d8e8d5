"""The record: words, special tokens, readings, saving and loading."""

import pickle

import pytest
import torch

from xattn_widget import CrossAttention, capture, extract, head_importance, load
from xattn_widget.record.axis import Axis

SENTENCE = "Der Zahnarzthelfer schläft."


@pytest.fixture(scope="module")
def record(demo):
    return extract(*demo, SENTENCE)


def small_record(**fields):
    """Two source words of two pieces and one piece, and two target words likewise, each side with an end symbol."""
    weights = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0)).softmax(-1)
    source = Axis(("ge", "lesen", "Buch", "</s>"), (False, False, False, True), (0, 0, 1, -1), ("gelesen", "Buch"))
    output = Axis(("re", "ad", "it", "</s>"), (False, False, False, True), (0, 0, 1, -1), ("read", "it"))
    start = Axis(("<s>", "re", "ad", "it"), (True, False, False, False), (-1, 0, 0, 1), ("read", "it"))
    return CrossAttention(
        weights, source, {"output": output, "input": start}, logprobs=torch.tensor([-1.0, -2, -3, -4]), **fields
    )


def test_words_are_summed_over_source_and_averaged_over_target():
    record = small_record()
    words, weights = record.words(), record.weights
    assert words.source_tokens == ["gelesen", "Buch", "</s>"]
    assert words.target_tokens == ["read", "it", "</s>"]
    by_source = torch.stack([weights[..., :2].sum(-1), weights[..., 2], weights[..., 3]], -1)
    expected = torch.stack([by_source[:, :, :2].mean(2), by_source[:, :, 2], by_source[:, :, 3]], 2)
    assert torch.allclose(words.weights, expected)
    assert torch.allclose(words.weights.sum(-1), torch.ones(2, 3, 3))
    assert words.logprobs.tolist() == [-3, -3, -4]
    assert words.source.special == (False, False, True)


def test_words_follow_the_reading():
    words = small_record().read_as("input").words()
    assert words.target_tokens == ["<s>", "read", "it"]
    with pytest.raises(ValueError, match="before words"):
        words.read_as("output")


def test_dropping_special_tokens_renormalizes_by_default():
    record = small_record()
    left = record.weights[:, :, :3, :3]
    assert torch.equal(record.drop_special(renormalize=False).weights, left)
    dropped = record.drop_special()
    assert torch.allclose(dropped.weights, left / left.sum(-1, keepdim=True))
    assert dropped.source_tokens == ["ge", "lesen", "Buch"]
    assert [word.text for word in dropped.source_words] == ["gelesen", "Buch"]
    assert dropped.logprobs.tolist() == [-1, -2, -3]
    assert dropped.read_as("output").target_tokens == ["re", "ad", "it"]


def test_dropping_everything_is_an_error():
    only_special = CrossAttention(torch.ones(1, 1, 1, 1), Axis(("</s>",), (True,)), {"output": Axis(("a",))})
    with pytest.raises(ValueError, match="nothing would be left"):
        only_special.drop_special()


def test_the_two_readings_are_the_same_rows_shifted_by_one(record):
    read = record.read_as("input")
    assert read.target_tokens[1:] == record.target_tokens[:-1]
    assert torch.equal(read.weights, record.weights)
    assert read.read_as("output").target_tokens == record.target_tokens
    with pytest.raises(ValueError, match="'output' or 'input'"):
        record.read_as("label")


def test_a_saved_record_loads_unchanged(record, tmp_path):
    path = record.read_as("input").save(tmp_path / "record.safetensors")
    again = load(path)
    assert torch.equal(again.weights, record.weights)
    assert torch.equal(again.logprobs, record.logprobs)
    assert again.source == record.source
    assert again.targets == record.targets
    assert (again.reading, again.generated, again.model) == ("input", True, "MarianMTModel")
    assert again.score("entropy").equal(record.score("entropy"))


def test_hypotheses_are_saved_too(demo, tmp_path):
    best = extract(*demo, SENTENCE, generation={"num_beams": 3, "num_return_sequences": 3})
    again = load(best.save(tmp_path / "best.safetensors"))
    assert [found.target_tokens for found in again.hypotheses] == [saved.target_tokens for saved in best.hypotheses]
    assert len(again.hypotheses) == 3
    assert [found.sequence_score for found in again.hypotheses] == [saved.sequence_score for saved in best.hypotheses]


def test_loading_another_file_is_a_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file"):
        load(tmp_path / "none.safetensors")
    pickled = tmp_path / "record.pkl"
    pickled.write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(ValueError, match="not a safetensors file"):
        load(pickled)
    from safetensors.torch import save_file

    save_file({"weights": torch.ones(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a record of format"):
        load(tmp_path / "other.safetensors")


def test_records_of_attention_from_elsewhere():
    record = CrossAttention.from_tokens(torch.eye(2)[None, None].half(), ["a", "b"], ["x", "y"])
    assert record.weights.dtype == torch.float32
    assert (record.layers, record.heads) == (1, 1)
    assert [word.text for word in record.source_words] == ["a", "b"]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(2, 2), r"\[layers, heads, target, source\].*\[2, 2\]"),
        (torch.ones(1, 1, 3, 2), "3 target rows and 2 source columns"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(weights, message):
    with pytest.raises(ValueError, match=message):
        CrossAttention.from_tokens(weights, ["a", "b"], ["x", "y"])


def test_a_reading_without_an_axis_is_refused():
    with pytest.raises(ValueError, match="'input' has no target axis"):
        CrossAttention.from_tokens(torch.ones(1, 1, 1, 1), ["a"], ["x"], reading="input")


def test_plot_draws_the_requested_head(record):
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert record.plot(layer=1, head=2, ax=ax) is ax
    assert torch.allclose(torch.tensor(ax.images[0].get_array().data), record.weights[1, 2])
    assert [label.get_text() for label in ax.get_yticklabels()] == record.target_tokens
    averaged = record.plot(layer=1, ax=Figure().subplots())
    assert torch.allclose(torch.tensor(averaged.images[0].get_array().data), record.weights[1].mean(0))


def test_plot_refuses_missing_heads(record):
    with pytest.raises(ValueError, match="layer must be 0 to 2"):
        record.plot(layer=3)
    with pytest.raises(ValueError, match="head must be 0 to 7"):
        record.plot(layer=0, head=8)
    with pytest.raises(ValueError, match="of which layer"):
        record.plot(head=1)


def test_its_repr_is_one_readable_line(record):
    assert repr(record).startswith("CrossAttention('Der Zahnarzthelfer schläft.' -> ")
    assert len(repr(record)) < 300


def test_norms_and_importance_are_kept_saved_and_merged(demo, tmp_path):
    model, tokenizer = demo
    sentences = ["Die Sportschuhe sind neu.", "Das Kind, das im Garten spielt, ist mein Sohn."]
    records = extract(model, tokenizer, sentences, value_norms=True, importance="gradient", batch_size=2)
    for record, sentence in zip(records, sentences, strict=True):
        target = tokenizer.decode(record.target.ids, skip_special_tokens=True)
        with capture(model, value_norms=True) as captured, torch.no_grad():
            inputs = tokenizer(sentence, return_tensors="pt")
            read = torch.tensor([record.targets["input"].ids])
            model(**inputs, decoder_input_ids=read)
        norms = torch.stack([layer[0] for layer in captured.value_norms])
        assert torch.allclose(record.value_norms, norms, atol=1e-5)
        expected = head_importance(model, tokenizer, sentence, target)
        assert torch.allclose(record.importance["gradient"], expected, rtol=1e-4, atol=1e-7)
        assert record.score("importance").signature == expected.signature
    loaded = load(records[0].contributions().save(tmp_path / "record.safetensors"))
    assert torch.equal(loaded.value_norms, records[0].value_norms)
    assert torch.equal(loaded.importance["gradient"], records[0].importance["gradient"])
    assert loaded.steps == ("contributions",)
    words = records[0].words()
    assert words.value_norms.shape == words.weights.shape
    assert torch.allclose(words.value_norms.sum(-1)[..., -1], records[0].value_norms.sum(-1)[..., -1])
    assert records[0].drop_special().value_norms.shape == records[0].drop_special().weights.shape


def test_norms_and_importance_are_not_kept_by_default(record):
    assert record.value_norms is None
    assert not record.importance


def test_importance_by_an_unknown_method_is_refused(demo):
    with pytest.raises(ValueError, match="'gradient' or 'ablation'"):
        extract(*demo, "Hallo.", importance="loss")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value_norms": torch.ones(1, 1, 2, 3)}, r"value_norms must have the weights' shape \[1, 1, 2, 2\]"),
        ({"importance": {"gradient": torch.ones(2)}}, r"importance by 'gradient' must be \[layers, heads\] = \[1, 1\]"),
    ],
)
def test_norms_and_importance_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        CrossAttention.from_tokens(torch.ones(1, 1, 2, 2) / 2, ["a", "b"], ["x", "y"], **fields)
