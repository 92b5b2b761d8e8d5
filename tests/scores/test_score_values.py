"""Values of scores in a widget: computed once, outside the message loop, freed with the record; errors stay apart."""

import gc
import json
import re
import threading
import time
import weakref

import pytest
import torch
from widget_messages import ask, listen, record

from xattn_widget import CrossAttention, CrossAttentionWidget, score
from xattn_widget.scores import Score


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.005)


class Counted:
    """A score that counts its calls, and can be made to wait."""

    def __init__(self):
        self.calls, self.threads = 0, set()
        self.go = threading.Event()
        self.go.set()

    def make(self):
        @score
        def slow(attention, source_mask, target_mask):
            self.calls += 1
            self.threads.add(threading.current_thread())
            assert self.go.wait(20)
            return attention.amax((-1, -2))

        return slow


def test_a_score_is_computed_once_for_each_record_whoever_asks(tmp_path):
    counted = Counted()
    slow = counted.make()
    attention = record()
    widget = CrossAttentionWidget(attention, scores=[slow, "entropy"])
    request = {"id": "1", "kind": "scores", "sentence": 0, "name": "slow"}
    for _ in range(3):
        assert ask(widget, request)[0]["values"] == attention.weights.amax((-1, -2)).tolist()
    widget.summary(), widget.scores(), widget.scores("slow").zero_()
    widget._repr_mimebundle_()
    assert counted.calls == 1
    # Another widget of the same record shares its values.
    assert torch.equal(CrossAttentionWidget(attention, scores=[slow]).scores(), attention.weights.amax((-1, -2)))
    assert counted.calls == 1
    CrossAttentionWidget(record(seed=2), scores=[slow]).summary()
    assert counted.calls == 2
    # A page also has the scores of the rows without special tokens, and without punctuation too, under each reading.
    widget.to_html(tmp_path / "page.html")
    assert counted.calls == 6
    widget.embed()
    widget.export(tmp_path / "a.html")
    assert counted.calls == 6
    # Adding the score again means that it may have changed.
    widget.add_score(slow)
    assert counted.calls == 7
    widget.add_score(slow, special="drop")
    assert counted.calls == 8


def test_a_slow_score_is_computed_outside_the_message_loop():
    counted = Counted()
    counted.go.clear()
    widget = CrossAttentionWidget([record(), record(seed=1)], scores=[counted.make(), "entropy"])
    sent = listen(widget)
    widget._handle_custom_msg({"id": "slow", "kind": "scores", "sentence": 0, "name": "slow"}, [])
    assert [content for content, _ in sent] == [{"computing": "slow"}]
    # Meanwhile everything else is answered: rows, other scores, and a second view that asks for the same score.
    widget._handle_custom_msg({"id": "row", "kind": "row", "sentence": 0, "heads": [[0, 0]], "target": 0}, [])
    assert sent[-1][0] == {"id": "row"}
    widget._handle_custom_msg({"id": "other", "kind": "scores", "sentence": 1, "name": "entropy"}, [])
    wait_for(lambda: any(content.get("id") == "other" for content, _ in sent))
    widget._handle_custom_msg({"id": "again", "kind": "scores", "sentence": 0, "name": "slow"}, [])
    counted.go.set()
    wait_for(lambda: {"slow", "again"} <= {content.get("id") for content, _ in sent})
    replies = [content for content, _ in sent if content.get("id") in ("slow", "again")]
    assert all(reply["values"] == widget.records[0].weights.amax((-1, -2)).tolist() for reply in replies)
    assert counted.calls == 1
    assert threading.current_thread() not in counted.threads


def test_a_call_from_python_waits_for_the_values_that_are_being_computed():
    counted = Counted()
    counted.go.clear()
    widget = CrossAttentionWidget(record(), scores=[counted.make()])
    listen(widget)
    widget._handle_custom_msg({"id": "slow", "kind": "scores", "sentence": 0, "name": "slow"}, [])
    threading.Timer(0.1, counted.go.set).start()
    assert torch.equal(widget.scores(), widget.record.weights.amax((-1, -2)))
    assert counted.calls == 1


def test_only_one_of_many_threads_computes():
    counted = Counted()
    widget = CrossAttentionWidget(record(), scores=[counted.make()])
    results, start = [], threading.Barrier(8)

    def work():
        start.wait()
        results.append(widget.scores())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert counted.calls == 1


