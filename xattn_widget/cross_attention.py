"""The record of one sentence pair's cross-attention: ``CrossAttention``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import torch

from xattn_widget.alignment.links import Method, align_record
from xattn_widget.alignment.target_spans import Field, target_fields
from xattn_widget.alignment.unsupported import WordSupport, unsupported_words
from xattn_widget.alignment.word_boxes import WordBoxes, word_boxes
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.alignment.word_times import word_times
from xattn_widget.inputs.text.assigning import assign_words
from xattn_widget.record import storage
from xattn_widget.record.data import Aggregate, AttentionData
from xattn_widget.record.special import Special
from xattn_widget.record.timing import TimingMethod
from xattn_widget.scores import Score, ScoreGrid, find_score
from xattn_widget.scores.grid import GridAxis

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PlotKind = Literal["heatmap", "lines", "grid"]


@dataclass(frozen=True, eq=False, repr=False)
class CrossAttention(AttentionData):
    """Cross-attention of every layer and head over one sentence pair.

    Attributes:
        weights: ``[layers, heads, target, source]`` tensor on the CPU, float32 unless ``extract`` was called with
            another ``dtype``; each row is a distribution. A record of some layers has those layers alone, and a record
            of single heads is ``[kept heads, 1, target, source]``; :attr:`kept_heads` has their numbers in the model
            and :meth:`head_weights` their weights.
        source: the axis of source positions.
        targets: the axis of target positions by reading. Row ``i`` belongs to one decoder state: under ``"output"``
            it is labeled by the token that this state predicts, under ``"input"`` by the token that it has just read.
        reading: the reading that currently labels the rows.
        logprobs: ``[target]`` natural-log probabilities of the target tokens, or None.
        generated: True if the model generated the target, False if it was given (teacher forcing).
        sequence_score: the score by which beam search ranked the target in an n-best list (log-probability divided by
            length to the power of the length penalty, as in ``generate``), or None.
        model: the name of the model's class, for titles.
        hypotheses: the n-best list, best first, if more than one hypothesis was requested; otherwise empty. The first
            hypothesis is this record.
        value_norms: ``[layers, heads, target, source]`` norms of what each source position contributes (see
            :attr:`Capture.value_norms`), with the heads of ``weights``, or None if they were not requested.
        importance: ``[layers, heads]`` by method: how much the loss on this target depends on each head (see
            :func:`head_importance`); empty if it was not requested.
        steps: the changes made to the attention since it was captured, in order, as named in signatures: ``"words"``,
            ``"drop"``, ``"renormalize"``, ``"crop"``, ``"contributions"`` (of value norms), or another kind of
            contributions such as ``"alti"``.
        arguments: further arguments of the model's forward for this sentence, by name; not saved.
        sound: the sound that the source axis was made from, or None for other sources.
        image: the picture that the source axis was made from, a :class:`~xattn_widget.record.picture.Picture`, or None
            for other sources and for what a processor made of a picture.
        prompt: the text that went with the picture, see :func:`extract`, or None.
        outside: ``[layers, heads, target]`` share of each row's weight on positions after the end of the sound, as
            captured; None for other sources.
        end_row: ``[layers, heads, source]``, layers and heads as in ``weights``: the weights of the decoder state that
            has read the end of the target, or None if it was not read. Word times need it to equal openai-whisper's.
        kept: which heads of the model ``weights`` holds, or None for all.
        timing: the heads that time the words of this model and their lag, or None if the model is unknown; see
            :meth:`word_times`.
        contributed: what :func:`extract` measured with ``contributions=`` and ``faithfulness=``, a
            :class:`~xattn_widget.record.contributed.Contributed`; see :meth:`contributions`.

    Raises:
        ValueError: the shapes of weights and axes do not match.
    """

    def with_words(self, *, source: Sequence[str] | None = None, target: Sequence[str] | None = None) -> Self:
        """The record with given words, such as the tokens that a gold alignment counts, instead of those it found.

        Words are matched with the text by their characters, whatever its spaces, case and Unicode forms:
        ``"Das ist 's ."`` fits ``"Das ist's."``. Words may be missing, added or spelled differently here and there.

        Args:
            source: the source words in order; unchanged by default.
            target: the target words in order, for both readings.

        Raises:
            TypeError: one string instead of a list of them.
            ValueError: words of another sentence, or target words for an n-best list, whose hypotheses are different
                targets.
        """

        def assigned(record: Self) -> Self:
            return replace(
                record,
                source=record.source if source is None else assign_words(record.source, source),
                targets={
                    reading: axis if target is None else assign_words(axis, target)
                    for reading, axis in record.targets.items()
                },
            )

        if target is not None and self.hypotheses:
            raise ValueError(
                f"this record holds {len(self.hypotheses)} hypotheses, which are different targets: give the words of "
                "each, [hypothesis.with_words(target=words) for hypothesis, words in zip(record.hypotheses, ...)]"
            )
        return self.changed(assigned)

    @property
    def prefix_contributions(self) -> torch.Tensor:
        """``[layers, 1, target, target]`` what each token that the decoder has read contributes by ALTI+.

        After each decoder layer. Each row and that of ``contributed.maps["alti"]`` sum to 1 together. The columns are
        the tokens of the reading ``"input"``; ``words()`` and ``drop_special()`` change the rows alone.

        Raises:
            ValueError: the record holds no contributions by ALTI+.
        """
        if self.contributed.prefix is None:
            raise self.contributed.missing("alti")
        return self.contributed.prefix

    @property
    def source_contribution(self) -> torch.Tensor:
        """``[target]`` how much of each prediction the source contributes by ALTI+, from 0 to 1.

        The rest comes from the tokens that the decoder has read before. It is the value after the last decoder layer.

        Raises:
            ValueError: the record holds no contributions by ALTI+.

        Source: Ferrando et al. 2022.
        """
        return 1 - self.prefix_contributions[-1, 0].sum(-1)

    @property
    def faithfulness(self) -> ScoreGrid:
        """``[layers, heads]`` how well each head agrees with input x gradient, by the score ``faithfulness``.

        It is computed from the weights as they are: of words after :meth:`words`, and of contributions after
        :meth:`contributions`. ``record.score("masking_drop")`` is the other measure.

        Raises:
            ValueError: the record holds no gradients.
        """
        return self.score("faithfulness")

    def score(
        self,
        score: str | Score | Any,
        *,
        special: Special | None = None,
        reduce: GridAxis | None = None,
        crop: bool = True,
        **parameters: Any,
    ) -> ScoreGrid:
        """A score of every head, a ``[layers, heads]`` float tensor; NaN where it is undefined.

        It is undefined for heads that the record does not keep, and where a score compares heads of which one is not
        kept.

        Its ``signature`` says what was computed, see :class:`xattn_widget.scores.ScoreGrid`. The attention over sound
        is scored without the positions after its end (see :meth:`cropped`), and the signature says so.

        Args:
            score: the name of a built-in score, a score made with ``@score``, or a plain function
                ``fn(attention, source_mask, target_mask, **parameters) -> [layers, heads]``.
            special: ``"keep"``, ``"drop"`` or ``"renormalize"`` special tokens, ``"drop_punctuation"`` or
                ``"renormalize_punctuation"`` to leave out punctuation too, or a function that takes the text of a token
                and returns True to leave it out (see ``xattn_widget.scores``).
            reduce: return the mean over ``"layers"`` (``[heads]``) or ``"heads"`` (``[layers]``); NaN where one of the
                values is NaN. Heads with the same number in two layers have nothing in common.
            crop: with False, score attention over sound as it was captured, with the positions after its end.
            parameters: the score's own parameters.

        Raises:
            ValueError: an unknown name, policy or reduction, a score that needs what the record does not hold, or a
                function that returns another shape.
            TypeError: a parameter that the score does not have.
        """
        return find_score(score).of_record(self, special=special, reduce=reduce, crop=crop, **parameters)

    def align(
        self,
        heads: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        *,
        method: Method = "argmax",
        words: bool = True,
        special: Special = "renormalize",
        aggregate: Aggregate = "mean",
        at_least: float | None = None,
    ) -> list[tuple[int, int]]:
        """Word alignment links (source word, target word), counted from 0, by one head or several combined.

        Rows are target words under the current reading. Which reading aligns better differs between layers (see
        :meth:`read_as` and :func:`best_alignment_heads`). Special tokens are never linked.

        Args:
            heads: a (layer, head) pair or a list of them; all heads that the record keeps by default.
            method: ``"argmax"``, ``"mutual"``, ``"threshold"``, ``"mass"``, ``"assignment"`` or ``"monotone"``, see
                :func:`xattn_widget.alignment.align_weights`.
            words: if True, link words (of ``source_words`` and ``target_words``); otherwise tokens by position.
            special: with ``"keep"`` special tokens compete, so that a word whose weight is on the end-of-sentence token
                gets no link; ``"drop"`` leaves them out; ``"renormalize"`` also rescales each row to sum to 1. Other
                policies (see :meth:`score`) leave out and do not link punctuation, or what a function says.
            aggregate: ``"mean"`` or ``"max"`` over the heads.
            at_least: leave out links with less weight, see :func:`xattn_widget.alignment.align_weights`.

        Raises:
            ValueError: an unknown method, policy or aggregate, or a head that does not exist or is not kept.
        """
        return align_record(
            self, heads, method=method, words=words, special=special, aggregate=aggregate, at_least=at_least
        )

    def word_times(
        self,
        heads: Sequence[tuple[int, int]] | None = None,
        lag: float | None = None,
        method: TimingMethod | None = None,
    ) -> list[WordTime]:
        """When each target word was said, for a record of sound.

        The attention is cropped to the sound. Each weight becomes a z-score within its column over all decoder rows, a
        median filter of 7 positions runs along time, and a monotone path is found through the mean over the heads. A
        word begins where the row of its first token begins. It ends where the row after its last token begins. With the
        heads, spectrogram and rows (including ``end_row``) of openai-whisper, the results equal those of its
        ``find_alignment``. Rows are read as ``"output"``, whatever the current reading. Special tokens, such as
        timestamps, are in no word. An n-best list gives the times of its first hypothesis.

        Args:
            heads: (layer, head) pairs. By default those of :attr:`timing`: the calibrated set, else the one that the
                model's generation config names. A record without them uses the half of its heads with the most
                weight near their paths (see :func:`best_alignment_heads`).
            lag: seconds to subtract from all times, which then stay within the sound. By default the lag of
                :attr:`timing` if its heads are used, otherwise 0.
            method: ``"dtw"`` is openai-whisper's ``find_alignment``, with the same results for its heads, spectrogram
                and rows. There each word lasts until the next one begins. With ``"pauses"`` the silence before the
                first word and between words is part of no word: the path also passes the row before the first token,
                and silent parts of the sound of 100 ms or more are cut off. By default the method of :attr:`timing` if
                its heads are used, otherwise ``"dtw"``; guessed heads use ``"pauses"``.

        Returns:
            A ``(word, start, end, confidence)`` for each target word, in seconds from the beginning of the recording
            (``sound.offset`` is added). The confidence is the mean of the probabilities of the word's tokens, or None
            without ``logprobs``. openai-whisper computes these probabilities among text tokens alone, without special
            ones such as the end of the text. Its values are never lower, and much higher for words where the model
            expects a special token.

        Raises:
            ValueError: the source is not sound, positions have no seconds, rows were merged or dropped, a head that
                does not exist, a lag that is not finite, or an unknown method.
        """
        return word_times(self, heads, lag, method)

    def unsupported_words(
        self, heads: Sequence[tuple[int, int]] | None = None, *, below: float = 0.3
    ) -> list[WordSupport]:
        """The target words that no sound supports, such as words that the model made up, for a record of sound.

        The support of a word is the mass of its attention on sound that no other word reads, see
        :func:`xattn_widget.scores.unsupported_words`; it is the mean over the heads. Mass on silence, or on sound that
        other words read as well, supports no word. Rows are read as ``"output"``, and words without letters and digits
        are left out. Low support is a hint and no proof: a word that was said quickly next to others has little, too.

        Args:
            heads: (layer, head) pairs; by default those that :meth:`word_times` uses.
            below: list words with less support; with 1 almost all words are listed.

        Returns:
            A ``(word, support, index)`` for each such word, in the order of the target; ``index`` is its index in
            ``target_words`` under the reading ``"output"``.

        Raises:
            ValueError: the record holds no sound, positions have no seconds, rows were merged or dropped, or a head
                that does not exist.
        """
        return unsupported_words(self, heads, below=below)

    def boxes(
        self, words: Any = None, threshold: float = 0.5, heads: Sequence[tuple[int, int]] | None = None
    ) -> list[WordBoxes]:
        """Where in the picture each word was read from, for a record of an image.

        The attention of a word is the mean over its tokens and the heads. The fewest patches that together hold
        ``threshold`` of its attention in the picture are chosen. Each group of them that hangs together gets a box.
        Rows are read as ``"output"``, whatever the current reading.

        Args:
            words: the parts of the target: texts, (start, stop) positions on the target axis, or fields of
                :meth:`fields`; one or a list of them. By default each word. A text gives an item for each place where
                it occurs.
            threshold: the share of the attention in the picture that the boxes hold, above 0 and at most 1.
            heads: (layer, head) pairs; by default all heads of the last layer.

        Returns:
            For each part a :class:`~xattn_widget.alignment.WordBoxes`: its boxes in pixels of the original picture, the
            one with the most attention first, the share that they hold, and the share outside the picture.

        Raises:
            ValueError: the record has no places in a picture, a text that the target does not have, positions or a
                threshold out of range, or a head that does not exist or is not kept.
        """
        return word_boxes(self, words, threshold, heads)

    def fields(self) -> list[Field]:
        """The fields that a document model such as Donut wrote, found by their tags ``<s_name>`` and ``</s_name>``.

        Only the innermost fields are returned, in order, with the names of those around them: ``"menu.price"``, or
        ``"menu[1].price"`` in a list. Pass them to :meth:`boxes`. Rows are read as ``"output"``.
        """
        return target_fields(self.read_as("output").target)

    def plot(
        self,
        layer: int | None = None,
        head: int | None = None,
        *,
        kind: PlotKind = "heatmap",
        heads: Sequence[tuple[int, int]] | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> Axes:
        """Draw the record with matplotlib, for a paper or a notebook.

        Colors can be told apart with any color vision. Labels are drawn in fonts that have their characters, with
        right-to-left scripts shaped and ordered; a warning says where that is impossible. Save as PNG, SVG or PDF with
        ``ax.figure.savefig(path)``.

        Args:
            layer: the layer (from 0), or None for the mean over all heads.
            head: the head (from 0), or None for the mean over the heads of the layer.
            kind: ``"heatmap"``: target rows by source columns. ``"lines"``: tokens in two columns, one line per weight.
                ``"grid"``: all heads, colored by a score.
            heads: several (layer, head) pairs instead of layer and head. A heatmap shows their mean; lines get one
                color per head.
            ax: matplotlib axes to draw into; created by default.
            options: ``threshold`` (default 0.05) for ``"lines"``: weights below it are left out. For ``"grid"``:
                ``score`` (a name or function), ``special`` and the parameters of the score.

        Returns:
            The axes drawn into.

        Raises:
            ValueError: an unknown kind, a head that does not exist, or a head without its layer.
            TypeError: an option that this kind does not have.
        """
        from xattn_widget import plot

        if kind not in get_args(PlotKind):
            raise ValueError(f"kind must be one of {', '.join(map(repr, get_args(PlotKind)))}, got {kind!r}")
        if kind == "grid":
            if not (layer is None and head is None and heads is None):
                raise ValueError("a grid shows all heads: leave out layer, head and heads")
            if "score" not in options:
                raise TypeError("a grid needs a score: plot(kind='grid', score='entropy')")
            return plot.plot_grid(self, ax=ax, **options)
        allowed = {"threshold"} if kind == "lines" else set()
        if unknown := sorted(set(options) - allowed):
            raise TypeError(f"plot(kind={kind!r}) takes no option {unknown[0]!r}")
        draw = plot.plot_lines if kind == "lines" else plot.plot_heatmap
        return draw(self, layer, head, heads, ax=ax, **options)

    def to_html(self, path: str | Path, *, max_bytes: int | None = None, **view: Any) -> Path:
        """Write a page that shows this record in the panel, offline and without a kernel.

        Args:
            path: the file to write.
            max_bytes: the largest size of the file; what does not fit is left out, and the page says so.
            view: initial view settings, as ``show_cross_attention`` takes them.

        Returns:
            The path written.

        Raises:
            TypeError: an unknown view setting, or a ``max_bytes`` that is not a whole number.
            ValueError: ``max_bytes`` is too small for one head.
            traitlets.TraitError: a setting that this record does not allow.
        """
        from xattn_widget.panel.page import write_page
        from xattn_widget.panel.state import PanelState

        return write_page(PanelState(self, **view), path, max_bytes)

    def save(self, path: str | Path) -> Path:
        """Save to a ``.safetensors`` file (weights as tensors, the rest as JSON metadata; no pickle).

        Returns:
            The path written. Read it again with :func:`xattn_widget.load`.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: the weights are not probabilities, or other numbers are impossible, so that the file could not
                be loaded again.
        """
        return storage.save(self, path)


def load(path: str | Path) -> CrossAttention:
    """Load a record that :meth:`CrossAttention.save` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a saved record, it is damaged, or it has a newer format.
    """
    return storage.load(path, CrossAttention)
