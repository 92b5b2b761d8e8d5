"""Policies that leave out punctuation, or what a function says, and the mass on tokens of single kinds."""

from __future__ import annotations

import string
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import CrossAttention, best_alignment_heads, extract, load, load_demo, score
from xattn_widget.record.axis import Axis
from xattn_widget.scores import BUILTIN, reference_marginals

SOURCE = ("deu_Latn", "Ja", ",", "gern", "!", "</s>")
TARGET = ("eng_Latn", "Yes", ",", "gladly", ".", "</s>")
CONTENT = [1, 3]
SENTENCES = ["Ja, gern!", "Wann kommst du?", 'Er sagte: "Nein."']


@pytest.fixture(scope="module")
def record() -> CrossAttention:
    weights = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0)).softmax(-1)
    flags = (True, False, False, False, False, True)
    axes = (Axis(labels, special=flags) for labels in (SOURCE, TARGET))
    return CrossAttention.from_tokens(weights, *axes)


@pytest.fixture(scope="module")
def demo_records() -> list[CrossAttention]:
    return extract(*load_demo(), SENTENCES)


def no_ja(text: str) -> bool:
    return text == "Ja"


def test_punctuation_is_left_out_like_special_tokens(record: CrossAttention) -> None:
    left = record.weights[:, :, CONTENT][..., CONTENT].double()
    dropped = record.score("confidence", special="drop_punctuation")
    torch.testing.assert_close(dropped.double(), left.amax(-1).mean(-1), atol=1e-6, rtol=0)
    renormalized = record.score("confidence", special="renormalize_punctuation")
    expected = (left / left.sum(-1, keepdim=True)).amax(-1).mean(-1)
    torch.testing.assert_close(renormalized.double(), expected, atol=1e-6, rtol=0)
    assert dropped.signature == "confidence|special:drop_punctuation|v:1"


def test_a_function_says_what_is_left_out(record: CrossAttention) -> None:
    kept = record.weights[:, :, 1:5][..., 2:5].double()  # "Ja" is in the source alone
    found = record.score("confidence", special=no_ja)
    torch.testing.assert_close(found.double(), (kept / kept.sum(-1, keepdim=True)).amax(-1).mean(-1), atol=1e-6, rtol=0)
    dropped = record.score("confidence", special=("drop", no_ja))
    torch.testing.assert_close(dropped.double(), kept.amax(-1).mean(-1), atol=1e-6, rtol=0)
    assert found.signature.startswith("confidence|special:renormalize_no_ja/")
    # The signature has a hash of the code, and two functions of one name are told apart.
    others = [record.score("confidence", special=lambda text, word=word: text == word).signature for word in "ab"]
    assert others[0] != others[1]
    assert others[0].startswith("confidence|special:renormalize_lambda/")


@given(st.text(min_size=1, max_size=4))
def test_punctuation_is_what_unicode_says(text: str) -> None:
    weights = torch.full((1, 1, 1, 2), 0.5)
    record = CrossAttention.from_tokens(weights, ["word", text], ["word"])
    visible = "".join(text.split())
    expected = bool(visible) and all(unicodedata.category(character)[0] == "P" for character in visible)
    assert float(record.score("punctuation_mass")) == (0.5 if expected else 0.0)


def test_records_without_punctuation(record: CrossAttention, tmp_path) -> None:
    content = record.drop_special(also="punctuation")
    assert content.source_tokens == ["Ja", "gern"]
    assert content.target_tokens == ["Yes", "gladly"]
    assert content.steps == ("renormalize_punctuation",)
    torch.testing.assert_close(content.score("entropy"), record.score("entropy", special="renormalize_punctuation"))
    dropped = record.drop_special(renormalize=False, also=no_ja)
    assert dropped.source_tokens == [",", "gern", "!"]
    for changed in (content, dropped):
        assert load(changed.save(tmp_path / "record.safetensors")).steps == changed.steps
    with pytest.raises(ValueError, match="every position of the source is special or left out"):
        record.drop_special(also=lambda text: True)
    with pytest.raises(ValueError, match="also must be 'punctuation' or a function"):
        record.drop_special(also="words")


def test_links_of_punctuation_are_left_out(demo_records: list[CrossAttention]) -> None:
    for record in demo_records:
        words = record.words()
        marks = [
            {index for index, word in enumerate(axis.words) if all(letter in string.punctuation for letter in word)}
            for axis in (words.source, words.target)
        ]
        links = record.align((2, 4), special="renormalize_punctuation")
        assert links
        assert not any(source in marks[0] or target in marks[1] for source, target in links)
        assert any(source in marks[0] for source, _ in record.align())
        everything = record.align((2, 4), special=lambda text: True)
        assert everything == []


