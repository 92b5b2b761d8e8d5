"""The notebook widget: settings as traits both ways, weights by request."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anywidget
import torch
import traitlets

from xattn_widget.alignment import HeadSet
from xattn_widget.alignment.evidence import Evidence
from xattn_widget.alignment.gold import Reference
from xattn_widget.cross_attention import CrossAttention
from xattn_widget.extraction.windows import WindowRecords
from xattn_widget.panel.computations import start_threads
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.front_end import built_file
from xattn_widget.panel.held_windows import HeldWindows
from xattn_widget.panel.score_entries import ScoreEntry
from xattn_widget.panel.settings import VIEW_SETTINGS, View, check_view
from xattn_widget.panel.state import PanelState
from xattn_widget.record.sinks import PositionSinks
from xattn_widget.record.special import Special
from xattn_widget.scores import Score
from xattn_widget.widget.cells import connect, disconnect, note_shown
from xattn_widget.widget.comm import allowed_state, receive
from xattn_widget.widget.effect import MutingEffect
from xattn_widget.widget.experiments import Experiments
from xattn_widget.widget.live_model import LiveModel, Rest
from xattn_widget.widget.reading import Reading, hold_windows
from xattn_widget.widget.traits import ViewTraits

if TYPE_CHECKING:
    from xattn_widget.panel.page import EmbeddedPage

# `repr` names at most this many heads.
_NAMED_HEADS = 4


class CrossAttentionWidget(ViewTraits, anywidget.AnyWidget):
    """Cross-attention of one or more records in a notebook; every trait can be observed and set.

    Its settings are those of :class:`xattn_widget.panel.settings.View`.

    Attributes:
        live: what the panel is told about experiments; read only.
    """

    # Strings instead of paths: anywidget would watch a file for each widget, and so keep every widget alive.
    _esm = traitlets.Unicode(built_file("stub.js")).tag(sync=True)
    _code = traitlets.Unicode(built_file("widget.js")).tag(sync=True)
    _css = traitlets.Unicode(built_file("widget.css")).tag(sync=True)

    info = traitlets.Dict(read_only=True).tag(sync=True)
    score_list: traitlets.List[dict[str, Any]] = traitlets.List(read_only=True).tag(sync=True)
    live = traitlets.Dict(read_only=True).tag(sync=True)

    def __init__(
        self,
        records: CrossAttention | Sequence[CrossAttention | WindowRecords],
        *,
        scores: Sequence[str | Score | Callable[..., Any]] | None = None,
        names: Sequence[str] | None = None,
        reference: Any = None,
        reference_words: bool = True,
        live: LiveModel | None = None,
        evidence: Evidence | None = None,
        head_set: HeadSet | None = None,
        sinks: PositionSinks | None = None,
        **view: Any,
    ) -> None:
        """Show records.

        Without ``heads``, ``layer`` or ``head`` it opens with the heads that are most likely to align, or with the mean
        of the last layer where the records say too little.

        Args:
            records: a record, or a list of them, of one model or of several (checkpoints, before and after an
                intervention); hypotheses of a record are shown as sentences of their own. Of the windows of a long
                recording, as :func:`extract` returns them, few are in memory: the next one is read when it is needed.
            scores: names of built-in scores, and your own scores; all built-in ones when left out.
            names: a name for each record, such as ``["before", "after"]``.
            reference: a word alignment to draw over the lines and the matrix, with the alignment error rate of the
                picked heads: a Pharaoh string (``"0-0 1p2"``), (source, target) pairs, or an object with ``sure`` and
                ``possible`` pairs; for a list of records a list of these, None for a record without one. For an n-best
                list it belongs to the first hypothesis. It may be gold or silver: say which it is. Of a sound it can be
                the true times of its words, (word, start, end) in seconds; of a picture the true boxes of its words in
                pixels: (text, (left, top, right, bottom)) pairs, or for each word its box, as :func:`box_overlap` takes
                them, or :class:`~xattn_widget.alignment.WordBoxes`.
            reference_words: its numbers count words (of ``source_words`` and ``target_words``), or else tokens.
            live: the model of the records, for experiments; :func:`show_cross_attention` passes it.
            evidence: what is known about which heads of that model align; gathered from the records when left out.
            head_set: a set of heads of the first record's model, as :func:`best_head_set` finds it: the widget opens
                with its mean, each head under its own reading. :func:`show_cross_attention` passes the saved one.
            sinks: what the setting ``divide_sinks`` divides the weights on pictures by, as :func:`position_sinks`
                returns it; the mean over the records when left out, if there are ten different pictures.
            view: initial settings, such as ``layer=2`` or ``words=True``; the ``view`` of another widget gives the same
                view.

        Raises:
            TypeError: an unknown view setting.
            ValueError: no record, or names, references or a set of heads that do not fit the records.
        """
        check_view(view, inspect.signature(type(self)).parameters)
        muted = view.pop("muted", [])
        self._state = PanelState(
            hold_windows(records),
            scores=scores,
            names=names,
            reference=reference,
            reference_words=reference_words,
            evidence=evidence,
            head_set=head_set,
            sinks=sinks,
            **view,
        )
        self._state.live.has_model = live is not None
        self._experiments = Experiments(self, live)
        self._reading = Reading(self)
        self._publish()
        start_threads()
        super().__init__(**vars(self._state.view))
        self._own_layout = self.layout
        self.observe(self._follow, ["heads", "layer", "head", "sentence"])
        self.observe(self._experiments.follow_sentence, "sentence")
        self.observe(self._experiments.follow_muted, "muted")
        self.observe(lambda change: self._reading.read_ahead(change["new"]), "sentence")
        self.on_msg(self._receive)
        self.muted = muted  # this runs the model
        self._reading.read_ahead(self.sentence)

    @property
    def state(self) -> PanelState:
        """The panel without the notebook, with the settings as they are now."""
        self._state.view = View(**{name: getattr(self, name) for name in VIEW_SETTINGS})
        return self._state

    @property
    def records(self) -> list[CrossAttention]:
        """All records that can be shown, in the order of the sentence picker.

        Those of the windows of a long recording are made again, and all of them are in memory while you keep the list.
        """
        return cast("list[CrossAttention]", [entry.record for entry in self._state.entries])

    @property
    def record(self) -> CrossAttention:
        """The record that is shown."""
        return cast("CrossAttention", self._state.entries[self.sentence].record)

    @property
    def view(self) -> dict[str, Any]:
        """The value of every setting, so that ``CrossAttentionWidget(records, **widget.view)`` shows the same."""
        state = self.state
        return vars(state.view) | {"sentence": state.original(state.view.sentence)}

    # --- Scores and references.

    def add_score(
        self, score: str | Score | Callable[..., Any], *, special: Special | None = None, **parameters: Any
    ) -> None:
        """Add a score and color the grid by it at once; a score of the same name is replaced.

        Args:
            score: your own score (``@score`` or a plain function), or the name of a built-in one.
            special: its policy for special tokens, as in ``record.score``.
            parameters: its parameters, where they differ from its defaults.

        Raises:
            ValueError: it does not return one number per head. The widget stays as it was.
        """
        name = self.state.add_score(score, special, parameters)
        self._publish()
        self.score_name = name

    def scores(self, name: str | None = None) -> torch.Tensor:
        """``[layers, heads]`` values of a listed score for the shown sentence; of the shown score when left out.

        They are those of one sentence, whatever ``over`` says: the page itself takes the mean over sentences. They
        follow ``as_shown``, and their signature says what was computed. They are computed once for each record;
        whatever the score raises is raised here.
        """
        return self.score_entry(name).grid(self.record)

    def score_entry(self, name: str | None = None) -> ScoreEntry:
        """A listed score as it is shown, with its parameters; the shown one when left out."""
        return self.state.score_entry(name)

    def reference(self, sentence: int | None = None) -> Reference | None:
        """The reference alignment of a sentence, of the shown one when left out."""
        return self._state.entries[self.sentence if sentence is None else sentence].reference

    # --- Experiments.

    @property
    def effect(self) -> MutingEffect | None:
        """What muting heads changes in the sentence; None while no head is muted."""
        described = self._state.live.effect
        return None if described is None else MutingEffect.read(described, self.records)

    @property
    def originals(self) -> int:
        """The number of sentences that no experiment made."""
        return len(self._state.given)

    def set_target(self, target: str) -> CrossAttention:
        """Read the shown sentence with another target by teacher forcing, and show it; returns its record.

        It comes after the others in the list of sentences, as "edited", and replaces the edit before it.

        Raises:
            RuntimeError: the widget holds no model, or the call was stopped in the panel.
            ValueError: an empty target, or one longer than the model's positions.
        """
        return self._experiments.set_target(target)

    def set_token(self, position: int, token: int | str, *, rest: Rest = "generate") -> CrossAttention:
        """Put another token at a target position of the shown sentence, and show the result.

        Args:
            position: the target position, from 0.
            token: its id, or the token as the vocabulary writes it.
            rest: what follows: ``"generate"`` it again, or ``"keep"`` it and read it after the new token.

        Returns:
            The record that is shown then.

        Raises:
            RuntimeError: the widget holds no model, or the call was stopped in the panel.
            ValueError: no such position or token.
        """
        return self._experiments.set_token(position, token, rest)

    def stop(self) -> None:
        """Stop the running call of the model, if there is one, and reading a long recording after this window."""
        self._experiments.stop()
        self._reading.stop()

    def list_variants(self, variants: Sequence[Entry]) -> None:
        """Replace the results of experiments in the list of sentences."""
        self._state.list_variants(variants)
        self._publish()

    # --- Long recordings.

    def list_window(self, windows: HeldWindows) -> None:
        """List the window of a recording that was read last."""
        with self.hold_sync():
            place = self._state.list_window(windows)
            self._publish()
            self._experiments.make_room(place)

    def tell_reading(self, reading: bool, error: str) -> None:
        """Tell the page whether windows are being read, and why reading has failed."""
        self._state.reading = reading
        self._publish()
        if error:
            self._experiments.fail(error)

    # --- Files.

    def export(self, path: str | Path, *, spreadsheet: bool = False) -> Path:
        """Save what is shown in the format of the file name's extension; returns the path.

        ``.csv`` and ``.json``: tokens and exact weights of the picked heads, with words, special tokens and reading as
        shown. ``.pharaoh`` (or ``.align``): for each target word the source word with the largest joint weight of the
        picked heads. ``.png``, ``.svg`` and ``.pdf``: the matrix of the picked heads, drawn by matplotlib; the Export
        menu of the panel draws what it shows, including lines. ``.html``: the panel as a page, as :meth:`to_html`.

        Args:
            path: the file to write.
            spreadsheet: for a ``.csv`` file to open in a spreadsheet: a token that it would read as a formula
                (beginning with ``=``, ``+``, ``-``, ``@``, a tab or a line break) gets an apostrophe in front.

        Raises:
            ValueError: another extension.
        """
        from xattn_widget.panel.export import export

        return export(self.state, path, spreadsheet)

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

        return write_page(self.state, path, max_bytes)

    def embed(self, *, max_bytes: int | None = None) -> EmbeddedPage:
        """The widget as it is now, as HTML that is saved with the notebook: the panel offline, and after ``nbconvert``.

        Args:
            max_bytes: the largest size of the page inside, as in :meth:`to_html`. It adds to the notebook's file.

        Returns:
            What a cell shows as its last expression.
        """
        from xattn_widget.panel.page import EmbeddedPage

        return EmbeddedPage(self.state, max_bytes)

    # --- The page.

    def answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """The reply to a request of the front end, and its buffers; scores are computed before it returns.

        Raises:
            ValueError: a request that breaks the contract, in a sentence; see :mod:`xattn_widget.panel.protocol`.
        """
        return self.state.answer(request)

    def read_request(self, request: Any) -> dict[str, Any]:
        """A request of the front end with every field checked.

        Raises:
            ValueError: it breaks the contract, or another experiment has replaced the sentence that it refers to.
        """
        return self.state.read_request(request)

    def answer_live(self, request: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a request for an experiment; None if it comes later."""
        if request["action"] == "read":
            self._reading.read_until(request["sentence"], request["until"])
            return {}
        if request["action"] == "stop":
            self._reading.stop()
        return self._experiments.answer(request)

    def summary(self) -> str:
        """What the widget shows, in words."""
        return self.state.summary()

    def __repr__(self) -> str:
        """The shown sentence and heads, for ``print`` and logs."""
        state = vars(self).get("_state")
        if state is None:  # an error in the arguments: there is nothing to show yet
            return f"{type(self).__name__}()"
        entry, count = state.entries[self.sentence], len(state.entries)
        place = f"sentence {self.sentence + 1} of {count}: " if count > 1 else ""
        heads = [tuple(head) for head in self.heads]
        named = f"heads {heads}" if len(heads) <= _NAMED_HEADS else f"{len(heads)} heads"
        return f"{type(self).__name__}({place}{entry.source!r} -> {entry.target!r}, {named})"

    def set_state(self, sync_data: Any) -> None:
        """Apply the settings that the page sends. Everything else belongs to the kernel and stays unchanged.

        Raises:
            traitlets.TraitError: an invalid value; all settings stay as they were.
        """
        state = allowed_state(self, sync_data)
        try:
            super().set_state(state)
        except Exception:
            self.send_state(sorted(state))  # otherwise the page would keep showing it
            raise

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget, and a text and a picture for places where widgets do not run.

        The picture shows the heads picked when the cell ran. It does not follow later picks: a notebook keeps what the
        cell sent, the kernel is not told when it is saved, and sending the output again would make JupyterLab build the
        panel anew under the reader's hands. Run the cell again before saving, or show ``widget.embed()``.
        """
        from xattn_widget.panel.static_picture import summary_picture

        connect(self, self._own_layout)
        note_shown(self)
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        data["text/plain"] = self.summary()
        data["image/png"] = base64.b64encode(summary_picture(self.state)).decode()
        return data, metadata

    def let_go(self) -> None:
        """Free the page's copy of the widget once nothing shows it; displaying the widget opens it again."""
        self.stop()
        disconnect(self, self._own_layout)

    def _receive(self, widget: Any, request: Any, buffers: Any) -> None:
        receive(self.state, self.answer_live, request, lambda reply, out: self.send(reply, out))

    def _publish(self) -> None:
        """Tell the page what has changed besides settings."""
        self.set_trait("info", self._state.describe_entries() | {"has_kernel": True})
        self.set_trait("score_list", self._state.describe_scores())
        self.set_trait("live", self._state.live.describe())

    @traitlets.validate(*VIEW_SETTINGS)
    def _settle(self, proposal: Any) -> Any:
        return self.state.settle(proposal["trait"].name, proposal["value"])

    def _follow(self, change: Any) -> None:
        with self.hold_trait_notifications():  # observers must not see a partial change
            for name, value in self.state.consequences(change["name"]).items():
                setattr(self, name, value)
