"""Fingerprints of a model and a tokenizer: equal for models and tokenizers that give the same numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from xattn_widget._compat import offloaded_weights, tensor_parts
from xattn_widget.inputs.text.encoding import tokenize
from xattn_widget.scores.signatures import code_hash

# Settings that say where a model came from or how it is run, not what it computes.
_INCIDENTAL = {"transformers_version", "name_or_path", "tokenizer_file", "special_tokens_map_file", "processor_class"}
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.layout, torch.device, torch.qscheme)
_ORDINARY = (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
_PIECE = 2**19  # bytes that are hashed at a time
_PROBE = "Ein Satz, über den 42 Modelle – verschieden – urteilen: naïve 😀 test."


def model_fingerprint(model: torch.nn.Module) -> str:
    """Class, configuration, number type and all parameters and buffers of a model, in 16 hexadecimal digits.

    Raises:
        ValueError: parameters without values (on the device "meta", and not offloaded by accelerate).
    """
    with ThreadPoolExecutor() as pool:
        digest = _Digest(pool)
        config: Any = model.config
        digest.update(_json({"class": type(model).__name__, **config.to_diff_dict()}))
        seen: set[tuple[int, tuple[int, ...]]] = set()
        for name, value in sorted(_state(model).items(), key=lambda item: item[0]):
            if isinstance(value, torch.Tensor) and not _parts(value):
                if value.is_meta:
                    value = _offloaded(model, name)
                elif value.numel():
                    place = (value.data_ptr(), tuple(value.shape))
                    if place in seen:  # tied to a parameter that was counted
                        digest.update(_form(name, value))
                        continue
                    seen.add(place)
            _add(digest, name, value)
        return digest.hexdigest()


class _Digest:
    """A digest of a model's weights, which are hashed on all cores."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool, self._digest = pool, hashlib.blake2b(digest_size=8)

    def update(self, content: Any) -> None:
        """Add bytes, or the digests of their pieces if there are many."""
        if len(content) > _PIECE:
            pieces = [content[start : start + _PIECE] for start in range(0, len(content), _PIECE)]
            content = b"".join(self._pool.map(lambda piece: hashlib.blake2b(piece, digest_size=16).digest(), pieces))
        self._digest.update(content)

    def hexdigest(self) -> str:
        """The digest of everything added, in 16 hexadecimal digits."""
        return self._digest.hexdigest()


def _state(model: torch.nn.Module) -> dict[str, Any]:
    """The state dict and the buffers that it leaves out.

    Buffers of the libraries' own modules stay out: they are computed from the configuration, and some grow with the
    longest sentence that the model has seen.
    """
    state = dict(model.state_dict(keep_vars=True))
    for path, module in model.named_modules():
        if type(module).__module__.partition(".")[0] not in ("torch", "transformers", "transformers_modules"):
            for name, buffer in module.named_buffers(path, recurse=False):
                state.setdefault(name, buffer)
    return state


def _offloaded(model: torch.nn.Module, name: str) -> torch.Tensor:
    """The values of a parameter that accelerate keeps elsewhere until the module runs."""
    path, _, last = name.rpartition(".")
    weights = offloaded_weights(model.get_submodule(path))
    if weights is not None:
        tensor: torch.Tensor = weights[last]
        return tensor
    raise ValueError(
        f"the parameter {name} of this {type(model).__name__} has no values (it is on the device 'meta'): load the "
        "model's weights first"
    )


def _form(name: str, tensor: torch.Tensor) -> bytes:
    return f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode()


def _add(digest: Any, name: str, value: Any, within: tuple[int, ...] = ()) -> None:
    """Add a value of a state dict to the digest: any kind of tensor, or whatever else a module stores there."""
    if isinstance(value, torch.Tensor):
        parts = _parts(value)
        if not parts:
            digest.update(_form(name, value))
            digest.update(value.detach().contiguous().cpu().flatten().view(torch.uint8).numpy())
            return
        value = parts
    elif isinstance(value, np.ndarray | np.generic):
        value = [str(value.dtype), value.shape, value.tobytes()]
    elif isinstance(value, set | frozenset):
        value = sorted(value, key=repr)
    digest.update(f"{name} {type(value).__name__}".encode())
    if id(value) in within:
        return
    within = (*within, id(value))
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            _add(digest, str(key), value[key], within)
    elif isinstance(value, list | tuple):
        for part in value:
            _add(digest, "", part, within)
    elif isinstance(value, _PLAIN):
        digest.update(repr(value).encode(errors="backslashreplace"))
    elif callable(value):
        digest.update(code_hash(value).encode())
    else:  # what pickle would store, which includes packed weights
        _add(digest, "", value.__getstate__(), within)


