"""The widget seen from Python: traits, requests, scores added later, and what stands in where widgets do not run."""

import base64
import math

import numpy as np
import pytest
import torch
from traitlets import TraitError

from xattn_widget import CrossAttention, CrossAttentionWidget, extract, load_demo, score, show_cross_attention
from xattn_widget.record.axis import Axis

SENTENCES = ["Ich habe das Buch gelesen.", "Das Kind, das im Garten spielt, ist mein Sohn."]


@pytest.fixture(scope="module")
def records(demo):
    return extract(*demo, SENTENCES)


@pytest.fixture
def widget(records):
    return CrossAttentionWidget(records)


def ask(widget, **request):
    """What the front end gets for a message: (content, buffers)."""
    sent = []
    widget.send = lambda content, buffers=None: sent.append((content, buffers or []))
    widget._handle_custom_msg({"id": "view-1", **request}, [])
    assert len(sent) == 1
    assert sent[0][0]["id"] == "view-1"
    return sent[0]


def test_one_call_shows_a_sentence(demo):
    widget = show_cross_attention(*demo, SENTENCES[0])
    assert widget.info["sentences"][0]["source"].startswith("Ich habe das Buch gelesen")
    assert (widget.info["layers"], widget.info["heads"], widget.info["model"]) == (3, 8, "MarianMTModel")
    assert widget.record.generated


def test_one_call_reads_a_given_target_and_view_settings(demo):
    widget = show_cross_attention(
        *demo,
        SENTENCES[0],
        "I have read the book.",
        scores=["entropy"],
        layer=2,
        head=5,
        words=True,
        orientation="rows",
    )
    assert not widget.record.generated
    assert (widget.layer, widget.head, widget.heads) == (2, 5, [[2, 5]])
    assert (widget.words, widget.orientation, widget.score_name) == (True, "rows", "entropy")


def test_unknown_settings_are_told_before_the_model_runs(demo):
    with pytest.raises(TypeError, match="'orientatoin' is not a view setting; did you mean 'orientation'"):
        show_cross_attention(*demo, "", orientatoin="rows")
    with pytest.raises(TypeError, match="'info' is not a view setting"):
        show_cross_attention(*demo, "", info={})


def test_a_list_of_nothing_is_an_error(demo):
    with pytest.raises(ValueError, match="nothing to show"):
        show_cross_attention(*demo, [])


def test_weights_are_in_no_trait(widget):
    layers = sum(len(str(value)) for value in widget.get_state().values()) - len(widget._code) - len(widget._css)
    assert layers < 10_000
    # One names the kind of weights that are shown.
    assert [name for name in widget.traits(sync=True) if "weights" in name] == ["sound_weights"]


def test_layer_and_head_follow_heads_and_the_other_way_round(widget):
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), "heads")
    widget.layer = 1
    assert widget.heads == [[1, widget.head]]
    for heads in ([[0, 1], [2, 3]], [[2, 2], [1, 0], [0, 7]], [[1, 4]]):
        widget.heads = heads
        assert (widget.layer, widget.head) == tuple(heads[-1])
        assert widget.heads == seen[-1] == heads


def test_a_message_of_the_front_end_sets_heads_layer_and_head_at_once(widget):
    widget.set_state({"heads": [[1, 1], [0, 4]], "layer": 0, "head": 4})
    assert (widget.heads, widget.layer, widget.head) == ([[1, 1], [0, 4]], 0, 4)


def test_numbers_of_numpy_and_torch_are_indices(widget):
    widget.layer = np.int64(2)
    widget.head = torch.tensor(5)
    assert widget.heads == [[2, 5]]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("layer", 3, "layer must be 0 to 2"),
        ("head", -1, "head must be 0 to 7"),
        ("heads", [], "at least one"),
        ("heads", [3], "at least one"),
        ("heads", [(0, 8)], "no layer 0 head 8"),
        ("sentence", 2, "sentence must be 0 to 1"),
        ("target_index", 99, "target_index must be 0 to"),
        ("score_name", "entropi", "add_score"),
        ("threshold", 1.5, "threshold"),
        ("special", "hide", "special"),
        ("layer", 1.5, "layer"),
    ],
)
def test_wrong_trait_values_are_told_and_change_nothing(widget, name, value, message):
    before = getattr(widget, name)
    with pytest.raises(TraitError, match=message):
        setattr(widget, name, value)
    assert getattr(widget, name) == before


