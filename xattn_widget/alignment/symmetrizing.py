"""One alignment from two directions: ``symmetrize``."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Literal, get_args

from xattn_widget.alignment.aer import Corpus, read_links
from xattn_widget.alignment.pharaoh import GoldAlignment, Link

Symmetrization = Literal["intersection", "union", "grow-diag", "grow-diag-final", "grow-diag-final-and"]

# Steps to neighbors as (target, source), in the order of Moses: to the side first, then diagonally.
_STEPS = ((-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1))


def symmetrize(forward: Corpus, backward: Corpus, method: Symmetrization = "grow-diag-final-and") -> Any:
    """One alignment from two: of a model that translates one way, and of a model that translates back.

    A link that both directions have is precise; a link that one of them has may be missing in the other, because argmax
    gives every target word one source word. The methods differ in which of these links they add. The results equal
    those of Moses' ``symal``, link by link.

    Example:
        >>> from xattn_widget import symmetrize
        >>> symmetrize("0-0 1-1 2-1", "0-0 1-1 1-2", "intersection")
        [(0, 0), (1, 1)]
        >>> symmetrize("0-0 1-1 2-1", "0-0 1-1 1-2", "grow-diag")
        [(0, 0), (1, 1), (1, 2), (2, 1)]

    Args:
        forward: the links of a sentence pair, or a list with the links of each sentence pair. Links are (source word,
            target word) pairs, as ``record.align()`` returns them, or a string in Pharaoh format (``"0-0 1-2"``).
            Possible links count like sure ones.
        backward: the same, also as (source word, target word) pairs: turn those of a model that translates the target
            into the source around, ``[(source, target) for target, source in record.align()]``.
        method: which links to keep:

            - ``"intersection"``: those of both;
            - ``"union"``: those of either;
            - ``"grow-diag"``: those of both, and then links of either that touch a kept link (to the side or
              diagonally) and have a word without a kept link, until there are none;
            - ``"grow-diag-final"``: also, at the end, links of either, first the forward ones, that have a word without
              a kept link;
            - ``"grow-diag-final-and"``: also, at the end, links of either that have two words without a kept link.

    Returns:
        The links in order, or a list of them for each sentence pair.

    Raises:
        ValueError: an unknown method, different numbers of sentence pairs, or a string with something that is not a
            link.
        TypeError: a link is not a pair of whole numbers.

    Source: Och & Ney 2003; Koehn et al. 2003, 2005.
    """
    if method not in get_args(Symmetrization):
        raise ValueError(f"method must be one of {', '.join(map(repr, get_args(Symmetrization)))}, got {method!r}")
    there, back = read_links(forward, "forward"), read_links(backward, "backward")
    if there.single != back.single:
        raise ValueError("one direction has a single alignment and the other a list of them: give both the same form")
    if len(there.alignments) != len(back.alignments):
        raise ValueError(
            f"there are {len(there.alignments)} forward alignments and {len(back.alignments)} backward ones: give one "
            "of each for each sentence pair"
        )
    found = [_symmetrized(*both, method) for both in zip(there.alignments, back.alignments, strict=True)]
    return found[0] if there.single else found


def _symmetrized(forward: GoldAlignment, backward: GoldAlignment, method: Symmetrization) -> list[Link]:
    if method == "union":
        return sorted(forward.possible | backward.possible)
    both = forward.possible & backward.possible
    if method == "intersection":
        return sorted(both)
    alignment = _Growing(both)
    alignment.grow(forward.possible | backward.possible)
    if method != "grow-diag":
        for links in (forward.possible, backward.possible):
            alignment.finish(links, both_free=method == "grow-diag-final-and")
    return sorted(alignment.links)


class _Growing:
    """An alignment to which links are added, in the order of Moses' ``symal``, on which the result depends."""

    def __init__(self, links: frozenset[Link]) -> None:
        self.links = set(links)
        self._sources = {source for source, _ in links}
        self._targets = {target for _, target in links}

    def grow(self, candidates: frozenset[Link]) -> None:
        """Add candidates that touch a link and have a free word, until there are none.

        A pass visits the links by target and source, among them those that it adds further on.
        """
        points = sorted((target, source) for source, target in self.links)
        grown = True
        while grown:
            grown = False
            place = 0
            while place < len(points):
                target, source = points[place]
                for target_step, source_step in _STEPS:
                    link = (source + source_step, target + target_step)
                    if link in candidates and self._free(link) > 0:
                        self._add(link)
                        grown = True
                        insertion = bisect_left(points, link[::-1])
                        points.insert(insertion, link[::-1])
                        place += insertion <= place
                place += 1

    def finish(self, candidates: frozenset[Link], *, both_free: bool) -> None:
        """Add candidates with a free word, or only those with two, in order."""
        for link in sorted(candidates, key=lambda link: link[::-1]):
            if self._free(link) >= (2 if both_free else 1):
                self._add(link)

    def _free(self, link: Link) -> int:
        """How many of the two words have no link."""
        return (link[0] not in self._sources) + (link[1] not in self._targets)

    def _add(self, link: Link) -> None:
        self.links.add(link)
        self._sources.add(link[0])
        self._targets.add(link[1])
