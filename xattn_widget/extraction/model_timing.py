"""The heads that are known to time the words of a model: ``model_timing``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from xattn_widget.extraction.saved_hints import saved_hints, warn_of_hints
from xattn_widget.record.heads import check_heads, head_pairs
from xattn_widget.record.timing import Timing


def model_timing(model: Any, layers: int, heads: int) -> Timing | None:
    """The timing of a model's records: that of the file saved next to it, else of its generation config, else None.

    Args:
        model: the model.
        layers: how many layers its records have.
        heads: how many heads each layer has.
    """
    try:
        timing = _calibrated(model)
        if timing is not None:
            own = _fitting(timing.model_heads or _config_heads(model), layers, heads)
            check_heads(timing.heads, layers, heads)
            return replace(timing, model_heads=() if set(own) == set(timing.heads) else own)
    except Exception as error:  # whatever is wrong with a file of hints, the words must have times
        warn_of_hints(model, "the heads of the generation config time words", error)
    named = _fitting(_config_heads(model), layers, heads)
    return Timing(named, 0.0, "model") if named else None


def named_heads(model: Any) -> tuple[tuple[int, int], ...]:
    """The (layer, head) pairs that a model's configuration names, also where a saved calibration took their place."""
    try:
        timing = _calibrated(model)
    except Exception:  # the file is of no use
        timing = None
    return _config_heads(model) if timing is None else timing.model_heads


def _calibrated(model: Any) -> Timing | None:
    content = saved_hints(model)
    if content is None or "timing" not in content:
        return None
    fields = {name: value for name, value in content["timing"].items() if name != "error"}
    return Timing(**fields, source="calibrated")


def _config_heads(model: Any) -> tuple[tuple[int, int], ...]:
    try:
        return tuple(head_pairs(getattr(getattr(model, "generation_config", None), "alignment_heads", None) or ()))
    except ValueError:
        return ()


def _fitting(pairs: tuple[tuple[int, int], ...], layers: int, heads: int) -> tuple[tuple[int, int], ...]:
    """The pairs; none if the model lacks one of them."""
    try:
        check_heads(pairs, layers, heads)
    except ValueError:
        return ()
    return pairs
