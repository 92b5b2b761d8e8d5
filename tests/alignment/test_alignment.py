"""Word alignments: links from attention, comparison with gold, Pharaoh files, the best heads, monotone paths."""

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from xattn_widget import (
    CrossAttention,
    GoldAlignment,
    alignment_error_rate,
    alignment_scores,
    best_alignment_heads,
    extract,
    load_demo,
    monotone_path,
    read_pharaoh,
    write_pharaoh,
)
from xattn_widget.alignment import align_weights
from xattn_widget.inputs.text.assigning import assign_words
from xattn_widget.record.axis import Axis

MATRIX = torch.tensor([[0.6, 0.3, 0.1], [0.5, 0.1, 0.4], [0.05, 0.9, 0.05], [0.35, 0.25, 0.4]])


def random_attention(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).mul(3).softmax(-1)


@pytest.mark.parametrize(
    ("method", "at_least", "expected"),
    [
        ("argmax", None, [(0, 0), (0, 1), (1, 2), (2, 3)]),
        ("argmax", 0.5, [(0, 0), (0, 1), (1, 2)]),
        ("mutual", None, [(0, 0), (1, 2), (2, 3)]),
        ("threshold", 0.35, [(0, 0), (0, 1), (0, 3), (1, 2), (2, 1), (2, 3)]),
        ("mass", 0.7, [(0, 0), (0, 1), (0, 3), (1, 0), (1, 2), (2, 1), (2, 3)]),
        ("assignment", None, [(0, 0), (1, 2), (2, 1)]),
        ("monotone", None, [(0, 0), (0, 1), (1, 2), (2, 3)]),
    ],
)
def test_methods_give_the_links_that_they_promise(method, at_least, expected):
    assert align_weights(MATRIX, method, at_least=at_least) == expected


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), seed=st.integers(0, 10**6))
def test_assignment_has_the_largest_sum_and_mutual_links_are_one_to_one(rows, columns, seed):
    weights = random_attention((rows, columns), seed)
    links = align_weights(weights, "assignment")
    tall, width = (weights, min(rows, columns)) if rows >= columns else (weights.T, rows)
    best = max(
        sum(float(tall[row, column]) for column, row in enumerate(order))
        for order in itertools.permutations(range(max(rows, columns)), width)
    )
    assert sum(float(weights[target, source]) for source, target in links) == pytest.approx(best, abs=1e-6)
    mutual = align_weights(weights, "mutual")
    assert len({source for source, _ in mutual}) == len({target for _, target in mutual}) == len(mutual)
    assert set(mutual) <= set(align_weights(weights, "argmax"))


def test_rows_without_weight_have_no_links():
    weights = torch.tensor([[0.0, 0.0], [torch.nan, torch.nan]])
    for method in ("argmax", "mutual", "threshold", "mass", "assignment", "monotone"):
        assert align_weights(weights, method) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((MATRIX, "softmax"), r"one of 'argmax'.*got 'softmax'"),
        ((MATRIX[0],), r"\[target, source\], got \[3\]"),
    ],
)
def test_arguments_that_cannot_be_aligned_are_reported(arguments, message):
    with pytest.raises(ValueError, match=message):
        align_weights(*arguments)
    with pytest.raises(ValueError, match="at_least must be in 0 to 1, got 3"):
        align_weights(MATRIX, at_least=3)


