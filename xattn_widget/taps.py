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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any, Generic, TypeVar
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
Function = TypeVar("Function")


class OwnThreads:
    """The threads that a ``with`` block sees: its own, and those that are started inside it (``generate`` with a
    streamer). Others may use the same model at the same time, such as a notebook's widgets beside its cells.
    """

    def __init__(self) -> None:
        self._others = set(threading.enumerate()) - {threading.current_thread()}

    def has_current(self) -> bool:
        """Whether what runs now runs in one of them."""
        return threading.current_thread() not in self._others


class Roles(Generic[Function]):
    """The functions that ``with`` blocks have put on a module, each for the threads of its block."""

    def __init__(self) -> None:
        self._functions: list[tuple[OwnThreads, Function]] = []

    def add(self, threads: OwnThreads, function: Function) -> None:
        """For a block that begins."""
        self._functions.append((threads, function))

    def remove(self, threads: OwnThreads, function: Function) -> None:
        """For a block that ends."""
        self._functions.remove((threads, function))

    def here(self) -> list[Function]:
        """Those for the thread that this is called in."""
        return [function for threads, function in self._functions if threads.has_current()]

    def __bool__(self) -> bool:
        return bool(self._functions)


class Tap:
    """What is installed on one attention module: its hooks and its listeners."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        self.listeners: Roles[Listener] = Roles()
        self.alterations: Roles[Alteration] = Roles()
        self.owner_config = owner_config  # of the model that the module is a part of
        self.names = argument_names(class_forward(module))
        self.argument = key_value_argument(self.names) or ""
        self.calls: dict[int, Any] = {}  # of cross-attention, under way: what is to be known of each, by its thread
        self.handles = [
            module.register_forward_pre_hook(self._enter, with_kwargs=True),
            module.register_forward_hook(self._leave, with_kwargs=True, always_call=True),
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
        if is_recomputing() or not (self.listeners.here() or self.alterations.here()):
            return False
        states = self.given(self.argument, args, kwargs)
        if states is None:
            return adapters.reads_states_from_cache(self.argument)
        return states is not self.given(self.names[0], args, kwargs)  # FSMT names its own states as keys too

    # A thread in the middle of a call while another one puts hooks on the module, or takes them away, may call these
    # without keyword arguments. No block is there for it to be seen by.
    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        if kwargs is not None and self.is_cross_attention(args, kwargs):
            return self._before(module, args, kwargs)
        return None

    def _leave(self, module: nn.Module, args: tuple[Any, ...], *rest: Any) -> Any:
        if threading.get_ident() in self.calls and len(rest) == 2:
            return self._after(module, args, *rest)
        return None

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

    calls: Mapping[int, Any] = MappingProxyType({})

    def is_cross_attention(self, args: Any, kwargs: Any) -> bool:
        return False


@dataclass
class _InterfaceCall:
    """A call under way of a module that uses the attention interface."""

    columns: slice | None
    seen: bool = False  # by our attention function


class InterfaceTap(Tap):
    """For a module that looks its attention function up by its config: swaps the config during a call."""

    own_config: Any = None
    swapped_config: Any = None

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        columns = adapters.encoder_columns(self.names, self.given(self.argument, args, kwargs))
        with lock:
            if self.swapped_config is None or module.config is not self.swapped_config:
                self.own_config = module.config
                self.swapped_config = copy.copy(module.config)
                self.swapped_config.__dict__[CONFIG_FIELD] = ATTENTION_NAME
                module.config = self.swapped_config
            self.calls[threading.get_ident()] = _InterfaceCall(columns)

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        with lock:
            call = self.calls.pop(threading.get_ident())
            if not self.calls:  # else another thread is inside the module
                self.restore(module)
        if not call.seen and output is not None:
            raise NotImplementedError(
                f"{type(module).__name__} attends to the encoder but does not call transformers' attention interface, "
                "so its weights cannot be read here"
            )

    def restore(self, module: nn.Module) -> None:
        """Put the module's own config back."""
        if self.swapped_config is not None and module.config is self.swapped_config:
            module.config = self.own_config


class ReturningTap(Tap):
    """For a module that computes attention itself and returns the weights, always or when asked: asks."""

    # Of each call: whether the caller did not ask, so that what was asked for here is not passed on.
    calls: dict[int, bool]

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        children = dict(module.named_children())
        self.projection = next((children[name] for name in OUTPUT_PROJECTIONS if name in children), None)
        if self.projection is not None:
            self.handles.append(self.projection.register_forward_pre_hook(self._before_projection))
        self.heads = next((getattr(module, name) for name in HEAD_COUNTS if hasattr(module, name)), None)

    def _before_projection(self, projection: nn.Module, args: tuple[Any, ...]) -> Any:
        if threading.get_ident() not in self.calls or not self.alterations.here():
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
        for alteration in self.alterations.here():
            heads = alteration(heads)
        return (heads.transpose(0, 1) if swap else heads).flatten(-2)

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        hidden = _ASK in self.names and not self.given(_ASK, args, kwargs)
        self.calls[threading.get_ident()] = hidden
        if not hidden:
            return None
        position = self.names.index(_ASK)
        if len(args) > position:
            return (*args[:position], True, *args[position + 1 :]), kwargs
        return args, kwargs | {_ASK: True}

    def _after(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        hidden = self.calls.pop(threading.get_ident())
        if output is None:
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
        for listener in self.listeners.here():
            listener(call)
        if self.alterations.here() and self.projection is None:  # the projection comes after the module
            output = (self._altered(output[0]), *output[1:])
        elif not hidden:
            return None
        # Unasked, modules that return a position bias end with that, and others have None in the place of weights.
        biased = any(isinstance(part, torch.Tensor) and part.dim() == 4 for part in output[:place])
        kept = (output[place],) if not hidden else () if biased else (None,)
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
    tap = taps.get(module)
    own_config = tap.own_config if isinstance(tap, InterfaceTap) else module.config
    own_function = _own_function(module, own_config)
    result = own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    under_way = tap.calls.get(threading.get_ident()) if tap else None
    if tap is None or under_way is None:  # a thread with no block of its own, which saw the config that another swapped
        return result
    under_way.seen = True
    call = ComputedCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=attention_mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        softcap=kwargs.get("softcap"),
        position_bias=kwargs.get("position_bias"),
        columns=under_way.columns,
    )
    listeners = tap.listeners.here()
    if listeners:
        _check_softmax(call, result[0], own_config)
    for listener in listeners:
        listener(call)
    output = result[0]
    for alteration in tap.alterations.here():
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
