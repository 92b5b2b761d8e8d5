"""Value zeroing: how much the decoder's state changes without the value of a source position."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from xattn_widget.capturing.blocks import Block, Cleanup
from xattn_widget.capturing.calls import CrossAttentionCall, linear_matrix
from xattn_widget.capturing.checks import unknown
from xattn_widget.capturing.families import has_time_first, output_projection, token_rows
from xattn_widget.capturing.finding import attention_modules, owner_configs
from xattn_widget.capturing.hooks import listen
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.taps import argument_names, class_forward
from xattn_widget.capturing.threads import CallingThread
from xattn_widget.extraction.contributions.layers import layers_of
from xattn_widget.record.special import renormalized

# The most numbers in a tensor of a layer's feed-forward part, taken to be four times as wide as its states: 16 MB.
_MOST_NUMBERS = 2**22
_WIDER = 4

# The heads to zero in a layer, by its number and its number of heads; None stands for all of them at once.
HeadsOfLayer = Callable[[int, int], Sequence[int | None]]


def value_zeroing(
    model: Any, run: Callable[[], Any], heads: HeadsOfLayer, counted: Sequence[bool] | None = None
) -> list[torch.Tensor]:
    """How much each source position changes the states of the decoder through the cross-attention of one layer.

    ``C[t, s] = 1 - cos(h_t, h_t without s)``, divided by the sum of its row. ``h_t`` is the output state of a decoder
    layer. "Without s" means that the value vector of source position ``s`` is zero in the layer's cross-attention; its
    attention weights, and what enters the layer, stay as they are.

    The layer's own code runs again with another output of its cross-attention. That output has a batch row for each
    source position, and the states that it is added to are the same for all of them.

    Args:
        model: the model, in evaluation mode; call this inside ``torch.no_grad``.
        run: runs the model's forward over one sentence pair, without a cache.
        heads: the heads to zero in a layer.
        counted: for each source position whether to zero it; all by default.

    Returns:
        For each layer with heads to zero ``[heads, target, source]`` float32 on the CPU, whose rows sum to 1. A row in
        which no position changes anything is NaN. Positions that do not count have 0.

    Raises:
        NotImplementedError: the layer cannot be run again with another output of its cross-attention, or that does not
            expose its values.

    Source: Mohebbi et al. 2023.
    """
    zeroing = _Zeroing(model, heads, counted)
    with Block(zeroing.begin):
        run()
    if not zeroing.layers:
        raise NotImplementedError(
            f"{type(model).__name__} has no decoder layer with cross-attention: value zeroing is unavailable"
        )
    return zeroing.results


class _Call(NamedTuple):
    """One call of a cross-attention module.

    Attributes:
        seen: its weights and values.
        output: what the module returned: states, or a tuple that begins with them.
        time_first: whether states are ``[target, batch, width]``.
        rows: the rows of the target's tokens, if there are others.
    """

    seen: CrossAttentionCall
    output: Any
    time_first: bool
    rows: slice | None

    @property
    def states(self) -> torch.Tensor:
        """The states that the module returned."""
        return _first(self.output)

    def with_states(self, states: torch.Tensor) -> Any:
        """The module's output with other states."""
        return (states, *self.output[1:]) if isinstance(self.output, tuple) else states


def _first(output: Any) -> torch.Tensor:
    states: torch.Tensor = output[0] if isinstance(output, tuple) else output
    return states