def small_record():
    """Source: a word of two pieces, a word of one, an end. Target: two words and an end, with both readings."""
    weights = torch.zeros(1, 2, 3, 4)
    weights[0, 0] = torch.tensor([[0.2, 0.3, 0.4, 0.1], [0.1, 0.1, 0.1, 0.7], [0.0, 0.0, 0.0, 1.0]])
    weights[0, 1] = torch.tensor([[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
    source = Axis(("ge", "lesen", "Buch", "</s>"), (False, False, False, True), (0, 0, 1, -1), ("gelesen", "Buch"))
    output = Axis(("read", "it", "</s>"), (False, False, True), (0, 1, -1), ("read", "it"))
    start = Axis(("<s>", "read", "it"), (True, False, False), (-1, 0, 1), ("read", "it"))
    return CrossAttention(weights, source, {"output": output, "input": start})


def test_a_record_aligns_words_or_tokens_by_any_heads_and_reading():
    record = small_record()
    assert record.align((0, 0)) == [(0, 0), (0, 1)]  # the two pieces together, 0.2 + 0.3, exceed 0.4
    assert record.align((0, 0), words=False) == [(0, 1), (2, 0)]
    assert record.align([(0, 1)]) == record.align((np.int64(0), torch.tensor(1))) == [(0, 1), (1, 0)]
    assert record.read_as("input").align((0, 1)) == [(0, 0)]
    assert record.align() == record.align([(0, 0), (0, 1)]) == [(0, 1), (1, 0)]
    assert record.align(aggregate="max") == [(0, 1), (1, 0)]


def test_special_tokens_are_kept_dropped_or_renormalized():
    record = small_record()
    assert record.align((0, 0), special="keep") == [(0, 0)]  # the second word attends to the end of sentence
    assert record.align((0, 0), special="drop", method="threshold", at_least=0.5) == [(0, 0)]
    assert record.align((0, 0), special="renormalize", method="threshold", at_least=0.5) == [(0, 0), (0, 1)]


def test_unknown_heads_and_options_are_reported():
    record = small_record()
    with pytest.raises(ValueError, match="no layer 1 head 0: layers are 0 to 0, heads are 0 to 1"):
        record.align((1, 0))
    with pytest.raises(ValueError, match=r"\(layer, head\) pair or a list"):
        record.align(3)
    with pytest.raises(ValueError, match="'mean' or 'max'"):
        record.align(aggregate="sum")
    with pytest.raises(ValueError, match=r"keep.*drop.*renormalize"):
        record.align(special="fade")


# A worked example: 3 sure and 2 only possible links; 4 predicted links, of which 2 are sure and 1 is only possible.
SURE = {(0, 0), (1, 1), (2, 2)}
POSSIBLE = SURE | {(3, 2), (3, 3)}
PREDICTED = [(0, 0), (1, 1), (3, 3), (4, 4)]


def test_error_rate_precision_and_recall_of_a_worked_example():
    scores = alignment_scores(PREDICTED, SURE, POSSIBLE)
    assert scores.aer == pytest.approx(1 - (2 + 3) / (4 + 3))
    assert (scores.precision, scores.recall) == (3 / 4, pytest.approx(2 / 3))
    assert scores.f1 == pytest.approx(2 * (3 / 4) * (2 / 3) / (3 / 4 + 2 / 3))
    assert scores[4:] == (4, 3, 5, 1)
    assert alignment_error_rate(PREDICTED, SURE, POSSIBLE - SURE) == scores.aer  # sure links count as possible


def test_a_corpus_sums_counts_instead_of_averaging_sentences():
    corpus = alignment_scores([PREDICTED, [], SURE], [SURE, {(0, 0)}, SURE], [POSSIBLE, [], SURE])
    assert corpus.aer == pytest.approx(1 - ((2 + 0 + 3) + (3 + 0 + 3)) / ((4 + 0 + 3) + (3 + 1 + 3)))
    assert corpus.sentences == 3


@given(
    sure=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1),
    possible=st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4))),
    generator=st.randoms(use_true_random=False),
)
def test_links_between_sure_and_possible_have_no_error(sure, possible, generator):
    between = sure | {link for link in sorted(possible) if generator.random() < 0.5}
    assert alignment_error_rate(between, sure, possible) == 0
    outside = {(source + 9, target) for source, target in sure}
    assert alignment_error_rate(outside, sure, possible) == 1


def test_two_empty_alignments_have_no_error_rate():
    assert np.isnan(alignment_error_rate([], []))
    assert alignment_error_rate([], SURE) == 1


def test_gold_that_does_not_match_is_reported():
    with pytest.raises(ValueError, match="2 predicted alignments and 1 gold"):
        alignment_error_rate([PREDICTED, PREDICTED], [SURE])
    with pytest.raises(ValueError, match="1 sure and 2 possible"):
        alignment_error_rate([PREDICTED], [SURE], [SURE, SURE])
    for wrong in ([0.5], [(0, 1, 2)], [[(0, 1.5)]], [None], [["0-0"]]):
        with pytest.raises(TypeError, match=r"predicted must be links: a Pharaoh string.*pairs from 0; got"):
            alignment_error_rate(wrong, [SURE])
    with pytest.raises(ValueError, match=r"sure has '0:1', expected links such as 0-1"):
        alignment_error_rate([PREDICTED], ["0-0 0:1"])


