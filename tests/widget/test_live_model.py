"""Trying things with the model, seen from Python: other targets and tokens, muted heads, stopping, refusals."""

import threading
import time

import pytest
import torch
from traitlets import TraitError
from transformers import LogitsProcessor, LogitsProcessorList

from xattn_widget import CrossAttentionWidget, ablate, capture, extract, show_cross_attention
from xattn_widget.widget.live_model import LiveModel

SOURCE = "Ich habe das Buch gelesen."


@pytest.fixture
def widget(demo):
    return show_cross_attention(*demo, SOURCE)


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def ask(widget, **request):
    """What the panel gets for a request to try something, now or later."""
    sent = []
    widget.send = lambda content, buffers=None: sent.append(content)
    widget._handle_custom_msg({"id": "view-1", "kind": "live", **request}, [])
    wait_for(lambda: any(content.get("id") == "view-1" for content in sent))
    wait_for(lambda: widget.live["busy"] == "")
    return sent[-1]


def test_another_target_is_read_as_extract_reads_it(demo, widget):
    record = widget.set_target("I bought the book.")
    expected = extract(*demo, SOURCE, "I bought the book.")
    assert torch.equal(record.weights, expected.weights)
    assert torch.equal(record.logprobs, expected.logprobs)
    assert record.target_tokens == expected.target_tokens
    assert (widget.sentence, widget.record, len(widget.records)) == (1, record, 2)
    assert widget.info["sentences"][1]["name"] == "edited"
    assert widget.info["sentences"][1]["group"] == widget.info["sentences"][0]["group"]
    # The next edit takes its place, and is not mistaken for it.
    version = widget.info["sentences"][1]["version"]
    widget.set_target("I saw the book.")
    assert (len(widget.records), widget.sentence) == (2, 1)
    with pytest.raises(ValueError, match="taken the place"):
        widget.answer({"kind": "layer", "sentence": 1, "layer": 0, "version": version})


def test_a_token_in_another_place_generates_or_keeps_the_rest(demo, widget):
    model, tokenizer = demo
    have = tokenizer.convert_tokens_to_ids("▁have")
    record = widget.set_token(1, have)
    ids = list(record.targets["output"].ids)
    first = list(widget.records[0].targets["output"].ids)
    assert ids[:2] == [first[0], have]
    assert record.generated
    start = torch.tensor([[model.config.decoder_start_token_id, *ids[:2]]])
    source = tokenizer(SOURCE, return_tensors="pt")
    with torch.no_grad():
        written = model.generate(**source, decoder_input_ids=start, num_beams=1, do_sample=False)[0].tolist()
    assert written[1:] == ids
    widget.sentence = 0
    kept = widget.set_token(1, "▁have", rest="keep")
    assert list(kept.targets["output"].ids) == [first[0], have, *first[2:]]
    assert not kept.generated
    # The end of the sentence ends it.
    widget.sentence = 0
    assert list(widget.set_token(2, tokenizer.eos_token_id).targets["output"].ids) == [
        *first[:2],
        tokenizer.eos_token_id,
    ]


def test_the_likeliest_tokens_are_those_of_the_models_logits(demo, widget):
    model, tokenizer = demo
    record = widget.record
    found = ask(widget, action="choices", sentence=0, position=1)["choices"]
    source = tokenizer(SOURCE, return_tensors="pt")
    read = torch.tensor([record.targets["input"].ids])
    with torch.no_grad():
        logprobs = model(**source, decoder_input_ids=read).logits[0, 1].log_softmax(-1)
    best = logprobs.topk(5)
    assert [choice["id"] for choice in found] == best.indices.tolist()
    assert [choice["logprob"] for choice in found] == pytest.approx(best.values.tolist(), abs=1e-4)
    assert found[0]["label"] == record.target_tokens[1]


