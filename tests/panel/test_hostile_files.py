"""Files of what the widget shows, whatever is in it: every format with every hostile text reads back as it was."""

import csv
import io
import json
import re
import warnings
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from xattn_widget import CrossAttention, CrossAttentionWidget
from xattn_widget.cli import main
from xattn_widget.messages.characters import visible, well_formed
from xattn_widget.panel.markup import element, source_element
from xattn_widget.scores import Score

HOSTILE = {
    "script": "</script></text><script>alert(1)</script>",
    "markup": "a & b < c > d ' e \"",
    "comment": "<!-- --> ]]> <![CDATA[",
    "formula of TeX": "$\\frac$ $ \\$ $x$ p<$0.5",
    "byte-order mark": "\ufeffa\ufeff",
    "byte-order mark alone": "\ufeff",
    "high surrogate": "\ud83d",
    "low surrogate": "a\udc00b",
    "pair": "\ud83d\ude42",
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x85\x9f",
    "null": "\x00",
    "carriage return": "a\rb",
    "carriage return alone": "\r",
    "line breaks": "a\nb\r\nc\x0b\x0c\u2028\u2029",
    "quotes": '"",";"',
    "bidi": "a\u202eb\u2066c\u200f",
    "noncharacters": "\ufffe\uffff\U0001fffe\U0010ffff",
    "unseen": "\u200b\u200d\u2060\u00ad",
    "blank": " \u3000 ",
    "emoji": "👩\u200d💻 ❤\ufe0f",
    "marks": "e\u0301\u0301\u0301",
    "formula": "=1+1",
    "wide": "x" * 10_000,
    "backslash": "\\N{DIGIT ONE} %s {0}",
}
each_text = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)


@pytest.fixture(autouse=True)
def _fonts():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no installed font has")  # it is drawn as a box
        yield


def shown(text, **view):
    """A widget with the text as token, model, record name and name of a score."""
    weights = torch.tensor([[0.25, 0.75], [0.5, 0.5]]).repeat(1, 2, 1, 1)
    record = CrossAttention.from_tokens(weights, [text, "s"], ["t", text], model=text)
    score = Score(lambda attention, source_mask, target_mask: attention.amax((-1, -2)), text, description=text)
    return CrossAttentionWidget([record], names=[text], scores=[score], heads=[(0, 1)], **view)


def rows(path, **options):
    with path.open(encoding="utf-8", newline="", **options) as file:
        return list(csv.reader(file, strict=True))


@each_text
def test_csv_reads_back_to_the_same_cells(tmp_path, text):
    widget = shown(text)
    assert widget.export(tmp_path / "a.pharaoh").read_text() == "0-1 1-0\n"
    table = rows(widget.export(tmp_path / "a.csv"))
    cell = well_formed(text)
    assert table[0] == ["heads", "target", "target_token", "source", "source_token", "weight"]
    assert [(row[2], row[4], float(row[5])) for row in table[1:]] == [
        ("t", cell, 0.25),
        ("t", "s", 0.75),
        (cell, cell, 0.5),
        (cell, "s", 0.5),
    ]
    assert cell == text or "U+D" in cell or text == HOSTILE["pair"]


def test_lone_surrogates_are_seen():
    assert well_formed("a\ud83db\ude42c\ud83d\ude42") == "a⟨U+D83D⟩b⟨U+DE42⟩c🙂"


@each_text
def test_json_reads_back_to_the_same_cells(tmp_path, text):
    data = json.loads(shown(text).export(tmp_path / "a.json").read_bytes())
    assert data["source"] == ([text, "s"] if text != HOSTILE["pair"] else ["🙂", "s"])
    assert data["each"] == [[[0.25, 0.75], [0.5, 0.5]]]


def test_json_has_no_number_that_json_does_not_have(tmp_path):
    weights = torch.tensor([[[[float("inf"), float("nan")], [float("-inf"), 1.0]]]])
    widget = CrossAttentionWidget(CrossAttention.from_tokens(weights, ["a", "b"], ["x", "y"]))

    def refuse(constant):
        raise AssertionError(constant)

    data = json.loads(widget.export(tmp_path / "a.json").read_text(), parse_constant=refuse)
    assert data["mean"] == [[None, None], [None, 1.0]]
    page = widget.to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    json.loads(re.search(r'class="xattn-state">(.*?)</script>', page, re.DOTALL).group(1), parse_constant=refuse)


@pytest.fixture(scope="module")
def all_texts():
    """A record with each of the texts as a token of both sides, and a score with all of them in its name."""
    texts = list(HOSTILE.values())
    weights = torch.full((1, 2, len(texts), len(texts)), 1 / len(texts))
    score = Score(lambda attention, source_mask, target_mask, **more: attention.amax((-1, -2)), "".join(texts)[:200])
    return CrossAttention.from_tokens(weights, texts, texts, model="".join(texts)), score