class _Zeroing:
    """Measures each decoder layer while the model's forward passes through it."""

    def __init__(self, model: Any, heads: HeadsOfLayer, counted: Sequence[bool] | None) -> None:
        self.results: list[torch.Tensor] = []
        self._model, self._heads, self._counted = model, heads, counted
        self.layers = 0  # that were run
        self._seen: CrossAttentionCall | None = None  # by the tap of the attention module that is running
        self._calls: list[_Call] = []  # in the layer that is running
        self._new_output: Any = None  # of the cross-attention of a layer that runs again

    def begin(self, cleanup: Cleanup) -> None:
        """Follow the model's attention modules and layers until the cleanup."""
        scope = CallingThread(cleanup)
        listen(self._model, self._see, scope, cleanup)
        layers, configs = layers_of(self._model), owner_configs(self._model)

        def follow(around: Callable[..., Any], module: nn.Module) -> None:
            def around_here(run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
                if not scope.has_current():
                    return run(*args, **kwargs)
                return around(module, configs.get(module), run, args, kwargs)

            intercept(module, around_here, cleanup)

        modules = attention_modules(self._model)
        for module in modules:
            follow(self._around_attention, module)
        for layer in dict.fromkeys(layers[module] for module in modules if module in layers):
            if layer not in modules:
                follow(self._around_layer, layer)

    def _see(self, call: CrossAttentionCall) -> None:
        self._seen = call

    def _take_seen(self) -> CrossAttentionCall | None:
        seen, self._seen = self._seen, None
        return seen

    def _around_attention(
        self, module: nn.Module, config: Any, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if self._new_output is not None and self._calls[0].seen.module is module:
            return self._new_output
        self._take_seen()
        output = run(*args, **kwargs)
        seen = self._take_seen()
        if seen is not None:
            queries = args[0] if args else kwargs[argument_names(class_forward(module))[0]]
            time_first = has_time_first(queries, None, config)
            rows = token_rows(queries.shape[0 if time_first else 1], module, config)
            self._calls.append(_Call(seen, output, time_first, rows))
        return output

    def _around_layer(
        self, layer: nn.Module, config: Any, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self._calls = []
        output = run(*args, **kwargs)
        if not self._calls:
            return output
        if len(self._calls) > 1:
            raise unknown(
                f"attends to the encoder {len(self._calls)} times: value zeroing is unavailable", layer, config
            )
        call = self._calls[0]
        heads = self._heads(self.layers, call.seen.heads)
        self.layers += 1
        if heads:
            rerun = partial(self._run_again, call, partial(run, *args, **kwargs), layer, config)
            _check_projection(call, layer, config)
            unchanged = rerun(call.states)
            if not _agree(unchanged, _target_states(output, call)):
                raise unknown("gives something else when it runs again: value zeroing is unavailable", layer, config)
            at_once = _takes_many(call, rerun)
            changes = [self._changes(call, head, unchanged[0], rerun, at_once) for head in heads]
            self.results.append(torch.stack(changes).cpu())
        return output

    def _run_again(
        self, call: _Call, run: Callable[[], Any], layer: nn.Module, config: Any, states: torch.Tensor
    ) -> torch.Tensor:
        """``[batch, target, width]`` output states of the layer if its cross-attention returns these states."""
        self._new_output = call.with_states(states)
        try:
            result = _target_states(run(), call)
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise unknown(
                f"cannot run again with another output of its cross-attention ({error}): value zeroing is unavailable",
                layer,
                config,
            ) from error
        finally:
            self._new_output = None
        batch = states.shape[1 if call.time_first else 0]
        if result.shape[0] != batch:
            raise unknown(
                f"gives {result.shape[0]} rows for {batch} outputs of its cross-attention: value zeroing is "
                "unavailable",
                layer,
                config,
            )
        return result

    def _changes(
        self,
        call: _Call,
        head: int | None,
        unchanged: torch.Tensor,
        rerun: Callable[[torch.Tensor], torch.Tensor],
        at_once: bool,
    ) -> torch.Tensor:
        """``[target, source]`` contributions through one head, or through all of them."""
        heads = slice(None) if head is None else slice(head, head + 1)
        weights, values, projected = call.seen.weights[0, heads], call.seen.values[0, heads], _by_head(call)[heads]
        columns = range(weights.shape[2])
        counted = [column for column in columns if self._counted is None or self._counted[column]]
        rows, width = unchanged.shape
        size = max(1, _MOST_NUMBERS // (_WIDER * rows * width)) if at_once else 1
        changes = torch.zeros(rows, weights.shape[2], device=weights.device)
        for start in range(0, len(counted), size):
            part = counted[start : start + size]
            # What these positions add to the output of the cross-attention, [positions, target, width].
            written = torch.einsum("hts,hsd,hde->ste", weights[:, :, part], values[:, part], projected)
            if at_once:
                # Rounding depends on the size of a batch: compare with the first row, from which nothing is taken.
                unchanged, *rest = rerun(_without(call, nn.functional.pad(written, (0, 0, 0, 0, 1, 0))))
                changed = torch.stack(rest)
            else:
                changed = rerun(_without(call, written))
            changes[:, part] = _distance(unchanged, changed).T.float()
        return renormalized(changes)


def _takes_many(call: _Call, rerun: Callable[[torch.Tensor], torch.Tensor]) -> bool:
    """Whether the layer runs with several batch rows. NLLB-MoE's routes all tokens of a batch together."""
    batch = 1 if call.time_first else 0
    try:
        rerun(torch.cat([call.states] * 2, batch))
    except NotImplementedError:
        return False
    return True


def _check_projection(call: _Call, layer: nn.Module, config: Any) -> None:
    """Raise unless the output projection makes what the module returned of its weighted values."""
    projection = output_projection(call.seen.module)
    if not call.seen.whole_rows:  # the rest of the output comes from the target's own states
        return
    heads = (call.seen.weights @ call.seen.values).transpose(1, 2).flatten(2).to(call.states.dtype)
    expected = heads if projection is None else projection(heads)
    if not _agree(expected, _target_states(call.output, call)):
        raise unknown(
            "does more with the values of its cross-attention than weighting and projecting them: value zeroing is "
            "unavailable",
            layer,
            config,
        )


def _by_head(call: _Call) -> torch.Tensor:
    """``[heads, dimension, width]``: what the module's output projection makes of the output of each head."""
    _, heads, _, dimension = call.seen.values.shape
    projection = output_projection(call.seen.module)
    like = call.states
    if projection is None:
        matrix = torch.eye(heads * dimension, device=like.device)
    else:
        matrix = linear_matrix(projection, heads * dimension, like).float().T
    return matrix.reshape(heads, dimension, -1)


def _without(call: _Call, written: torch.Tensor) -> torch.Tensor:
    """The states that the cross-attention returns without what each of several positions adds to them.

    Args:
        call: the call.
        written: ``[positions, target, width]``.
    """
    states = call.states.transpose(0, 1) if call.time_first else call.states
    if call.rows is None:
        changed = (states.float() - written).to(states.dtype)
    else:
        changed = states.repeat(len(written), 1, 1)
        changed[:, call.rows] = (states[:, call.rows].float() - written).to(states.dtype)
    return changed.transpose(0, 1) if call.time_first else changed


def _target_states(output: Any, call: _Call) -> torch.Tensor:
    """``[batch, target, width]`` states of the target's tokens in the output of a layer."""
    states = _first(output).detach()
    states = states.transpose(0, 1) if call.time_first else states
    return states if call.rows is None else states[:, call.rows]


def _agree(first: torch.Tensor, second: torch.Tensor) -> bool:
    if first.shape != second.shape:
        return False
    tolerance = (1e-3 if first.dtype == torch.float32 else 5e-2) * float(second.abs().max())
    return torch.allclose(first.float(), second.float(), rtol=0, atol=tolerance)


def _distance(unchanged: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
    """``[positions, target]``: ``1 - cos`` of states ``[target, width]`` and ``[positions, target, width]``.

    Computed as half the squared distance between unit vectors, because ``1 - cos`` would round small changes away.
    """
    unit, others = (nn.functional.normalize(states.double(), dim=-1) for states in (unchanged, changed))
    return (others - unit).square().sum(-1) / 2