def test_another_sentence_unpins_the_tokens(widget):
    widget.target_index = widget.source_index = 3
    widget.sentence = 1
    assert widget.target_index is None
    assert widget.source_index is None
    assert widget.record.source_tokens[0] == "Das"


def test_it_opens_on_the_last_layer_unless_told_otherwise(widget, records):
    assert widget.heads == [[2, head] for head in range(8)]
    assert CrossAttentionWidget(records, head=3).heads == [[0, 3]]


def test_a_layer_arrives_as_bytes_on_a_square_root_scale(widget, records):
    content, (buffer,) = ask(widget, kind="layer", sentence=1, layer=2)
    weights = records[1].weights[2]
    assert content["shape"] == list(weights.shape)
    decoded = (np.frombuffer(buffer, np.uint8).reshape(weights.shape) / 255) ** 2
    assert np.abs(decoded - weights.numpy()).max() <= 0.004


@pytest.mark.parametrize("kind", ["row", "column"])
def test_rows_and_columns_arrive_exactly(widget, records, kind):
    position = {"target": 2} if kind == "row" else {"source": 4}
    _, (buffer,) = ask(widget, kind=kind, sentence=0, heads=[[0, 3], [2, 1]], **position)
    weights = torch.stack([records[0].weights[0, 3], records[0].weights[2, 1]])
    expected = weights[:, 2] if kind == "row" else weights[:, :, 4]
    assert np.array_equal(np.frombuffer(buffer, "<f4").reshape(expected.shape), expected.numpy())


def test_a_sentence_arrives_with_its_axes(widget, records):
    content, buffers = ask(widget, kind="sentence", sentence=0)
    assert not buffers
    assert content["source"]["labels"] == records[0].source_tokens
    assert content["target"]["output"]["labels"] == records[0].target_tokens
    assert content["target"]["input"]["labels"] == records[0].read_as("input").target_tokens
    assert content["target"]["output"]["special"][-1] is True
    assert content["logprobs"] == pytest.approx(records[0].logprobs.tolist())
    assert (content["generated"], content["notes"]) == (True, [])


def test_scores_arrive_with_their_signature(widget, records):
    content, _ = ask(widget, kind="scores", sentence=1, name="entropy")
    assert np.allclose(content["values"], records[1].score("entropy"))
    assert content["signature"] == records[1].score("entropy").signature


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"kind": "layer", "sentence": 0, "layer": 9}, "no layer 9"),
        ({"kind": "sentence", "sentence": 7}, "no sentence 7"),
        ({"kind": "sentence"}, "no sentence None"),
        ({"kind": "scores", "sentence": 0, "name": "x"}, "no score 'x'"),
        ({"kind": "row", "sentence": 0, "heads": [[0, 0]], "target": -1}, "no row -1"),
        ({"kind": "dance", "sentence": 0}, "'dance'"),
        ({"kind": "row", "sentence": 0, "target": 0}, "heads"),
    ],
)
def test_a_request_that_cannot_be_answered_gets_words(widget, request_, message):
    content, _ = ask(widget, **request_)
    assert message in content["error"]


def test_nan_weights_and_odd_rows_are_named(records):
    weights = torch.full((2, 1, 2, 2), 0.5)
    weights[0, 0, 0, 0] = math.nan
    weights[1, 0, 1] = 0.7
    record = CrossAttention.from_tokens(weights, ["a", "b"], ["x", "y"])
    widget = CrossAttentionWidget(record)
    content, _ = ask(widget, kind="sentence", sentence=0)
    assert "Layer 0 holds NaN" in content["notes"][0]
    assert "layer 1 do not sum to 1" in content["notes"][1]
    scores, _ = ask(widget, kind="scores", sentence=0, name="entropy")
    assert scores["values"][0] == [None]
    _, (buffer,) = ask(widget, kind="layer", sentence=0, layer=0)
    assert list(buffer) == [0, 180, 180, 180]