def test_muting_is_ablation_and_unmuting_restores(demo, widget):
    heads = [(2, 5), (0, 1), (1, 3)]
    before = widget.record
    widget.target_index = 2
    widget.muted = heads
    effect = widget.live["effect"]
    with ablate(demo[0], heads):
        forced = extract(*demo, SOURCE, "I read the book.")
        written = extract(*demo, SOURCE)
    assert widget.muted == [[0, 1], [1, 3], [2, 5]]
    assert torch.allclose(widget.records[effect["forced"]].weights, forced.weights)
    assert torch.allclose(widget.records[effect["written"]].weights, written.weights)
    assert effect["before_logprob"] == pytest.approx(float(before.logprobs.sum()), abs=1e-4)
    assert effect["forced_logprob"] == pytest.approx(float(forced.logprobs.sum()), abs=1e-4)
    assert effect["written_logprob"] == pytest.approx(float(written.logprobs.sum()), abs=1e-4)
    assert effect["same"] == (written.target_tokens == before.target_tokens)
    shown = widget.effect
    assert [shown.before, shown.forced, shown.written] == [
        widget.records[effect[name]] for name in ("base", "forced", "written")
    ]
    logprobs = (shown.before_logprob, shown.forced_logprob, shown.written_logprob)
    assert logprobs == (effect["before_logprob"], effect["forced_logprob"], effect["written_logprob"])
    assert (shown.written_text, shown.same_target) == (effect["written_text"], effect["same"])
    assert repr(shown).startswith(f"MutingEffect(before_logprob={logprobs[0]!r}, ")
    assert (widget.sentence, widget.target_index) == (effect["forced"], 2)
    widget.muted = []
    assert (widget.sentence, widget.record, widget.live["effect"], widget.effect) == (0, before, None, None)
    assert len(widget.records) == 1
    assert torch.equal(extract(*demo, SOURCE).weights, before.weights)


def test_an_edit_with_heads_muted_is_tried_without_them_too(demo, widget):
    widget.muted = [(2, 5)]
    widget.set_target("I bought the book.")
    effect = widget.live["effect"]
    with ablate(demo[0], [(2, 5)]):
        forced = extract(*demo, SOURCE, "I bought the book.")
    assert torch.allclose(widget.record.weights, forced.weights)
    assert widget.records[effect["base"]].target_tokens == forced.target_tokens
    widget.muted = []
    assert [each["name"] for each in widget.info["sentences"]] == ["", "edited"]
    assert widget.sentence == 1


def test_another_sentence_is_tried_without_the_muted_heads(demo):
    widget = show_cross_attention(*demo, [SOURCE, "Das Kind ist mein Sohn."])
    widget.muted = [(2, 5)]
    widget.sentence = 1
    wait_for(lambda: widget.live["effect"]["base"] == 1 and widget.live["busy"] == "")
    assert widget.record.source_tokens[0] == "Das"
    assert len(widget.records) == 4


def test_the_panel_mutes_edits_and_picks_tokens(demo, widget):
    assert "error" not in ask(widget, action="mute", heads=[[1, 1]])
    assert widget.muted == [[1, 1]]
    ask(widget, action="mute", heads=[])
    assert ask(widget, action="text", sentence=0)["text"] == "I read the book."
    ask(widget, action="target", text="I saw it.")
    assert widget.record.target.preview() == "I saw it."
    ask(widget, action="token", position=1, token=widget.records[0].targets["output"].ids[1], rest="generate")
    assert widget.record.target_tokens[:2] == ["I", "read"]
    ask(widget, action="target", text="  ")
    assert "is empty" in widget.live["error"]
    ask(widget, action="mute", heads=[])
    assert widget.live["error"] == ""
    for request, message in [
        ({"action": "dance"}, "'dance'"),
        ({"action": "mute", "heads": [[9, 9]]}, "no layer 9"),
        ({"action": "text", "sentence": 99}, "no sentence 99"),
    ]:
        assert message in ask(widget, **request)["error"]


class Wait(LogitsProcessor):
    """Makes each step of generating take its time."""

    def __call__(self, input_ids, scores):
        time.sleep(0.02)
        return scores


@pytest.fixture
def slow(demo):
    generation = {"min_new_tokens": 400, "max_new_tokens": 401, "logits_processor": LogitsProcessorList([Wait()])}
    return CrossAttentionWidget(extract(*demo, SOURCE), live=LiveModel(*demo, generation))


def test_a_long_call_can_be_stopped_and_changes_nothing(demo, slow):
    told = []
    slow.observe(lambda change: told.append(change["new"]["busy"]), "live")
    slow._handle_custom_msg({"id": "1", "kind": "live", "action": "mute", "heads": [[2, 5]]}, [])
    wait_for(lambda: any("Generating" in text for text in told))
    slow._handle_custom_msg({"id": "2", "kind": "live", "action": "stop"}, [])
    wait_for(lambda: slow.live["busy"] == "")
    assert (slow.muted, len(slow.records), slow.live["error"]) == ([], 1, "")
    assert torch.equal(extract(*demo, SOURCE).weights, slow.record.weights)


def test_a_new_request_ends_the_one_before(slow):
    slow._handle_custom_msg({"id": "1", "kind": "live", "action": "mute", "heads": [[2, 5]]}, [])
    wait_for(lambda: "Generating" in slow.live["busy"])
    slow._handle_custom_msg({"id": "2", "kind": "live", "action": "target", "text": "I saw it."}, [])
    wait_for(lambda: slow.live["busy"] == "")
    assert (slow.record.target.preview(), slow.muted) == ("I saw it.", [])


