"""One forward over a batch of pairs. Scores of all heads are computed while it runs, a few layers at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch

from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.calls import CrossAttentionCall
from xattn_widget.capturing.hooks import listen
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.recorder import ROW_SUM_TOLERANCE
from xattn_widget.capturing.threads import CallingThread, Scope
from xattn_widget.corpus.job import Job
from xattn_widget.inputs.encoding_alone import with_states
from xattn_widget.inputs.paired import PairedModel
from xattn_widget.inputs.pairs import Pair, forward_inputs, predicted_logprobs
from xattn_widget.inputs.sources import Source
from xattn_widget.record.axis import Axis
from xattn_widget.scores import Score
from xattn_widget.scores.inputs import INPUTS, ScoreInput, map_tensors

# Layers are scored together as soon as they have this many weights (16 MB in float32). In small batches, calling a
# score for each layer takes longer than the score; in large ones, the weights of all layers take too much memory.
_WEIGHTS_AT_ONCE = 2**22

# What scores need of a source, by the name of the input.
SourceInputs = Mapping[str, Any]


class Results(NamedTuple):
    """The results of a forward, one row per pair."""

    grids: torch.Tensor  # [scores, batch, layers, heads] float32
    statistics: torch.Tensor  # [statistics, batch] float32
    problems: list[str | None]


class _Masks(NamedTuple):
    source: torch.Tensor  # [batch, source], True at positions of the source
    counted: torch.Tensor  # [batch, source], True at positions that scores count: not after the end of a sound
    target: torch.Tensor  # [batch, target], True at tokens
    source_special: torch.Tensor  # [batch, source], True at special tokens
    target_special: torch.Tensor  # [batch, target], True at special tokens
    source_left_out: torch.Tensor  # [batch, source], True at what the policy treats like special tokens, and at these
    target_left_out: torch.Tensor  # [batch, target], the same


class _Layers(NamedTuple):
    """The inputs of scores for some of the layers."""

    weights: torch.Tensor  # [batch, layers, heads, target, source]
    inputs: dict[str, Any]  # inputs by name that the forward yields, [batch, layers, ...]
    whole_rows: list[bool]  # for each layer, whether rows must sum to 1, or to at most 1


class _HeadReachedError(Exception):
    """Ends a forward before the LM head, when everything that is needed has run."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