def test_a_score_of_the_next_cell_is_shown_at_once(widget, records):
    @score(direction="lower")
    def first_column(attention, source_mask, target_mask):
        """Mass on the first source token."""
        return attention[..., 0].mean(-1)

    widget.add_score(first_column)
    assert widget.score_name == "first_column"
    entry = widget.score_list[-1]
    assert (entry["name"], entry["direction"]) == ("first_column", "lower")
    assert entry["description"] == "Mass on the first source token."
    content, _ = ask(widget, kind="scores", sentence=0, name="first_column")
    assert np.allclose(content["values"], records[0].weights[..., 0].mean(-1))
    assert torch.allclose(widget.scores(), records[0].weights[..., 0].mean(-1))


def test_a_score_defined_anew_replaces_the_old_one(widget):
    def peak(attention, source_mask, target_mask):
        return attention.amax((-1, -2))

    widget.add_score(peak)
    first = widget.score_list[-1]["signature"]

    def peak(attention, source_mask, target_mask):
        return attention.amin((-1, -2))

    widget.add_score(peak)
    assert [entry["name"] for entry in widget.score_list].count("peak") == 1
    assert widget.score_list[-1]["signature"] != first


def test_a_built_in_score_can_be_added_with_parameters(widget, records):
    widget.add_score("coverage_penalty", special="drop", eps=1e-3)
    assert widget.score_name == "coverage_penalty(special=drop, eps=0.001)"
    assert torch.equal(widget.scores(), records[0].score("coverage_penalty", special="drop", eps=1e-3))


def test_a_broken_score_is_told_in_its_cell_and_leaves_the_widget(widget):
    before = widget.score_list
    with pytest.raises(ValueError, match="returned shape"):
        widget.add_score(lambda attention, source_mask, target_mask: attention)
    with pytest.raises(ZeroDivisionError):
        widget.add_score(lambda attention, source_mask, target_mask: 1 / 0)
    assert widget.score_list == before
    assert widget.score_name == "alignment_norm"


def test_hypotheses_are_sentences_to_pick(demo):
    widget = show_cross_attention(*demo, SENTENCES[0], generation={"num_beams": 3, "num_return_sequences": 3})
    assert [each["target"][-8:] for each in widget.info["sentences"]] == [f"({rank} of 3)" for rank in (1, 2, 3)]
    widget.sentence = 2
    assert widget.record.generated


def test_records_of_different_models_stand_side_by_side(records):
    other = CrossAttention.from_tokens(torch.ones(1, 2, 1, 1), ["a"], ["b"], model="Other")
    widget = CrossAttentionWidget([records[0], other], names=["mine", "theirs"], layer=2, head=5)
    assert [(each["name"], each["layers"], each["heads"]) for each in widget.info["sentences"]] == [
        ("mine", 3, 8),
        ("theirs", 1, 2),
    ]
    widget.compare = 1
    with pytest.raises(TraitError, match="no layer 2 head 5: layers are 0 to 0, heads are 0 to 1"):
        widget.compare = {"sentence": 1, "heads": [(2, 5)]}
    widget.sentence = 1
    # The other model has no such head: its last layer is shown.
    assert (widget.heads, widget.layer, widget.head) == ([[0, 0], [0, 1]], 0, 1)
    with pytest.raises(TraitError, match="layer must be 0 to 0"):
        widget.layer = 2
    assert "theirs: Cross-attention of Other, 1 layers of 2 heads" in widget.summary()
    widget.set_state({"sentence": 0, "heads": [[2, 1]], "layer": 2, "head": 1})
    assert (widget.sentence, widget.heads) == (0, [[2, 1]])


@pytest.mark.parametrize(
    ("value", "settled"),
    [
        (None, None),
        (1, {"sentence": 1}),
        ({"sentence": np.int64(1)}, {"sentence": 1}),
        ({"heads": [(0, 1)]}, {"heads": [[0, 1]]}),
        ({"sentence": None, "heads": None}, {}),
    ],
)
def test_what_to_compare_with_is_settled(widget, value, settled):
    widget.compare = value
    assert widget.compare == settled


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (7, "compare names sentence 7; they are 0 to 1"),
        ("before", "compare must be None, a sentence's number"),
        ({"layer": 1}, "compare must be None, a sentence's number"),
        ({"heads": []}, "at least one"),
        ({"heads": [(9, 9)]}, "no layer 9 head 9"),
    ],
)
def test_what_cannot_be_compared_is_told(widget, value, message):
    with pytest.raises(TraitError, match=message):
        widget.compare = value
    assert widget.compare is None


