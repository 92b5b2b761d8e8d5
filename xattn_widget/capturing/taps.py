"""What is put around one attention module while it is listened to, and how its weights are obtained.

Modules that use transformers' attention interface have their config replaced by one that, during a call that a block
sees, names our attention function: that one calls the model's own with the very same arguments and shows query, key,
value and mask to the listeners. Modules outside that interface (T5 before 5.1, LED, FSMT, MVP, BLIP) compute their
weights themselves and return them, most of them only when asked: there the tap asks, and takes the weights out of the
output. What single families need beyond that is in families.py.
"""

from __future__ import annotations

import copy
import inspect
import operator
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from xattn_widget.capturing import checks, families
from xattn_widget.capturing.blocks import Cleanup
from xattn_widget.capturing.calls import OUTPUT_PROJECTIONS, ComputedCall, CrossAttentionCall, ReturnedCall
from xattn_widget.capturing.intercepting import intercept
from xattn_widget.capturing.threads import Scope, lock

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


class Roles(Generic[Function]):
    """The functions that blocks have put on a module, each with the threads that its block sees."""

    def __init__(self) -> None:
        self._functions: tuple[tuple[Scope, Function], ...] = ()  # replaced as a whole: other threads read it

    def add(self, scope: Scope, function: Function) -> None:
        """For a block that begins."""
        self._functions = (*self._functions, (scope, function))

    def remove(self, scope: Scope) -> None:
        """For a block that ends."""
        self._functions = tuple(each for each in self._functions if each[0] is not scope)

    def here(self) -> list[Function]:
        """Those of the blocks that see the running thread."""
        return [function for scope, function in self._functions if scope.has_current()]

    def __bool__(self) -> bool:
        return bool(self._functions)


