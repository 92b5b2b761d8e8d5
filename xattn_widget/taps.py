"""What is installed on one attention module while it is listened to, and how its weights are had.

Modules that use transformers' attention interface have their config swapped during a call for a shallow copy that
names our attention function: that one calls the model's own with the very same arguments and shows query, key, value
and mask to the listeners. Modules that stand outside it (T5 before 5.1, LED, FSMT, MVP, BLIP) compute their weights
themselves and return them, most of them only when asked: there the pre-hook asks, and the post-hook takes the weights
out of the output. What single families need beyond that is in adapters.py.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections.abc import Callable
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from xattn_widget import adapters
from xattn_widget.calls import OUTPUT_PROJECTIONS, ComputedCall, CrossAttentionCall, ReturnedCall

# The names under which attention modules of transformers receive states that are not their own.
KEY_VALUE_ARGUMENTS = ("key_value_states", "encoder_hidden_states", "cross_attention_states", "key")

# The names that modules outside the attention interface give to their number of heads.
HEAD_COUNTS = ("num_heads", "n_heads", "num_attention_heads", "num_attn_heads")

ATTENTION_NAME = "xattn_widget"
CONFIG_FIELD = "_attn_implementation_internal"
REGISTRY = "ALL_ATTENTION_FUNCTIONS"
# transformers' own attention functions, and kernels of a hub: all of them softmax attention.
_SOFTMAX_FUNCTIONS = ("eager", "sdpa", "flash", "flex", "paged", "kernels-")
_ASK = "output_attentions"

Listener = Callable[[CrossAttentionCall], None]
# Takes and returns the heads' outputs before the output projection, [batch, target, heads, dimension].
Alteration = Callable[[torch.Tensor], torch.Tensor]


class Tap:
    """What is installed on one attention module: its hooks and its listeners."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        self.listeners: list[Listener] = []
        self.alterations: list[Alteration] = []
        self.owner_config = owner_config  # of the model that the module is a part of
        self.names = argument_names(class_forward(module))
        self.argument = key_value_argument(self.names) or ""
        self.handles = [
            module.register_forward_pre_hook(self._before, with_kwargs=True),
            module.register_forward_hook(self._after, with_kwargs=True, always_call=True),
        ]

    def __deepcopy__(self, memo: Any) -> Any:
        return _CopiedTap()

    def given(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the module's call gives for the argument of this name."""
        position = self.names.index(name)
        return args[position] if len(args) > position else kwargs.get(name)

    def is_cross_attention(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the module is given states that are not its own."""
        refuse_to_be_compiled()
        if is_recomputing():
            return False
        states = self.given(self.argument, args, kwargs)
        if states is None:
            return adapters.reads_states_from_cache(self.argument)
        return states is not self.given(self.names[0], args, kwargs)  # FSMT names its own states as keys too

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        raise NotImplementedError

    def restore(self, module: nn.Module) -> None:
        """Undo what an interrupt in the middle of a call may have left."""

    def remove(self, module: nn.Module) -> None:
        """Take the hooks away and leave the module as it was."""
        for handle in self.handles:
            handle.remove()
        self.restore(module)


class _CopiedTap:
    """What a deep copy of a model, made while it is listened to, has in the place of a tap: does nothing."""

    own_config = None
    crossing = hidden = False
    listeners = alterations = names = ()

    def is_cross_attention(self, args: Any, kwargs: Any) -> bool:
        return False


class InterfaceTap(Tap):
    """For a module that looks its attention function up by its config: swaps the config during a call."""

    own_config: Any = None
    columns: slice | None = None
    called = False

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not self.is_cross_attention(args, kwargs):
            return
        self.restore(module)
        self.called = False
        self.columns = adapters.encoder_columns(self.names, self.given(self.argument, args, kwargs))
        self.own_config = module.config
        swapped = copy.copy(module.config)
        swapped.__dict__[CONFIG_FIELD] = ATTENTION_NAME
        module.config = swapped

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if self.own_config is None:
            return
        self.restore(module)
        if not self.called and output is not None:
            raise NotImplementedError(
                f"{type(module).__name__} attends to the encoder but does not call transformers' attention interface, "
                "so its weights cannot be read here"
            )

    def restore(self, module: nn.Module) -> None:
        """Put the module's own config back."""
        if self.own_config is not None:
            module.config = self.own_config
            self.own_config = None


class ReturningTap(Tap):
    """For a module that computes attention itself and returns the weights, always or when asked: asks."""

    hidden = False  # whether the caller did not ask, so that what was asked for here is not passed on
    crossing = False  # whether a call is under way that is cross-attention

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        children = dict(module.named_children())
        self.projection = next((children[name] for name in OUTPUT_PROJECTIONS if name in children), None)
        if self.projection is not None:
            self.handles.append(self.projection.register_forward_pre_hook(self._before_projection))
        self.heads = next((getattr(module, name) for name in HEAD_COUNTS if hasattr(module, name)), None)

    def _before_projection(self, projection: nn.Module, args: tuple[Any, ...]) -> Any:
        if not (self.alterations and self.crossing):
            return None
        return (self._altered(args[0]), *args[1:])

    def _altered(self, output: torch.Tensor) -> torch.Tensor:
        """``output`` ``[batch, target, heads * dimension]`` with the alterations of its heads."""
        if self.heads is None:
            raise NotImplementedError(
                "the attention module does not say how many heads it has: they cannot be told apart"
            )
        swap = adapters.has_time_first(self.owner_config)
        heads = output.transpose(0, 1) if swap else output
        heads = heads.reshape(*heads.shape[:-1], self.heads, -1)
        for alteration in self.alterations:
            heads = alteration(heads)
        return (heads.transpose(0, 1) if swap else heads).flatten(-2)

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.hidden = False
        self.crossing = self.is_cross_attention(args, kwargs)
        if _ASK not in self.names or not self.crossing:
            return None
        self.hidden = not self.given(_ASK, args, kwargs)
        position = self.names.index(_ASK)
        if len(args) > position:
            return (*args[:position], True, *args[position + 1 :]), kwargs
        return args, kwargs | {_ASK: True}

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        crossing, self.crossing = self.crossing, False
        if output is None or not crossing:
            return None
        parts = output if isinstance(output, tuple) else ()
        queries, states = self.given(self.names[0], args, kwargs), self.given(self.argument, args, kwargs)
        places = [index for index, part in enumerate(parts) if _fits(part, queries, states)]
        if not places:
            raise NotImplementedError(
                f"{type(module).__name__} is given encoder states but returns no attention weights "
                "[batch, heads, target, source] over them, so that it cannot be captured (Autoformer's "
                "autocorrelation over time delays and deformable attention over sampled points have none)"
            )
        place = places[-1]  # T5 returns its position bias before them
        call = ReturnedCall(module, adapters.token_rows(output[place], self.owner_config))
        for listener in self.listeners:
            listener(call)
        if self.alterations and self.projection is None:  # the projection comes after the module
            output = (self._altered(output[0]), *output[1:])
        elif not self.hidden:
            return None
        # Unasked, modules that return a position bias end with that, and others have None in the place of weights.
        biased = any(isinstance(part, torch.Tensor) and part.dim() == 4 for part in output[:place])
        kept = (output[place],) if not self.hidden else () if biased else (None,)
        return (*output[:place], *kept, *output[place + 1 :])


def _fits(part: Any, queries: torch.Tensor, states: torch.Tensor) -> bool:
    """Whether a part of a module's output has the shape of weights: source positions may be more than the states.

    MVP puts prompts before them; FSMT has time before batch.
    """
    if not isinstance(part, torch.Tensor) or part.dim() != 4:
        return False
    batch, _, target, source = part.shape
    return any(
        (batch, target) == (queries.shape[row], queries.shape[time]) and source >= states.shape[time]
        for row, time in ((0, 1), (1, 0))
    )


taps: WeakKeyDictionary[nn.Module, Tap] = WeakKeyDictionary()
lock = threading.RLock()


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    scaling: float | None = None,
    **kwargs: Any,
) -> Any:
    """The function that a listened-to module finds under its config's name: the model's own, and a look at it."""
    tap = taps[module]
    assert isinstance(tap, InterfaceTap)
    tap.called = True
    own_function = _own_function(module, tap.own_config)
    result = own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    call = ComputedCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=attention_mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        softcap=kwargs.get("softcap"),
        position_bias=kwargs.get("position_bias"),
        columns=tap.columns,
    )
    if tap.listeners:
        _check_softmax(call, result[0], tap.own_config)
    for listener in tap.listeners:
        listener(call)
    output = result[0]
    for alteration in tap.alterations:
        output = alteration(output)
    return (output, *result[1:])


