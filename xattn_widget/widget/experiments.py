"""The experiments of a widget: which results are listed, which heads are muted, and what the panel reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Protocol, cast, get_args

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.entries import Entry, Trial, total_logprob
from xattn_widget.panel.json_values import error_text, finite
from xattn_widget.panel.state import NO_MODEL, PanelState
from xattn_widget.widget.jobs import Call, Result, Stopped, Worker
from xattn_widget.widget.live_model import LiveModel, Muting, Rest

# The fields of an effect that are indices of sentences.
_PLACES = ("base", "forced", "written")


class Host(Protocol):
    """What experiments need from a widget: its state, and the settings that they change."""

    sentence: int
    target_index: int | None
    source_index: int | None
    muted: list[list[int]]
    compare: dict[str, Any] | None

    @property
    def state(self) -> PanelState:
        """The panel as it is now."""

    def list_variants(self, variants: Sequence[Entry]) -> None:
        """Replace the results of experiments in the list of sentences."""

    def set_trait(self, name: str, value: Any) -> None:
        """Set a trait that is read only for everyone else."""

    def hold_sync(self) -> AbstractContextManager[Any]:
        """Tell the page about all changes inside the block at once."""

    def send(self, content: Any, buffers: Any = None) -> None:
        """Send a message to the page."""


class Experiments:
    """The experiments of a widget with its model; each result is another sentence in the widget's list."""

    def __init__(self, host: Host, live: LiveModel | None) -> None:
        self._host, self._live = host, live
        self._worker = None if live is None else Worker(live.model, self._tell, self.fail)
        self._base: int | None = None  # the sentence whose heads are muted
        self._choices: dict[int, tuple[CrossAttention, list[Any]]] = {}
        self._setting = False

    # --- Calls from Python run at once, and errors go to the caller.

    def set_target(self, target: str) -> CrossAttention:
        """Read the shown sentence with another target."""
        return self._now(lambda call: self._read(target, call))

    def set_token(self, position: int, token: int | str, rest: Rest) -> CrossAttention:
        """Put another token at a target position."""
        return self._now(lambda call: self._replace(position, token, rest, call))

    def follow_muted(self, change: Any) -> None:
        """After someone has set the muted heads, try the sentence without them; an error sets them back."""
        if self._setting:
            return
        heads = [list(head) for head in change["new"]]
        try:
            self._now(lambda call: self._mute(heads, call))
        except BaseException:
            with self._unfollowed():
                self._host.muted = change["old"] or []
            raise

    def stop(self) -> None:
        """Stop the running call."""
        if self._worker:
            self._worker.stop()

    # --- Requests of the panel start here, and the page is told when they are done.

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a request of the panel for an experiment; None if it is sent later.

        The request is one that :func:`xattn_widget.panel.protocol.read_request` has read, with its "id".
        """
        action = request["action"]
        if action == "stop":
            self.stop()
            return {}
        live, worker = self._need()
        if action == "text":
            return {"text": well_formed(live.text(self._record(request["sentence"])))}
        if action == "choices":
            if worker.is_busy:
                raise RuntimeError("the model is busy")
            record = self._record(request["sentence"])
            worker.start(lambda call: self._send_choices(request, record, call))
            return None
        if action == "target":
            worker.start(lambda call: self._read(request["text"], call))
        elif action == "token":
            worker.start(lambda call: self._replace(request["position"], request["token"], request["rest"], call))
        else:
            worker.start(lambda call: self._mute(sorted(request["heads"]), call))
        return {}

    def follow_sentence(self, change: Any) -> None:
        """With muted heads, try another sentence without them as well."""
        host = self._host
        if self._setting or not host.muted or self._worker is None or self._base is None:
            return
        if host.sentence != self._base and not self._is_muted(host.sentence):
            heads = [list(head) for head in host.muted]
            self._worker.start(lambda call: self._mute(heads, call))

    def make_room(self, place: int) -> None:
        """Follow an entry that was inserted into the list of sentences: those from ``place`` on are one later."""
        host, effect = self._host, self._host.state.live.effect
        later = {name: index + 1 for name, index in (effect or {}).items() if name in _PLACES and index >= place}
        with self._unfollowed(), host.hold_sync():
            if self._base is not None and self._base >= place:
                self._base += 1
            if host.sentence >= place:
                pins = (host.target_index, host.source_index)
                host.sentence += 1
                host.target_index, host.source_index = pins
            if host.compare is not None and host.compare.get("sentence", -1) >= place:
                host.compare = host.compare | {"sentence": host.compare["sentence"] + 1}
            if later:
                self._tell_live(effect=(effect or {}) | later)

    # --- The experiments themselves, on either thread.

    def _read(self, target: str, call: Call) -> CrossAttention:
        live, base = self._need()[0], self._unmuted()
        return self._add_edited(live.read(self._record(base), target, call), base, call)

    def _replace(self, position: Any, token: Any, rest: Any, call: Call) -> CrossAttention:
        live, base = self._need()[0], self._unmuted()
        record = self._record(base)
        count = record.weights.shape[2]
        if not isinstance(position, int) or not 0 <= position < count:
            raise ValueError(f"position must be 0 to {count - 1} here, got {position!r}")
        if rest not in get_args(Rest):
            raise ValueError(f"rest must be 'generate' or 'keep', got {rest!r}")
        edited = live.replace_token(record, position, live.token_id(token), rest, call)
        return self._add_edited(edited, base, call)

    def _add_edited(self, record: CrossAttention, base: int, call: Call) -> CrossAttention:
        group = self._host.state.entries[base].group
        muting = self._need()[0].mute(record, self._muted_pairs(), call) if self._host.muted else None
        edited = self._variant(record, group, Trial.EDITED)
        call.check()
        self._list([*(entry for entry in self._edited() if entry.group != group), edited], show=edited, muting=muting)
        return record

    def _mute(self, heads: list[list[int]], call: Call) -> None:
        entry = self._host.state.entries[self._unmuted()]
        muting = None
        if heads:
            record = cast("CrossAttention", entry.record)
            muting = self._need()[0].mute(record, [(layer, head) for layer, head in heads], call)
            call.check()
        self._list(self._edited(), show=entry, muting=muting, heads=heads)

    def _list(
        self, edited: list[Entry], *, show: Entry, muting: Muting | None, heads: list[list[int]] | None = None
    ) -> None:
        """List the results and show one of them: with muted heads, the same target without them."""
        host, state = self._host, self._host.state
        entries = [*state.given, *edited]
        shown_index = base = entries.index(show)
        effect, variants = None, list(edited)
        if muting:
            shown_index = len(entries)
            variants += [
                self._variant(muting.forced, show.group, Trial.FORCED),
                self._variant(muting.generated, show.group, Trial.WRITTEN),
            ]
            effect = _describe(muting) | {"base": base, "forced": shown_index, "written": shown_index + 1}
        # A new sentence has other positions to pin.
        pins = (host.target_index, host.source_index) if show in state.entries else (None, None)
        with self._unfollowed(), host.hold_sync():
            if heads is not None:
                host.muted = heads
            self._base = base if muting else None
            if host.sentence >= len(state.given) + len(variants):
                host.sentence = base if base < len(state.given) else 0
            host.list_variants(variants)
            host.sentence = shown_index
            host.target_index, host.source_index = pins
            self._tell_live(effect=effect)

    def _unfollowed(self) -> Block[None]:
        """A block that sets traits of the widget without starting an experiment."""

        def begin(cleanup: Cleanup) -> None:
            cleanup.add(partial(setattr, self, "_setting", False))
            self._setting = True

        return Block(begin)

    def _send_choices(self, request: Mapping[str, Any], record: CrossAttention, call: Call) -> None:
        """Send the most likely tokens at a target position; those of all positions are computed at once, and kept."""
        live, host = self._need()[0], self._host
        sentence, position = request["sentence"], request["position"]
        try:
            cached = self._choices.get(sentence)
            if cached is None or cached[0] is not record:
                call.tell("Looking for other tokens")
                heads = self._muted_pairs() if self._is_muted(sentence) else []
                cached = (record, live.choices(record, heads))
                self._choices = {sentence: cached}
            choices = [
                {"id": choice.id, "label": well_formed(choice.label), "logprob": finite(choice.logprob)}
                for choice in cached[1][position]
            ]
            host.send({"id": request["id"], "choices": choices})
        except Stopped:
            host.send({"id": request["id"], "error": "stopped"})
            raise
        except Exception as error:
            host.send({"id": request["id"], "error": error_text(error)})
            raise

    def _now(self, work: Callable[[Call], Result]) -> Result:
        return self._need()[1].run(work)

    def _need(self) -> tuple[LiveModel, Worker]:
        if self._live is None or self._worker is None:
            raise RuntimeError(NO_MODEL)
        return self._live, self._worker

    def _record(self, sentence: int) -> CrossAttention:
        return cast("CrossAttention", self._host.state.entries[sentence].record)

    def _muted_pairs(self) -> list[tuple[int, int]]:
        return [(layer, head) for layer, head in self._host.muted]

    def _unmuted(self) -> int:
        """The shown sentence; if it was read or written without some heads, the sentence with all heads."""
        sentence = self._host.sentence
        return self._base if self._is_muted(sentence) and self._base is not None else sentence

    def _is_muted(self, sentence: int) -> bool:
        entries = self._host.state.entries  # may be shorter now than when the page sent the request
        return sentence < len(entries) and entries[sentence].trial in (Trial.FORCED, Trial.WRITTEN)

    def _edited(self) -> list[Entry]:
        return [entry for entry in self._host.state.variants if entry.trial is Trial.EDITED]

    def _variant(self, record: CrossAttention, group: int, trial: Trial) -> Entry:
        return Entry(record, group, trial=trial, version=self._host.state.next_number())

    def _tell(self, text: str) -> None:
        self._tell_live(busy=text)

    def fail(self, text: str) -> None:
        """Report an error to the page."""
        self._tell_live(error=text)

    def _tell_live(self, **changes: Any) -> None:
        live = self._host.state.live
        for name, value in changes.items():
            setattr(live, name, value)
        self._host.set_trait("live", live.describe())


def _describe(muting: Muting) -> dict[str, Any]:
    return {
        "before_logprob": total_logprob(muting.before),
        "forced_logprob": total_logprob(muting.forced),
        "written_logprob": total_logprob(muting.generated),
        "written_text": well_formed(muting.generated.target.preview()),
        "same": muting.is_same,
    }
