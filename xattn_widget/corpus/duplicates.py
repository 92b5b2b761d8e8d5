"""Recognize (near) duplicates of sentences that have been chosen."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable


def normalize(text: str) -> str:
    """Letters and digits in one case, separated by single spaces; the same text for exact duplicates."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    kept = "".join(character if character.isalnum() else " " for character in folded)
    return " ".join(kept.split()) or text.strip()


def trigrams(text: str) -> set[str]:
    """The set of three adjacent characters of a normalized text, with a space at either end."""
    padded = f" {text} "
    return {padded[start : start + 3] for start in range(max(1, len(padded) - 2))}


class Chosen:
    """The sentences chosen so far, and whether another one resembles any of them.

    Two sentences are near duplicates if the Jaccard similarity of their character trigrams, ignoring case and
    punctuation, is at least ``similarity``. The prefix filter finds all candidates: if two sets are that similar, their
    rarest elements overlap.

    Source: Chaudhuri et al. 2006; Bayardo et al. 2007 (prefix filter).
    """

    def __init__(self, similarity: float | None, sample: Iterable[str] = ()) -> None:
        """Start without any sentence.

        Args:
            similarity: the lowest similarity of near duplicates; None to recognize only exact ones.
            sample: sentences to count trigrams in; they affect only the speed.
        """
        self._similarity = similarity
        self._texts: set[str] = set()
        self._sets: list[set[str]] = []
        self._by_element: defaultdict[str, list[int]] = defaultdict(list)
        self._frequency: Counter[str] = Counter()
        if similarity is not None:
            for text in sample:
                self._frequency.update(trigrams(normalize(text)))

    def add_new(self, text: str) -> bool:
        """Choose the sentence unless it resembles an earlier choice; returns whether it was chosen."""
        normal = normalize(text)
        if normal in self._texts:
            return False
        if self._similarity is not None:
            elements = trigrams(normal)
            prefix = self._prefix(elements)
            places = {place for element in prefix for place in self._by_element[element]}
            if any(self._similar(elements, self._sets[place]) for place in places):
                return False
            for element in prefix:
                self._by_element[element].append(len(self._sets))
            self._sets.append(elements)
        self._texts.add(normal)
        return True

    def _prefix(self, elements: set[str]) -> list[str]:
        assert self._similarity is not None
        rarest = sorted(elements, key=lambda element: (self._frequency[element], element))
        return rarest[: len(elements) - math.ceil(self._similarity * len(elements)) + 1]

    def _similar(self, some: set[str], others: set[str]) -> bool:
        assert self._similarity is not None
        common = len(some & others)
        return common >= self._similarity * (len(some) + len(others) - common)
