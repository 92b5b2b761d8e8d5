"""The command ``show``: which sentences, heads and score its page shows, and which file it writes."""

import csv
import json
import re

import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN

SHOW = ["show", "--model", "demo", "Ich habe das Buch gelesen."]

pytestmark = pytest.mark.usefixtures("single_thread")


def shown(path):
    """Return the traits that a page starts with."""
    state = re.search(r'class="xattn-state"[^>]*>(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)[1]
    return json.loads(state)["traits"]


def test_show_writes_the_page_that_is_named(run, tmp_path):
    (tmp_path / "page.html").write_text("an older file")
    assert run(*SHOW, "--output", "page.html")[:2] == (0, "page.html\n")
    assert shown(tmp_path / "page.html")["info"]["sentences"][0]["source"] == SHOW[-1]


def test_show_picks_heads_and_a_score(run, tmp_path):
    page = tmp_path / "attention.html"
    assert run(*SHOW)[:2] == (0, "attention.html\n")
    view = shown(page)
    assert (view["score_name"], view["words"], len(view["heads"])) == ("alignment_norm", True, 4)
    # A page that the command wrote is replaced.
    assert run(*SHOW, "--layer", 1, "--score", "entropy", "--subwords")[:2] == (0, "attention.html\n")
    view = shown(page)
    assert view["heads"] == [[1, head] for head in range(8)]
    assert (view["score_name"], view["words"], view["reading"]) == ("entropy", False, "output")
    assert run(*SHOW, "--layer", 0, "--head", 6, "--words", "--special", "drop_punctuation")[0] == 0
    view = shown(page)
    assert (view["heads"], view["layer"], view["head"], view["words"]) == ([[0, 6]], 0, 6, True)
    assert view["special"] == "drop_punctuation"


def test_the_default_page_does_not_replace_the_file_of_another_program(run, tmp_path):
    notes = tmp_path / "attention.html"
    notes.write_text("<p>my notes</p>")
    code, out, err = run(*SHOW)
    assert (code, out) == (2, "")
    assert "attention.html exists and is not a page that xattn-widget wrote: name another file with --output" in err
    assert notes.read_text() == "<p>my notes</p>"
    assert run(*SHOW, "--output", "attention.html")[0] == 0  # it was asked for
    assert "xattn" in notes.read_text(encoding="utf-8")


@pytest.fixture
def table(run, tmp_path):
    """Return the table of eight sentences, and of a ninth that could not be scored, as ``s.parquet``."""
    with (tmp_path / "pool.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("source", "target"), *zip(GERMAN, ENGLISH, strict=True), ("", "x")])
    arguments = ["--target-column", "target", "--model", "demo", "--scores", "entropy"]
    assert run("score", "pool.csv", *arguments, "--output", "s.parquet")[0] == 0
    return pq.read_table(tmp_path / "s.parquet")


def test_show_takes_a_row_of_a_scored_table(run, table, tmp_path):
    assert run(*SHOW[:3], "--table", "s.parquet", "--row", 2)[0] == 0
    (sentence,) = shown(tmp_path / "attention.html")["info"]["sentences"]
    assert (sentence["source"], sentence["target"]) == (GERMAN[2], ENGLISH[2])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (9, "--row: there is no row 9: s.parquet has rows 0 to 8"),
        (8, "--row: row 8 of s.parquet cannot be shown: "),
    ],
)
def test_a_row_that_cannot_be_shown_is_reported(run, table, row, message):
    code, out, err = run(*SHOW[:3], "--table", "s.parquet", "--row", row)
    assert (code, out) == (2, "")
    assert message in err


def test_a_table_without_targets_is_reported(run, table, tmp_path):
    pq.write_table(table.drop_columns("target"), tmp_path / "other.parquet")
    code, _, err = run(*SHOW[:3], "--table", "other.parquet", "--row", 0)
    assert code == 2
    assert "--table: other.parquet has no column 'target': pass a table that 'xattn-widget score' wrote" in err
