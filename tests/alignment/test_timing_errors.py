"""Errors of word times against gold."""

import math

import pytest

from xattn_widget import WordTime, word_time_errors


def said(text, step=0.4, start=0.0):
    return [WordTime(word, start + i * step, start + (i + 0.9) * step, 1.0) for i, word in enumerate(text.split())]


def test_errors_follow_their_definition():
    gold = [WordTime("The", 0, 1, None), WordTime("cat", 1, 2, None), WordTime("sat", 2, 3, None)]
    rows = [(" the,", 0.05, 1.1), ("—", 1, 1), ("CAT", 0.7, 2), ("x", 2, 3)]
    predicted = [WordTime(*row, 1) for row in rows]
    errors = word_time_errors(predicted, gold)
    assert (errors.matched, errors.predicted, errors.gold) == (2, 3, 3)
    assert errors.start_error == pytest.approx((0.05 + 0.3) / 2)
    assert errors.end_error == pytest.approx((0.1 + 0) / 2)
    assert errors.start_bias == pytest.approx((0.05 - 0.3) / 2)
    assert errors.end_bias == pytest.approx(0.05)
    # Of four matched boundaries, those within 50, 100 and 200 ms are 2, 3 and 3; each side has six.
    for shares in (errors.precision, errors.recall, errors.f1):
        assert shares == pytest.approx({0.05: 2 / 6, 0.1: 3 / 6, 0.2: 3 / 6})
    assert repr(errors) == (
        "WordTimeErrors(start 0.175 s, end 0.050 s, bias -0.125 and +0.050 s; F1 33.3% within 50 ms, 50.0% within "
        "100 ms, 50.0% within 200 ms; 2 words matched of 3 predicted and 3 gold)"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [("Ｃａｆé", "cafe\u0301"), ("STRASSE", "straße"), ("don’t", "don't"), ("हिन्दी।", "हिन्दी")],
)
def test_words_are_compared_without_case_punctuation_and_unicode_form(one, other):
    errors = word_time_errors([WordTime(one, 0, 1, 1)], [WordTime(other, 0, 1, 1)], tolerances=[0.01])
    assert errors.f1 == {0.01: 1}
    assert word_time_errors([WordTime("हिन्दी", 0, 1, 1)], [WordTime("हन्दी", 0, 1, 1)]).matched == 0


def test_errors_over_recordings_count_every_word_equally():
    first, second = said("a b c"), said("d", start=3)
    late = [time._replace(start=time.start + 0.1) for time in second]
    errors = word_time_errors([first, late], [first, second])
    assert errors.start_error == pytest.approx(0.1 / 4)
    assert errors.f1[0.05] == pytest.approx(7 / 8)
    assert errors == word_time_errors(first + late, first + second)
    with pytest.raises(ValueError, match="2 predicted recordings and 1 gold"):
        word_time_errors([first, late], first)


def test_errors_without_words_are_nan():
    errors = word_time_errors([], said("a"))
    assert math.isnan(errors.start_error)
    assert math.isnan(errors.precision[0.05])
    assert errors.recall[0.05] == errors.f1[0.05] == 0
    assert math.isnan(word_time_errors([], []).f1[0.1])
    with pytest.raises(ValueError, match="tolerances must be positive"):
        word_time_errors([], [], tolerances=[0])
    with pytest.raises(TypeError, match=r"gold must have WordTime.*got 'a'"):
        word_time_errors([], ["a"])
