"""The requests that the page may send: the fields of each request and their values, in one table.

The front end declares the same fields in ``js/src/core/contract.ts``; tests/widget/test_contract.py compares the two. A
request that breaks this contract is refused with a sentence that says what was wrong and what was expected.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, get_args

from xattn_widget.messages.characters import brief
from xattn_widget.panel.dropping import Dropping
from xattn_widget.panel.entries import Entry
from xattn_widget.panel.own_rows import RowNames
from xattn_widget.record.data import Aggregate, Reading
from xattn_widget.record.heads import check_heads, head_pairs, whole_number

_LONGEST_ID = 256
_LONGEST_TEXT = 100_000
_LONGEST_LIST = 400
_LARGEST = 2**53  # whole numbers of JavaScript


class RequestError(ValueError):
    """A request that breaks the contract; the message is a sentence for its sender."""


class Subject(NamedTuple):
    """What a request can be about.

    Attributes:
        entries: the sentences in the list.
        scores: the names of the listed scores.
        shown: the index of the sentence that is shown.
    """

    entries: Sequence[Entry]
    scores: Collection[str]
    shown: int


class _Missing:
    def __repr__(self) -> str:
        return "None (it was left out)"


MISSING = _Missing()


class Field(NamedTuple):
    """A field of a request.

    Attributes:
        read: checks a value, given the entry that the request is about.
        default: the value where the field is left out; MISSING for a required field.
    """

    read: Callable[[Any, Entry, Subject], Any]
    default: Any = MISSING


def _index(noun: str, count: Callable[[Entry], int]) -> Field:
    def read(value: Any, entry: Entry, subject: Subject) -> int:
        index, size = whole_number(value), count(entry)
        if index is None or not 0 <= index < size:
            raise RequestError(
                f"there is no {noun} {_quoted(value)} here: expected a whole number from 0 to {size - 1}"
            )
        return index

    return Field(read)


def _sentence(value: Any, entry: Entry, subject: Subject) -> int:
    return int(_index("sentence", lambda _: len(subject.entries)).read(value, entry, subject))


def _number(value: Any, entry: Entry, subject: Subject) -> int:
    number = whole_number(value)
    if number is None or not 0 <= number <= _LARGEST:
        raise RequestError(f"expected a whole number that is not negative, got {_quoted(value)}")
    return number


def _heads(least: int) -> Field:
    def read(value: Any, entry: Entry, subject: Subject) -> list[list[int]]:
        try:
            pairs = head_pairs(value)
            check_heads(pairs, entry.record.layers, entry.record.heads)
        except ValueError as error:
            raise RequestError(str(error)) from None
        if len(pairs) < least:
            raise RequestError(f"heads must be a list of at least {least} (layer, head) pair, got {_quoted(value)}")
        return [list(pair) for pair in dict.fromkeys(pairs)]

    return Field(read)


def _text(value: Any, entry: Entry, subject: Subject) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        length = f" of {len(value):,} characters" if isinstance(value, str) else ""
        raise RequestError(f"expected a string of at most {_LONGEST_TEXT:,} characters, got {_quoted(value)}{length}")
    return value


def _score(value: Any, entry: Entry, subject: Subject) -> str:
    if not isinstance(value, str) or value not in subject.scores:
        listed = ", ".join(subject.scores)
        raise RequestError(f"there is no score {_quoted(value)} here: expected one of {listed[:_LONGEST_LIST]}")
    return value


def _flag(value: Any, entry: Entry, subject: Subject) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"expected true or false, got {_quoted(value)}")
    return value


def _one_of(*values: str) -> Callable[[Any, Entry, Subject], str]:
    def read(value: Any, entry: Entry, subject: Subject) -> str:
        if not isinstance(value, str) or value not in values:
            raise RequestError(f"expected one of {', '.join(map(repr, values))}, got {_quoted(value)}")
        return value

    return read


_AGGREGATE = Field(_one_of(*get_args(Aggregate)), "mean")
_READING = Field(_one_of(*get_args(Reading)), None)
_ROWS = Field(_one_of(*get_args(RowNames)), None)
_DROPPING = Field(_one_of(*get_args(Dropping)), "drop")
_HEADS = _heads(least=1)
_LAYER = _index("layer", lambda entry: entry.record.layers)
_HEAD = _index("head", lambda entry: entry.record.heads)
_ROW = _index("row", lambda entry: entry.record.weights.shape[2])
_COLUMN = _index("column", lambda entry: entry.record.weights.shape[3])
_POSITION = _index("target position", lambda entry: entry.record.weights.shape[2])
_SENTENCE = {"sentence": Field(_sentence), "version": Field(_number, None)}

# Whether the weights are to be divided by the sinks.
_WEIGHTS = _SENTENCE | {"divided": Field(_flag, False)}

# "sentence" comes first: the other fields are read by the record that it names.
REQUESTS: dict[str, dict[str, Field]] = {
    "sentence": _SENTENCE,
    "layer": _WEIGHTS | {"layer": _LAYER},
    "whole": _SENTENCE | {"layers": Field(_one_of("all", "none"))},
    # "as_shown" names the reading whose rows are shown, and "special" what is dropped from them; without "as_shown" the
    # score keeps its policy.
    "scores": _SENTENCE | {"name": Field(_score), "as_shown": _READING, "special": _DROPPING},
    "head": _WEIGHTS | {"layer": _LAYER, "head": _HEAD},
    "alignment": _SENTENCE | {"heads": _HEADS, "aggregate": _AGGREGATE, "reading": _ROWS},
    "row": _WEIGHTS | {"heads": _HEADS, "target": _ROW},
    "column": _WEIGHTS | {"heads": _HEADS, "source": _COLUMN},
    "image": _SENTENCE,
    "sound": _SENTENCE,
    "features": _SENTENCE,
    # With an empty list: by the heads that are known to time words best.
    "word_times": _SENTENCE | {"heads": _heads(least=0)},
}
# Requests for an experiment: those of kind "live", by their action. They are about the shown sentence unless they name
# one. The model's thread checks whether a token exists.
ACTIONS: dict[str, dict[str, Field]] = {
    "text": {"sentence": Field(_sentence)},
    "target": {"text": Field(_text)},
    "choices": {"sentence": Field(_sentence), "position": _POSITION},
    "token": {
        "position": Field(_number),
        "token": Field(_number),
        "rest": Field(_one_of("generate", "keep"), "generate"),
    },
    "mute": {"heads": _heads(least=0)},
    # Reads the windows of a long recording, up to a time in seconds.
    "read": {"sentence": Field(_sentence), "until": Field(_number)},
    "stop": {},
}


def request_id(request: Any) -> str | int:
    """The id that the reply to a request repeats.

    Raises:
        RequestError: something other than a request, or a request without an id.
    """
    if not isinstance(request, Mapping):
        raise RequestError(f"a request is an object with 'id' and 'kind', got {brief(request)}")
    value = request.get("id", MISSING)
    if isinstance(value, str) and len(value) <= _LONGEST_ID:
        return value
    number = whole_number(value)
    if number is None or not 0 <= number <= _LARGEST:
        raise RequestError(
            f"a request needs 'id', a string of at most {_LONGEST_ID} characters that its reply repeats, got "
            f"{_quoted(value)}"
        )
    return number


def read_request(request: Any, subject: Subject) -> dict[str, Any]:
    """A request with every field checked, and those that were left out filled in.

    Args:
        request: what came from the page.
        subject: what it can be about.

    Returns:
        Its kind, its fields (each head once), and "action" where it is of kind "live".

    Raises:
        RequestError: it breaks the contract.
    """
    if not isinstance(request, Mapping):
        raise RequestError(f"a request is an object with 'id' and 'kind', got {brief(request)}")
    kind = _named(request, "kind", [*REQUESTS, "live"])
    checked: dict[str, Any] = {"kind": kind}
    if kind == "live":
        checked["action"] = _named(request, "action", list(ACTIONS))
    fields = ACTIONS[checked["action"]] if kind == "live" else REQUESTS[kind]
    description = " ".join(repr(value) for value in checked.values())
    for name in request:
        if name not in fields and name not in checked and name != "id":
            known = ", ".join([*checked, *fields])
            raise RequestError(f"a request of kind {description} has no field {brief(name)}; it has {known}")
    entry = subject.entries[subject.shown]
    for name, field in fields.items():
        if name not in request and field.default is not MISSING:
            checked[name] = field.default
            continue
        try:
            checked[name] = field.read(request.get(name, MISSING), entry, subject)
        except RequestError as error:
            raise RequestError(f"{name!r} of a request of kind {description}: {error}") from None
        if name == "sentence":
            entry = subject.entries[checked[name]]
    return checked


def _named(request: Mapping[str, Any], field: str, known: list[str]) -> str:
    value = request.get(field, MISSING)
    if not isinstance(value, str) or value not in known:
        raise RequestError(f"a request needs {field!r}, one of {', '.join(map(repr, known))}, got {_quoted(value)}")
    return value


def _quoted(value: Any) -> str:
    return repr(value) if value is MISSING else brief(value)
