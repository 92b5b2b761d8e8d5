"""Private and unstable names of other libraries. No other file of the package uses one.

Each function or constant here stands for one such name. Its docstring says why no public name does the job, and in
which releases the name is known to work. ``tests/test_compat.py`` has a test for each, which says what depends on the
name if it moves; ``tests/test_private_names.py`` fails when another file uses such a name. No library is imported
before one of its names is needed.

What the package changes for the whole process, where, for how long, and how it is undone:

===============================  ===========================  ==========================================================
what changes                     where                        for how long
===============================  ===========================  ==========================================================
handler of SIGINT                capturing/blocks.py          while a block begins or ends; then the program's own again
``threading.Thread.start``       capturing/threads.py         while a block is open; ``run`` of threads it starts
stance of ``torch.compile``      capturing/uncompiled.py      while a block is open and something may be compiled
attention functions of           capturing/interface.py       while a block is open
  transformers: one more
forwards of a model's modules    capturing/intercepting.py    while a block is open; classes keep their forward
configs of attention modules     capturing/interface.py       while a block is open; other threads see the usual values
training mode, gradient mode     inputs/evaluating.py         while ``evaluating`` is open
torch's random state             corpus/engine/worker.py      while a window with sampled targets is scored
torch's number of threads        corpus/engine/cluster.py     life of a Ray worker's process: it has one CPU
settings and logs of Ray         corpus/engine/cluster.py     while a job runs on Ray
``RAY_USAGE_STATS_ENABLED``      corpus/engine/cluster.py     while the job's own cluster runs; unless already set
``ONEDNN_PRIMITIVE_CACHE_...``   corpus/memory.py             life of the process: oneDNN reads it once
freed memory                     corpus/memory.py             returned at once; no setting changes
warnings, logs, progress bars    messages/quiet.py            inside its blocks (the command line: until it returns)
IPython's ``post_run_cell``      widget/cells.py              life of the kernel, from the first widget that is shown
IPython's formatters of          messages/tables.py           life of the kernel, from the import; other tables look as
  ``pyarrow.Table`` and                                         before
  ``HeadProfile``
===============================  ===========================  ==========================================================

Everything that ends with a block is undone after an error or an interrupt too; see ``tests/test_process_state.py``.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

# --- torch.

ORIGINAL_MODULE = "_orig_mod"
"""The attribute of ``torch.compile(model)`` that holds the model. It has no public name.

Seen: torch 2.13.
"""


def is_dynamo_loaded() -> bool:
    """Whether anything may have been compiled: the first ``torch.compile`` loads ``torch._dynamo``.

    ``torch.compiler`` does not tell. Loading the module would take seconds.

    Seen: torch 2.13.
    """
    return "torch._dynamo" in sys.modules


def is_inside_compiled() -> bool:
    """Whether ``torch.compile`` would compile what the running function calls.

    ``torch.compiler.is_compiling`` is false where a part of a compiled function runs uncompiled, and the functions
    that this part calls are compiled again. ``torch._C._dynamo.eval_frame.get_eval_frame_callback`` covers both cases.

    Seen: torch 2.13.
    """
    if not is_dynamo_loaded():
        return False
    from torch._C._dynamo.eval_frame import get_eval_frame_callback

    return get_eval_frame_callback() not in (None, False)


def is_backward_running() -> bool:
    """Whether the calling thread is inside a backward pass, by ``torch._C._current_graph_task_id``.

    Gradient checkpointing runs a part of a forward again there. ``torch.autograd`` has no public name for it.

    Seen: torch 2.13.
    """
    import torch

    return bool(torch._C._current_graph_task_id() != -1)


def plain_tensors() -> Any:
    """A block in which torch runs operations on the plain tensor below a subclass: ``DisableTorchFunctionSubclass``.

    torch's guide to subclasses uses it, but it has no public name.

    Seen: torch 2.6 and 2.13.
    """
    import torch

    return torch._C.DisableTorchFunctionSubclass()


def onednn_linear(states: Any, weight: Any, bias: Any) -> Any:
    """A linear layer computed by oneDNN: ``torch.ops.mkldnn._linear_pointwise``, which ``torch.compile`` uses too.

    It has no public name. A convolution over one position is half as fast, and with one thread goes to MKL again.

    Seen: torch 2.13 (built with oneDNN).
    """
    import torch

    return torch.ops.mkldnn._linear_pointwise(states, weight, bias, "none", [], "")


def pack_int8(weights: Sequence[tuple[Any, Any]]) -> list[Any]:
    """``[out, in]`` weights, each rounded to whole multiples of ``[out]`` scales and packed for :func:`int8_product`.

    Raises:
        RuntimeError: this build of torch, or this CPU, has no FBGEMM.

    Seen: torch 2.9 to 2.13, on CPUs with AVX2.
    """
    import torch

    def pack(weight: Any, scales: Any) -> Any:
        rounded = (weight / scales[:, None]).round_().to(torch.int8)  # ``quantize_per_channel`` takes 7 times as long
        zeros = torch.zeros(len(scales), dtype=torch.long)
        quantized = torch._make_per_channel_quantized_tensor(rounded, scales.double(), zeros, 0)
        return torch.ops.quantized.linear_prepack(quantized, None)

    # The name of the library to pack for is global.
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = "fbgemm"
    try:
        with warnings.catch_warnings(), ThreadPoolExecutor() as pool:
            warnings.simplefilter("ignore")  # torch means to replace its quantized tensors
            return list(pool.map(pack, *zip(*weights, strict=True)))
    finally:
        torch.backends.quantized.engine = before


def int8_product(states: Any, packed: Any, scale: float, zero: int) -> Any:
    """``states @ weight.T`` in float32, with ``states`` rounded to ``scale * (0 to 255 - zero)``.

    The library's dynamic layers choose the scale by all states of a batch, so that a sentence's values would depend on
    the others; this takes the scale as an argument. It has no public name.

    Seen: torch 2.9 to 2.13.
    """
    import torch

    return torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(states, scale, zero, packed)


def tensor_parts(tensor: Any) -> dict[str, Any] | None:
    """The tensors and settings that a tensor subclass consists of, by ``__tensor_flatten__``; None for other tensors.

    Quantized weights of torchao implement it. torch describes the protocol only in ``torch.utils._python_dispatch``.

    Seen: torch 2.13.
    """
    if not hasattr(tensor, "__tensor_flatten__"):
        return None
    names, context = tensor.__tensor_flatten__()
    return {name: getattr(tensor, name) for name in names} | {"context": context}


# --- transformers.

FROM_MODEL_CONFIG = "_from_model_config"
"""The entry of a saved ``generation_config.json`` that makes transformers replace the file by the model's config.

