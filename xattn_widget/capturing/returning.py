"""Read attention weights of modules that compute attention themselves and return the weights.

T5 before transformers 5.1, LED, FSMT, MVP and BLIP are of this kind. Most return weights only on request: the tap
requests them, takes them out of the output, and returns to the caller what it would have received without the tap.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from xattn_widget.capturing import checks, families
from xattn_widget.capturing.calls import ReturnedCall
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.taps import RunningCall, Tap, running_call

_ASK = "output_attentions"


class ReturningTap(Tap):
    """For a module that returns its weights, always or on request."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        self.projection = families.output_projection(module)
        self.heads = families.head_count(module)

    def install(self) -> None:
        """Begin to follow the module's calls."""
        super().install()
        if self.projection is not None:
            intercept(self.projection, self._around_projection, self._cleanup)

    def _around_projection(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = running_call.get()
        if call is not None and call.tap is self and not call.is_self and self.alterations.here():
            call.altered += 1
            args = (self._altered(args[0], call), *args[1:])
        return run(*args, **kwargs)

    def _altered(self, output: torch.Tensor, call: RunningCall) -> torch.Tensor:
        """``output`` ``[batch, target, heads * dimension]`` after the alterations of its heads."""
        if self.heads is None:
            raise NotImplementedError(
                f"{type(self.module).__name__} does not say how many heads it has, so the outputs of its heads cannot "
                "be told apart"
            )
        heads = output.transpose(0, 1) if call.time_first else output
        heads = heads.reshape(*heads.shape[:-1], self.heads, -1)
        for alteration in self.alterations.here():
            heads = alteration(heads)
        return (heads.transpose(0, 1) if call.time_first else heads).flatten(-2)

    def _ask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        position = self.names.index(_ASK)
        if len(args) > position:
            return (*args[:position], True, *args[position + 1 :]), kwargs
        return args, kwargs | {_ASK: True}

    def _follow(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # If the caller did not request the weights, they are not passed on.
        hidden = _ASK in self.names and not self.argument_value(_ASK, args, kwargs)
        call, config = RunningCall(self, args, kwargs), self.owner_config
        if hidden:
            args, kwargs = self._ask(args, kwargs)
        running_call.set(call)
        output = run(*args, **kwargs)
        place = checks.weights_part(self.module, config, output, call.queries, call.states, call.rows)
        families.check_time_first(output[place], call.queries, call.time_first, self.module, config)
        if listeners := self.listeners_of(call):
            weights = families.returned_rows(output[place], call.rows, self.module, config)
            returned = ReturnedCall(self.module, weights, call.states, call.time_first)
            for listener in listeners:
                listener(returned)
        is_altered = not call.is_self and bool(self.alterations.here())
        if is_altered:
            self._check_alteration(output[place], call)
            if self.projection is None:  # the projection comes after the module
                output = (self._altered(output[0], call), *output[1:])
        if not (hidden or is_altered):
            return output
        # Without a request, modules with a position bias return it last, and others return None in place of the
        # weights.
        biased = any(isinstance(part, torch.Tensor) and part.dim() == 4 for part in output[:place])
        weights_or_none = (output[place],) if not hidden else () if biased else (None,)
        return (*output[:place], *weights_or_none, *output[place + 1 :])

    def _check_alteration(self, weights: torch.Tensor, call: RunningCall) -> None:
        times = None if self.projection is None else call.altered
        others = families.parts_of_unknown_use(self.module)
        checks.check_alteration(self.module, self.owner_config, self.heads, weights, times, others)
