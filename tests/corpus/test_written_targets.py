"""score_corpus with a function that writes the targets: the table is that of the same targets, given in advance."""

from __future__ import annotations

import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from corpus_pool import ENGLISH, GERMAN, assert_same_tables
from families import PAIRS
from image_models import image_model, picture
from sound_corpus import CLIP_TEXTS, GIVEN

from xattn_widget import load_demo, profile_heads, score_corpus
from xattn_widget.corpus import corpus_info, grids

OPTIONS = {"scores": ["coverage_penalty", "entropy"], "statistics": ["logprob_sum"], "window": 3}
TRANSLATIONS = dict(zip(GERMAN, ENGLISH, strict=True))

pytestmark = pytest.mark.usefixtures("single_thread")


def translate(sources):
    return [TRANSLATIONS[source] for source in sources]


class Log:
    """Records what a function was called with; it does not count for the fingerprint."""

    def __init__(self):
        self.calls, self.threads, self.broken = [], set(), False


@pytest.fixture(scope="module")
def given(demo):
    return score_corpus(*demo, GERMAN, ENGLISH, **OPTIONS)


def ids_of(tokenizer, texts):
    return [list(ids) for ids in tokenizer(text_target=list(texts))["input_ids"]]


def test_texts_are_given_targets(demo, given):
    log = Log()

    def write(sources):
        log.calls.append(sources)
        log.threads.add(threading.current_thread())
        return (text for text in translate(sources))

    table = score_corpus(*demo, GERMAN, write, **OPTIONS)
    assert_same_tables(table, given)
    assert log.calls == [GERMAN[:3], GERMAN[3:6], GERMAN[6:]]  # one call for each window
    assert threading.current_thread() not in log.threads
    assert corpus_info(table)["job"]["targets"].startswith("written by write ")


@pytest.mark.parametrize(
    "form",
    [
        lambda ids: ids,
        lambda ids: ids[:-1],  # as CTranslate2 returns them
        lambda ids: tuple(ids),
        lambda ids: np.array(ids),
        lambda ids: torch.tensor([*ids, 0, 0]),
        lambda ids: [*ids, ids[-1], 17],  # nothing is read after the end
    ],
    ids=["as generate returns them", "without the end", "tuple", "array", "padded tensor", "after the end"],
)
def test_ids_are_given_targets(demo, given, form):
    table = score_corpus(
        *demo, GERMAN, lambda sources: [form(ids) for ids in ids_of(demo.tokenizer, translate(sources))], **OPTIONS
    )
    assert_same_tables(table, given)


def test_the_batches_that_generate_returns_give_the_table_of_generated_targets(demo):
    """They are padded, and have a segmentation of their own."""

    def write(sources):
        batch = demo.tokenizer(sources, padding=True, return_tensors="pt")
        written = demo.model.generate(**batch, num_beams=1, do_sample=False, max_new_tokens=60)
        return written[:, 1:]

    table = score_corpus(*demo, GERMAN, write, **OPTIONS)
    expected = score_corpus(*demo, GERMAN, **OPTIONS, generation={"max_new_tokens": 60})
    for name in ("target", "target_length"):
        assert table[name].equals(expected[name])
    for name in OPTIONS["scores"]:
        np.testing.assert_allclose(grids(table, name), grids(expected, name), atol=1e-5)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("ends", [True, False])
def test_ids_of_every_family_end_as_texts_do(name, ends, tmp_path):
    """Also those of tokenizers that put a language after the end symbol."""
    pair = PAIRS[name](tmp_path)

    def write(sources):
        rows = ids_of(pair.tokenizer, translate(sources))
        end = pair.tokenizer.eos_token_id
        last = [max((place for place, token in enumerate(ids) if token == end), default=len(ids)) for ids in rows]
        return [ids[: stop + ends] for ids, stop in zip(rows, last, strict=True)]

    expected = score_corpus(*pair, GERMAN[:3], ENGLISH[:3], **OPTIONS)
    table = score_corpus(*pair, GERMAN[:3], write, **OPTIONS)
    assert table["error"].to_pylist() == expected["error"].to_pylist() == [None] * 3
    for column in ["target_length", "logprob_sum"]:
        assert table[column].equals(expected[column])
    for score in OPTIONS["scores"]:
        np.testing.assert_array_equal(grids(table, score), grids(expected, score))


def test_a_function_is_not_called_for_sources_that_cannot_be_read(demo):
    log = Log()

    def write(sources):
        log.calls.append(sources)
        return translate(sources)

    table = score_corpus(*demo, [None, "", "Ja.", " ", None, b"\xff"], write, **OPTIONS)
    assert log.calls == [["Ja."]]
    assert table["target"].to_pylist() == [None, None, "Yes.", None, None, None]
    assert table["error"].null_count == 1


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (None, "target is not a text or a list of token ids: the function returned NoneType None"),
        (7, "target is not a text or a list of token ids: the function returned int 7"),
        (b"Yes.", "target is not a text or a list of token ids: the function returned bytes b'Yes.'"),
        ([3, "4"], "target is not a text or a list of token ids: the function returned list [3, '4']"),
        ([3, 4.0], "target is not a text or a list of token ids: the function returned list [3, 4.0]"),
        ([True], "target is not a text or a list of token ids: the function returned list [True]"),
        (" ", "target is empty: ' ' has no tokens to look at"),
        ("\ud800", "target is not valid UTF-8"),
        ([], "target is empty: "),
        ([-1, 5], "target has the token id -1, and the model embeds ids from 0 to "),
        ([5, 10**7], "target has the token id 10000000, and the model embeds ids from 0 to "),
        ([5] * 30, "target has 31 tokens, the limit is 30 positions"),
        ("start", "target begins with the decoder's start symbol: leave out the token id "),
    ],
)
def test_a_target_that_is_none_is_an_error_of_its_row(demo, target, error):
    if target == "start":
        target = [demo.model.config.decoder_start_token_id, 5]

    def write(sources):
        return [target if source == "Ja." else TRANSLATIONS[source] for source in sources]

    table = score_corpus(*demo, ["Hallo!", "Ja."], write, max_length=30, **OPTIONS)
    errors = table["error"].to_pylist()
    assert errors[0] is None
    assert errors[1].startswith(error)
    with pytest.raises(ValueError, match="row 1 cannot be scored: target"):
        score_corpus(*demo, ["Hallo!", "Ja."], write, max_length=30, on_error="raise", **OPTIONS)


