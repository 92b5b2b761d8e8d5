"""The record of one sentence pair's cross-attention: ``CrossAttention``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from xattn_widget.record.axis import Axis, Word

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xattn_widget.alignment import Method
    from xattn_widget.scores import Score
    from xattn_widget.scores.definition import Reduce

Reading = Literal["output", "input"]
PlotKind = Literal["heatmap", "lines", "grid"]


@dataclass(frozen=True, eq=False, repr=False)
class CrossAttention:
    """Cross-attention of every layer and head over one sentence pair.

    Attributes:
        weights: ``[layers, heads, target, source]`` float32 tensor on the CPU; each row is a distribution.
        source: the axis of source positions.
        targets: the axis of target positions by reading. Row ``i`` belongs to one decoder state: under ``"output"``
            it is labelled by the token which that state predicts, under ``"input"`` by the token which it has read.
        reading: which of the two labels the rows now.
        logprobs: ``[target]`` natural-log probabilities of the predicted tokens, or None.
        generated: True where the model generated the target, False where it was given (teacher forcing).
        sequence_score: the score by which beam search ranked the target in an n-best list (log-probability by length to
            the power of the length penalty, as ``generate`` gives it), or None.
        model: name of the model's class, for titles.
        hypotheses: the n-best list, best first and this record first, where more than one hypothesis was asked for.
        value_norms: ``[layers, heads, target, source]`` norms of what each source position contributes (see
            :attr:`Capture.value_norms`), or None where they were not asked for.
        importance: ``[layers, heads]`` by method: how much the loss on this target depends on each head (see
            :func:`head_importance`); empty where it was not asked for.
        steps: what was made of the attention as captured, in order, as signatures name it: ``"words"``, ``"drop"``,
            ``"renormalize"``, ``"contributions"``.
        arguments: what the model's forward was given beside token ids, by name, as parts of this sentence; not saved.

    Raises:
        ValueError: the shapes of weights and axes do not fit each other.
    """

    weights: torch.Tensor
    source: Axis
    targets: dict[Reading, Axis]
    reading: Reading = "output"
    logprobs: torch.Tensor | None = None
    generated: bool = False
    sequence_score: float | None = None
    model: str = ""
    hypotheses: tuple[CrossAttention, ...] = ()
    value_norms: torch.Tensor | None = None
    importance: Mapping[str, torch.Tensor] = field(default_factory=dict)
    steps: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.weights.dim() != 4 or self.weights.numel() == 0:
            raise ValueError(
                "weights must be [layers, heads, target, source], none of them 0, got a tensor of shape "
                f"{list(self.weights.shape)}"
            )
        if self.reading not in self.targets:
            raise ValueError(f"reading {self.reading!r} has no target axis; there are {sorted(self.targets)}")
        expected = {(len(target), len(self.source)) for target in self.targets.values()}
        if expected != {tuple(self.weights.shape[2:])}:
            raise ValueError(
                f"weights have {self.weights.shape[2]} target rows and {self.weights.shape[3]} source columns, but the "
                f"axes have (target, source) = {sorted(expected)}"
            )
        if self.logprobs is not None and tuple(self.logprobs.shape) != (self.weights.shape[2],):
            raise ValueError(f"logprobs must be [target] = [{self.weights.shape[2]}], got {list(self.logprobs.shape)}")
        if self.value_norms is not None and self.value_norms.shape != self.weights.shape:
            raise ValueError(
                f"value_norms must have the weights' shape {list(self.weights.shape)}, got "
                f"{list(self.value_norms.shape)}"
            )
        for method, grid in self.importance.items():
            if grid.shape != self.weights.shape[:2]:
                raise ValueError(
                    f"importance by {method!r} must be [layers, heads] = {list(self.weights.shape[:2])}, got "
                    f"{list(grid.shape)}"
                )
        object.__setattr__(self, "weights", self.weights.detach().to("cpu", torch.float32))

    def __repr__(self) -> str:
        texts = " -> ".join(repr(axis.preview()) for axis in (self.source, self.target))
        target, source = self.weights.shape[2:]
        return (
            f"CrossAttention({texts}: {self.layers} layers of {self.heads} heads, {target} target rows by {source} "
            f"source columns, target {'generated' if self.generated else 'given'})"
        )

    @classmethod
    def from_tokens(
        cls, weights: torch.Tensor, source_tokens: Sequence[str], target_tokens: Sequence[str], **fields: Any
    ) -> CrossAttention:
        """A record of attention that comes from elsewhere, with a string for each position.

        Args:
            weights: ``[layers, heads, target, source]``.
            source_tokens: a display string for each source position.
            target_tokens: a display string for each target position.
            fields: further fields of the record, such as ``logprobs``.
        """
        return cls(
            weights=torch.as_tensor(weights),
            source=Axis(tuple(source_tokens)),
            targets={"output": Axis(tuple(target_tokens))},
            **fields,
        )

    @property
    def layers(self) -> int:
        """Number of layers with cross-attention."""
        return self.weights.shape[0]

    @property
    def heads(self) -> int:
        """Number of heads a layer."""
        return self.weights.shape[1]

    @property
    def target(self) -> Axis:
        """The axis of target positions under the present reading."""
        return self.targets[self.reading]

    @property
    def source_tokens(self) -> list[str]:
        """A display string for each source position."""
        return list(self.source.labels)

    @property
    def target_tokens(self) -> list[str]:
        """A display string for each target position, by the present reading."""
        return list(self.target.labels)

    @property
    def source_special(self) -> torch.Tensor:
        """``[source]`` bool, True at special tokens."""
        return torch.tensor(self.source.special, dtype=torch.bool)

    @property
    def target_special(self) -> torch.Tensor:
        """``[target]`` bool, True at special tokens of the present reading."""
        return torch.tensor(self.target.special, dtype=torch.bool)

    @property
    def source_words(self) -> list[Word]:
        """The source words with their positions."""
        return self.source.word_spans()

    @property
    def target_words(self) -> list[Word]:
        """The target words with their positions, by the present reading."""
        return self.target.word_spans()

    def read_as(self, reading: Reading) -> CrossAttention:
        """The record with its rows labelled by the token predicted (``"output"``) or read (``"input"``).

        Raises:
            ValueError: another word, or a record whose rows were merged into words under the other reading.
        """
        if reading not in get_args(Reading):
            raise ValueError(f"reading must be 'output' or 'input', got {reading!r}")
        if reading not in self.targets:
            raise ValueError(
                f"this record has no {reading!r} reading: its rows were merged or made under {self.reading!r}. "
                f"Call read_as({reading!r}) before words()"
            )
        return replace(
            self,
            reading=reading,
            hypotheses=tuple(replace(hypothesis, reading=reading) for hypothesis in self.hypotheses),
        )

    def words(self) -> CrossAttention:
        """The record with subwords merged into words: sum over source pieces, mean over target pieces.

        Rows stay distributions. Special tokens stay positions of their own. The log-probability of a word is the sum
        of its pieces'. The result has the present reading only.
        """
        target_units = self.target.units()
        alone = len(target_units) == len(self.target) and len(self.source.units()) == len(self.source)
        if alone and "words" in self.steps:
            return self  # merged before

        def merged(matrices: torch.Tensor) -> torch.Tensor:
            matrices = torch.stack([matrices[..., unit].sum(-1) for unit in self.source.units()], dim=-1)
            return torch.stack([matrices[..., unit, :].mean(-2) for unit in target_units], dim=-2)

        logprobs = self.logprobs
        if logprobs is not None:
            logprobs = torch.stack([logprobs[unit].sum() for unit in target_units])
        return replace(
            self,
            weights=merged(self.weights),
            source=self.source.merge_words(),
            targets={self.reading: self.target.merge_words()},
            logprobs=logprobs,
            hypotheses=(),
            value_norms=None if self.value_norms is None else merged(self.value_norms),
            steps=(*self.steps, "words"),
        )

    def with_words(self, *, source: Sequence[str] | None = None, target: Sequence[str] | None = None) -> CrossAttention:
        """The record with given words, such as the tokens that a gold alignment counts, in place of those it found.

        Words are matched with the text by their characters, whatever its spaces, case and Unicode forms:
        ``"Das ist 's ."`` fits ``"Das ist's."``. Words may be missing, added or spelled differently here and there.

        Args:
            source: the source words in order; as they are when left out.
            target: the target words in order, for both readings.

        Raises:
            TypeError: one string in place of a list of them.
            ValueError: words of another sentence.
        """
        return replace(
            self,
            source=self.source if source is None else self.source.with_words(source),
            targets={
                reading: axis if target is None else axis.with_words(target) for reading, axis in self.targets.items()
            },
            hypotheses=(),
        )

    def drop_special(self, *, renormalize: bool = True) -> CrossAttention:
        """The record without the rows and columns of special tokens.

        Args:
            renormalize: divide each row by its sum over the columns that are left, so that it is a distribution again;
                a row that had no weight there becomes NaN (undefined).

        Raises:
            ValueError: nothing would be left.
        """
        rows = [position for position, special in enumerate(self.target.special) if not special]
        columns = [position for position, special in enumerate(self.source.special) if not special]
        if not rows or not columns:
            raise ValueError("every position of one side is a special token: nothing would be left")
        weights = self.weights[:, :, rows][..., columns]
        if renormalize:
            weights = weights / weights.sum(-1, keepdim=True)
        return replace(
            self,
            weights=weights,
            source=self.source.select(columns),
            targets={self.reading: self.target.select(rows)},
            logprobs=None if self.logprobs is None else self.logprobs[rows],
            hypotheses=(),
            value_norms=None if self.value_norms is None else self.value_norms[:, :, rows][..., columns],
            steps=(*self.steps, "renormalize" if renormalize else "drop"),
        )

    def contributions(self) -> CrossAttention:
        """The record with value norms in place of attention weights, each row divided by its sum.

        What a source position contributes by a head depends on its value vector too: a sink takes much weight and gives
        little. Scores, alignments, pictures and the widget then show contributions; signatures say so.

        Raises:
            ValueError: the record holds no value norms.

        Source: Kobayashi et al. 2020.
        """
        if self.value_norms is None:
            raise ValueError("this record holds no value norms: make it with extract(..., value_norms=True)")
        return replace(
            self,
            weights=self.value_norms / self.value_norms.sum(-1, keepdim=True),
            steps=(*self.steps, "contributions"),
            hypotheses=tuple(replace(each, hypotheses=()).contributions() for each in self.hypotheses),
        )

    def score(
        self,
        score: str | Score | Any,
        *,
        special: str | None = None,
        reduce: Reduce | None = None,
        **parameters: Any,
    ) -> torch.Tensor:
        """A score of every head, ``[layers, heads]`` float tensor; NaN where it is undefined.

        Its attribute ``signature`` says what was computed.

        Args:
            score: the name of a built-in score, a score made with ``@score``, or a plain function
                ``fn(attention, source_mask, target_mask, **parameters) -> [layers, heads]``.
            special: ``"keep"``, ``"drop"`` or ``"renormalize"`` special tokens (see ``xattn_widget.scores``).
            reduce: the mean of the grid over its ``"layers"`` (``[heads]``) or ``"heads"`` (``[layers]``); NaN where
                one of the values is. The same head of two layers is unrelated: the grid is what a model does.
            parameters: the score's own parameters.

        Raises:
            ValueError: an unknown name, policy or reduction, something that the score needs and the record does not
                hold, or a function that returns another shape.
            TypeError: a parameter that the score does not have.
        """
        from xattn_widget.scores import find_score

        return find_score(score).of_record(self, special=special, reduce=reduce, **parameters)

    def align(
        self,
        heads: tuple[int, int] | Sequence[tuple[int, int]] | None = None,
        *,
        method: Method = "argmax",
        words: bool = True,
        special: str = "renormalize",
        aggregate: Literal["mean", "max"] = "mean",
        at_least: float | None = None,
    ) -> list[tuple[int, int]]:
        """Word alignment links (source word, target word), counted from 0, by one head or several together.

        Rows are target words by the present reading: which reading aligns better differs between layers (see
        :meth:`read_as` and :func:`best_alignment_heads`). Special tokens are never linked.

        Args:
            heads: a (layer, head) pair or a list of them; all heads when left out.
            method: ``"argmax"``, ``"mutual"``, ``"threshold"``, ``"mass"``, ``"assignment"`` or ``"monotone"``, see
                :func:`xattn_widget.alignment.align_weights`.
            words: link words (of ``source_words`` and ``target_words``), or else tokens by their position.
            special: with ``"keep"`` special tokens compete, so that a word whose weight is on the end of sentence has
                no link; ``"drop"`` leaves them out; ``"renormalize"`` also makes the rest of each row sum to 1.
            aggregate: ``"mean"`` or ``"max"`` over the heads.
            at_least: leave out links of less weight, see :func:`xattn_widget.alignment.align_weights`.

        Raises:
            ValueError: an unknown method, policy or aggregate, or a head that is not there.
        """
        from xattn_widget.alignment.links import align_record

        return align_record(self, heads, method, words, special, aggregate, at_least)

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

        Colours are told apart with any colour vision. Labels are drawn in fonts that have their characters,
        right-to-left scripts joined and in order; a warning says where that cannot be had. Save with
        ``ax.figure.savefig(path)`` as PNG, SVG or PDF.

        Args:
            layer: which layer (from 0), or None for the mean over all.
            head: which head (from 0), or None for the mean over the layer's heads.
            kind: ``"heatmap"``: target rows by source columns. ``"lines"``: tokens in two columns and a line a weight.
                ``"grid"``: all heads, coloured by a score.
            heads: several (layer, head) pairs in place of layer and head: their mean, or lines of a colour each.
            ax: matplotlib axes to draw into; made when left out.
            options: ``threshold`` (0.05) for ``"lines"``: lighter lines are left out. For ``"grid"``: ``score`` (a name
                or function), ``special`` and the score's own parameters.

        Returns:
            The axes drawn into.

        Raises:
            ValueError: another kind, a head that is not there or without its layer.
            TypeError: an option that this kind does not take.
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
        """Write a page that shows this record in the widget's own panel, offline and without a kernel.

        Args:
            path: the file to write.
            max_bytes: the largest size of the file; what does not fit is left out, and the page says so.
            view: initial view settings, as ``show_cross_attention`` takes them.

        Returns:
            The path written.
        """
        from xattn_widget.widget.widget import CrossAttentionWidget

        widget = CrossAttentionWidget(self, **view)
        try:
            return widget.to_html(path, max_bytes=max_bytes)
        finally:
            widget.close()

    def save(self, path: str | Path) -> Path:
        """Save to a ``.safetensors`` file (weights as tensors, the rest as JSON metadata; no pickle).

        Returns:
            The path written. Read it again with :func:`xattn_widget.load`.

        Raises:
            FileNotFoundError: there is no such folder.
            ValueError: the weights are not probabilities, or other numbers are impossible, so that the file could not
                be loaded again.
        """
        from xattn_widget.record.storage import save

        return save(self, path)
