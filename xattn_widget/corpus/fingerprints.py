"""Fingerprints of a model and a tokenizer: the same for what gives the same numbers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from xattn_widget.scores.signatures import code_hash

# What a config says of where a model came from and how it is run, not of what it computes.
_INCIDENTAL = {"_name_or_path", "transformers_version", "name_or_path", "tokenizer_file", "special_tokens_map_file"}
_PROBE = "Ein Satz, über den 42 Modelle – verschieden – urteilen: naïve 😀 test."


def model_fingerprint(model: torch.nn.Module) -> str:
    """Class, configuration, number type and every parameter, in 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    config: Any = model.config
    digest.update(_json({"class": type(model).__name__, **config.to_diff_dict()}))
    seen = set()
    for name, tensor in sorted(model.state_dict().items()):
        place = (tensor.data_ptr(), tuple(tensor.shape))
        digest.update(f"{name}{tensor.dtype}{place[1]}".encode())
        if place in seen and tensor.numel():  # tied to one that is counted
            continue
        seen.add(place)
        digest.update(tensor.detach().contiguous().cpu().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """Class, vocabulary, settings and what it makes of a sentence on either side, in 16 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(type(tokenizer).__name__.encode())
    vocabularies = [tokenizer.get_vocab(), getattr(tokenizer, "target_encoder", None)]  # Marian may have two
    digest.update(_json({"vocabularies": vocabularies, "special": tokenizer.all_special_ids}))
    probes = [tokenizer(_PROBE)["input_ids"], tokenizer(text_target=_PROBE)["input_ids"]]
    return _after(digest, _json({"probes": probes}))


def generation_fingerprint(model: Any, generation: Mapping[str, Any]) -> str:
    """The arguments of ``generate`` and the model's own generation settings, in readable form."""
    own = model.generation_config.to_diff_dict()
    return f"{_json(dict(generation)).decode()}, model's own {_after(hashlib.blake2b(digest_size=4), _json(own))}"


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
    held = thing if callable(thing) else getattr(thing, "__dict__", None)
    return f"{type(thing).__name__} {code_hash(held)}"