def test_drawings_are_valid_and_pictures_are_written(tmp_path, all_texts):
    record, score = all_texts
    widget = CrossAttentionWidget(record, names=[record.model], scores=[score])
    tree = ElementTree.fromstring(widget.export(tmp_path / "a.svg").read_bytes())
    assert not tree.findall(".//{*}script")
    assert widget.export(tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    document = widget.export(tmp_path / "a.pdf").read_bytes()
    assert document.startswith(b"%PDF")
    assert document.rstrip().endswith(b"%%EOF")
    bundle, _ = widget._repr_mimebundle_()
    json.dumps(bundle, ensure_ascii=False).encode()  # as a kernel packs it


@pytest.mark.parametrize("text", [HOSTILE["script"], HOSTILE["controls"], HOSTILE["byte-order mark alone"]])
def test_a_drawing_of_few_tokens_has_room_for_its_labels(tmp_path, text):
    ElementTree.parse(shown(text).export(tmp_path / "a.svg"))  # or the layout would warn that nothing is left


@pytest.mark.parametrize("kind", ["heatmap", "lines", "grid"])
def test_pictures_of_a_record_take_any_text(tmp_path, all_texts, kind):
    record, score = all_texts
    axes = record.plot(kind=kind, **({"score": score, "more": record.model[:200]} if kind == "grid" else {}))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font|constrained_layout not applied")
        for ending in ("svg", "pdf"):
            axes.figure.savefig(tmp_path / f"a.{ending}")
    ElementTree.parse(tmp_path / "a.svg")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_a_spreadsheet_is_given_no_formula(tmp_path, start):
    text = f'{start}cmd|" /C calc"!A0'
    widget = shown(text)
    table = rows(widget.export(tmp_path / "a.csv", spreadsheet=True))
    assert table[1][4] == f"'{text}"
    assert [row[5] for row in table[1:]] == ["0.25", "0.75", "0.5", "0.5"]
    # Every text is quoted, so that a ";" ends no cell where that is the separator.
    assert '"s"' in (tmp_path / "a.csv").read_text(encoding="utf-8")
    assert rows(widget.export(tmp_path / "b.csv"))[1][4] == text
    with pytest.raises(ValueError, match="spreadsheet=True is for CSV files"):
        widget.export(tmp_path / "a.json", spreadsheet=True)


def test_select_writes_for_a_spreadsheet(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = pa.table({"source": ["=1+1", "a\rb", "-x"], "target": ["t", "@t", "t"], "value": [-1.5, -2.5, -3.5]})
    pq.write_table(table, "t.parquet")
    monkeypatch.setattr("xattn_widget.corpus.selecting.select", lambda *given, **options: table)
    arguments = ["select", "t.parquet", "--by", "value", "--budget", "3"]
    assert main([*arguments, "--output", "plain.csv"]) == 0
    assert rows(tmp_path / "plain.csv")[1:] == [["=1+1", "t", "-1.5"], ["a\rb", "@t", "-2.5"], ["-x", "t", "-3.5"]]
    assert main([*arguments, "--output", "sheet.csv", "--spreadsheet"]) == 0
    expected = [["'=1+1", "t", "-1.5"], ["a\rb", "'@t", "-2.5"], ["'-x", "t", "-3.5"]]
    assert rows(tmp_path / "sheet.csv")[1:] == expected
    assert main([*arguments, "--spreadsheet"]) == 0
    assert list(csv.reader(io.StringIO(capsys.readouterr().out, newline="")))[1:] == expected
    assert main([*arguments, "--output", "a.parquet", "--spreadsheet"]) == 2


class Elements(HTMLParser):
    """The elements of a page in order, each with its attributes and text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.all = []

    def handle_starttag(self, tag, attrs):
        self.all.append([tag, dict(attrs), ""])

    def handle_data(self, data):
        if self.all:
            self.all[-1][2] += data


def parsed(page):
    elements = Elements()
    elements.feed(page)
    return elements.all


@each_text
def test_a_page_holds_any_text_as_text(tmp_path, text):
    page = shown(text).to_html(tmp_path / "a.html").read_text(encoding="utf-8")
    assert [tag for tag, _, _ in parsed(page)] == [
        *(
            "html",
            "head",
            "meta",
            "meta",
            "meta",
            "title",
            "style",
            "body",
            "div",
            "script",
            "script",
            "div",
            "p",
            "code",
        ),
        "pre",
    ]
    state = json.loads(next(data for tag, attrs, data in parsed(page) if attrs.get("class") == "xattn-state"))
    assert state["traits"]["info"]["sentences"][0]["name"] == well_formed(text)
    assert state["traits"]["score_name"] == state["traits"]["score_list"][0]["name"] == well_formed(text)
    frame, script = parsed(shown(text).embed()._repr_html_())[1:]
    assert (frame[0], script[0]) == ("iframe", "script")
    assert frame[1]["srcdoc"] == page


def test_elements_escape_what_is_put_in():
    assert element("p", {"title": '"<&'}, "<b>", element("b", {}, "&")) == (
        '<p title="&quot;&lt;&amp;">&lt;b&gt;<b>&amp;</b></p>'
    )
    assert element("p", {}, "a\x00\ud83d\u202e\nb") == "<p>a⟨U+0000⟩⟨U+D83D⟩⟨U+202E⟩\nb</p>"
    assert visible("a\nb") == "a↵b"
    for source in ("</script >", "a<!--b"):
        with pytest.raises(ValueError, match="cannot stand in a script element"):
            source_element("script", {}, source)
