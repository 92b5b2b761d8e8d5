"""What a view of a profile is told: a description, all numbers of heads, and where each head is strongest."""

from __future__ import annotations

import base64
import os.path
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from xattn_widget.corpus.sources.mediums import table_medium
from xattn_widget.messages.characters import well_formed
from xattn_widget.panel.json_values import json_number
from xattn_widget.scores.roles import MIXED, ROLES

AGREEMENT = "agreement"
# A longer text is cut in the list; the sentence itself opens whole.
LONGEST_TEXT = 1000


def describe_profile(data: pa.Table, info: Mapping[str, Any], *, can_open: bool, notice: str = "") -> dict[str, Any]:
    """The description: what is small, in the form of ``ProfileInfo`` of ``js/src/profile/contract.ts``.

    Args:
        data: the table of the profile.
        info: its ``HeadProfile.info``.
        can_open: whether a sentence opens in a panel.
        notice: what a reader must know, in words.
    """
    layers, heads = info["shape"]
    rules = {share.name: role for role, share in ROLES.items()}
    names = [*ROLES, MIXED]
    numbers = [names.index(role) for role in data["role"].to_pylist()]
    best = info["head_set"]
    return {
        "layers": layers,
        "heads": heads,
        "sentences": info["sentences"],
        "failed": info["failed"],
        "quantile_sentences": info["quantile_sentences"],
        "drawn": info["drawn"],
        "what": info["what"],
        "levels": list(info["levels"]),
        "scores": [
            {
                "name": well_formed(name),
                "direction": info["directions"][name],
                "signature": well_formed(signature),
                "description": well_formed(info["descriptions"][name]),
                "role": rules.get(name, ""),
            }
            for name, signature in info["signatures"].items()
        ],
        "roles": [
            {"name": role, "score": share.name, "least": info["least_shares"][role], "description": share.description}
            for role, share in ROLES.items()
        ],
        "assigned": [numbers[start : start + heads] for start in range(0, len(numbers), max(heads, 1))],
        "head_set": best
        and {
            "heads": [{"layer": layer, "head": head, "reading": reading} for layer, head, reading in best["heads"]],
            "value": best["value"],
            "measure": best["measure"],
        },
        "agreement": AGREEMENT in data.column_names,
        "can_open": can_open,
        "notice": notice,
    }


def profile_numbers(data: pa.Table, info: Mapping[str, Any]) -> list[bytes]:
    """All numbers of heads, each buffer little-endian float32, NaN where undefined.

    The first has ``[scores, 2 + levels, layers, heads]``: mean, standard deviation and quantiles over sentences. The
    second has ``[roles, layers, heads]`` shares of rows. The third has ``[layers * heads, layers * heads]`` agreement,
    and is empty where there is none.
    """
    statistics = [
        [data[f"{name}.mean"].to_pylist(), data[f"{name}.std"].to_pylist(), *_columns(data, f"{name}.quantiles", info)]
        for name in info["signatures"]
    ]
    shares = [data[share.name].to_pylist() for share in ROLES.values()]
    agreement = data[AGREEMENT].to_pylist() if AGREEMENT in data.column_names else []
    return [np.array(values, "<f4").tobytes() for values in (statistics, shares, agreement)]


def _columns(data: pa.Table, name: str, info: Mapping[str, Any]) -> Any:
    """``[levels, heads]`` of a column of lists."""
    return np.array(data[name].to_pylist(), np.float64).reshape(-1, len(info["levels"])).T.tolist()


def strongest_rows(
    data: pa.Table, info: Mapping[str, Any], score: str, layer: int, head: int, most: int | None = None
) -> list[dict[str, Any]]:
    """The rows where a head is strongest by a score, strongest first.

    Returns:
        For each its ``row`` in the scored table, and its ``value``.
    """
    entries: list[dict[str, Any]] = data[f"{score}.strongest"][layer * info["shape"][1] + head].as_py()
    return entries[:most]


def listed_rows(entries: list[dict[str, Any]], info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows of :func:`strongest_rows` with their texts, as the page lists them."""
    return [
        {"row": entry["row"], "value": json_number(entry["value"]), **_texts(entry["row"], info)} for entry in entries
    ]


def _texts(row: int, info: Mapping[str, Any]) -> dict[str, str]:
    identity, source, target = info["texts"][str(row)][:3]
    if table_medium(info) is not None:
        source = os.path.basename(source or "")
    name = "" if identity is None else identity
    return {"name": _cut(name), "source": _cut(source), "target": _cut(target)}


def _cut(value: Any) -> str:
    text = "" if value is None else str(value)
    return well_formed(text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…")


def saved_profile(data: pa.Table, info: Mapping[str, Any]) -> dict[str, Any]:
    """The profile as an offline page holds it: the traits of the view, and everything that it may ask for."""
    layers, heads = info["shape"]

    def rows(name: str, layer: int, head: int) -> list[list[Any]]:
        found = strongest_rows(data, info, name, layer, head)
        return [[entry["row"], json_number(entry["value"])] for entry in found]

    strongest = {
        name: [[rows(name, layer, head) for head in range(heads)] for layer in range(layers)]
        for name in info["signatures"]
    }
    return {
        "traits": first_look(info) | {"info": describe_profile(data, info, can_open=False)},
        "numbers": [base64.b64encode(buffer).decode() for buffer in profile_numbers(data, info)],
        "strongest": {well_formed(name): rows for name, rows in strongest.items()},
        "texts": {row: _texts(int(row), info) for row in info["texts"]},
    }


def first_look(info: Mapping[str, Any]) -> dict[str, Any]:
    """What a view shows at first: the roles, and the first head of the best set."""
    layers, heads = info["shape"]
    best = info["head_set"]
    head = list(best["heads"][0][:2]) if best else [0, 0] if layers * heads else None
    return {"score_name": "", "statistic": "mean", "head": head, "row": None, "theme": "auto"}
