"""The settings of the panel: for each one its kind, its default and its meaning, in one table."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple, get_args

from xattn_widget.messages.mistakes import argument_hint
from xattn_widget.panel.dropping import SPECIAL_VALUES
from xattn_widget.panel.own_rows import RowNames
from xattn_widget.panel.setting_kinds import HEADS_FORM, Anything, Choice, Flag, Heads, Kind, Share, Text, Whole
from xattn_widget.record.data import Aggregate

# The tabs, in the order of the registry of views (js/src/views.ts).
PANELS = ("sound", "image", "lines", "matrix", "sentences", "compare", "scores", "all")


class Setting(NamedTuple):
    """A setting of the panel.

    Attributes:
        kind: what it can be.
        doc: what it means, in a sentence or more.
        default: its value if it is not set.
    """

    kind: Kind
    doc: str
    default: Any


@dataclass(frozen=True, eq=False)
class View:
    """What the panel shows of its records, and how."""

    # In the order in which they are set: a sentence resets what follows it, and muting runs the model on what is shown.
    sentence: Annotated[int, Whole(), "The sentence of the list that is shown, counted from 0."] = 0
    layer: Annotated[int, Whole(), "The layer of the head that was picked last, counted from 0."] = 0
    head: Annotated[int, Whole(), "The head that was picked last, counted from 0."] = 0
    heads: Annotated[
        list[list[int]],
        Heads(HEADS_FORM),
        "All picked heads, a list of [layer, head]; layer and head are the last one.",
    ] = field(default_factory=list)
    target_index: Annotated[
        int | None, Whole(optional=True), "The pinned target token (a subword position), or None."
    ] = None
    source_index: Annotated[
        int | None, Whole(optional=True), "The pinned source token (a subword position), or None."
    ] = None
    score_name: Annotated[str, Text(), "The score that colors the grid of heads."] = ""
    second_score: Annotated[str, Text(), 'The score on the other axis of panel="scores"; "" chooses one.'] = ""
    over: Annotated[
        str,
        Choice(("sentence", "mean", "spread")),
        'The values of the grid of heads: the score of the shown "sentence", its "mean" over all sentences of the same '
        'model, or its "spread" over them, the standard deviation. Only the first hypothesis of a sentence counts.',
    ] = "sentence"
    aggregate: Annotated[Aggregate, Choice(get_args(Aggregate)), '"mean" or "max" over the picked heads.'] = "mean"
    combined: Annotated[
        bool,
        Flag(),
        "Draw several picked heads as one, by aggregate, instead of each in its own color; more than seven always are. "
        "The heads of an opening that nobody has chosen are combined.",
    ] = False
    keep: Annotated[
        str,
        Choice(("auto", "threshold", "top", "mass")),
        'Which lines are drawn: those of at least threshold ("threshold"), the top_k strongest of each row ("top"), or '
        'the strongest of each row that together carry the share mass of it ("mass"). "auto" is "threshold" for up to '
        "25 words or tokens on the longer side, and beyond that the strongest line of each row.",
    ] = "auto"
    threshold: Annotated[float, Share(), "See keep; 0 to 1."] = 0.05
    top_k: Annotated[int, Whole((1, 2**31 - 1)), "See keep; 1 or more."] = 3
    mass: Annotated[float, Share(), "See keep; 0 to 1."] = 0.9
    words: Annotated[bool, Flag(), "Merge subwords into words."] = True
    special: Annotated[
        str,
        Choice(SPECIAL_VALUES),
        '"show", "fade" or "drop" special tokens; "drop_punctuation" drops punctuation as well. Dropping renormalizes '
        'the rows, as the policies "renormalize" and "renormalize_punctuation" of scores do, and the panel says so.',
    ] = "fade"
    as_shown: Annotated[
        bool,
        Flag(),
        'While special tokens are dropped, score the rows as they are shown, with the policy "renormalize", or '
        '"renormalize_punctuation" if punctuation is dropped as well. Scores that have a policy of their own keep it.',
    ] = False
    divide_sinks: Annotated[
        bool,
        Flag(),
        "Divide each weight on a picture by the mean of its position over the pictures of the list, or by the sinks "
        "given, and each row by its sum: what is bright in every picture no longer stands out. It takes ten different "
        "pictures of one model, and has no effect with fewer. Scores stay those of the weights as captured.",
    ] = False
    reading: Annotated[
        RowNames,
        Choice(get_args(RowNames)),
        'Rows are labeled by the token written ("output") or read ("input"). "own" is "output" with each head of the '
        "set saved with the model under its own reading: of a head that aligns the token read, the row for a token is "
        "the one that reads it. Scores of the rows as shown are not available then.",
    ] = "output"
    orientation: Annotated[
        str, Choice(("columns", "rows")), 'Source and target are laid out in "columns" or "rows".'
    ] = "columns"
    panel: Annotated[
        str,
        Choice(PANELS),
        f"The open tab: {', '.join(map(repr, PANELS))}.",
    ] = "lines"
    compare: Annotated[
        Any,
        Anything(),
        'What panel="compare" shows next to the picked heads: a dictionary of "sentence" and "heads", each the same as '
        "shown where it is left out. A number alone is a sentence. None is the next sentence, or, with one sentence, "
        "all heads of the layer before (for layer 0, of the next).",
    ] = None
    zoom: Annotated[bool, Flag(), "Enlarge the cells of a large matrix until each has its label, and scroll."] = False
    table: Annotated[bool, Flag(), "Show the matrix as a table."] = False
    sound_weights: Annotated[
        str,
        Choice(("cropped", "raw", "zscored", "filtered")),
        'The weights of panel="sound": "cropped" to the sound, each row divided by its sum; "raw", as captured; '
        '"zscored", cropped and then standardized over the rows, as openai-whisper does before it times words; '
        '"filtered", the same after a median over seven positions.',
    ] = "cropped"
    word_times_by: Annotated[
        str,
        Choice(("known", "calibrated", "model", "picked")),
        'The heads that time the words of panel="sound": the "calibrated" set, those that the configuration of the '
        '"model" names, or the "picked" ones. "known" is the first of these sets that the record has, or else a guess; '
        "so is a set that it does not have.",
    ] = "known"
    image_opacity: Annotated[
        float, Share(), 'How much the colors of panel="image" cover the picture where the weight is largest; 0 to 1.'
    ] = 0.65
    image_outline: Annotated[
        str,
        Choice(("half", "boxes", "strongest", "none")),
        'What panel="image" outlines: the fewest patches that hold "half" of the weight in the picture, the "boxes" '
        'around these with the word, as record.boxes() returns them, the "strongest" patch, or "none".',
    ] = "half"
    image_picture: Annotated[
        bool, Flag(), 'Draw the picture itself in panel="image"; without it, its patches are drawn on plain paper.'
    ] = True
    image_grid: Annotated[bool, Flag(), 'Draw the borders of all patches in panel="image".'] = True
    image_reference: Annotated[
        bool, Flag(), 'Draw the boxes of the reference in panel="image", and compare those of a word with them.'
    ] = True
    sentence_order: Annotated[
        str,
        Choice(("highest", "lowest", "given")),
        'The order of panel="sentences": by the score of the picked heads, "highest" or "lowest" first, or as "given".',
    ] = "highest"
    theme: Annotated[str, Choice(("auto", "light", "dark")), '"auto" (the theme of the host), "light" or "dark".'] = (
        "auto"
    )
    muted: Annotated[
        list[list[int]],
        Heads(),
        "Heads whose output is set to zero, a list of [layer, head]; [] for none. With muted heads the list of "
        "sentences ends with two more: the same target read without them, which is shown, and what the model writes "
        "without them; effect of the widget has the log-probabilities. Only for a widget that holds its model.",
    ] = field(default_factory=list)


def _settings() -> dict[str, Setting]:
    defaults = vars(View())
    described = {name: hint.__metadata__ for name, hint in inspect.get_annotations(View).items()}
    return {name: Setting(kind, doc, defaults[name]) for name, (kind, doc) in described.items()}


SETTINGS = _settings()
VIEW_SETTINGS = tuple(SETTINGS)
View.__doc__ = f"{View.__doc__}\n\nAttributes:\n" + "\n".join(
    f"    {name}: {setting.doc}" for name, setting in SETTINGS.items()
)


def check_view(view: Mapping[str, Any], arguments: Iterable[str] = ()) -> None:
    """Raise a TypeError that says what to write if ``view`` has a setting that does not exist.

    Args:
        view: settings by name.
        arguments: what else the caller accepts by name.
    """
    for name, value in view.items():
        if name not in SETTINGS:
            hint = argument_hint(name, value, [*sorted(SETTINGS), *arguments])
            raise TypeError(f"{name!r} is not a view setting; {hint}")


def setting_order(name: str) -> int:
    """A key to sort settings in the order in which they are set."""
    return VIEW_SETTINGS.index(name)
