"""A profile of heads in a notebook: the grid of heads, what the picked head does, and where it is strongest."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import traitlets
from matplotlib.figure import Figure

from xattn_widget.corpus.job import probe_model
from xattn_widget.corpus.opening import opened_source
from xattn_widget.corpus.profile_content import (
    describe_profile,
    first_look,
    listed_rows,
    profile_numbers,
    strongest_rows,
)
from xattn_widget.corpus.profiles import HeadProfile
from xattn_widget.inputs.extras import make_extras
from xattn_widget.inputs.paired import pair_model
from xattn_widget.messages.characters import brief, well_formed
from xattn_widget.messages.hints import did_you_mean
from xattn_widget.panel.protocol import RequestError
from xattn_widget.record.heads import check_heads, head_pairs, whole_number
from xattn_widget.scores import BUILTIN
from xattn_widget.scores.made import find_made
from xattn_widget.scores.roles import ROLES
from xattn_widget.widget.corpus_checks import model_notice
from xattn_widget.widget.opening_view import OpeningView
from xattn_widget.widget.show import show_cross_attention
from xattn_widget.widget.table_scores import further_scores
from xattn_widget.widget.widget import CrossAttentionWidget


class ProfileView(OpeningView):
    """The view that :func:`show_profile` makes; every trait can be observed and set.

    Attributes:
        profile: the profile.
        score_name: the score that colors the grid, and by which the strongest sentences are listed; ``""`` for the
            roles of heads, with the sentences by the rule of the picked head's role.
        statistic: what of the score the grid shows over sentences: ``"mean"``, ``"std"``, or one of the profile's
            levels, such as ``0.5`` for the median.
        head: the picked ``(layer, head)``.
        row: the row of the scored table that is open below, one of those listed for some head, or None.
        theme: ``"auto"`` (the theme of the host), ``"light"`` or ``"dark"``.
        opened: the widget of the row that is open, or None.
    """

    _app = traitlets.Unicode("profile").tag(sync=True)

    _from_page = frozenset({"score_name", "statistic", "head", "row"})

    score_name = traitlets.Unicode("").tag(sync=True)
    statistic = traitlets.Any("mean").tag(sync=True)
    # None is for a profile without heads alone. Unlike Any, this type leaves the check of None to the validator below.
    head: Any = traitlets.TraitType(None).tag(sync=True)

    def __init__(
        self,
        profile: HeadProfile,
        model: Any = None,
        tokenizer: Any = None,
        target_tokenizer: Any = None,
        forward: Mapping[str, Any] | None = None,
    ) -> None:
        """See :func:`show_profile`."""
        self.profile = profile
        self._info = profile.info  # parsed once, with all texts
        self._names = {well_formed(name): name for name in self._info["signatures"]}
        self._show: Callable[..., CrossAttentionWidget] | None = None
        notice = ""
        if model is not None:
            paired = pair_model(model, tokenizer, target_tokenizer)
            prompted = any(text[4:] and text[4] is not None for text in self._info["texts"].values())
            shape, _ = probe_model(paired, make_extras(model, None, forward), prompted)
            if tuple(shape) != profile.shape:
                raise ValueError(
                    f"the profile has {profile.shape[0]} layers of {profile.shape[1]} heads and this "
                    f"{type(model).__name__} has {shape[0]} layers of {shape[1]}: pass the model that was profiled"
                )
            notice = model_notice(model, self._info["model"], "profile")
            self._show = partial(
                show_cross_attention, model, tokenizer, target_tokenizer=target_tokenizer, forward=forward
            )
        described = describe_profile(profile.data, self._info, can_open=self._show is not None, notice=notice)
        self.set_trait("info", described)
        first = first_look(self._info)
        super().__init__(head=None if first["head"] is None else tuple(first["head"]))
        self.observe(self._follow_head, ["head", "score_name"])

    # --- Traits.

    @traitlets.validate("score_name")
    def _check_score(self, proposal: Any) -> str:
        name: str = proposal["value"]
        if name and name not in self._names:
            raise traitlets.TraitError(
                f"the profile has no score {brief(name)}; {did_you_mean(name, self._names)}; '' shows the roles"
            )
        return name

    @traitlets.validate("statistic")
    def _check_statistic(self, proposal: Any) -> Any:
        value = proposal["value"]
        if value not in ("mean", "std", *self._info["levels"]) or isinstance(value, bool):
            levels = ", ".join(map(str, self._info["levels"]))
            raise traitlets.TraitError(f"statistic is 'mean', 'std' or one of {levels}, got {brief(value)}")
        return value

    @traitlets.validate("head")
    def _check_head(self, proposal: Any) -> Any:
        try:
            return self._read_head(proposal["value"])
        except RequestError as error:
            raise traitlets.TraitError(str(error)) from None

    def _read_head(self, value: Any) -> tuple[int, int] | None:
        if value is None and not self.profile.data.num_rows:
            return None
        try:
            pairs = head_pairs([value])
            check_heads(pairs, *self.profile.shape)
        except ValueError as error:
            raise RequestError(f"head is a (layer, head) pair, got {brief(value)}: {error}") from None
        return pairs[0]

    @traitlets.validate("row")
    def _check_row(self, proposal: Any) -> int | None:
        if proposal["value"] is None:
            return None
        row = whole_number(proposal["value"])
        if row is None or str(row) not in self._info["texts"]:
            raise traitlets.TraitError(
                f"the profile has no text of row {brief(proposal['value'])}: it keeps those of the strongest sentences"
            )
        if self._show is None:
            raise traitlets.TraitError(
                f"row {row} cannot be opened without the model: call show_profile(profile, model, tokenizer)"
            )
        return row

    # --- The open sentence.

    def _follow_head(self, change: Any) -> None:
        """Show the picked head in the open sentence, and color its grid by the score of the view."""
        if self.opened is None:
            return
        if change["name"] == "head":
            self.opened.heads = [list(self.head)]
        elif any(entry["name"] == self.score_name for entry in self.opened.score_list):
            self.opened.score_name = self.score_name

    def _open_row(self, row: int) -> CrossAttentionWidget:
        assert self._show is not None
        _, source, target, offset, *rest = self._info["texts"][str(row)]  # earlier profiles end here
        source = opened_source(source, self._info, offset)
        prompt = rest[0] if rest else None
        further = further_scores([], {})
        score = self._shown_score()
        listed = further if score is None else [score, *(other for other in further if other.name != score.name)]
        return self._show(source, target, prompt=prompt, scores=listed, heads=[self.head], theme=self.theme)

    def _shown_score(self) -> Any:
        """The score of the list of sentences, where this session knows its function."""
        if not self.score_name:
            return ROLES.get(self.profile.roles[self.head[0]][self.head[1]])
        shares = {share.name: share for share in ROLES.values()}
        name = self._names[self.score_name]
        return shares.get(name) or BUILTIN.get(name) or find_made(name)

    # --- The page.

    def _answer(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        kind = request.get("kind")
        if kind == "numbers":
            return {}, profile_numbers(self.profile.data, self._info)
        if kind == "strongest":
            return {"rows": self._strongest(request)}, []
        raise RequestError(f"a request needs 'kind', one of 'numbers', 'strongest', got {brief(kind)}")

    def _strongest(self, request: Mapping[str, Any]) -> list[dict[str, Any]]:
        name, head = request.get("name"), self._read_head(request.get("head"))
        if not isinstance(name, str) or name not in self._names or head is None:
            raise RequestError(f"name is a score of the profile, got {brief(name)}")
        return listed_rows(strongest_rows(self.profile.data, self._info, self._names[name], *head), self._info)

    def summary(self) -> str:
        """What the heads do, in words; see ``HeadProfile.summary``."""
        return self.profile.summary()

    def __repr__(self) -> str:
        """The profile, for ``print`` and logs."""
        profile = vars(self).get("profile")
        return f"{type(self).__name__}({profile!r})" if profile is not None else f"{type(self).__name__}()"

    def _picture(self) -> bytes | None:
        layers, heads = self.profile.shape
        if not layers * heads:
            return None
        figure = Figure(figsize=(min(4 + 0.5 * heads, 14), min(1.5 + 0.45 * layers, 14)), layout="constrained")
        self.profile.plot(figure.subplots())
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=96)
        return picture.getvalue()


def show_profile(
    profile: HeadProfile,
    model: Any = None,
    tokenizer: Any = None,
    *,
    target_tokenizer: Any = None,
    forward: Mapping[str, Any] | None = None,
) -> ProfileView:
    """Look at a profile of heads in a notebook: the grid of heads, what each does, and the sentences where it does so.

    The grid is colored by the roles of heads, or by a statistic of a score. A click on a head, or the arrow keys, show
    its role with the share of rows that follow it, the distribution of every score, the sentences where it is strongest
    and the heads it agrees with. With the model, a click on such a sentence opens it in the cross-attention widget.

    In IPython a profile shows itself in this way; call this to pass the model, or to set what the view shows.

    Example:
        >>> from xattn_widget import load_demo, profile_heads, show_profile
        >>> model, tokenizer = load_demo()
        >>> profile = profile_heads(model, tokenizer, ["Ich habe das Buch gelesen."], progress=False)
        >>> view = show_profile(profile, model, tokenizer)
        >>> view.head = (2, 1)
        >>> view.score_name = "entropy"

    Args:
        profile: the profile, see :func:`profile_heads`.
        model: the model that was profiled, to open sentences; None lists their texts only. Logs a warning if its
            weights, configuration or number type differ, and the view says so.
        tokenizer: its tokenizer, or the processor of a model that reads sound or images.
        target_tokenizer: the tokenizer of the targets, if it is a different one.
        forward: further arguments of the model's forward that the sentences were scored with, see
            :func:`score_corpus`.

    Returns:
        The view, which a cell shows as its last expression.

    Raises:
        TypeError: something other than a profile, a model or a tokenizer.
        ValueError: only one of model and tokenizer, a model with other layers or heads than the profile, or the
            tokenizer of another model.
    """
    if not isinstance(profile, HeadProfile):
        raise TypeError(
            f"profile must be a HeadProfile, got {type(profile).__name__}: make one with profile_heads, or read one "
            "with HeadProfile.load"
        )
    if (model is None) != (tokenizer is None):
        raise ValueError("pass both model and tokenizer to open sentences, or neither")
    return ProfileView(profile, model, tokenizer, target_tokenizer, forward)