class Forward:
    """Runs forwards of a model and listens to its cross-attention, in the thread that calls :meth:`listen`."""

    def __init__(self, paired: PairedModel, job: Job) -> None:
        self._paired, self._model, self._job = paired, paired.model, job
        self._masks: _Masks | None = None  # of the running forward
        self._waiting: list[_Layers] = []  # that are not scored yet
        self._seen = 0  # layers
        self._grids: list[torch.Tensor] = []  # [scores, batch, layers, heads] of layers that are scored
        self._whole: list[_Layers] = []  # where a score needs all layers
        needed = {name for score in job.scores for name in score.needs}
        self._needed: dict[str, ScoreInput] = {name: kind for name, kind in INPUTS.items() if name in needed}
        self._by_sentence: dict[str, Any] = {}  # inputs of scores, [batch, source or target]
        self._problems: list[str | None] = []

    def listen(self, cleanup: Cleanup) -> None:
        """Listen to the model until the cleanup. Other threads may run the model at the same time."""
        scope = CallingThread(cleanup)
        listen(self._model, self._listen, scope, cleanup)
        for head in () if self._job.statistics else _vocabulary_heads(self._model):
            intercept(head, partial(self._before_head, scope), cleanup)

    def source_inputs(self, source: Source) -> SourceInputs:
        """What scores need of a source, while it still holds its sound."""
        kinds = {name: kind.from_source for name, kind in self._needed.items() if kind.from_source is not None}
        if not kinds:
            return {}
        axis = source.axis()
        axis = axis.select([position for position, counts in enumerate(source.counted()) if counts])
        return {name: _known(self._needed[name], name, read(axis, source)) for name, read in kinds.items()}

    def run(
        self, pairs: list[Pair], source_inputs: Sequence[SourceInputs], states: Sequence[torch.Tensor] | None = None
    ) -> Results:
        """Scores and statistics of the pairs, and the problems found.

        Args:
            pairs: the pairs.
            source_inputs: for each, what :meth:`source_inputs` returned.
            states: for each, what the encoder returned for its source; None to run the encoder.
        """
        targets = self._target_axes(pairs)
        self._masks = self._make_masks(pairs, targets)
        self._by_sentence = self._make_inputs(source_inputs, targets, self._masks)
        self._waiting, self._grids, self._whole, self._seen = [], [], [], 0
        self._problems = [None] * len(pairs)
        try:
            inputs = forward_inputs(self._model, pairs)
            if states is not None:
                inputs = with_states(self._model, inputs, states)
            last, name = self._model(**inputs, use_cache=False).logits, "logits"
        except _HeadReachedError as reached:
            last, name = reached.states, "decoder's output"
        finally:
            masks, self._masks = self._masks, None
        self._score_waiting(masks)
        if last.shape[:2] == masks.target.shape:
            self._note((torch.isnan(last).any(-1) & masks.target).any(-1), f"NaN in the {name}")
        statistics = torch.empty(0, len(pairs))
        if self._job.statistics:
            rows = [self._statistics(last[row], pair) for row, pair in enumerate(pairs)]
            statistics = torch.stack(rows, dim=1)
            self._note(torch.isnan(statistics).any(0), "NaN in the statistics of the output")  # infinite logits
            statistics = statistics.cpu()
        return Results(self._collect(masks, len(pairs)).cpu(), statistics, self._problems)

    def _target_axes(self, pairs: list[Pair]) -> list[Axis]:
        """The axes of the targets, as on records; empty where neither the policy nor a score looks at them."""
        if self._job.special.leaves_out is None and all(kind.from_target is None for kind in self._needed.values()):
            return []
        return [self._paired.target.axis(pair.predicted, pair.target_text, pair.prompt) for pair in pairs]

    def _make_masks(self, pairs: list[Pair], targets: list[Axis]) -> _Masks:
        layout, policy = self._job.layout, self._job.special
        source, source_special = _padded([pair.source.special() for pair in pairs])
        counted = [row + [False] * (len(source[0]) - len(row)) for row in (pair.source.counted() for pair in pairs)]
        target, target_special = _padded([self._special(pair) for pair in pairs])
        lists = [layout.mask(source, True), layout.mask(counted, True), target]
        lists += [layout.mask(source_special, True), target_special]
        if policy.leaves_out is None:
            lists += lists[-2:]
        else:
            _, source_left_out = _padded([list(policy.left_out(pair.source.axis())) for pair in pairs])
            _, target_left_out = _padded([list(policy.left_out(axis)) for axis in targets])
            lists += [layout.mask(source_left_out, True), target_left_out]
        return _Masks(*(torch.tensor(flags, device=self._model.device) for flags in lists))

    def _special(self, pair: Pair) -> list[bool]:
        """For each row of a target whether it is special, as on the axis of its record."""
        return [True] * pair.prompt + self._paired.target.special(pair.predicted[pair.prompt :])

    def _make_inputs(self, source_inputs: Sequence[SourceInputs], targets: list[Axis], masks: _Masks) -> dict[str, Any]:
        """The inputs that scores need of sources and targets, ``[batch, source or target]``."""
        inputs = dict[str, Any]()
        for name, kind in self._needed.items():
            before = 0
            if kind.from_source is not None:
                values, mask, before = [given[name] for given in source_inputs], masks.counted, self._job.layout.before
            elif kind.from_target is not None:
                values, mask = [_known(kind, name, kind.from_target(axis)) for axis in targets], masks.target
            else:
                continue
            place = partial(_placed, mask=mask, before=before, filling=-1 if kind.numbers else 0)
            inputs[name] = map_tensors(place, *values)
        return inputs

    def _before_head(self, scope: Scope, run: Callable[..., Any], *args: Any) -> Any:
        # If the head's module also embeds the decoder's input, its first call must not end the forward.
        seen_all = self._seen == self._job.shape[0]
        if self._masks is not None and scope.has_current() and seen_all:
            raise _HeadReachedError(args[0])
        return run(*args)

    def _listen(self, call: CrossAttentionCall) -> None:
        if self._masks is None:  # generating
            return
        expected = (*self._masks.target.shape, self._masks.source.shape[1])
        weights = call.weights
        if (weights.shape[0], *weights.shape[2:]) != expected:
            raise ValueError(
                f"layer {self._seen} has {weights.shape[2]} rows and {weights.shape[3]} columns where "
                f"{expected[1]} and {expected[2]} were expected: it is unclear which of them belong to the tokens"
            )
        inputs = {name: getattr(call, name)[:, None] for name, kind in self._needed.items() if kind.captured}
        self._waiting.append(_Layers(weights[:, None], inputs, [call.whole_rows]))
        self._seen += 1
        if sum(layer.weights.numel() for layer in self._waiting) >= _WEIGHTS_AT_ONCE:
            self._score_waiting(self._masks)

    def _score_waiting(self, masks: _Masks) -> None:
        """Score the layers that are not scored yet, as far as scores need single layers."""
        if not self._waiting:
            return
        layers, self._waiting = _together(self._waiting), []
        whole = self._checked(layers, masks)
        inputs = layers.inputs
        for name in (name for name, kind in self._needed.items() if kind.cut_off):
            cut_off = whole.masked_fill(masks.counted[:, None, None, None], 0)
            inputs[name] = cut_off.sum(-1, dtype=torch.float32)
        weights = self._cropped(whole, masks)
        for name, kind in self._needed.items():
            if kind.from_attention is not None:  # once for all scores that need it
                inputs[name] = kind.from_attention(weights, masks.counted, masks.target)
        layers = layers._replace(weights=weights)
        if not all(self._job.layered):
            self._whole.append(layers)
        grids = [
            self._score(score, layers, masks)
            for score, layered in zip(self._job.scores, self._job.layered, strict=True)
            if layered
        ]
        self._grids.append(torch.stack(grids) if grids else whole.new_empty(0, *whole.shape[:3]))

    def _checked(self, layers: _Layers, masks: _Masks) -> torch.Tensor:
        """The weights of the layers. Where a sentence has NaN in a layer, it is noted and gets even weights instead."""
        weights, first = layers.weights, self._seen - layers.weights.shape[1]
        excess = torch.where(masks.target[:, None, None], weights.sum(-1) - 1, 0)  # [batch, layers, heads, target]
        if torch.isnan(excess).any():
            broken = torch.isnan(excess).flatten(2).any(-1)
            for layer in range(broken.shape[1]):
                self._note(broken[:, layer], f"NaN in the cross-attention of layer {first + layer}")
            filling = masks.source / masks.source.sum(-1, keepdim=True)
            weights = torch.where(broken[:, :, None, None, None], filling[:, None, None, None], weights)
            excess = torch.where(broken[:, :, None, None], 0, excess)
        signed = torch.stack([excess.amax((0, 2, 3)), -excess.amin((0, 2, 3))]).tolist()
        for layer, (above, below) in enumerate(zip(*signed, strict=True)):
            worst = max(above, below) if layers.whole_rows[layer] else above
            if worst > ROW_SUM_TOLERANCE:
                raise ValueError(
                    f"the rows of layer {first + layer} are not probabilities: their sums are up to {worst:.3g} away "
                    "from 1, so scores would be meaningless"
                )
        for layer, missing in enumerate(self._outside(weights, masks)):
            if missing > ROW_SUM_TOLERANCE:
                raise ValueError(
                    f"rows of layer {first + layer} have up to {missing:.3g} of their weight on columns that are not "
                    "tokens of their source, such as padding that the model does not mask"
                )
        return weights

    def _cropped(self, weights: torch.Tensor, masks: _Masks) -> torch.Tensor:
        """The weights without positions that do not count, each row divided by its sum over the others."""
        if not self._paired.source.hears or torch.equal(masks.counted, masks.source):
            return weights
        kept = torch.where(masks.counted[:, None, None, None], weights, 0.0)
        return kept / kept.sum(-1, keepdim=True)

    def _outside(self, weights: torch.Tensor, masks: _Masks) -> list[float]:
        """For each layer, the most weight that any row has outside the columns of its own sentence."""
        padded = torch.nonzero(~masks.source.all(0))
        if not len(padded):
            return []
        columns = slice(int(padded[0]), int(padded[-1]) + 1)
        outside = weights[..., columns].masked_fill(masks.source[:, None, None, None, columns], 0).sum(-1)
        return torch.where(masks.target[:, None, None], outside, 0).amax((0, 2, 3)).tolist()

    def _score(self, score: Score, layers: _Layers, masks: _Masks) -> torch.Tensor:
        """``[batch, layers, heads]`` float32 values of one score."""
        inputs: dict[str, Any] = layers.inputs | self._by_sentence
        return score.compute(
            layers.weights,
            masks.counted,
            masks.target,
            source_special=masks.source_special,
            target_special=masks.target_special,
            source_left_out=masks.source_left_out,
            target_left_out=masks.target_left_out,
            special=self._job.policy_of(score),
            **inputs,
        ).float()

    def _collect(self, masks: _Masks, batch: int) -> torch.Tensor:
        """``[scores, batch, layers, heads]`` from the values of single layers and the scores that need all layers."""
        layered = iter(torch.cat(self._grids, dim=2))
        whole = _together(self._whole) if self._whole else None
        self._whole = []
        grids = [
            self._score(score, whole, masks) if whole and not by_layer else next(layered)
            for score, by_layer in zip(self._job.scores, self._job.layered, strict=True)
        ]
        return torch.stack(grids) if grids else torch.empty(0, batch, *self._job.shape)

    def _statistics(self, logits: torch.Tensor, pair: Pair) -> torch.Tensor:
        """``[statistics]`` of one sentence's logits ``[padded target, vocabulary]``."""
        values = {}
        logprobs = predicted_logprobs(logits, pair)
        values["logprob_sum"], values["logprob_mean"] = logprobs.sum(), logprobs.mean()
        values["logprob_min"] = logprobs.min()
        if {"margin", "output_entropy"} & set(self._job.statistics):
            distribution = logits[: len(pair.predicted)].float().softmax(-1)
            best = distribution.topk(2, dim=-1).values
            values["margin"] = (best[:, 0] - best[:, 1]).mean()
            values["output_entropy"] = torch.special.entr(distribution).sum(-1).mean()
        return torch.stack([values[name] for name in self._job.statistics])

    def _note(self, broken: torch.Tensor, problem: str) -> None:
        for row in torch.nonzero(broken)[:, 0].tolist():
            self._problems[row] = self._problems[row] or problem


