"""The notebook widget: traits both ways, weights by request."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anywidget
import torch
import traitlets

from xattn_widget._compat import open_widgets
from xattn_widget.alignment.gold import Reference, read_references
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.messages.characters import brief
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.panel.entries import describe_records, fit_heads, flatten, settle_compare, settle_heads
from xattn_widget.panel.protocol import Subject, read_request
from xattn_widget.panel.replies import answer
from xattn_widget.panel.score_entries import ScoreEntry, list_entries, start_threads
from xattn_widget.panel.settings import VIEW_SETTINGS, View, check_view, settled_last
from xattn_widget.panel.summary import summarise
from xattn_widget.scores import Score, find_score
from xattn_widget.widget.cells import is_shown
from xattn_widget.widget.comm import allowed_state, receive
from xattn_widget.widget.experiments import Experiments, Variant
from xattn_widget.widget.live_model import LiveModel, Rest

if TYPE_CHECKING:
    from xattn_widget.panel.page import EmbeddedPage

_STATIC = Path(__file__).parents[1] / "static"


def _built(name: str) -> str:
    path = _STATIC / name
    if not path.is_file():
        raise FileNotFoundError(
            f"the front end is not built ({name} is missing): run 'make js' in the checkout, or install a release"
        )
    return path.read_text(encoding="utf-8")


class CrossAttentionWidget(View, anywidget.AnyWidget):
    """Cross-attention of one or more records in a notebook; every trait can be observed and set.

    Its settings are those of :class:`xattn_widget.panel.settings.View`.

    Attributes:
        live: what the panel is told of experiments; read only.
    """

    # As traits: a file's contents, anywidget would watch for each widget, and so keep each one alive for ever.
    _esm = traitlets.Unicode(_built("stub.js")).tag(sync=True)
    _code = traitlets.Unicode(_built("widget.js")).tag(sync=True)
    _css = traitlets.Unicode(_built("widget.css")).tag(sync=True)

    info = traitlets.Dict(read_only=True).tag(sync=True)
    score_list: traitlets.List[dict[str, Any]] = traitlets.List(read_only=True).tag(sync=True)
    live = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        records: CrossAttention | Sequence[CrossAttention],
        *,
        scores: Sequence[str | Score | Callable[..., Any]] | None = None,
        names: Sequence[str] | None = None,
        reference: Any = None,
        reference_words: bool = True,
        live: LiveModel | None = None,
        **view: Any,
    ) -> None:
        """Show records.

        Args:
            records: a record, or a list of them, of one model or of several (checkpoints, before and after an
                intervention); hypotheses of a record are shown as sentences of their own.
            scores: names of built-in scores and scores of your own; all built-in ones when left out.
            names: a name for each record, such as ``["before", "after"]``.
            reference: a word alignment to lay over the lines and the matrix, with the alignment error rate of the
                picked heads: a Pharaoh string (``"0-0 1p2"``), (source, target) pairs, or an object with ``sure`` and
                ``possible`` pairs; for a list of records a list of such, None where there is none. Of an n-best list
                it belongs to the first hypothesis. Gold or silver: say which you have.
            reference_words: its numbers count words (of ``source_words`` and ``target_words``), or else tokens.
            live: the model that the records are of, to try things with; :func:`show_cross_attention` gives it.
            view: initial traits, such as ``layer=2`` or ``words=True``; another widget's ``view`` gives the same view.

        Raises:
            TypeError: an unknown view setting.
            ValueError: no record, or names or references that do not fit the records.
        """
        check_view(view, inspect.signature(type(self)).parameters)
        self._records, ranks, named, groups = flatten(records, names)
        self._described = (ranks, named, groups)
        self._originals = len(self._records)
        single = isinstance(records, CrossAttention)
        given = [records] if isinstance(records, CrossAttention) else list(records)
        self._references: list[Reference | None] = []
        for record, links in zip(given, read_references(reference, given, single, reference_words), strict=True):
            self._references += [links, *[None] * (len(record.hypotheses or (record,)) - 1)]
        self._scores = list_entries(scores, self._records)
        start = {"score_name": next(iter(self._scores))} | view
        if not {"layer", "head", "heads"} & set(view):
            # The last layer's mean is what most resembles an alignment where rows are labelled by the token predicted.
            first = self._records[view["sentence"] if view.get("sentence") in range(len(self._records)) else 0]
            start["heads"] = [[first.layers - 1, head] for head in range(first.heads)]
        elif "heads" not in view:
            start["heads"] = [[view.get("layer", 0), view.get("head", 0)]]
        start_threads()
        super().__init__()
        self._own_layout = self.layout
        self.set_trait("info", describe_records(self._records, ranks, named, groups) | {"live": True})
        self._experiments = Experiments(self, live)
        self._list_scores()
        self.observe(self._follow_heads, "heads")
        self.observe(self._follow_layer_and_head, ["layer", "head"])
        self.observe(self._follow_sentence, "sentence")
        self.observe(self._follow_muted, "muted")
        for name in sorted(start, key=settled_last):
            setattr(self, name, start[name])
        self.on_msg(receive)

    @property
    def records(self) -> list[CrossAttention]:
        """What can be shown, in the order of the sentence picker."""
        return cast("list[CrossAttention]", list(self._records))

    @property
    def record(self) -> CrossAttention:
        """The record that is shown."""
        return cast("CrossAttention", self._records[self.sentence])

    def add_score(
        self, score: str | Score | Callable[..., Any], *, special: str | None = None, **parameters: Any
    ) -> None:
        """Add a score and colour the grid by it at once; one of the same name is replaced.

        Args:
            score: a score of your own (``@score`` or a plain function), or the name of a built-in one.
            special: its policy for special tokens, ``"keep"``, ``"drop"`` or ``"renormalize"``.
            parameters: its parameters, where they differ from its defaults.

        Raises:
            ValueError: it does not return one number a head. The widget stays as it was.
        """
        entry = ScoreEntry(find_score(score), special, parameters)
        entry.forget(self.record)  # what the function uses may have changed since
        entry.grid(self.record)  # an error belongs into this cell, before anything changes
        self._scores[entry.name] = entry
        self._list_scores()
        self.score_name = entry.name

    def scores(self, name: str | None = None) -> torch.Tensor:
        """``[layers, heads]`` values of a listed score for the shown sentence; of the shown score when left out.

        They are computed once for each record; whatever the score raises is raised here.
        """
        return self.score_entry(name).grid(self.record)

    def score_entry(self, name: str | None = None) -> ScoreEntry:
        """A listed score with its parameters; the shown one when left out."""
        name = self.score_name if name is None else name
        if name not in self._scores:
            raise ValueError(f"no score {name!r} is listed; {did_you_mean(name, self._scores)}")
        return self._scores[name]

    @property
    def view(self) -> dict[str, Any]:
        """Every setting of the view: ``CrossAttentionWidget(records, **widget.view)`` shows the very same."""
        view = {name: getattr(self, name) for name in VIEW_SETTINGS}
        return view | {"sentence": self._experiments.original(self.sentence)}

    def reference(self, sentence: int | None = None) -> Reference | None:
        """The reference alignment of a sentence, of the shown one when left out."""
        return self._references[self.sentence if sentence is None else sentence]

    @property
    def originals(self) -> int:
        """How many of the sentences are not of an experiment."""
        return self._originals

    def set_target(self, target: str) -> CrossAttention:
        """Read the shown sentence with another target by teacher forcing, and show it; returns its record.

        It stands behind the others in the list of sentences, as "edited", and takes the place of the edit before it.

        Raises:
            RuntimeError: the widget holds no model, or the call was stopped in the panel.
            ValueError: an empty target, or one longer than the model's positions.
        """
        return self._experiments.set_target(target)

    def set_token(self, position: int, token: int | str, *, rest: Rest = "generate") -> CrossAttention:
        """Put another token at a target position of the shown sentence, and show what comes of it.

        Args:
            position: which target position, from 0.
            token: its id, or the token as the vocabulary writes it.
            rest: what follows: ``"generate"`` anew, or ``"keep"`` as it was and read after the new token.

        Returns:
            The record that is shown then.

        Raises:
            RuntimeError: the widget holds no model, or the call was stopped in the panel.
            ValueError: no such position or token.
        """
        return self._experiments.set_token(position, token, rest)

    def stop(self) -> None:
        """Stop the call of the model that runs; nothing else happens where none does."""
        self._experiments.stop()

    def list_variants(self, variants: Sequence[Variant]) -> None:
        """Have these behind the widget's own records in the list of sentences, and no others."""
        count = self._originals
        ranks, names, groups = self._described
        self._records = [*self._records[:count], *(each.record for each in variants)]
        self._references = [*self._references[:count], *[None] * len(variants)]
        info = describe_records(
            self._records,
            [*ranks, *[""] * len(variants)],
            [*names, *(each.name for each in variants)],
            [*groups, *(each.group for each in variants)],
        )
        for entry, variant in zip(info["sentences"][count:], variants, strict=True):
            entry["version"] = variant.version
        self.set_trait("info", info | {"live": True})

    def export(self, path: str | Path, *, spreadsheet: bool = False) -> Path:
        """Save what is shown, as the file's ending says; returns the path.

        ``.csv`` and ``.json``: tokens and exact weights of the picked heads, with words, special tokens and reading as
        shown. ``.pharaoh`` (or ``.align``): for each target word the source word that the picked heads together weigh
        most. ``.png``, ``.svg`` and ``.pdf``: the matrix of the picked heads, drawn by matplotlib; the panel's own
        Export draws what it shows, lines too. ``.html``: the panel as a page, as :meth:`to_html`.

        Args:
            path: the file to write.
            spreadsheet: for a ``.csv`` to open in a spreadsheet: a token that it would take for a formula (beginning
                with ``=``, ``+``, ``-``, ``@``, a tab or a line break) gets an apostrophe in front.

        Raises:
            ValueError: another ending.
        """
        from xattn_widget.panel.export import export

        return export(self, path, spreadsheet)

    def to_html(self, path: str | Path, *, max_bytes: int | None = None) -> Path:
        """Write a page that shows this widget as it is now, offline and without a kernel.

        Args:
            path: the file to write.
            max_bytes: the largest size of the file; heads and sentences that do not fit are left out, and the page
                says so. Everything is written when left out.

        Returns:
            The path written.

        Raises:
            ValueError: ``max_bytes`` is too small for one head of the shown sentence.
        """
        from xattn_widget.panel.page import write_page

        return write_page(self, path, max_bytes)

    def embed(self, *, max_bytes: int | None = None) -> EmbeddedPage:
        """The widget as it is now, as HTML that a saved notebook keeps: the panel in ``nbconvert``'s pages, offline.

        Args:
            max_bytes: the largest size of the page inside, as in :meth:`to_html`. It is kept in the notebook's file.

        Returns:
            What a cell shows as its last expression.
        """
        from xattn_widget.panel.page import EmbeddedPage

        return EmbeddedPage(self, max_bytes)

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The reply to a request of the front end, and its buffers; scores are computed before it returns.

        Raises:
            ValueError: a request that breaks the contract, in a sentence; see :mod:`xattn_widget.panel.protocol`.
        """
        return answer(self.read_request(request), self._records, self._scores, self._references)

    def read_request(self, request: Any) -> dict[str, Any]:
        """A request of the front end with every field checked.

        Raises:
            ValueError: it breaks the contract, or another experiment has taken the place of the sentence it means.
        """
        asked = read_request(request, Subject(self._records, self._scores, self.sentence))
        version = asked.get("version")
        if version is not None and version != self.info["sentences"][asked["sentence"]].get("version"):
            raise ValueError("another experiment has taken the place of this sentence")
        return asked

    def summary(self) -> str:
        """What the widget shows, in words."""
        return summarise(
            self.record,
            self._scores[self.score_name],
            self.info["sentences"][self.sentence],
            f" (sentence {self.sentence + 1} of {len(self._records)})" if len(self._records) > 1 else "",
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a text and a picture where widgets do not run."""
        from xattn_widget.panel.picture import summary_picture

        if self.comm is None:  # it was let go of
            self._own_layout.open()
            self.open()
        is_shown(self)
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        picture = summary_picture(self.record, self.heads, str(self.aggregate), self.score_entry())
        data["text/plain"] = self.summary()
        data["image/png"] = base64.b64encode(picture).decode()
        return data, metadata

    def let_go(self) -> None:
        """Free what the page holds of the widget, when nothing shows it any more; displaying it opens it again."""
        self.stop()
        if self.comm is not None:
            for widget in (self, self._own_layout):
                comm, widget.comm = widget.comm, None
                open_widgets().pop(comm.comm_id, None)
                comm.close()

    def _list_scores(self) -> None:
        self.set_trait("score_list", [entry.describe() for entry in self._scores.values()])

    def set_state(self, sync_data: Any) -> None:
        """Take what the page sets: settings of the view. Everything else belongs to the kernel and stays as it is.

        Raises:
            traitlets.TraitError: a value that a setting does not take; all settings stay as they were.
        """
        state = allowed_state(self, sync_data)
        try:
            super().set_state(state)
        except Exception:
            self.send_state(sorted(state))  # or the page would go on showing it
            raise

    def answer_live(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a request to try something with the model; None where it comes later."""
        return self._experiments.answer(request)

    def _follow_heads(self, change: Any) -> None:
        with self.hold_trait_notifications():  # the two change together, or the next observer would see half of it
            self.layer, self.head = change["new"][-1]

    def _follow_layer_and_head(self, change: Any) -> None:
        if not self.heads or list(self.heads[-1]) != [self.layer, self.head]:
            self.heads = [[self.layer, self.head]]

    def _follow_muted(self, change: Any) -> None:
        self._experiments.follow_muted(change["old"] or [])

    def _follow_sentence(self, change: Any) -> None:
        self._experiments.follow_sentence()
        self.target_index = self.source_index = None
        if self.heads and (fitting := fit_heads(self.heads, self.record)) != self.heads:
            self.heads = fitting  # a model with fewer heads

    @traitlets.validate("sentence", "layer", "head", "target_index", "source_index")
    def _check_index(self, proposal: Any) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        record = self._records[self.sentence] if self.sentence < len(self._records) else self._records[0]
        sizes = {
            "sentence": len(self._records),
            "layer": record.layers,
            "head": record.heads,
            "target_index": record.weights.shape[2],
            "source_index": record.weights.shape[3],
        }
        if value is not None and not 0 <= value < sizes[name]:
            raise traitlets.TraitError(f"{name} must be 0 to {sizes[name] - 1} here, got {brief(value)}")
        return value

    @traitlets.validate("heads")
    def _check_heads(self, proposal: Any) -> list[list[int]]:
        return settle_heads(proposal["value"], self.record)

    @traitlets.validate("muted")
    def _check_muted(self, proposal: Any) -> list[list[int]]:
        return self._experiments.check_muted(proposal["value"])

    @traitlets.validate("compare")
    def _check_compare(self, proposal: Any) -> dict[str, Any] | None:
        return settle_compare(proposal["value"], self.sentence, self._records)

    @traitlets.validate("score_name", "second_score")
    def _check_score_name(self, proposal: Any) -> str:
        if proposal["trait"].name == "second_score" and proposal["value"] == "":
            return ""
        if proposal["value"] not in self._scores:
            raise traitlets.TraitError(
                f"no score {brief(proposal['value'])} is listed; {did_you_mean(proposal['value'], self._scores)} "
                "add_score adds one"
            )
        return str(proposal["value"])
