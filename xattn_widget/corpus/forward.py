"""One forward over a batch of pairs: scores of every head, computed in the hook layer by layer, and nothing larger."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import Any, NamedTuple, Self

import torch

from xattn_widget.calls import CrossAttentionCall
from xattn_widget.capturing import ROW_SUM_TOLERANCE
from xattn_widget.corpus.job import Job, uses_special, uses_value_norms
from xattn_widget.hooks import listening
from xattn_widget.pairing import Pair, forward_inputs, predicted_logprobs
from xattn_widget.scores import Score
from xattn_widget.tokens import special_ids


class Results(NamedTuple):
    """What a forward gave, a row a pair."""

    grids: torch.Tensor  # [scores, batch, layers, heads] float32
    statistics: torch.Tensor  # [statistics, batch] float32
    problems: list[str | None]


class _Masks(NamedTuple):
    source: torch.Tensor  # [batch, source], True at tokens
    target: torch.Tensor  # [batch, target]
    kept_source: torch.Tensor  # those which count under the policy for special tokens
    kept_target: torch.Tensor
    special: torch.Tensor  # [batch, source], True at special tokens


class _HeadReachedError(Exception):
    """Ends a forward before the vocabulary head: everything that is needed has run."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


class Forward:
    """Runs forwards of a model with its cross-attention listened to, inside a ``with`` block."""

    def __init__(self, model: Any, tokenizer: Any, job: Job) -> None:
        self._model, self._job = model, job
        self._special = special_ids(tokenizer, model.config)
        self._stack = ExitStack()
        self._masks: _Masks | None = None  # of the forward under way
        self._thread = threading.get_ident()  # that it runs in; others may run the model at the same time
        self._grids: list[torch.Tensor] = []
        self._whole: list[tuple[torch.Tensor, torch.Tensor | None]] = []  # weights, where a score needs all layers
        self._problems: list[str | None] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(listening(self._model, self._listen))
            head = self._model.get_output_embeddings()
            if not self._job.statistics and head is not None:
                stack.callback(head.register_forward_pre_hook(self._before_head).remove)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def run(self, pairs: list[Pair]) -> Results:
        """Scores and statistics of the pairs."""
        self._masks, self._thread = self._make_masks(pairs), threading.get_ident()
        self._grids, self._whole, self._problems = [], [], [None] * len(pairs)
        logits = None
        try:
            logits = self._model(**forward_inputs(self._model, pairs), use_cache=False).logits
            self._note_nan(logits, "logits")
        except _HeadReachedError as reached:
            self._note_nan(reached.states, "decoder's output")
        finally:
            masks, self._masks = self._masks, None
        statistics = torch.empty(0, len(pairs))
        if self._job.statistics:
            rows = [self._statistics(logits[row], pair) for row, pair in enumerate(pairs)]  # type: ignore[index]
            statistics = torch.stack(rows, dim=1)
            self._note(torch.isnan(statistics).any(0), "NaN in the statistics of the output")  # infinite logits
            statistics = statistics.cpu()
        return Results(self._collect(masks, len(pairs)).cpu(), statistics, self._problems)

    def _make_masks(self, pairs: list[Pair]) -> _Masks:
        device = self._model.device
        sides = [[pair.source for pair in pairs], [pair.predicted for pair in pairs]]
        tokens, special = [], []
        for rows in sides:
            width = max(map(len, rows))
            tokens.append([[position < len(row) for position in range(width)] for row in rows])
            special.append(
                [[position < len(row) and row[position] in self._special for position in range(width)] for row in rows]
            )
        source, target = (torch.tensor(each, device=device) for each in tokens)
        source_special, target_special = (torch.tensor(each, device=device) for each in special)
        if self._job.special == "keep":
            return _Masks(source, target, source, target, source_special)
        return _Masks(source, target, source & ~source_special, target & ~target_special, source_special)

    def _before_head(self, head: torch.nn.Module, args: tuple[Any, ...]) -> None:
        if self._masks is not None and self._thread == threading.get_ident():
            raise _HeadReachedError(args[0])

    def _listen(self, call: CrossAttentionCall) -> None:
        if self._masks is None or self._thread != threading.get_ident():  # generating, or someone else's forward
            return
        weights = self._checked(call)
        norms = call.value_norms if any(map(uses_value_norms, self._job.scores)) else None
        if not all(self._job.layered):
            self._whole.append((weights, norms))
        layer, layer_norms = weights[:, None], None if norms is None else norms[:, None]
        grids = [
            self._score(score, layer, layer_norms, self._masks)[:, 0]
            for score, layered in zip(self._job.scores, self._job.layered, strict=True)
            if layered
        ]
        self._grids.append(torch.stack(grids) if grids else weights.new_empty(0, *weights.shape[:2]))

    def _checked(self, call: CrossAttentionCall) -> torch.Tensor:
        """The weights ``[batch, heads, target, source]``; sentences with NaN are noted, and filled with numbers."""
        assert self._masks is not None
        weights = call.weights
        excess = torch.where(self._masks.target[:, None], weights.sum(-1) - 1, 0)
        if torch.isnan(excess).any():
            broken = torch.isnan(excess).any(-1).any(-1)
            self._note(broken, f"NaN in the cross-attention of layer {len(self._grids)}")
            weights = torch.where(broken[:, None, None, None], 1 / weights.shape[-1], weights)
            excess = torch.where(broken[:, None, None], 0, excess)
        worst = float((excess.abs() if call.whole_rows else excess).max())
        if worst > ROW_SUM_TOLERANCE:
            raise ValueError(
                f"the rows of layer {len(self._grids)} are not probabilities: their sums are up to {worst:.3g} away "
                "from 1, and scores would mean nothing"
            )
        return weights

    def _score(self, score: Score, weights: torch.Tensor, norms: torch.Tensor | None, masks: _Masks) -> torch.Tensor:
        """``[batch, layers, heads]`` of one score of weights ``[batch, layers, heads, target, source]``."""
        extra: dict[str, Any] = {"value_norms": norms} if uses_value_norms(score) else {}
        source = masks.kept_source
        if uses_special(score):
            # What measures special columns sees them under every policy.
            extra["source_special"], source = masks.special, masks.source
        if self._job.special == "renormalize":
            weights = torch.where(source[:, None, None, None], weights, 0.0)
            weights = weights / weights.sum(-1, keepdim=True)
        return score(weights, source, masks.kept_target, **extra).float()

    def _collect(self, masks: _Masks, batch: int) -> torch.Tensor:
        """``[scores, batch, layers, heads]`` of what the layers gave, and of the scores that need all layers."""
        layered = iter(torch.stack(self._grids, dim=2))
        weights = norms = None
        if self._whole:
            weights = torch.stack([each for each, _ in self._whole], dim=1)
            kept = [each for _, each in self._whole if each is not None]
            norms = torch.stack(kept, dim=1) if kept else None
        self._whole = []
        grids = [
            next(layered) if by_layer else self._score(score, weights, norms, masks)  # type: ignore[arg-type]
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

    def _note_nan(self, values: torch.Tensor, where: str) -> None:
        """Note the sentences with NaN in their part of ``values`` ``[batch, target, ...]``."""
        assert self._masks is not None
        if values.shape[:2] == self._masks.target.shape:
            self._note((torch.isnan(values).any(-1) & self._masks.target).any(-1), f"NaN in the {where}")

    def _note(self, broken: torch.Tensor, problem: str) -> None:
        for row in torch.nonzero(broken)[:, 0].tolist():
            self._problems[row] = self._problems[row] or problem