def _check_softmax(call: ComputedCall, output: torch.Tensor, config: Any) -> None:
    """Raise where an attention function of the user's own is no softmax attention: its weights would be made up."""
    implementation = getattr(config, CONFIG_FIELD) or "eager"
    if implementation.startswith(_SOFTMAX_FUNCTIONS) or call.module.training:
        return
    value = call.value.detach().float()
    value = value.repeat_interleave(call.query.shape[1] // value.shape[1], dim=1)
    expected = (call.weights @ value).transpose(1, 2)
    tolerance = 1e-2 * float(expected.abs().max())
    if not torch.allclose(output.detach().float(), expected, rtol=1e-2, atol=tolerance):
        raise NotImplementedError(
            f"the attention function {implementation!r} does not give what softmax attention gives, so its weights "
            "are not known: load the model with attn_implementation='sdpa' or 'eager'"
        )


def _own_function(module: nn.Module, config: Any) -> Callable[..., Any]:
    """The attention function that ``module`` would have looked up by itself, in its own modeling file."""
    names = class_forward(module).__globals__
    implementation = getattr(config, CONFIG_FIELD)
    own = names[REGISTRY].get(implementation, names.get("eager_attention_forward"))
    if own is None:
        raise NotImplementedError(
            f"no attention function {implementation!r} is known for {type(module).__name__}: "
            "load the model with attn_implementation='sdpa'"
        )
    return own  # type: ignore[no-any-return]


def is_recomputing() -> bool:
    """Inside a backward pass: gradient checkpointing runs a part of a forward again, which is no new forward."""
    return bool(torch._C._current_graph_task_id() != -1)


def refuse_to_be_compiled() -> None:
    """Stop torch.compile from putting hooks into a graph that outlives them: it then runs this part as it is."""
    if torch.compiler.is_compiling():
        raise NotImplementedError("what runs inside 'with capture(model)' cannot be compiled: call the model itself")


def class_forward(module: nn.Module) -> Any:
    """The forward of a module's class, undecorated. One set on the instance, such as accelerate's, passes on to it."""
    return inspect.unwrap(type(module).forward)


@cache
def argument_names(forward: Callable[..., Any]) -> tuple[str, ...]:
    """The names of a forward's arguments in order, ``self`` left out."""
    return tuple(inspect.signature(forward).parameters)[1:]


def key_value_argument(names: tuple[str, ...]) -> str | None:
    """The argument for states from elsewhere. The first one is what a module works on, and never that."""
    return next((name for name in KEY_VALUE_ARGUMENTS if name in names[1:]), None)