def test_names_belong_to_records(records):
    with pytest.raises(ValueError, match="2 records and 1 names"):
        CrossAttentionWidget(records, names=["one"])
    with pytest.raises(TypeError, match="names must be a list of strings"):
        CrossAttentionWidget(records, names="ab")


def test_the_view_makes_the_very_same_view_again(records):
    widget = CrossAttentionWidget(records, sentence=1, words=True, keep="mass", mass=0.5, compare=0)
    widget.heads = [[2, 1], [0, 3]]
    widget.target_index, widget.panel, widget.score_name = 4, "compare", "entropy"
    again = CrossAttentionWidget(records, **widget.view)
    assert again.view == widget.view
    assert (again.target_index, again.heads) == (4, [[2, 1], [0, 3]])


def test_a_head_arrives_exactly(widget, records):
    _, (buffer,) = ask(widget, kind="head", sentence=1, layer=2, head=3)
    weights = records[1].weights[2, 3].numpy()
    assert np.array_equal(np.frombuffer(buffer, "<f4").reshape(weights.shape), weights)


@pytest.mark.parametrize("wrong", [3, torch.ones(1, 1, 1, 1), [torch.ones(1, 1, 1, 1)], "text"])
def test_what_is_no_record_is_refused(wrong):
    with pytest.raises(TypeError, match=r"CrossAttention records, got .*from_tokens"):
        CrossAttentionWidget(wrong)


def test_a_picture_and_a_text_stand_in_where_widgets_do_not_run(widget):
    data, _ = widget._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    text = data["text/plain"]
    assert "Ich habe das Buch gelesen" in text
    assert "highest by alignment_norm (higher is better): layer" in text


def test_one_token_each_is_shown():
    record = CrossAttention.from_tokens(torch.ones(1, 1, 1, 1), ["a"], ["b"])
    widget = CrossAttentionWidget(record)
    assert widget._repr_mimebundle_()[0]["image/png"]
    assert ask(widget, kind="layer", sentence=0, layer=0)[1] == [b"\xff"]


def test_an_axis_of_words_reaches_the_front_end():
    axis = Axis(("ge", "lesen"), groups=(0, 0), words=("gelesen",))
    record = CrossAttention(torch.full((1, 1, 1, 2), 0.5), axis, {"output": Axis(("read",))})
    content, _ = ask(CrossAttentionWidget(record), kind="sentence", sentence=0)
    assert content["source"]["words"] == ["gelesen"]
    assert content["source"]["groups"] == [0, 0]


def test_the_hosts_own_layout_is_left_to_it(records):
    import ipywidgets

    widget = CrossAttentionWidget(records)
    widget.layout.width = "50%"
    assert ipywidgets.AppLayout(center=widget).center is widget


def test_values_without_a_rank_come_last(records):
    def odd(attention, source_mask, target_mask):
        values = attention.amax((-1, -2))
        values[0, 0], values[0, 1] = math.inf, math.nan
        return values

    widget = CrossAttentionWidget(records)
    widget.add_score(odd)
    heads = widget.summary().split("highest by")[1]
    assert "inf" not in heads
    assert "nan" not in heads


def test_arguments_of_the_wrong_kind_are_told(records):
    with pytest.raises(TypeError, match="scores must be a list"):
        CrossAttentionWidget(records, scores="entropy")
    with pytest.raises(ValueError, match=r"no score 'foo' is listed; there are coverage_penalty"):
        CrossAttentionWidget(records).scores("foo")
    assert CrossAttentionWidget(records, sentence=np.int64(1)).sentence == 1
    with pytest.raises(TraitError, match="sentence must be 0 to 1"):
        CrossAttentionWidget(records, sentence=2)


def test_scores_that_need_more_are_listed_where_the_record_holds_it():
    model, tokenizer = load_demo()
    plain = CrossAttentionWidget(extract(model, tokenizer, "Hallo."))
    measured = {"importance": "gradient", "faithfulness": True}
    full = CrossAttentionWidget(extract(model, tokenizer, "Hallo.", value_norms=True, **measured))
    listed = [{each["name"] for each in widget.score_list} for widget in (plain, full)]
    assert listed[1] - listed[0] == {"value_norm", "importance", "faithfulness", "masking_drop"}
