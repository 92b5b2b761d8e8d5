"""Common mistakes in calls: what the error should tell the caller to pass instead."""

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


def argument_hint(name: str, value: Any, known: Iterable[str]) -> str:
    """What to write instead of an argument with an unknown name."""
    known = list(known)
    if "generation" in known and (name in _generation_names() or not nearest(name, known)):
        meant = name if name in _generation_names() else next(iter(nearest(name, _generation_names())), None)
        if meant:
            return f"pass what generate takes as generation={{{meant!r}: {value!r:.40}}}"
    return did_you_mean(name, known)


def with_checked_arguments(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Decorate a function so that an unknown keyword argument raises an error with a suggestion."""
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
    """A suggestion for an argument that neither ``generate`` nor the forward (which takes ``taken``) has; or ""."""
    near = nearest(name, _generation_names() | set(taken))
    return f": did you mean generation={{{near[0]!r}: {value!r:.40}}}?" if near else ""


@functools.cache
def _generation_names() -> set[str]:
    """The arguments of ``generate``, and the settings that it takes by name."""
    settings = vars(GenerationConfig())  # type: ignore[no-untyped-call]
    names = [*settings, *inspect.signature(GenerationMixin.generate).parameters]
    return {name for name in names if name[0] != "_"} - {"self", "kwargs", "inputs"}


# --- Models, tokenizers and sentences.


def _is_tokenizer(thing: Any) -> bool:
    return hasattr(thing, "convert_ids_to_tokens") and not isinstance(thing, type)


def _other_kind(thing: Any, kind: str, loader: str) -> str:
    """What to do with something that is neither a model nor a tokenizer; "" where there is nothing to suggest."""
    if isinstance(thing, str | PathLike):
        return f": load it by its name, {kind} = {loader}.from_pretrained({fspath(thing)!r})"
    if isinstance(thing, type):
        loads = thing.__name__ if hasattr(thing, "from_pretrained") else loader
        return f": this is a class; load an instance with {kind} = {loads}.from_pretrained(name)"
    if isinstance(thing, PreTrainedConfig):
        return f": this is a configuration without weights; load the model with {loader}.from_pretrained(name)"
    if isinstance(thing, list | tuple):
        models = [item for item in thing if isinstance(item, nn.Module)]
        if len(models) == 1 and any(map(_is_tokenizer, thing)):
            return ": pass the model and the tokenizer as two arguments, or unpack the pair with *"
        return f": pass one {kind} at a time" if thing else ": it is empty"
    if isinstance(thing, Mapping) and any(isinstance(value, torch.Tensor) for value in thing.values()):
        return f": these are weights without a model; load them with {loader}.from_pretrained(folder)"
    return ""


def model_hint(thing: Any) -> str:
    """What to pass instead of something that is not a model. It follows the name of the type in an error."""
    if _is_tokenizer(thing):
        return ": this is a tokenizer. Are model and tokenizer swapped? The model comes first, then its tokenizer"
    # torch.compile's module, pipelines and wrappers hold the model in one of these attributes.
    for name in (ORIGINAL_MODULE, "model", "module"):
        if isinstance(_plain(thing, name), nn.Module):
            return f": pass its .{name}"
    if hasattr(thing, "tokenizer"):
        return ": this is a processor, which holds a tokenizer. The model comes first"
    return _other_kind(thing, "model", "AutoModelForSeq2SeqLM")


def tokenizer_hint(thing: Any) -> str:
    """What to pass instead of something that is not a tokenizer. It follows the name of the type in an error."""
    if isinstance(thing, PreTrainedModel):
        return ": this is a model. Are model and tokenizer swapped? The model comes first, then its tokenizer"
    if not isinstance(thing, type) and _is_tokenizer(getattr(thing, "tokenizer", None)):
        return ": pass its .tokenizer"
    if type(thing).__module__.partition(".")[0] == "tokenizers":
        return ": wrap it, transformers.PreTrainedTokenizerFast(tokenizer_object=...)"
    return _other_kind(thing, "tokenizer", "AutoTokenizer")


def _plain(thing: Any, name: str) -> Any:
    return None if isinstance(thing, type) else getattr(thing, name, None)


def sentences_hint(thing: Any) -> str:
    """What to pass instead of something that is neither a string nor a list of strings."""
    if type(thing).__module__.partition(".")[0] == "PIL":
        return ": this model reads text; models of images, such as VisionEncoderDecoderModel, read pictures"
    if isinstance(thing, bytes | bytearray):
        return ": decode it, for example with .decode('utf-8')"
    if isinstance(thing, PathLike):
        return ": read it first, for example with .read_text(encoding='utf-8'); score_corpus reads files itself"
    if isinstance(thing, torch.Tensor) or hasattr(thing, "input_ids") or ("input_ids" in _keys(thing)):
        return ": pass text, not ids; tokenizer.batch_decode(ids, skip_special_tokens=True) turns ids into text"
    if isinstance(thing, Mapping):
        return ": pass one of its values"
    if hasattr(thing, "columns") or hasattr(thing, "column_names"):
        return ": pass one of its columns as a list, for example list(table['source'])"
    if hasattr(thing, "tolist"):
        return ": pass its .tolist()"
    if hasattr(thing, "to_pylist"):
        return ": pass its .to_pylist()"
    if isinstance(thing, tuple) and len(thing) == 2:
        return ": pass sources and targets as two lists, for example sources, targets = zip(*pairs)"
    if isinstance(thing, Sequence) and thing and all(isinstance(item, str) for item in thing):
        return ": a sentence is one string, not a list of words; join them, for example with ' '.join(words)"
    if isinstance(thing, Iterable):
        return ": pass list(...) of it"
    return ""


def _keys(thing: Any) -> Iterable[str]:
    return thing.keys() if isinstance(thing, Mapping) else ()
