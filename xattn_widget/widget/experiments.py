"""The widget's experiments: which records came of them, which heads are muted, and what the panel is told of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import traitlets

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.entries import total_logprob
from xattn_widget.panel.score_entries import error_text, finite
from xattn_widget.record.heads import check_heads, head_pairs
from xattn_widget.widget.jobs import Call, Result, Worker
from xattn_widget.widget.live_model import LiveModel, Muting, Rest

if TYPE_CHECKING:
    from xattn_widget.widget.widget import CrossAttentionWidget

NO_MODEL = (
    "This widget holds records and no model: show_cross_attention(model, tokenizer, ...) makes one that can try things."
)
EDITED = "edited"
FORCED = "heads muted, same target"
WRITTEN = "heads muted, written anew"


@dataclass(frozen=True)
class Variant:
    """A record that came of an experiment with another: the sentence that it belongs to, and what was done."""

    record: CrossAttention
    group: int
    name: str
    version: int


class Experiments:
    """What a widget tries with its model; each result is a sentence more in the widget's list."""

    def __init__(self, widget: CrossAttentionWidget, live: LiveModel | None) -> None:
        self._widget, self._live = widget, live
        self._worker = None if live is None else Worker(live.model, self._tell, self._fail)
        self._variants: list[Variant] = []
        self._versions = 0
        self._base: int | None = None  # the sentence whose heads are muted
        self._choices: dict[int, tuple[CrossAttention, list[Any]]] = {}
        self._setting = False
        widget.set_trait("live", {"why": "" if live else NO_MODEL, "busy": "", "error": "", "effect": None})

    def check_muted(self, value: Any) -> list[list[int]]:
        """Muted heads as the trait holds them; raises a TraitError where they make no sense here."""
        heads = check_muted(value, self._widget.records[self._widget.sentence])
        if heads and self._live is None:
            raise traitlets.TraitError(f"no head can be muted here. {NO_MODEL}")
        return heads

    def original(self, sentence: int) -> int:
        """A sentence, or of one that came of an experiment the first that it was tried with."""
        if sentence < self._widget.originals:
            return sentence
        entries = self._widget.info["sentences"]
        return next(index for index, each in enumerate(entries) if each["group"] == entries[sentence]["group"])

    # What Python calls: here and now, errors go to the caller.

    def set_target(self, target: str) -> CrossAttention:
        """Read the shown sentence with another target."""
        return self._now(lambda call: self._read(target, call))

    def set_token(self, position: int, token: int | str, rest: Rest) -> CrossAttention:
        """Put another token at a target position."""
        return self._now(lambda call: self._replace(position, token, rest, call))

    def follow_muted(self, before: list[list[int]]) -> None:
        """Somebody has set the trait: try the sentence without these heads, or put everything back."""
        if self._setting:
            return
        heads = [list(head) for head in self._widget.muted]
        try:
            self._now(lambda call: self._mute(heads, call))
        except BaseException:
            with self._unfollowed():
                self._widget.muted = before
            raise

    def stop(self) -> None:
        """Stop what runs."""
        if self._worker:
            self._worker.stop()

    # What the panel asks for: begun here, told when it is done.

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a request of the panel to try something; None where it comes later, by ``widget.send``.

        The request is one that :func:`xattn_widget.panel.protocol.read_request` has read, with its "id".
        """
        action = request["action"]
        if action == "stop":
            self.stop()
            return {}
        live, worker = self._need()
        if action == "text":
            return {"text": well_formed(live.text(self._widget.records[request["sentence"]]))}
        if action == "choices":
            if worker.is_busy:
                raise RuntimeError("the model is at work")
            record = self._widget.records[request["sentence"]]
            worker.start(lambda call: self._send_choices(request, record, call))
            return None
        if action == "target":
            worker.start(lambda call: self._read(request["text"], call))
        elif action == "token":
            worker.start(lambda call: self._replace(request["position"], request["token"], request["rest"], call))
        else:
            worker.start(lambda call: self._mute(sorted(request["heads"]), call))
        return {}

    def follow_sentence(self) -> None:
        """With heads muted, another sentence is tried without them as well."""
        widget = self._widget
        if self._setting or not widget.muted or self._worker is None or self._base is None:
            return
        if widget.sentence != self._base and not self._is_muted(widget.sentence):
            heads = [list(head) for head in widget.muted]
            self._worker.start(lambda call: self._mute(heads, call))

    # What is done, on whichever thread.

    def _read(self, target: Any, call: Call) -> CrossAttention:
        live, base = self._need()[0], self._unmuted()
        return self._add_edited(live.read(self._widget.records[base], target, call), base, call)

    def _replace(self, position: Any, token: Any, rest: Any, call: Call) -> CrossAttention:
        live, base = self._need()[0], self._unmuted()
        record = self._widget.records[base]
        count = record.weights.shape[2]
        if not isinstance(position, int) or not 0 <= position < count:
            raise ValueError(f"position must be 0 to {count - 1} here, got {position!r}")
        if rest not in get_args(Rest):
            raise ValueError(f"rest must be 'generate' or 'keep', got {rest!r}")
        token = _token_id(live.target_tokenizer, token)
        return self._add_edited(live.replace_token(record, position, token, rest, call), base, call)

    def _add_edited(self, record: CrossAttention, base: int, call: Call) -> CrossAttention:
        group = self._widget.info["sentences"][base]["group"]
        muting = None
        if self._widget.muted:
            muting = self._need()[0].mute(record, self._pairs(), call)
        kept = [each for each in self._variants if each.name == EDITED and each.group != group]
        edited = self._variant(record, group, EDITED)
        call.check()
        self._list([*kept, edited], show=edited, muting=muting)
        return record

    def _mute(self, heads: list[list[int]], call: Call) -> None:
        widget, base = self._widget, self._unmuted()
        edited = [each for each in self._variants if each.name == EDITED]
        record = widget.records[base]
        muting = None
        if heads:
            muting = self._need()[0].mute(record, [(layer, head) for layer, head in heads], call)
            call.check()
        self._list(edited, show=base, muting=muting, heads=heads)

    def _list(
        self,
        edited: list[Variant],
        *,
        show: int | Variant,
        muting: Muting | None,
        heads: list[list[int]] | None = None,
    ) -> None:
        """Put the results into the widget's list, and show one: with heads muted, the same target without them."""
        widget = self._widget
        first = widget.originals
        base = show if isinstance(show, int) else first + edited.index(show)
        group = widget.info["sentences"][base]["group"] if isinstance(show, int) else show.group
        effect = None
        variants = list(edited)
        shown = base
        if muting:
            shown = first + len(edited)
            variants += [self._variant(muting.forced, group, FORCED), self._variant(muting.generated, group, WRITTEN)]
            effect = _describe(muting) | {"base": base, "forced": shown, "written": shown + 1}
        pins = (widget.target_index, widget.source_index) if isinstance(show, int) else (None, None)
        with self._unfollowed(), widget.hold_sync():
            if heads is not None:
                widget.muted = heads
            self._base = base if muting else None
            self._variants = variants
            if widget.sentence >= first + len(variants):
                widget.sentence = base if base < first else 0
            widget.list_variants(variants)
            widget.sentence = shown
            widget.target_index, widget.source_index = pins
            widget.set_trait("live", widget.live | {"effect": effect})

    def _unfollowed(self) -> Block[None]:
        """Set the widget's traits inside the block without trying anything."""

        def begin(cleanup: Cleanup) -> None:
            cleanup.add(partial(setattr, self, "_setting", False))
            self._setting = True

        return Block(begin)

    def _send_choices(self, request: Mapping[str, Any], record: CrossAttention, call: Call) -> None:
        """Send the likeliest tokens at a target position; all positions are worked out at once, and kept."""
        live, widget = self._need()[0], self._widget
        sentence, position = request["sentence"], request["position"]
        try:
            held = self._choices.get(sentence)
            if held is None or held[0] is not record:
                call.tell("Looking for other tokens")
                heads = self._pairs() if self._is_muted(sentence) else []
                held = (record, live.choices(record, heads))
                self._choices = {sentence: held}
            choices = [
                {"id": each.id, "label": well_formed(each.label), "logprob": finite(each.logprob)}
                for each in held[1][position]
            ]
            widget.send({"id": request["id"], "choices": choices})
        except Exception as error:
            widget.send({"id": request["id"], "error": error_text(error) if str(error) else "stopped"})
            raise

    def _now(self, work: Callable[[Call], Result]) -> Result:
        return self._need()[1].run(work)

    def _need(self) -> tuple[LiveModel, Worker]:
        if self._live is None or self._worker is None:
            raise RuntimeError(NO_MODEL)
        return self._live, self._worker

    def _pairs(self) -> list[tuple[int, int]]:
        return [(layer, head) for layer, head in self._widget.muted]

    def _unmuted(self) -> int:
        """The shown sentence, or the one that it is without some heads."""
        sentence = self._widget.sentence
        return self._base if self._is_muted(sentence) and self._base is not None else sentence

    def _is_muted(self, sentence: int) -> bool:
        index = sentence - self._widget.originals
        return 0 <= index < len(self._variants) and self._variants[index].name != EDITED

    def _variant(self, record: CrossAttention, group: int, name: str) -> Variant:
        self._versions += 1
        return Variant(record, group, name, self._versions)

    def _tell(self, text: str) -> None:
        self._widget.set_trait("live", self._widget.live | {"busy": text})

    def _fail(self, text: str) -> None:
        self._widget.set_trait("live", self._widget.live | {"error": text})


