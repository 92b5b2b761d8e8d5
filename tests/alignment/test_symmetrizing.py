"""One alignment from two directions, compared with Moses and with sets."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import GoldAlignment, read_pharaoh, symmetrize

METHODS = ("intersection", "grow-diag", "grow-diag-final-and", "grow-diag-final", "union")

links = st.frozensets(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=20)


def links_of(line: str) -> list[tuple[int, int]]:
    return sorted(tuple(map(int, link.split("-"))) for link in line.split())


def test_links_equal_those_of_moses() -> None:
    # Made by moses-smt/mosesdecoder's symal (commit ddbbf4c) from random links near the diagonal, one per word. Pairs
    # on which its methods agree were left out.
    with (Path(__file__).parent / "symal.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert len(rows) == 150
    for method in METHODS[1:4]:
        found = symmetrize([row["forward"] for row in rows], [row["backward"] for row in rows], method)
        assert found == [links_of(row[method]) for row in rows]


@given(links, links)
def test_methods_keep_links_between_intersection_and_union(forward: frozenset, backward: frozenset) -> None:
    kept = {method: set(symmetrize(forward, backward, method)) for method in METHODS}
    assert kept["intersection"] == forward & backward
    assert kept["union"] == forward | backward
    assert kept["intersection"] <= kept["grow-diag"]
    for method in ("grow-diag-final-and", "grow-diag-final"):
        assert kept["grow-diag"] <= kept[method] <= kept["union"]


@given(links, links)
def test_final_links_every_word_that_either_direction_links(forward: frozenset, backward: frozenset) -> None:
    union = forward | backward
    final = symmetrize(forward, backward, "grow-diag-final")
    for side in (0, 1):
        assert {link[side] for link in final} == {link[side] for link in union}


@given(links, links)
def test_grown_links_touch_another_and_free_words_stay_free_for_final_and(
    forward: frozenset, backward: frozenset
) -> None:
    grown = set(symmetrize(forward, backward, "grow-diag"))
    for source, target in grown - (forward & backward):
        near = {(source + x, target + y) for x in (-1, 0, 1) for y in (-1, 0, 1)} - {(source, target)}
        assert near & grown
    final = set(symmetrize(forward, backward, "grow-diag-final-and"))
    for source, target in final - grown:
        others = final - {(source, target)}
        assert all(source != link[0] and target != link[1] for link in others & grown)


def test_links_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "forward.talp"
    path.write_text("0-0 1p1\n\n")
    expected = [[(0, 0), (1, 1)], []]
    assert symmetrize(read_pharaoh(path), [[(0, 0), (1, 1)], []], "intersection") == expected
    assert symmetrize("0-0 1-1", {(0, 0)}, "union") == expected[0]
    assert symmetrize(GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0)})), [], "union") == [(0, 0)]
    assert symmetrize(iter(["0-0"]), iter(["0-0"])) == [[(0, 0)]]


def test_errors_say_what_was_expected() -> None:
    with pytest.raises(ValueError, match="'grow-diag-final-and', got 'gdfa'"):
        symmetrize("0-0", "0-0", "gdfa")
    with pytest.raises(ValueError, match="2 forward alignments and 1 backward"):
        symmetrize(["0-0", "1-1"], ["0-0"])
    with pytest.raises(ValueError, match="one direction has a single alignment"):
        symmetrize("0-0", ["0-0"])
    with pytest.raises(TypeError, match="backward must be links"):
        symmetrize("0-0", [[0.5]])
    with pytest.raises(TypeError, match=r"forward must be links: .* got None"):
        symmetrize(None, "0-0")
    with pytest.raises(TypeError, match=r"forward must be links: .* from 0; got \(-1, 0\)"):
        symmetrize([(0, 0), (-1, 0)], "0-0")
    with pytest.raises(ValueError, match="forward has 'x'"):
        symmetrize("x", "0-0")
