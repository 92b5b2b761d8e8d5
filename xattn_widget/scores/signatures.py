"""How a score's function and its parameters are named in signatures and in errors."""

from __future__ import annotations

import dis
import hashlib
import inspect
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


def printed(value: Any) -> str:
    """A parameter's value as it stands in a signature; arrays by a hash of their numbers."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        shape = "x".join(map(str, value.shape))
        return f"{shape}/{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:8]}"
    return str(value)


def code_hash(function: Callable[..., Any]) -> str:
    """Eight digits that change with the function's source."""
    try:
        text = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        text = repr((code.co_code, code.co_consts, code.co_names)) if code else repr(function)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def place(function: Callable[..., Any]) -> str:
    """Where a function returns, e.g. ``line 4 of Cell In[3]``; where it begins if it returns in several lines."""
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
    # A notebook's cells are compiled under names of temporary files, which say nothing to their author.
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    cell = shell.compile.format_code_name(filename) if shell is not None else None
    return " ".join(cell) if cell else filename