def test_gold_counts_the_same_in_every_form():
    """As a line, pairs, a set, an array, an alignment and an object of another library: alone and in a list."""
    line, sure, possible = "0-0 1-1 2p1", {(0, 0), (1, 1)}, {(2, 1)}
    alignment = GoldAlignment(frozenset(sure), frozenset(possible))  # sure links count as possible, listed or not
    other = SimpleNamespace(sure=sorted(sure), possible=np.array(sorted(possible)))
    predicted = [(0, 0), (2, 1), (3, 2)]
    expected = alignment_scores(predicted, sure, possible)
    assert expected.possible == 3
    for form in (line, alignment, other):
        assert alignment_scores(predicted, form) == expected
        assert alignment_scores([predicted, "0-0 2-1 3-2"], [form, form]) == alignment_scores(
            [predicted] * 2, [sure] * 2, [possible] * 2
        )
    for form in ("0-0 1-1", sorted(sure), np.array(sorted(sure))):
        assert alignment_scores(predicted, form, "2-1") == expected


links = st.frozensets(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=6)
alignments = st.lists(st.builds(lambda sure, possible: GoldAlignment(sure, sure | possible), links, links))


def test_heads_are_ranked_by_gold_lines():
    record = extract(*load_demo(), "Ich habe das Buch gelesen.")
    gold = "0-0 1p1 2-2"
    ranked = best_alignment_heads([record, record], [gold, gold])
    assert ranked == best_alignment_heads([record] * 2, [[(0, 0), (2, 2)]] * 2, [[(1, 1)]] * 2)


@given(
    gold=st.lists(st.builds(lambda sure, possible: GoldAlignment(sure, sure | possible), links, links)),
    first=st.sampled_from([0, 1]),
)
@pytest.mark.filterwarnings("ignore:.*if it counts from 1")  # random links may look as if they do
def test_pharaoh_files_read_back_as_written(gold, first, tmp_path_factory):
    path = write_pharaoh(tmp_path_factory.mktemp("pharaoh") / "gold", gold, first=first)
    assert read_pharaoh(path, first=first) == gold


def test_pharaoh_counts_from_zero_or_one_and_names_invalid_links(tmp_path):
    path = tmp_path / "gold"
    path.write_text("1-1 2p1\n\n3-2\n")
    first, empty, last = read_pharaoh(path, first=1)
    assert first == GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0), (1, 0)}))
    assert empty.possible == frozenset()
    assert last.sure == {(2, 1)}
    assert write_pharaoh(path, [[(1, 0), (0, 0)]], first=1).read_text() == "1-1 2-1\n"
    path.write_text("0-0\n0-1 1:2\n")
    with pytest.raises(ValueError, match=r"line 2 of .* has '1:2', expected links such as 0-1 or 0p1"):
        read_pharaoh(path)
    with pytest.raises(ValueError, match=r"line 1 .* '0-0': its words count from 0"):
        read_pharaoh(path, first=1)
    with pytest.raises(ValueError, match="first must be 0 or 1"):
        read_pharaoh(path, first=2)


def paths(rows, columns):
    """Return every monotone path through a matrix."""
    if rows == columns == 1:
        return [[(0, 0)]]
    longer_paths = []
    for down, across in ((1, 1), (1, 0), (0, 1)):
        if (rows > down and columns > across) or (rows - down >= 1 and columns - across >= 1):
            longer_paths += [[*path, (rows - 1, columns - 1)] for path in paths(rows - down, columns - across)]
    return longer_paths


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(1, 5), columns=st.integers(1, 5), seed=st.integers(0, 10**6))
def test_the_monotone_path_has_the_largest_sum_of_all(rows, columns, seed):
    weights = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)).double()
    path = [tuple(cell) for cell in monotone_path(weights).tolist()]
    candidates = paths(rows, columns)
    assert path in candidates
    best = max(sum(float(weights[cell]) for cell in candidate) for candidate in candidates)
    assert sum(float(weights[cell]) for cell in path) == pytest.approx(best)