def test_an_interrupted_score_is_computed_at_the_next_request():
    calls = []

    @score
    def moody(attention, source_mask, target_mask):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return attention.mean((-1, -2))

    widget = CrossAttentionWidget(record(), scores=[moody])
    with pytest.raises(KeyboardInterrupt):
        widget.summary()
    assert torch.allclose(widget.scores(), widget.record.weights.mean((-1, -2)))


def test_values_are_freed_with_their_record_and_with_their_score():
    def peak(attention, source_mask, target_mask):
        return attention.amax((-1, -2))

    def over(record):
        def closed_over(attention, source_mask, target_mask):
            return attention.mean((-1, -2)) + 0 * record.layers

        return closed_over

    attention = record()
    widget = CrossAttentionWidget(attention, scores=[peak, over(attention), lambda a, s, t: 1 / 0])
    listen(widget)
    for name in ("peak", "closed_over", "<lambda>"):
        widget._handle_custom_msg({"id": "1", "kind": "scores", "sentence": 0, "name": name}, [])
    widget.summary()
    kept = weakref.ref(attention)
    widget.close()
    del widget, attention
    wait_for(lambda: gc.collect() >= 0 and kept() is None)  # the thread that computed a score may still end


NONSENSE = {
    "raises": lambda attention, source_mask, target_mask: 1 / 0,
    "exits": lambda attention, source_mask, target_mask: exit(),
    "none": lambda attention, source_mask, target_mask: None,
    "text": lambda attention, source_mask, target_mask: "high",
    "whole": lambda attention, source_mask, target_mask: attention,
    "complex": lambda attention, source_mask, target_mask: attention.mean((-1, -2)) * 1j,
    "ragged": lambda attention, source_mask, target_mask: [[1.0], [1.0, 2.0]],
    "hostile": lambda attention, source_mask, target_mask: (_ for _ in ()).throw(
        ValueError("</script>\ud83d" * 10_000)
    ),
    "itself": lambda attention, source_mask, target_mask: RECURSIVE[-1].scores("itself"),
}
RECURSIVE = []


@pytest.mark.parametrize("name", NONSENSE)
def test_one_score_that_fails_fails_alone(tmp_path, name):
    bad = Score(NONSENSE[name], name)
    widget = CrossAttentionWidget(record(), scores=[bad, "entropy"])
    RECURSIVE.append(widget)
    assert widget.score_name == name
    content, _ = ask(widget, {"id": "1", "kind": "scores", "sentence": 0, "name": name})
    assert content["error"]
    assert len(content["error"]) <= 2000
    assert "values" in ask(widget, {"id": "1", "kind": "scores", "sentence": 0, "name": "entropy"})[0]
    assert f"{name} could not be computed: " in widget.summary()
    bundle = widget._repr_mimebundle_()[0]
    assert bundle["image/png"]
    json.dumps(bundle, ensure_ascii=False).encode()
    for ending in ("csv", "json", "pharaoh", "png", "html"):
        assert widget.export(tmp_path / f"a.{ending}").stat().st_size > 0
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    state = json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1))
    replies = state["sentences"][0]["scores"]
    assert replies[name] == {"error": content["error"]}
    assert len(replies["entropy"]["values"]) == 2
    assert "could not be computed" in widget.embed().__repr__()
    with pytest.raises(BaseException):  # noqa: B017, PT011 - whatever it raises, to the caller
        widget.scores(name)


def test_agreement_computes_its_rows_in_blocks():
    weights = torch.rand(2, 4, 64, 64, generator=torch.Generator().manual_seed(0)).mul(8).softmax(-1)
    attention = CrossAttention.from_tokens(weights.repeat(1, 4, 1, 1), ["a"] * 64, ["b"] * 64)
    with torch.profiler.profile(profile_memory=True) as profile:
        values = attention.score("agreement")
    largest = max(event.self_cpu_memory_usage for event in profile.events())
    assert largest <= attention.weights.numel() * 4  # no copy in double precision
    weights = attention.weights.double()
    others = (weights.sum(1, keepdim=True) - weights) / 15
    middle = (weights + others) / 2
    divergence = ((weights * (weights / middle).log2()).sum(-1) + (others * (others / middle).log2()).sum(-1)) / 2
    assert torch.allclose(values, (1 - divergence.mean(-1)).float(), atol=1e-6)
