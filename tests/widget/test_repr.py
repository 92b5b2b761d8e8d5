"""What ``print`` shows of the widgets."""

import pytest
import torch

from xattn_widget import CrossAttention, CrossAttentionWidget, show_corpus

HOSTILE = ["a\nb", "\x1b[31mred", "\u202egnp", "\ud800", "<b>'\""]


def record_of(source, target):
    return CrossAttention.from_tokens(torch.ones(2, 3, len(target), len(source)), source, target)


def test_a_widget_is_printed_with_its_sentence_and_heads():
    widget = CrossAttentionWidget(record_of(["Ein", "Hund"], ["A", "dog"]), heads=[(1, 0), (0, 2)])
    assert repr(widget) == "CrossAttentionWidget('Ein Hund' -> 'A dog', heads [(1, 0), (0, 2)])"
    widget.heads = [(layer, head) for layer in range(2) for head in range(3)]
    assert repr(widget).endswith("-> 'A dog', 6 heads)")
    widget = CrossAttentionWidget([record_of(["Ja"], ["Yes"]), record_of(["Nein"], ["No"])], heads=[(0, 0)])
    widget.sentence = 1
    assert str(widget) == "CrossAttentionWidget(sentence 2 of 2: 'Nein' -> 'No', heads [(0, 0)])"


def test_ranks_in_words_count_from_the_better_end():
    weights = torch.full((1, 4, 2, 2), 0.5)
    weights[0, 0] = torch.eye(2)
    record = CrossAttention.from_tokens(weights, ["Ein", "Hund"], ["A", "dog"])
    lines = CrossAttentionWidget(record, scores=["entropy"]).summary().split("\n")
    assert lines[-1].startswith("lowest: layer 0 head 0 (0), 2= layer 0 head 3")


def test_a_printed_widget_is_one_short_line_whatever_the_tokens():
    widget = CrossAttentionWidget(record_of(HOSTILE * 100, HOSTILE * 100))
    assert repr(widget).isprintable()
    assert len(repr(widget)) < 600
    assert repr(widget).encode()


def test_a_widget_that_was_not_made_can_be_printed():
    widget = CrossAttentionWidget.__new__(CrossAttentionWidget)
    assert repr(widget) == "CrossAttentionWidget()"
    with pytest.raises(TypeError):
        widget.__init__(3)
    assert repr(widget) == "CrossAttentionWidget()"


def test_a_corpus_view_is_printed_with_its_ranking(table, demo):
    view = show_corpus(table, *demo)
    view.score_name = "logprob_sum"
    assert repr(view) == f"CorpusView({table.num_rows} sentences by 'logprob_sum', lowest first)"
    view.lowest_first = False
    assert repr(view).endswith("highest first)")