def test_a_long_monotone_path_has_the_sum_of_the_plain_recurrence():
    weights = random_attention((40, 150), 0)
    total = np.full((41, 151), -np.inf)
    total[0, 0] = 0
    for row in range(1, 41):
        for column in range(1, 151):
            best = max(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = best + float(weights[row - 1, column - 1])
    path = monotone_path(weights)
    assert float(weights.double()[path[:, 0], path[:, 1]].sum()) == pytest.approx(total[40, 150])


def test_paths_through_empty_or_undefined_weights_are_refused():
    with pytest.raises(ValueError, match=r"\[target, source\], neither of them 0, got \[0, 3\]"):
        monotone_path(torch.ones(0, 3))
    with pytest.raises(ValueError, match="hold NaN"):
        monotone_path(torch.full((2, 2), torch.nan))


def test_the_gold_file_matches_its_sentences(measured):
    _, gold, pairs = measured
    assert len(gold) == len(pairs) >= 40
    for alignment, (source, target) in zip(gold, pairs, strict=True):
        assert all(link[0] < len(source) and link[1] < len(target) for link in alignment.possible)
        assert alignment.sure <= alignment.possible


def test_the_best_head_of_the_demo_model_is_found_with_and_without_gold(measured):
    records, gold, _ = measured
    by_gold = best_alignment_heads(records, gold)
    assert by_gold[0][:3] == (0, 6, "input")
    assert by_gold[0].value == pytest.approx(0.183, abs=0.01)
    assert by_gold[0].measure == "aer"
    assert len(by_gold) == 3 * 8 * 2
    guessed = best_alignment_heads(records)
    assert [entry[:3] for entry in guessed[:2]] == [entry[:3] for entry in by_gold[:2]]
    by_norm = best_alignment_heads(records, by="alignment_norm")
    assert by_norm[0][:2] == (0, 6)
    assert by_norm[0].measure == "alignment_norm"


def test_the_guess_correlates_with_the_error_rate_over_all_heads(measured):
    records, gold, _ = measured
    rates = {entry[:3]: entry.value for entry in best_alignment_heads(records, gold)}
    guesses = best_alignment_heads(records)
    ranks = np.argsort(np.argsort([rates[entry[:3]] for entry in guesses]))
    assert np.corrcoef(np.arange(len(ranks)), ranks)[0, 1] > 0.55


def test_the_layers_have_the_error_rates_of_the_readme(measured):
    records, gold, _ = measured
    last = [(2, head) for head in range(8)]
    assert alignment_scores([record.align(last) for record in records], gold).aer == pytest.approx(0.208, abs=0.01)
    best = alignment_scores([record.align(last, method="assignment") for record in records], gold)
    assert best.aer == pytest.approx(0.091, abs=0.01)
    other = [record.read_as("input").align(last) for record in records]
    assert alignment_error_rate(other, gold) > 0.7


def test_ranking_needs_records_of_one_model_and_one_criterion(measured):
    records, gold, _ = measured
    with pytest.raises(ValueError, match="no records"):
        best_alignment_heads([])
    with pytest.raises(ValueError, match="not both"):
        best_alignment_heads(records, gold, by="entropy")
    with pytest.raises(ValueError, match="possible links add to sure ones"):
        best_alignment_heads(records, possible=gold)
    with pytest.raises(ValueError, match="one model"):
        best_alignment_heads([records[0], small_record()])


def test_given_words_are_matched_by_their_letters():
    model, tokenizer = load_demo()
    record = extract(model, tokenizer, "Ich habe's nicht gesehen.", "I didn't see it.")
    words = record.with_words(
        source=["Ich", "habe", "'s", "nicht", "gesehen", "."], target=["I", "did", "n't", "see", "it", "."]
    )
    assert [word.text for word in words.source_words] == ["Ich", "habe", "'s", "nicht", "gesehen", "."]
    assert words.words().source_tokens == ["Ich", "habe", "'s", "nicht", "gesehen", ".", "</s>"]
    assert {target for _, target in words.align((2, 6))} <= set(range(6))
    same = record.with_words(source=[word.text for word in record.source_words])
    assert same.source.groups == record.source.groups
    with pytest.raises(ValueError, match="are not those of"):
        record.with_words(source=["Zwölf", "Boxkämpfer", "jagen", "Viktor"])


def test_pieces_without_letters_stay_with_their_word():
    axis = Axis(
        ("␣", "<unk>", "ist", "gut", "</s>"),
        (False, False, False, False, True),
        (0, 0, 1, 2, -1),
        ("<unk>", "ist", "gut"),
    )
    assert assign_words(axis, ["你", "ist", "gut"]).groups == (0, 0, 1, 2, -1)
    # A word without pieces of its own keeps its number.
    spelled = assign_words(axis, ["你", "好", "ist", "gut"])
    assert spelled.groups[2:] == (2, 3, -1)
    assert [word.text for word in spelled.word_spans()][-2:] == ["ist", "gut"]


def test_assignment_without_scipy_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    with pytest.raises(ImportError, match=r"xattn-widget\[alignment\]"):
        align_weights(MATRIX, "assignment")