@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (lambda sources: ["Yes."], ValueError, "called with 2 sources and returned 1 targets"),
        (lambda sources: ["Yes."] * 3, ValueError, "called with 2 sources and returned 3 targets"),
        (lambda sources: None, TypeError, "must return a list .* got NoneType for 2 sources"),
        (lambda sources: "Yes.", TypeError, "must return a list .* got str for 2 sources"),
        (lambda sources: {}["missing"], KeyError, "missing"),
        (lambda sources: next(iter(())), RuntimeError, "StopIteration"),
    ],
)
def test_a_function_that_fails_stops_the_job(demo, write, error, message):
    with pytest.raises(error, match=message):
        score_corpus(*demo, ["Hallo!", "Ja."], write, **OPTIONS)


def test_a_job_resumes_after_the_function_has_failed(demo, given, tmp_path):
    output, log = tmp_path / "scored.parquet", Log()
    log.broken = True

    def write(sources):
        log.calls.append(sources)
        if log.broken and GERMAN[6] in sources:
            raise ConnectionError("the service is down")
        return translate(sources)

    def other(sources):
        return [TRANSLATIONS[source].upper() for source in sources]

    with pytest.raises(ConnectionError, match="the service is down"):
        score_corpus(*demo, GERMAN, write, output=output, **OPTIONS)
    with pytest.raises(ValueError, match=r"cannot resume.*targets was written by write \w+, now it is written by othe"):
        score_corpus(*demo, GERMAN, other, output=output, **OPTIONS)
    log.broken, log.calls = False, []
    score_corpus(*demo, GERMAN, write, output=output, **OPTIONS)
    assert log.calls == [GERMAN[6:]]
    assert_same_tables(pq.read_table(output), given)
    assert score_corpus(*demo, GERMAN, write, output=output, **OPTIONS) == output
    assert log.calls == [GERMAN[6:]]
    for targets in (other, ENGLISH, None):
        with pytest.raises(FileExistsError, match=r"belongs to another job: .*targets was written by write"):
            score_corpus(*demo, GERMAN, targets, output=output, **OPTIONS)


def test_a_function_is_the_same_after_its_tokenizer_has_been_used(tmp_path):
    output, (model, tokenizer) = tmp_path / "scored.parquet", load_demo()

    def write(sources):
        return ids_of(tokenizer, translate(sources))

    for _ in range(2):  # the table needs the texts of the ids, and Marian's tokenizer notes that it has decoded
        assert score_corpus(model, tokenizer, GERMAN, write, output=output, **OPTIONS) == output


def test_arguments_that_have_no_use_beside_a_function(demo):
    with pytest.raises(ValueError, match="generation has no use when targets are written by a function"):
        score_corpus(*demo, GERMAN, translate, generation={"num_beams": 2}, **OPTIONS)
    with pytest.raises(ValueError, match="targets is a function and target_column is 'en'"):
        score_corpus(*demo, [{"source": "Ja.", "en": "Yes."}], translate, target_column="en", **OPTIONS)
    with pytest.raises(ValueError, match="pass one prompt for all"):
        score_corpus(*image_model("pix2struct"), [picture(40, 20)], translate, prompt=["Which?"])


def test_a_function_is_called_with_paths_of_recordings(whisper, paths, direct):
    texts = {str(path): text for path, text in zip(paths, CLIP_TEXTS, strict=True)}
    table = score_corpus(*whisper, paths, lambda sources: [texts[source] for source in sources], **GIVEN)
    assert_same_tables(table, direct)


def test_a_function_is_called_with_pictures_in_memory():
    pair, pictures = image_model("vit"), [picture(120, 40), picture(80, 30)]
    log = Log()

    def write(sources):
        log.calls.append(sources)
        return ["tisch"] * len(sources)

    table = score_corpus(*pair, pictures, write, "entropy")
    assert_same_tables(table, score_corpus(*pair, pictures, ["tisch"] * 2, "entropy"))
    assert [source.size for source in log.calls[0]] == [image.size for image in pictures]


def test_heads_are_profiled_with_a_function(demo):
    expected = profile_heads(*demo, GERMAN, ENGLISH, scores="entropy", progress=False)
    profile = profile_heads(*demo, GERMAN, translate, scores="entropy", progress=False)
    assert profile.roles == expected.roles
    np.testing.assert_array_equal(profile.quantiles("entropy"), expected.quantiles("entropy"))
    np.testing.assert_array_equal(profile.agreement, expected.agreement)
