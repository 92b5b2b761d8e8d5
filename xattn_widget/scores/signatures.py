"""Names of a score's function and parameters in signatures and errors."""

from __future__ import annotations

import dis
import functools
import hashlib
import inspect
import tokenize
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from xattn_widget._compat import cell_name

# What release 0.1.0 wrote at the end, where the version of the formula is now. All formulas were the first ones then.
_OF_0_1_0 = "|v:0.1.0"


def printed(value: Any) -> str:
    """A parameter's value in a signature; a hash of the numbers for an array."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape))
        return f"{shape}/{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:8]}"
    return str(value)


def current_form(signature: str) -> str:
    """A signature as this release writes it: signatures of tables and jobs are compared in this form."""
    return f"{signature.removesuffix(_OF_0_1_0)}|v:1" if signature.endswith(_OF_0_1_0) else signature


def code_hash(function: Any) -> str:
    """Eight digits that change with a function's source and with the values that it uses from outside.

    These are the values of its closure, the globals that it names, what a ``functools.partial`` binds, and the
    attributes of an object that is called or whose method is called: numbers, texts, arrays, functions, and containers
    of them. A score counts by its code and version, a built-in one by name and version. Functions of other packages
    count by name only, and other objects (a model, a tokenizer, a table) by type only.
    """
    return hashlib.sha256(_describe(function, (), None).encode()).hexdigest()[:8]


def _describe(thing: Any, within: tuple[int, ...], package: str | None) -> str:
    """A description that is the same in every process.

    Args:
        thing: a function or a value that it uses.
        within: ``id`` of every object around it, to stop at one that contains itself.
        package: the top-level package of the function; None at the start.
    """
    if id(thing) in within:
        return "itself"
    within = (*within, id(thing))
    describe = functools.partial(_describe, within=within, package=package)
    if isinstance(thing, np.generic):
        thing = thing.item()
    if thing is None or isinstance(thing, bool | int | float | complex | str | bytes):
        return repr(thing)
    if isinstance(thing, torch.Tensor | np.ndarray):
        return printed(thing)
    if isinstance(thing, list | tuple):
        return f"[{', '.join(describe(item) for item in thing)}]"
    if isinstance(thing, set | frozenset):
        return f"{{{', '.join(sorted(describe(item) for item in thing))}}}"
    if isinstance(thing, dict):
        return f"{{{', '.join(f'{describe(key)}: {describe(value)}' for key, value in thing.items())}}}"
    if isinstance(thing, functools.partial):
        return f"partial {describe([thing.func, thing.args, thing.keywords])}"
    if (identity := getattr(type(thing), "code_identity", None)) is not None:  # a score
        return f"score {describe(identity(thing))}"
    if inspect.ismethod(thing):
        return f"method {describe([thing.__func__, _attributes(thing.__self__)])}"
    if inspect.isfunction(thing) and package in (None, _package(thing)):
        around = inspect.getclosurevars(thing)
        values = dict(around.nonlocals) | dict(around.globals)
        return _source(thing) + (_describe(values, within, _package(thing)) if values else "")
    name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
    if name is not None:  # a class, a module, a function in C
        return f"{getattr(thing, '__module__', '')}.{name}"
    kind = type(thing)
    by_type = isinstance(thing, torch.nn.Module | PreTrainedTokenizerBase)  # use changes attributes of a tokenizer
    if by_type or not callable(thing) or not hasattr(thing, "__dict__"):
        return kind.__qualname__
    methods = [member for member in vars(kind).values() if inspect.isfunction(member)]
    return f"{kind.__qualname__} {describe([*methods, _attributes(thing)])}"


def _attributes(thing: Any) -> dict[str, Any] | None:
    """An object's attributes without its cached properties, which are there only after their first use."""
    if not hasattr(thing, "__dict__"):
        return None
    kind = type(thing)
    return {
        name: value
        for name, value in vars(thing).items()
        if not isinstance(getattr(kind, name, None), functools.cached_property)
    }


def _package(function: Any) -> str:
    return str(function.__module__).partition(".")[0]


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError, SyntaxError, tokenize.TokenError):  # the file may have changed since it was imported
        code = function.__code__
        return repr((code.co_code, code.co_consts, code.co_names))


def code_line(function: Callable[..., Any]) -> str:
    """The line of a function's return, e.g. ``line 4 of Cell In[3]``; its first line if it has several returns."""
    code = getattr(function, "__code__", None)
    if code is None:
        return ""
    positions = [
        instruction.positions.lineno
        for instruction in dis.get_instructions(code)
        if instruction.opname.startswith("RETURN") and instruction.positions and instruction.positions.lineno
    ]
    line = positions[0] if len(set(positions)) == 1 else code.co_firstlineno
    return f"line {line} of {_file_or_cell(code.co_filename)}"


def _file_or_cell(filename: str) -> str:
    return cell_name(filename) or filename
