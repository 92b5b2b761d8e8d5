"""What was measured about a model's heads, in a file next to its weights that names the weights it is about."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from xattn_widget._compat import FROM_MODEL_CONFIG, tensor_parts
from xattn_widget.files.csv_json import json_text
from xattn_widget.files.writing import whole_file

logger = logging.getLogger("xattn_widget")

FILE_NAME = "alignment_heads.json"
_GENERATION_CONFIG = "generation_config.json"
_FORMAT = 1
_MOST_BYTES = 2**22
# Training changes every parameter, so that a few weights of each show it. Reading all of them could take seconds.
_SAMPLED = 64
# The file names one weight of each parameter. Loading in another number type changes it by less than this share.
_CLOSE = 0.01


def save_hints(model: torch.nn.Module, folder: str | Path, about: str, **hints: Any) -> Path:
    """Write hints to the file in a folder with the model's weights.

    Args:
        model: the model, as saved in ``folder``.
        folder: the folder.
        about: a sentence for people who open the file.
        hints: what JSON can hold.

    Returns:
        The file written.

    Raises:
        ValueError: the model's weights are not in memory.
    """
    weights = weight_sample(model)
    if not weights:
        raise ValueError("the weights of this model are not in memory, so that the file could not name them")
    content = {
        "format": _FORMAT,
        "about": f"{about}; one weight of each parameter, to recognize the model.",
        **hints,
        "weights": {name: float(f"{value:.5g}") for name, value in _named(weights).items()},
    }
    path = Path(folder) / FILE_NAME
    with whole_file(path) as file:
        file.write(f"{json_text(content)}\n".encode())
    return path


def write_alignment_heads(model: Any, folder: str | Path, heads: Iterable[tuple[int, int]]) -> None:
    """Write (layer, head) pairs into the generation config of a folder as ``alignment_heads``, as Whisper's has them.

    Raises:
        ValueError: the folder's generation config is not JSON.
    """
    path = Path(folder) / _GENERATION_CONFIG
    pairs = [list(pair) for pair in heads]
    if not path.is_file():
        config = getattr(model, "generation_config", None)
        if config is None:
            return
        config.save_pretrained(folder)
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path} is not JSON, so that it cannot get these alignment_heads: {error}") from error
    content["alignment_heads"] = pairs
    content.pop(FROM_MODEL_CONFIG, None)
    with whole_file(path) as file:
        file.write(f"{json_text(content, indent=2)}\n".encode())


def saved_hints(model: torch.nn.Module) -> dict[str, Any] | None:
    """The content of the file in the folder that a model was loaded from; None where there is none.

    Raises:
        Exception: the file is about other weights, or damaged.
    """
    path = hints_path(model)
    if path is None or not path.is_file():
        return None
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"it has more than {_MOST_BYTES:,} bytes")
    content: dict[str, Any] = json.loads(path.read_bytes())
    if content["format"] != _FORMAT:
        raise ValueError(f"it is of format {content['format']!r:.20}, expected {_FORMAT}")
    if not _belongs(content["weights"], _named(weight_sample(model))):
        raise ValueError("it was made with other weights")
    return content


def warn_of_hints(model: torch.nn.Module, instead: str, error: Exception) -> None:
    """Log that the file of a model is ignored, what happens instead, and why."""
    logger.warning("%s is ignored, and %s: %s: %s", hints_path(model), instead, type(error).__name__, f"{error}"[:200])


def hints_path(model: torch.nn.Module) -> Path | None:
    """Where the file of a model is looked for: in the folder that it was loaded from; else None."""
    folder = getattr(model, "name_or_path", None)
    return Path(folder) / FILE_NAME if isinstance(folder, str) and folder else None


def weight_sample(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Up to 64 evenly spaced weights of each parameter that is in memory as an ordinary tensor."""
    sample = {}
    for name, parameter in model.named_parameters():
        if parameter.is_meta or parameter.is_quantized or tensor_parts(parameter) is not None:
            continue
        values = parameter.detach().flatten()
        if len(values):
            # A copy: a view would change with the weights.
            sample[name] = values[:: -(-len(values) // _SAMPLED)].clone().to("cpu", torch.float32)
    return sample


def same_weights(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> bool:
    """Whether two samples are equal."""
    return first.keys() == second.keys() and all(torch.equal(values, second[name]) for name, values in first.items())


def _named(sample: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """One weight of each parameter: the middle one of its sample."""
    return {name: float(values[len(values) // 2]) for name, values in sample.items()}


def _belongs(saved: Mapping[str, Any], weights: Mapping[str, float]) -> bool:
    """Whether a file's weights are those of the model. Other releases may know parameters by other names, but few."""
    shared = saved.keys() & weights.keys()
    return len(shared) * 2 > len(saved) and all(
        math.isclose(float(saved[name]), weights[name], rel_tol=_CLOSE, abs_tol=1e-5) for name in shared
    )
