"""The heads that are known to time the words of a model: ``model_timing``."""

from __future__ import annotations

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
        content = saved_hints(model)
        if content is not None and "timing" in content:
            fields = {name: value for name, value in content["timing"].items() if name != "error"}
            timing = Timing(**fields, source="calibrated")
            check_heads(timing.heads, layers, heads)
            return timing
    except Exception as error:  # whatever is wrong with a file of hints, the words must have times
        warn_of_hints(model, "the heads of the generation config time words", error)
    pairs = getattr(getattr(model, "generation_config", None), "alignment_heads", None)
    try:
        timing = Timing(tuple(head_pairs(pairs or ())), 0.0, "model")
        check_heads(timing.heads, layers, heads)
    except ValueError:
        return None
    return timing