def test_a_call_from_python_that_is_stopped_says_so(slow):
    timer = threading.Timer(0.5, slow.stop)
    timer.start()
    with pytest.raises(RuntimeError, match="stopped"):
        slow.muted = [(2, 5)]
    timer.join()
    assert (slow.muted, slow.live["effect"], slow.live["busy"]) == ([], None, "")


def test_widgets_that_share_a_model_take_turns(demo, slow, widget):
    slow._handle_custom_msg({"id": "1", "kind": "live", "action": "mute", "heads": [[2, 5]]}, [])
    wait_for(lambda: "Generating" in slow.live["busy"])
    threading.Timer(0.3, slow.stop).start()
    record = widget.set_target("I bought the book.")  # waits, and never sees the muted head
    assert torch.equal(record.weights, extract(*demo, SOURCE, "I bought the book.").weights)


def test_a_block_of_the_users_sees_nothing_of_a_call(demo, slow):
    model, tokenizer = demo
    inputs = tokenizer(SOURCE, return_tensors="pt")
    with torch.no_grad(), capture(model) as captured:
        slow._handle_custom_msg({"id": "1", "kind": "live", "action": "mute", "heads": [[2, 5]]}, [])
        wait_for(lambda: "Generating" in slow.live["busy"])
        plain = model.generate(**inputs)
    assert len(captured.forwards) == plain.shape[1] - 1
    slow.stop()
    wait_for(lambda: slow.live["busy"] == "")
    with torch.no_grad():
        assert torch.equal(model.generate(**inputs), plain)


def test_wrong_values_are_told_and_change_nothing(widget):
    for value, message in [
        ([(9, 0)], "no layer 9 head 0"),
        ([(0, 8)], "no layer 0 head 8"),
        ([3], "pairs"),
        ("x", "pairs"),
    ]:
        with pytest.raises(TraitError, match=message):
            widget.muted = value
        assert widget.muted == []
    with pytest.raises(ValueError, match="is empty"):
        widget.set_target("")
    with pytest.raises(TypeError, match="target must be a string, got int"):
        widget.set_target(3)
    for position, token, rest, message in [
        (99, 5, "keep", "position must be 0 to 5"),
        (1, "no such token", "keep", "vocabulary has no token"),
        (1, 10**9, "keep", "vocabulary has tokens 0 to"),
        (1, 5, "drop", "rest must be"),
    ]:
        with pytest.raises(ValueError, match=message):
            widget.set_token(position, token, rest=rest)
    assert (len(widget.records), widget.live["busy"]) == (1, "")


def test_a_widget_of_records_refuses_and_says_what_makes_one_that_can(demo):
    widget = CrossAttentionWidget(extract(*demo, SOURCE))
    with pytest.raises(RuntimeError, match=r"show_cross_attention\(model, tokenizer"):
        widget.set_target("I read.")
    with pytest.raises(TraitError, match="no model"):
        widget.muted = [(0, 0)]
    assert "no model" in widget.live["why"]
    assert "no model" in ask(widget, action="mute", heads=[[0, 0]])["error"]


def test_a_view_with_muted_heads_gives_the_same_view_again(demo, widget):
    widget.muted = [(2, 5)]
    again = show_cross_attention(*demo, SOURCE, **widget.view)
    assert again.muted == [[2, 5]]
    assert again.live["effect"] == widget.live["effect"]
    assert torch.equal(again.record.weights, widget.record.weights)


def test_a_page_of_a_widget_with_muted_heads_is_written(widget, tmp_path):
    widget.muted = [(2, 5)]
    page = widget.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "heads muted, same target" in page
    # On a page no sentence replaces another, so that none has a version.
    assert '"version"' not in page.split('class="xattn-state">')[1].split("</script>")[0]


@pytest.mark.parametrize("name", ["edited", "heads muted, same target", "heads muted, written anew"])
def test_the_name_of_a_sentence_does_not_decide_what_it_is(demo, name):
    record = extract(*demo, SOURCE)
    widget = CrossAttentionWidget([record, record], names=[name, name], live=LiveModel(*demo))
    widget.muted = [(2, 5)]
    assert widget.live["effect"]["base"] == 0
    widget.set_target("I bought the book.")
    widget.muted = []
    assert [sentence["name"] for sentence in widget.info["sentences"]] == [name, name, "edited"]
    widget.sentence = 0
    widget.muted = [(0, 1)]
    assert widget.live["effect"]["base"] == 0
    assert widget.view["sentence"] == 0