def _placed(*values: torch.Tensor, mask: torch.Tensor, before: int, filling: int) -> torch.Tensor:
    """The values of sentences ``[positions]`` as rows of a batch ``[batch, source or target]``, on its device."""
    padded = values[0].new_full(mask.shape, filling)
    for row, value in zip(padded, values, strict=True):
        row[before : before + len(value)] = value
    return padded.to(mask.device)


def _known(kind: ScoreInput, name: str, value: Any) -> Any:
    """What a sentence holds of an input of scores.

    Raises:
        ValueError: it does not hold it.
    """
    if value is None:
        raise ValueError(f"there is no {name}: {kind.missing}")
    return value


def _together(parts: list[_Layers]) -> _Layers:
    if len(parts) == 1:  # without a copy
        return parts[0]
    inputs = {name: torch.cat([part.inputs[name] for part in parts], dim=1) for name in parts[0].inputs}
    whole_rows = [flag for part in parts for flag in part.whole_rows]
    return _Layers(torch.cat([part.weights for part in parts], dim=1), inputs, whole_rows)


def _padded(rows: list[list[bool]]) -> tuple[list[list[bool]], list[list[bool]]]:
    """For each row of special flags, padded to the longest: where it has positions, and where they are special."""
    width = max(map(len, rows))
    positions = [[True] * len(row) + [False] * (width - len(row)) for row in rows]
    special = [row + [False] * (width - len(row)) for row in rows]
    return positions, special


def _vocabulary_heads(model: Any) -> list[torch.nn.Module]:
    """The modules that share the weight of the LM head: FSMT does not say which of them is the head."""
    head = model.get_output_embeddings()
    if head is None:
        return []
    weight = getattr(head, "weight", None)
    others = [module for module in model.modules() if module is not head and isinstance(module, torch.nn.Linear)]
    return [head, *(module for module in others if weight is not None and module.weight is weight)]