class Tap:
    """What is put around one attention module, and the functions that want to see its calls."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        self.module = module
        self.listeners: Roles[Listener] = Roles()
        self.alterations: Roles[Alteration] = Roles()
        self.owner_config = owner_config  # of the model that the module is a part of
        self.names = argument_names(class_forward(module))
        self.argument = key_value_argument(self.names) or ""
        self._cleanup = Cleanup()

    def install(self) -> None:
        """Begin to follow the module's calls."""
        intercept(self.module, self._around, self._cleanup)

    def remove(self) -> None:
        """Leave the module as it was."""
        self._cleanup.run()

    def given(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What the module's call gives for the argument of this name."""
        position = self.names.index(name)
        return args[position] if len(args) > position else kwargs.get(name)

    def is_cross_attention(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether the module is given states that are not its own."""
        if is_recomputing() or not (self.listeners.here() or self.alterations.here()):
            return False
        states = self.given(self.argument, args, kwargs)
        if states is None:
            return families.reads_states_from_cache(self.argument)
        return states is not self.given(self.names[0], args, kwargs)  # FSMT names its own states as keys too

    def _around(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self.is_cross_attention(args, kwargs):
            return run(*args, **kwargs)
        # What is known of a call is in a context of its own, which ends with the call even where an interrupt does.
        return copy_context().run(self._cross, run, args, kwargs)

    def _cross(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        raise NotImplementedError


class _Call:
    """A call of cross-attention that is under way."""

    def __init__(self, tap: Tap, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.tap = tap
        self.queries = tap.given(tap.names[0], args, kwargs)
        self.states = tap.given(tap.argument, args, kwargs)
        self.time_first = families.has_time_first(self.queries, self.states, tap.owner_config)
        rows = self.queries.shape[0 if self.time_first else 1]
        self.rows = families.token_rows(rows, tap.module, tap.owner_config)
        self.columns: slice | None = None
        self.positions: int | None = None  # how many keys there must be, where that is known
        self.is_seen = False  # by our attention function
        self.runs_own = False  # the model's own attention function, which may look at the config too
        self.altered = 0  # how often the output projection was given altered outputs


_under_way: ContextVar[_Call | None] = ContextVar("under_way", default=None)  # the innermost


class _TappedConfig:
    """Another view of a module's config, for one tap: the same attributes, but it may name our attention function.

    It does so only to a call that is under way in the running thread. Other threads, copies and pickles get the
    module's own config.
    """

    __slots__ = ("own", "tap")
    own: Any
    tap: InterfaceTap

    def __init_subclass__(cls) -> None:
        """Keep transformers from setting the class up as a config class of its own."""

    @property
    def _attn_implementation(self) -> Any:
        call = _under_way.get()
        if call is not None and call.tap is self.tap and not call.runs_own and self.tap.is_installed:
            return ATTENTION_NAME
        return self.own._attn_implementation

    @_attn_implementation.setter
    def _attn_implementation(self, value: Any) -> None:
        self.own._attn_implementation = value

    def __reduce_ex__(self, protocol: Any) -> Any:
        return operator.getitem, ((self.own,), 0)

    def __copy__(self) -> Any:
        return copy.copy(self.own)


@cache
def _tapped_class(kind: Any) -> Any:
    names = {"__slots__": (), "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (_TappedConfig, kind), names)


def _tapped(config: Any, tap: InterfaceTap) -> Any:
    kind = _tapped_class(type(config))  # type: ignore[arg-type]
    tapped = kind.__new__(kind)
    object.__setattr__(tapped, "__dict__", vars(config))
    object.__setattr__(tapped, "own", config)
    object.__setattr__(tapped, "tap", tap)
    return tapped


class InterfaceTap(Tap):
    """For a module that looks its attention function up by its config: gives it another config."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        self.is_installed = False
        self._is_checked = False  # whether a call has returned what its weights and values give

    def install(self) -> None:
        """Begin to follow the module's calls."""
        self._cleanup.add(self._restore_config)
        self.is_installed = True
        super().install()

    def _restore_config(self) -> None:
        self.is_installed = False
        with lock:
            if isinstance(config := self.module.config, _TappedConfig):
                self.module.config = config.own

    def _cross(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        call = self._describe(args, kwargs)
        with lock:
            if self.is_installed and not isinstance(self.module.config, _TappedConfig):
                self.module.config = _tapped(self.module.config, self)
        _under_way.set(call)
        output = run(*args, **kwargs)
        if not call.is_seen and self.is_installed:  # else the block has ended, in another thread than this
            raise checks.unknown(
                "attends to the encoder but does not call transformers' attention interface, so its weights cannot be "
                "read here",
                self.module,
                self.owner_config,
            )
        return output

    def _describe(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Call:
        call = _Call(self, args, kwargs)
        if call.states is None:
            call.positions = families.cached_positions(self.module, self.owner_config, [*args, *kwargs.values()])
        else:
            call.columns = families.encoder_columns(self.names, call.states)
            if call.columns is None and not families.may_add_positions(self.names, self.argument):
                call.positions = call.states.shape[1]
        return call

    def check(self, call: ComputedCall, under_way: _Call, output: Any, implementation: str) -> None:
        """Raise where what the attention function took and returned is not what is assumed of it."""
        module, config = self.module, self.owner_config
        own = not implementation.startswith(_SOFTMAX_FUNCTIONS)
        # Those of the library once: it may do something that is not known here, such as adding another bias.
        if not self.listeners.here() or (self._is_checked and not own) or (call.dropout and module.training):
            return
        if under_way.columns is not None and under_way.states is not None:
            families.check_encoder_columns(module, config, call.key, under_way.states)
        checks.check_softmax(module, config, call.every_weight, call.value, output, implementation if own else None)
        self._is_checked = True


class ReturningTap(Tap):
    """For a module that computes attention itself and returns the weights, always or when asked: asks."""

    def __init__(self, module: nn.Module, owner_config: Any) -> None:
        super().__init__(module, owner_config)
        children = dict(module.named_children())
        self.projection = next((children[name] for name in OUTPUT_PROJECTIONS if name in children), None)
        self.heads = next((getattr(module, name) for name in HEAD_COUNTS if hasattr(module, name)), None)

    def install(self) -> None:
        """Begin to follow the module's calls."""
        super().install()
        if self.projection is not None:
            intercept(self.projection, self._around_projection, self._cleanup)

    def _around_projection(self, run: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        call = _under_way.get()
        if call is not None and call.tap is self and self.alterations.here():
            call.altered += 1
            args = (self._altered(args[0], call), *args[1:])
        return run(*args, **kwargs)

    def _altered(self, output: torch.Tensor, call: _Call) -> torch.Tensor:
        """``output`` ``[batch, target, heads * dimension]`` with the alterations of its heads."""
        if self.heads is None:
            raise NotImplementedError(
                "the attention module does not say how many heads it has: they cannot be told apart"
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

    def _cross(self, run: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # Whether the caller did not ask, so that what was asked for here is not passed on.
        hidden = _ASK in self.names and not self.given(_ASK, args, kwargs)
        under_way, config = _Call(self, args, kwargs), self.owner_config
        if hidden:
            args, kwargs = self._ask(args, kwargs)
        _under_way.set(under_way)
        output = run(*args, **kwargs)
        place = checks.weights_part(self.module, config, output, under_way.queries, under_way.states, under_way.rows)
        families.check_time_first(output[place], under_way.queries, under_way.time_first, self.module, config)
        if listeners := self.listeners.here():
            weights = families.returned_rows(output[place], under_way.rows, self.module, config)
            call = ReturnedCall(self.module, weights)
            for listener in listeners:
                listener(call)
        if self.alterations.here():
            times = None if self.projection is None else under_way.altered
            checks.check_alteration(self.module, config, self.heads, output[place], times)
            if self.projection is None:  # it comes after the module
                output = (self._altered(output[0], under_way), *output[1:])
        if not (hidden or self.alterations.here()):
            return output
        # Unasked, modules that return a position bias end with that, and others have None in the place of weights.
        biased = any(isinstance(part, torch.Tensor) and part.dim() == 4 for part in output[:place])
        kept = (output[place],) if not hidden else () if biased else (None,)
        return (*output[:place], *kept, *output[place + 1 :])


taps: WeakKeyDictionary[nn.Module, Tap] = WeakKeyDictionary()


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
    under_way = _under_way.get()
    implementation = vars(module.config)[CONFIG_FIELD]
    own_function = _own_function(module, implementation)
    if under_way is None or under_way.tap.module is not module:
        return own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    tap = under_way.tap
    assert isinstance(tap, InterfaceTap)
    checks.check_interface_call(
        module, tap.owner_config, query, key, under_way.queries, under_way.positions, under_way.is_seen
    )
    under_way.is_seen = under_way.runs_own = True
    result = own_function(module, query, key, value, attention_mask, scaling=scaling, **kwargs)
    under_way.runs_own = False
    causal = attention_mask is None and implementation == "sdpa" and families.is_causal(module, kwargs)
    call = ComputedCall(
        module=module,
        query=query,
        key=key,
        value=value,
        mask=families.causal_mask(query, key) if causal else attention_mask,
        scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        softcap=kwargs.get("softcap"),
        position_bias=kwargs.get("position_bias"),
        rows=under_way.rows,
        columns=under_way.columns,
        dropout=kwargs.get("dropout") or 0.0,
    )
    tap.check(call, under_way, result[0], implementation or "eager")
    for listener in tap.listeners.here():
        listener(call)
    output = result[0]
    for alteration in tap.alterations.here():
        output = alteration(output)
    return (output, *result[1:])


def _own_function(module: nn.Module, implementation: Any) -> Callable[..., Any]:
    """The attention function that ``module`` would have looked up by itself, in its own modeling file."""
    names = class_forward(module).__globals__
    own = names.get(REGISTRY, ALL_ATTENTION_FUNCTIONS).get(implementation, names.get("eager_attention_forward"))
    if own is None:
        raise NotImplementedError(
            f"no attention function {implementation!r} is known for {type(module).__name__}: "
            "load the model with attn_implementation='sdpa'"
        )
    return own  # type: ignore[no-any-return]


def is_recomputing() -> bool:
    """Inside a backward pass: gradient checkpointing runs a part of a forward again, which is no new forward."""
    return bool(torch._C._current_graph_task_id() != -1)


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