Heads that are written into such a file would be forgotten when it is loaded. Seen: transformers 5.0, 5.23.
"""

IMPLEMENTATION = "_attn_implementation"
"""Property of a config: the name of its attention function. Only the model has a public setter.

Seen: transformers 5.0 to 5.24.
"""

IMPLEMENTATION_FIELD = "_attn_implementation_internal"
"""Attribute of a config in which :data:`IMPLEMENTATION` is stored; a model's modules may share it.

Seen: transformers 5.0 to 5.24.
"""

# The global of modeling files in which attention functions are looked up, and their own function for "eager".
_REGISTRY, _EAGER = "ALL_ATTENTION_FUNCTIONS", "eager_attention_forward"


def attention_implementation(config: Any) -> str | None:
    """The name of a config's attention function; None where it has none. See :data:`IMPLEMENTATION`."""
    found: str | None = getattr(config, IMPLEMENTATION, None)
    return found


def stored_implementation(config: Any) -> str | None:
    """The stored name, whatever a subclass of the config returns. See :data:`IMPLEMENTATION_FIELD`."""
    found: str | None = getattr(config, IMPLEMENTATION_FIELD, None)
    return found


def unregister_attention(name: str) -> None:
    """Undo ``AttentionInterface.register(name, ...)``, which has no public counterpart.

    Modeling files may have registries of their own, which all share ``AttentionInterface._global_mapping``.

    Seen: transformers 5.0 to 5.24.
    """
    from transformers import AttentionInterface

    AttentionInterface._global_mapping.pop(name, None)


def looks_up_attention(kind: type) -> bool:
    """Whether a method of a class of modules reads the global ``ALL_ATTENTION_FUNCTIONS`` of its file.

    Such a module follows the attention interface; transformers marks models that follow it, but not modules.

    Seen: transformers 5.0 to 5.24.
    """
    methods = [inspect.unwrap(thing) for base in kind.__mro__ for thing in vars(base).values() if callable(thing)]
    return any(_REGISTRY in method.__code__.co_names for method in methods if inspect.isfunction(method))


def attention_function(forward: Any, implementation: str | None) -> Callable[..., Any] | None:
    """The attention function that ``forward``, as defined in its file, looks up under a name; None if there is none.

    Families have functions of their own in their modeling files, under ``ALL_ATTENTION_FUNCTIONS`` and
    ``eager_attention_forward``; no public function finds them.

    Seen: transformers 5.0 to 5.24.
    """
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    names = forward.__globals__
    found: Callable[..., Any] | None = names.get(_REGISTRY, ALL_ATTENTION_FUNCTIONS).get(
        implementation, names.get(_EAGER)
    )
    return found


def replace_added_tokens(tokenizer: Any, tokens: Mapping[int, Any]) -> None:
    """Give a tokenizer written in Python these added tokens (``AddedToken`` by id) in place of those that it has.

    The setter of ``added_tokens_decoder`` only adds. The tables are ``_added_tokens_decoder`` and
    ``_added_tokens_encoder``; ``_update_total_vocab_size`` counts them.

    Seen: transformers 5.0 to 5.24.
    """
    tokenizer._added_tokens_decoder = dict(tokens)
    tokenizer._added_tokens_encoder = {token.content: index for index, token in tokens.items()}
    tokenizer._update_total_vocab_size()


_SWITCHES = {"source": "_switch_to_input_mode", "target": "_switch_to_target_mode"}


