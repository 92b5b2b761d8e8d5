"""Pharaoh files: encodings, line endings, and gold that counts from 1."""

import pytest

from xattn_widget import read_pharaoh, write_pharaoh
from xattn_widget.alignment import GoldAlignment

GOLD = [GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0), (1, 2)})), GoldAlignment(frozenset(), frozenset())]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le with a mark", "utf-16-be with a mark"]
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_pharaoh_files_are_read_in_every_encoding_and_with_every_line_ending(encoding, end, tmp_path):
    path = tmp_path / "gold"
    name, _, mark = encoding.partition(" ")
    path.write_bytes((("\ufeff" if mark else "") + f"0-0 1p2{end}{end}0-0 1p2{end}").encode(name))
    assert read_pharaoh(path) == [*GOLD, GOLD[0]]
    for text in ("", "\ufeff"):
        path.write_bytes(text.encode(name))
        assert read_pharaoh(path) == []


@pytest.mark.parametrize("separator", ["\f", "\v", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\r", "\xa0"])
def test_only_line_feeds_end_the_lines_of_pharaoh_files(separator, tmp_path):
    path = tmp_path / "gold"
    path.write_bytes(f"0-0{separator}1p2\n\n{separator}\n".encode())
    assert read_pharaoh(path) == [*GOLD, GOLD[1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("0-0\n".encode("utf-16-le"), "gold cannot be read as UTF-8 .*NUL.*UTF-16.*save it as UTF-8"),
        ("0-0\n".encode("utf-32-be"), "gold cannot be read as UTF-8 .*NUL"),
        ("0-0 \xff\n".encode("latin-1"), "gold cannot be read as UTF-8 .*0xff.*save it as UTF-8"),
        (b"\xff\xfe0", "gold cannot be read as UTF-16 .*truncated data.*save it as UTF-8"),
    ],
)
def test_pharaoh_files_in_other_encodings_are_refused_by_name(data, message, tmp_path):
    path = tmp_path / "gold"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_pharaoh(path)


@pytest.mark.parametrize("text", ["1-1 2-2\n", "1-1\n1-2 2-1\n\n", "2-1 3-3\n1-2\n1p1 1-3\n"])
def test_gold_that_counts_from_one_but_is_read_from_zero_gives_one_warning(text, tmp_path):
    path = tmp_path / "gold"
    path.write_text(text)
    with pytest.warns(UserWarning, match="gold is read as counting words from 0.*first=1") as caught:
        read_pharaoh(path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    read_pharaoh(path, first=1)  # no warning


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        "1-1\n",  # a single link proves nothing
        "0-1 1-2\n",
        "1-1 2-0\n",
        "2-3 4-5\n",  # the middle of a long sentence
        "1-1 2-2\n" + "5-6\n" * 9,
        "1-1 2-2\n" * 9 + "0-0\n",
    ],
)
def test_gold_that_may_count_from_zero_gives_no_warning(text, tmp_path):
    path = tmp_path / "gold"
    path.write_text(text)
    assert len(read_pharaoh(path)) == text.count("\n")


def test_lines_are_written_as_they_are_read(tmp_path):
    lines = ["0-0 1p2", ""]
    assert read_pharaoh(write_pharaoh(tmp_path / "gold", lines)) == GOLD
    assert write_pharaoh(tmp_path / "gold", lines, first=1).read_text() == "1-1 2p3\n\n"
    with pytest.raises(TypeError, match=r"takes a list of alignments, got '0-0': pass \[alignment\]"):
        write_pharaoh(tmp_path / "gold", "0-0")


@pytest.mark.parametrize("lines", [["0-0 1-1"], ("0-0",), None])
def test_a_list_of_lines_is_no_path(lines):
    with pytest.raises(TypeError, match=r"takes the path of a file, got .*need no reading: pass them as gold"):
        read_pharaoh(lines)


def test_an_alignment_is_printed_as_its_line():
    assert repr(GOLD) == "[<GoldAlignment 0-0 1p2>, <GoldAlignment without links>]"
