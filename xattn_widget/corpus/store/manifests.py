"""What identifies a job, as JSON with a checksum; and the differences between two jobs, in words."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from xattn_widget.scores.signatures import current_form

# The key for the digest of all other entries.
_CHECKSUM = "checksum"


def encode(content: dict[str, Any]) -> bytes:
    """The content as JSON, with a checksum."""
    return json.dumps(content | {_CHECKSUM: checksum(content)}, ensure_ascii=False, indent=1).encode()


def decode(text: bytes) -> tuple[dict[str, Any], bool]:
    """The content of a manifest, and whether it had a checksum; earlier versions wrote none.

    Raises:
        ValueError: it is damaged.
    """
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError(str(error)) from None
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    expected = content.pop(_CHECKSUM, None)
    if expected not in (None, checksum(content)):
        raise ValueError("it does not match its checksum")
    return content, expected is not None


def checksum(content: dict[str, Any]) -> str:
    """A digest of the content."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def differing(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The differences between two descriptions of jobs, in words; empty if there are none."""
    if isinstance(scores := before.get("scores"), list):
        before = before | {"scores": [current_form(str(signature)) for signature in scores]}
    return [
        f"{name} was {_short(before.get(name))}, now it is {_short(now.get(name))}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    ]


def _short(value: Any) -> str:
    if value is None:
        return "missing"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 200 else text[:199] + "…"
