"""Tables as a notebook and a shell show them; tables of others look as they did."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN
from families import one_thread

from xattn_widget import compare, score, score_corpus, select
from xattn_widget.corpus import corpus_info, grids
from xattn_widget.corpus.display import table_html, table_text
from xattn_widget.messages.tables import is_ours, show_tables

HOSTILE = "<img src=x onerror=alert(1)>\u202egnol"


@score
def mine(attention, source_mask, target_mask):
    return attention.amax((-2, -1))


@pytest.fixture(scope="module")
def table(demo):
    sources = [*GERMAN, "", HOSTILE, *["Ja. " * 40] * 10]
    targets = [*ENGLISH, "x", "y", *["Yes."] * 10]
    with one_thread():
        return score_corpus(*demo, sources, targets, ["entropy", mine], statistics="logprob_sum", progress=False)


class Cells(HTMLParser):
    """The texts of a table by rows, and the names of all elements."""

    def __init__(self, html):
        super().__init__()
        self.rows, self.names, self.caption = [], set(), ""
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, name, attributes):
        self.names.add(name)
        self.inside = name
        if name == "tr":
            self.rows.append([])
        elif name in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        if self.inside == "caption":
            self.caption += data
        elif self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_a_scored_table_shows_a_few_rows_and_one_number_for_each_score(table):
    shown = Cells(table_html(table))
    assert shown.caption == "20 rows · 1 with an error · 3 layers of 8 heads"
    head, *rows = shown.rows
    numbers = ["entropy (mean of 24 heads)", "mine (mean of 24 heads)", "logprob_sum"]
    assert head == ["id", "source", "target", "source_length", "target_length", *numbers, "error"]
    assert [row[0] for row in rows] == [*map(str, range(10)), "… 5 more rows …", *map(str, range(15, 20))]
    assert rows[3][1] == GERMAN[3]
    assert rows[3][5] == f"{grids(table, 'entropy')[3].mean(dtype=np.float64):.4g}"
    assert rows[8][:8] == ["8", "", "x", "–", "–", "–", "–", "–"]
    assert rows[8][8].startswith("source is empty")
    assert len(rows[-1][1]) == 60
    assert rows[-1][1].endswith("…")


def test_texts_are_text(table):
    html = table_html(table)
    shown = Cells(html)
    assert shown.names == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert shown.rows[10][1] == "<img src=x onerror=alert(1)>⟨U+202E⟩gnol"
    named = table.rename_columns([HOSTILE, *table.column_names[1:]])
    assert "<img" not in table_html(named)
    assert "\u202e" not in table_html(named) + table_text(named)


def test_a_shell_gets_columns_of_text(table):
    caption, head, *lines = table_text(table).splitlines()
    assert caption == "20 rows · 1 with an error · 3 layers of 8 heads"
    assert re.split(r"  +", head)[:3] == ["id", "source", "target"]
    assert lines[10] == "… 5 more rows …"
    assert len(lines) == 16
    starts = {line.index("Yes.") for line in lines[11:]}
    assert starts == {head.index("target")}


@pytest.mark.parametrize("rows", [0, 1, 15, 16])
def test_a_table_is_cut_only_where_it_is_long(table, rows):
    part = table.slice(0, rows)
    shown = Cells(table_html(part))
    assert len(shown.rows) == 1 + min(rows, 16)
    assert ("… 1 more row …" in table_text(part)) == (rows == 16)
    assert shown.caption.startswith(f"{rows} row{'' if rows == 1 else 's'} · ")
    assert len(table_text(part).splitlines()) == 2 + min(rows, 16)


def test_a_table_without_errors_has_no_column_for_them(table):
    shown = Cells(table_html(table.slice(0, 3)))
    assert "no errors" in shown.caption
    assert "error" not in shown.rows[0]


def test_selections_and_comparisons_are_readable_and_stay_plain_tables(table):
    chosen = select(table, "entropy.layer2", 3, duplicates="keep")
    found = compare(table, np.arange(20.0))
    assert is_ours(chosen)
    assert is_ours(found)
    assert Cells(table_html(chosen)).caption == "3 rows · highest entropy.layer2"
    shown = Cells(table_html(found))
    assert shown.caption.startswith("49 rows · correlation with the quality, and the ends of its 0.95 interval")
    statistic = next(index for index, name in enumerate(found["score"].to_pylist()) if name == "logprob_sum")
    if statistic < 10:
        assert shown.rows[1 + statistic][1:3] == ["–", "–"]
    for made in (chosen, found):
        with pytest.raises(ValueError, match="score_corpus did not make this table"):
            corpus_info(made)
        assert made.to_pandas().shape == made.shape
        assert list(made.to_pandas().columns) == made.column_names


def test_polars_reads_them(table):
    polars = pytest.importorskip("polars")
    assert polars.from_arrow(select(table, "entropy", 3, duplicates="keep")).height == 3


def test_metadata_survives_parquet_and_slices(table, tmp_path):
    pq.write_table(table, tmp_path / "table.parquet")
    assert is_ours(pq.read_table(tmp_path / "table.parquet"))
    assert is_ours(table.slice(2, 3).select(["source", "mine"]))
    assert not is_ours(pa.table({"a": [1]}))


# IPython


@pytest.fixture
def shell():
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    yield shell
    InteractiveShell.clear_instance()


def formatted(shell, value):
    return shell.display_formatter.format(value)[0]


def test_ipython_shows_our_tables_and_leaves_others_alone(shell, table, monkeypatch):
    other = pa.table({"a": [1, 2]})
    before = formatted(shell, other)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    show_tables(table_html, table_text)
    assert formatted(shell, other) == before == {"text/plain": before["text/plain"]}
    assert formatted(shell, table) == {"text/plain": table_text(table), "text/html": table_html(table)}
    assert formatted(shell, [other])["text/plain"].startswith("[pyarrow.Table")


def test_a_formatter_of_the_users_keeps_other_tables(shell, table, monkeypatch):
    pages = shell.display_formatter.formatters["text/html"]
    pages.for_type_by_name("pyarrow.lib", "Table", lambda table: "<b>mine</b>")
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    show_tables(table_html, table_text)
    assert formatted(shell, pa.table({"a": [1]}))["text/html"] == "<b>mine</b>"
    assert formatted(shell, table)["text/html"] == table_html(table)


@pytest.mark.parametrize("first", ["", "import IPython; "])
def test_importing_the_package_loads_neither_ipython_nor_arrow(first):
    program = f"{first}import sys, xattn_widget; print('IPython' in sys.modules, 'pyarrow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(bool(first)), "False"]