def test_heads_are_ranked_and_references_made_without_punctuation(demo_records: list[CrossAttention]) -> None:
    ranked = best_alignment_heads(demo_records, special="renormalize_punctuation")
    assert len(ranked) == 48
    reference = reference_marginals(demo_records, special="drop_punctuation")
    assert reference.special == "drop_punctuation"
    lengths = [
        len([label for label in record.drop_special().target_tokens if not set(label) <= set(string.punctuation)])
        for record in demo_records
    ]
    assert list(reference.target_lengths) == lengths


def test_the_mass_on_each_kind_of_token(record: CrossAttention) -> None:
    for name, columns in {
        "end_mass": [5],
        "language_mass": [0],
        "punctuation_mass": [2, 4],
        "sink_mass": [0, 5],
    }.items():
        torch.testing.assert_close(record.score(name), record.weights[..., columns].sum(-1).mean(-1))
        rows = CONTENT if name == "punctuation_mass" else [1, 2, 3, 4]
        policy = "drop_punctuation" if name == "punctuation_mass" else "drop"
        expected = record.weights[:, :, rows][..., columns].sum(-1).mean(-1)
        torch.testing.assert_close(record.score(name, special=policy), expected)
        with pytest.raises(ValueError, match=f"{name} measures .* has no meaning"):
            record.score(name, special="renormalize_punctuation")


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("</s>", "end_mass"),
        ("<eos>", "end_mass"),
        ("[SEP]", "end_mass"),
        ("<|endoftext|>", "end_mass"),
        ("<end_of_turn>", "end_mass"),
        ("de_DE", "language_mass"),
        ("__de__", "language_mass"),
        (">>deu<<", "language_mass"),
        ("<|de|>", "language_mass"),
        ("<2de>", "language_mass"),
        ("zho_Hans", "language_mass"),
        ("<s>", None),
        ("<pad>", None),
        ("[CLS]", None),
        ("<|startoftranscript|>", None),
        ("<extra_id_0>", None),
    ],
)
def test_special_tokens_are_recognized_by_their_names(label: str, name: str | None) -> None:
    source = Axis((label, "word"), special=(True, False))
    record = CrossAttention.from_tokens(torch.full((1, 1, 1, 2), 0.5), source, ["word"])
    for kind in ("end_mass", "language_mass"):
        assert float(record.score(kind)) == (0.5 if kind == name else 0.0)
    word = CrossAttention.from_tokens(torch.full((1, 1, 1, 2), 0.5), [label, "word"], ["word"])
    assert float(word.score("end_mass") + word.score("language_mass")) == 0.0


def test_policies_on_tensors_need_what_they_leave_out(record: CrossAttention) -> None:
    entropy = BUILTIN["entropy"]
    flags = {side: getattr(record, f"{side}_special") for side in ("source", "target")}
    with pytest.raises(ValueError, match="special='drop_punctuation' needs source_left_out and target_left_out"):
        entropy(record.weights, special="drop_punctuation", **{f"{side}_special": flags[side] for side in flags})
    content = torch.tensor([index not in CONTENT for index in range(6)])
    found = entropy(record.weights, special="drop_punctuation", source_left_out=content, target_left_out=content)
    torch.testing.assert_close(found, record.score("entropy", special="drop_punctuation"))


def test_bad_policies_are_refused(record: CrossAttention) -> None:
    with pytest.raises(ValueError, match="no policy special='punctuation'; use 'keep', 'drop' or"):
        record.score("entropy", special="punctuation")
    with pytest.raises(ValueError, match="takes 'drop' or 'renormalize' and a function"):
        record.score("entropy", special=("keep", no_ja))
    with pytest.raises(TypeError, match="special must be a policy or a function of a token's text, got 3"):
        record.score("entropy", special=3)
    with pytest.raises(TypeError, match="must return True or False, got None"):
        record.score("entropy", special=lambda text: None)


def test_a_score_of_the_user_sees_what_remains(record: CrossAttention) -> None:
    @score
    def columns(attention, source_mask, target_mask):
        return source_mask.sum() + 0 * attention.sum((-2, -1))

    assert (record.score(columns, special="drop_punctuation") == 2).all()