def check_muted(value: Any, record: CrossAttention) -> list[list[int]]:
    """Muted heads as a sorted list of [layer, head], each once; empty for none.

    Raises:
        traitlets.TraitError: something other than (layer, head) pairs, or a head that is not there.
    """
    try:
        heads = sorted(set(head_pairs(value, "muted")))
        check_heads(heads, record.layers, record.heads)
    except ValueError as error:
        raise traitlets.TraitError(f"muted: {error}") from None
    return [list(head) for head in heads]


def _describe(muting: Muting) -> dict[str, Any]:
    return {
        "before_logprob": total_logprob(muting.before),
        "forced_logprob": total_logprob(muting.forced),
        "written_logprob": total_logprob(muting.generated),
        "written_text": well_formed(muting.generated.target.preview()),
        "same": muting.is_same,
    }


def _token_id(tokenizer: Any, token: Any) -> int:
    """The id of a token, which may be given as the vocabulary writes it."""
    if isinstance(token, str):
        found = tokenizer.convert_tokens_to_ids(token)
        if found is None or (found == tokenizer.unk_token_id and token != tokenizer.unk_token):
            raise ValueError(
                f"the vocabulary has no token {token!r:.60}; {_token_hint(tokenizer, token)}give its id, or the token "
                "as it writes it"
            )
        return int(found)
    index = operator.index(token)
    if not 0 <= index < len(tokenizer):
        raise ValueError(f"the vocabulary has tokens 0 to {len(tokenizer) - 1}, got {index}")
    return index


def _token_hint(tokenizer: Any, token: str) -> str:
    """The token that was meant, with the sign of a word's beginning or end that its vocabulary has; or its pieces."""
    vocabulary = tokenizer.get_vocab()
    marked = [each for each in (f"▁{token}", f"Ġ{token}", f"{token}</w>", f"##{token}") if each in vocabulary]
    if not marked:
        ids = tokenizer(text_target=token, add_special_tokens=False)["input_ids"]
        pieces = [each for each in tokenizer.convert_ids_to_tokens(ids) if each != tokenizer.unk_token]
        if len(pieces) > 1:
            return f"as text it is the tokens {', '.join(map(repr, pieces[:8]))}; "
        marked = pieces
    return f"did you mean {' or '.join(map(repr, marked))}? Else " if marked else ""