def switches_sides(tokenizer: Any) -> bool:
    """Whether a tokenizer switches between source and target texts, by ``_switch_to_target_mode``.

    Tokenizers do so when called with ``text_target``; there is no public way to stay on one side.

    Seen: transformers 5.0 to 5.24.
    """
    return hasattr(tokenizer, _SWITCHES["target"])


def fix_side(tokenizer: Any, side: str) -> None:
    """Switch a tokenizer to ``"source"`` or ``"target"`` and keep it there. See :func:`switches_sides`."""
    getattr(tokenizer, _SWITCHES[side])()
    vars(tokenizer).update(dict.fromkeys(_SWITCHES.values(), _do_nothing))


def _do_nothing() -> None:
    pass


def replace_token_lookup(tokenizer: Any, lookup: Callable[[int], str | None]) -> None:
    """Let a tokenizer written in Python find the token of an id by ``lookup``, in place of ``_convert_id_to_token``.

    Some tokenizers write ids with one vocabulary and read them with another; ``convert_ids_to_tokens`` and ``decode``
    both ask this method.

    Seen: transformers 5.0 to 5.24.
    """
    vars(tokenizer)["_convert_id_to_token"] = lookup


# --- accelerate.


def offloaded_weights(module: Any) -> Mapping[str, Any] | None:
    """The parameters that accelerate keeps elsewhere until a module runs, by name; None where there are none.

    accelerate hangs its hook on the module as ``_hf_hook``. ``accelerate.utils.align_module_device`` would move whole
    modules, and not look into several hooks.

    Seen: accelerate 1.15.
    """
    hook = getattr(module, "_hf_hook", None)
    for part in getattr(hook, "hooks", [hook]):
        weights = getattr(part, "weights_map", None)
        if weights is not None:
            return weights  # type: ignore[no-any-return]
    return None


# --- ipywidgets.


def open_widgets() -> MutableMapping[str, Any]:
    """All widgets that are open, by the id of their connection to the page: ipywidgets' own table.

    ``Widget.widgets`` is deprecated, and ``Widget.close`` ends the widget for good.

    Seen: ipywidgets 8.1.0 to 8.1.9.
    """
    from ipywidgets.widgets.widget import _instances

    return _instances  # type: ignore[no-any-return]


# --- IPython and ipykernel.

# The names that IPython gives to earlier results: _, __, ___ and _12.
_LAST_RESULTS = ("_", "__", "___")


def forget_results(shell: Any, value: Any) -> None:
    """Remove ``value`` from what IPython keeps of earlier results: ``Out``, ``_``, ``__``, ``___`` and ``_12``.

    ``%reset_selective`` and ``%xdel`` remove the user's own variables too. The table behind ``Out`` is ``_oh`` in
    ``user_ns``; the display hook has the last three results as attributes.

    Seen: IPython 9.18.
    """
    results = shell.user_ns.get("_oh", {})
    for number in [number for number, result in results.items() if result is value]:
        del results[number]
    for names in (shell.user_ns, shell.user_ns_hidden):
        for name in [name for name, found in names.items() if found is value and _is_result_name(name)]:
            names[name] = ""
    for name in _LAST_RESULTS:
        if getattr(shell.displayhook, name, None) is value:
            setattr(shell.displayhook, name, "")


def _is_result_name(name: str) -> bool:
    return name in _LAST_RESULTS or (name.startswith("_") and name[1:].isdecimal())


def parent_message(shell: Any) -> dict[str, Any]:
    """The message that runs the current cell, by ipykernel's ``get_parent``; empty where there is none.

    Its form is Jupyter's protocol, but IPython has no public way to ask for it.

    Seen: ipykernel 6.29 to 7.4.
    """
    with suppress(AttributeError, LookupError):  # a terminal's shell has none
        return shell.get_parent()  # type: ignore[no-any-return]
    return {}


def cell_name(filename: str) -> str | None:
    """How IPython names the cell that was compiled under ``filename``, such as ``Cell In[3]``; None for files.

    A notebook's cells are compiled under the names of temporary files. ``compile.format_code_name`` of the shell is
    what IPython's own tracebacks use, and is not documented.

    Seen: IPython 9.18.
    """
    interactive = sys.modules.get("IPython")
    shell = interactive.get_ipython() if interactive is not None else None
    parts = shell.compile.format_code_name(filename) if shell is not None else None
    return " ".join(parts) if parts else None


# --- matplotlib.


def shapes_text() -> bool:
    """Whether matplotlib joins and orders letters of right-to-left scripts: it does since it uses libraqm.

    Its version of libraqm is ``matplotlib.ft2font.__libraqm_version__``; nothing else tells.

    Seen: missing in matplotlib 3.9, present in 3.11.
    """
    from matplotlib import ft2font

    return hasattr(ft2font, "__libraqm_version__")


# --- Ray.


def ray_read_task(read: Callable[[], Iterator[Any]]) -> Any:
    """A task of a Ray ``Datasource`` that reads blocks of unknown size.

    ``ray.data.block.BlockMetadata``, which each task needs, is for Ray's developers and changes its fields.

    Seen: Ray 2.60.
    """
    from ray.data import ReadTask
    from ray.data.block import BlockMetadata

    return ReadTask(read, BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None))
