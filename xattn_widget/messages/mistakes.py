"""Mistakes in calls of the functions that take a model: what each error says to pass instead."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike, fspath
from typing import Any, ParamSpec, TypeVar

import torch
from torch import nn
from transformers import GenerationConfig, GenerationMixin, PreTrainedConfig, PreTrainedModel

from xattn_widget._compat import ORIGINAL_MODULE
from xattn_widget.messages.hints import did_you_mean, nearest

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

_SETTINGS = vars(GenerationConfig())  # type: ignore[no-untyped-call]
_GENERATION = {name for name in [*_SETTINGS, *inspect.signature(GenerationMixin.generate).parameters] if name[0] != "_"}
_GENERATION -= {"self", "kwargs", "inputs"}


def argument_hint(name: str, value: Any, known: Iterable[str]) -> str:
    """What to write instead of an argument of a name that is not known."""
    known = list(known)
    if "generation" in known and (name in _GENERATION or not nearest(name, known)):
        meant = name if name in _GENERATION else next(iter(nearest(name, _GENERATION)), None)
        if meant:
            return f"pass what generate takes as generation={{{meant!r}: {value!r:.40}}}"
    return did_you_mean(name, known)


def with_checked_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Make a function name the argument that was meant where it is called with one that it does not have."""
    known = inspect.signature(function).parameters

    @functools.wraps(function)
    def checked(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        for name, value in kwargs.items():
            if name not in known:
                raise TypeError(f"{function.__name__} has no argument {name!r}: {argument_hint(name, value, known)}")
        return function(*args, **kwargs)

    return checked


def check_generation(generation: Any) -> None:
    """Raise a TypeError unless ``generation`` is a mapping, or None."""
    if generation is None or isinstance(generation, Mapping):
        return
    advice = "{'generation_config': ...}" if isinstance(generation, GenerationConfig) else "{'num_beams': 4}"
    raise TypeError(
        f"generation must be a dictionary of arguments of generate, such as {advice}, got "
        f"{type(generation).__name__}: {generation!r:.60}"
    )


def generation_hint(name: str, value: Any, taken: Iterable[str]) -> str:
    """What was meant by an argument that neither generate nor the forward, which has ``taken``, knows; or ""."""
    near = nearest(name, _GENERATION | set(taken))
    return f": did you mean generation={{{near[0]!r}: {value!r:.40}}}?" if near else ""


# --- Models, tokenizers and sentences.


def _is_tokenizer(thing: Any) -> bool:
    return hasattr(thing, "convert_ids_to_tokens") and not isinstance(thing, type)


def _other_kind(thing: Any, kind: str, loader: str) -> str:
    """What to do about something that is neither a model nor a tokenizer; "" where that is not known."""
    if isinstance(thing, str | PathLike):
        return f": load it by its name, {kind} = {loader}.from_pretrained({fspath(thing)!r})"
    if isinstance(thing, type):
        loads = thing.__name__ if hasattr(thing, "from_pretrained") else loader
        return f": that is a class, load one with {kind} = {loads}.from_pretrained(name)"
    if isinstance(thing, PreTrainedConfig):
        return f": that is a configuration without weights, load the model with {loader}.from_pretrained(name)"
    if isinstance(thing, list | tuple):
        several = [each for each in thing if isinstance(each, nn.Module)]
        if len(several) == 1 and any(map(_is_tokenizer, thing)):
            return ": pass the model and the tokenizer one after the other, with * before what holds both"
        return f": pass one {kind} at a time" if thing else ": it is empty"
    if isinstance(thing, Mapping) and any(isinstance(each, torch.Tensor) for each in thing.values()):
        return f": those are weights without a model, load them with {loader}.from_pretrained(folder)"
    return ""


def model_hint(thing: Any) -> str:
    """What to pass instead of something that is not a model, after the name of its type."""
    if _is_tokenizer(thing):
        return ": that is a tokenizer. Are model and tokenizer swapped? The model comes first, then its tokenizer"
    # A model compiled by torch.compile passes each attribute on, a pipeline and PEFT's wrapper have the model.
    for name in (ORIGINAL_MODULE, "model", "module"):
        if isinstance(_plain(thing, name), nn.Module):
            return f": pass its .{name}"
    if hasattr(thing, "tokenizer"):
        return ": that is a processor, which holds a tokenizer. The model comes first"
    return _other_kind(thing, "model", "AutoModelForSeq2SeqLM")


def tokenizer_hint(thing: Any) -> str:
    """What to pass instead of something that is not a tokenizer, after the name of its type."""
    if isinstance(thing, PreTrainedModel):
        return ": that is a model. Are model and tokenizer swapped? The model comes first, then its tokenizer"
    if not isinstance(thing, type) and _is_tokenizer(getattr(thing, "tokenizer", None)):
        return ": pass its .tokenizer"
    if type(thing).__module__.partition(".")[0] == "tokenizers":
        return ": wrap it, transformers.PreTrainedTokenizerFast(tokenizer_object=...)"
    return _other_kind(thing, "tokenizer", "AutoTokenizer")


def _plain(thing: Any, name: str) -> Any:
    return None if isinstance(thing, type) else getattr(thing, name, None)


def sentences_hint(thing: Any) -> str:
    """What to pass instead of something that is neither a string nor a list of strings."""
    if isinstance(thing, bytes | bytearray):
        return ": decode it, such as with .decode('utf-8')"
    if isinstance(thing, PathLike):
        return ": read it first, such as with .read_text(encoding='utf-8') (score_corpus reads files)"
    if isinstance(thing, torch.Tensor) or hasattr(thing, "input_ids") or ("input_ids" in _keys(thing)):
        return ": pass text, not ids; tokenizer.batch_decode(ids, skip_special_tokens=True) makes text of them"
    if isinstance(thing, Mapping):
        return ": pass one of its values"
    if hasattr(thing, "columns") or hasattr(thing, "column_names"):
        return ": pass one of its columns as a list, such as list(table['source'])"
    if hasattr(thing, "tolist"):
        return ": pass its .tolist()"
    if hasattr(thing, "to_pylist"):
        return ": pass its .to_pylist()"
    if isinstance(thing, tuple) and len(thing) == 2:
        return ": pass sources and targets as two lists, such as sources, targets = zip(*pairs)"
    if isinstance(thing, Sequence) and thing and all(isinstance(each, str) for each in thing):
        return ": a sentence is one string, not a list of its words; join them, such as with ' '.join(words)"
    if isinstance(thing, Iterable):
        return ": pass list(...) of it"
    return ""


def _keys(thing: Any) -> Iterable[str]:
    return thing.keys() if isinstance(thing, Mapping) else ()
