"""What kind of token is at a position: the end of the sentence, a language code, punctuation, a repeated token."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

import torch

from xattn_widget.record.axis import Axis

# What vocabularies call the end of a sentence: </s>, <eos>, [SEP], <|endoftext|>, <end_of_turn>, <EOS_TOKEN>.
_END = re.compile(r"</s>|\[SEP\]|.*(?:eos|end_?of).*", re.IGNORECASE)
# deu_Latn, de_DE, __de__, >>deu<<, <|de|>, <2de>, <de>, [de]
_CODE = r"[a-z]{2,3}(?:[-_](?:[A-Z][a-z]{3}|[A-Z]{2}|\d{3})){0,2}"
_LANGUAGE = re.compile(rf"{_CODE}|__{_CODE}__|>>{_CODE}<<|<\|?2?{_CODE}\|?>|\[{_CODE}\]")
# Codes have their form, but these are of another kind.
_NO_LANGUAGE = re.compile(r"[<\[]\|?(?:s|unk|pad|eos|bos|sep|cls|eot|sot|eod)\|?[>\]]", re.IGNORECASE)

# The kinds that ``kinds`` tells apart.
ORDINARY, END, LANGUAGE, PUNCTUATION, REPEATED, OTHER_SPECIAL = range(6)


def is_punctuation(text: str) -> bool:
    """Whether a text consists of punctuation alone (Unicode's categories P), apart from spaces."""
    characters = [character for character in text if not character.isspace()]
    return bool(characters) and all(unicodedata.category(character).startswith("P") for character in characters)


def ends(axis: Axis) -> torch.Tensor:
    """``[positions]`` bool, True at special tokens that end the sentence, by their name in the vocabulary."""
    return _special(axis, lambda label: _END.fullmatch(label) is not None)


def languages(axis: Axis) -> torch.Tensor:
    """``[positions]`` bool, True at special tokens that name a language, by their name in the vocabulary."""
    return _special(axis, lambda label: bool(_LANGUAGE.fullmatch(label)) and not _NO_LANGUAGE.fullmatch(label))


def punctuation_flags(axis: Axis) -> tuple[bool, ...]:
    """For each position whether it is text, not special, and punctuation alone, by its text.

    The label of a moment or of an image patch is not something that a tokenizer read.
    """
    return tuple(
        kind == "text" and not special and is_punctuation(axis.text_at(position))
        for position, (kind, special) in enumerate(zip(axis.kinds, axis.special, strict=True))
    )


def punctuation(axis: Axis) -> torch.Tensor:
    """``[positions]`` bool, True at punctuation that is not special, by the text of the position."""
    return torch.tensor(punctuation_flags(axis), dtype=torch.bool)


def kinds(axis: Axis) -> torch.Tensor:
    """``[positions]`` the kind of each position, as one of the numbers above.

    A repeated token has the label of another position, and is neither special nor punctuation.
    """
    counts = Counter(axis.labels)
    found = torch.tensor(
        [
            OTHER_SPECIAL if special else REPEATED if kind == "text" and counts[label] > 1 else ORDINARY
            for label, special, kind in zip(axis.labels, axis.special, axis.kinds, strict=True)
        ]
    )
    for kind, flags in ((LANGUAGE, languages(axis)), (END, ends(axis)), (PUNCTUATION, punctuation(axis))):
        found[flags] = kind
    return found


def _special(axis: Axis, matches: Callable[[str], bool]) -> torch.Tensor:
    return torch.tensor([flag and matches(label) for label, flag in zip(axis.labels, axis.special, strict=True)])