def _parts(tensor: torch.Tensor) -> dict[str, Any]:
    """The parts of a tensor that is more than an array of numbers; empty for a plain array."""
    if (parts := tensor_parts(tensor)) is not None:
        return parts
    if type(tensor) not in _ORDINARY:  # tensors of quantizing libraries keep scales as attributes
        attributes = {name: value for name, value in vars(tensor).items() if not name.startswith("_")}
        if attributes:
            return {"numbers": tensor.detach().as_subclass(torch.Tensor)} | attributes
    tensor = tensor.detach()
    if tensor.is_quantized:
        scheme = tensor.qscheme()
        if scheme in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            scales: list[Any] = [tensor.q_scale(), tensor.q_zero_point()]
        else:
            scales = [tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points(), tensor.q_per_channel_axis()]
        return {"numbers": tensor.int_repr(), "scheme": scheme, "scales": scales}
    if tensor.layout != torch.strided:
        return {"layout": tensor.layout, "numbers": tensor.to_dense()}
    return {}


def tokenizer_fingerprint(tokenizer: Any, target_tokenizer: Any, *, reads: bool = True) -> str:
    """Class, vocabulary, settings and the ids of a sample sentence on either side, in 16 hexadecimal digits.

    Pass the same object twice if the two sides share a vocabulary. ``reads`` says whether the encoder reads texts: some
    tokenizers of images need more than a text on that side.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(type(tokenizer).__name__.encode())
    other = None
    if target_tokenizer is not tokenizer:
        other = target_tokenizer.get_vocab()
        if type(target_tokenizer) is not type(tokenizer):
            digest.update(type(target_tokenizer).__name__.encode())
    digest.update(_json({"vocabularies": [tokenizer.get_vocab(), other], "special": tokenizer.all_special_ids}))
    sides = {"source": tokenizer, "target": target_tokenizer} if reads else {"target": target_tokenizer}
    probes = [tokenize(part, [_PROBE], side)["input_ids"][0] for side, part in sides.items()]
    return _after(digest, _json({"probes": probes}))


def extractor_fingerprint(extractor: Any) -> str:
    """Class and settings of a feature extractor or an image processor, in 16 hexadecimal digits."""
    settings = {"class": type(extractor).__name__, **extractor.to_dict()}
    return _after(hashlib.blake2b(digest_size=8), _json(settings))


def generation_fingerprint(model: Any, generation: Mapping[str, Any]) -> str:
    """The arguments of ``generate`` and the model's own generation settings, in readable form."""
    settings = model.generation_config.to_diff_dict()
    return f"{_json(dict(generation)).decode()}, model's own {_after(hashlib.blake2b(digest_size=4), _json(settings))}"


def forward_fingerprint(forward: Mapping[str, Any]) -> str:
    """The further arguments of the model's forward, in readable form."""
    return _json(dict(forward)).decode()


def writer_fingerprint(function: Any) -> str:
    """The name of a function of the user that writes targets, and a hash of its code and of the values it uses."""
    return f"{getattr(function, '__name__', type(function).__name__)} {code_hash(function)}"


def _after(digest: Any, content: bytes) -> str:
    digest.update(content)
    return str(digest.hexdigest())


def _json(content: Mapping[str, Any]) -> bytes:
    kept = {name: value for name, value in content.items() if name not in _INCIDENTAL}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, default=_plain).encode()


def _plain(thing: Any) -> Any:
    if hasattr(thing, "to_diff_dict"):
        return thing.to_diff_dict()
    if isinstance(thing, set | frozenset):
        return sorted(thing)
    if isinstance(thing, torch.Tensor | np.ndarray | np.generic):
        return thing.tolist()
    if isinstance(thing, torch.dtype):
        return str(thing)
    content = thing if callable(thing) else getattr(thing, "__dict__", None)
    return f"{type(thing).__name__} {code_hash(content)}"
