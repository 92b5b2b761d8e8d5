"""Word times as files that can be read back: TextGrid, CTM and JSON.

The TextGrids below were saved by Praat, which also opened what ``write_word_times`` writes.
"""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import WordTime, read_word_times, write_word_times

LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 1
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "phones"
        xmin = 0
        xmax = 1
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 1
            text = "x"
    item [2]:
        class = "TextTier"
        name = "words"
        xmin = 0
        xmax = 1
        points: size = 1
        points [1]:
            number = 0.5
            mark = "H*"
    item [3]:
        class = "IntervalTier"
        name = "Word"
        xmin = 0
        xmax = 1
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.5
            text = "say ""hü! 1 <x>"""
        intervals [3]:
            xmin = 0.5
            xmax = 0.75
            text = "<eps>"
        intervals [4]:
            xmin = 0.75
            xmax = 1
            text = "yes"
'''
SHORT = '''File type = "ooTextFile"
Object class = "TextGrid"

0
1
<exists>
3
"IntervalTier"
"phones"
0
1
1
0
1
"x"
"TextTier"
"words"
0
1
1
0.5
"H*"
"IntervalTier"
"Word"
0
1
4
0
0.1
""
0.1
0.5
"say ""hü! 1 <x>"""
0.5
0.75
"<eps>"
0.75
1
"yes"
'''
GOLD = [WordTime('say "hü! 1 <x>"', 0.1, 0.5, None), WordTime("yes", 0.75, 1.0, None)]
HOSTILE = 'a"b\n\n2\n00:00:01,000 --> 00:00:02.000 <v X>&\r\x00\u202e\u2028\ud800{\\an8}'


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("text", [LONG, SHORT, SHORT.replace('"ooTextFile"', '"ooTextFile short"')])
def test_text_grids_of_praat_are_read(text, end, encoding, tmp_path):
    path = write(tmp_path, "gold.TextGrid", text.replace("\n", end), encoding)
    assert read_word_times(path) == GOLD
    assert read_word_times(path, tier="Word") == GOLD
    assert read_word_times(path, "phones") == [WordTime("x", 0, 1, None)]
    assert read_word_times(write(tmp_path, "gold", text), format="TextGrid") == GOLD


def test_the_tier_of_words_is_found_by_its_name_or_because_it_is_the_only_one(tmp_path):
    grid = 'File type = "ooTextFile"\nObject class = "TextGrid"\n0 1 <exists> {}\n'
    tier = '"IntervalTier" "{}" 0 1 1 0 1 "{}"\n'
    for name in ("words", "WORDS", "mary - words", "Mary"):
        path = write(tmp_path, "a.TextGrid", grid.format(1) + tier.format(name, "hi"))
        assert read_word_times(path)[0].word == "hi"
    both = grid.format(2) + tier.format("bob - words", "hi") + tier.format("mary - words", "yes")
    path = write(tmp_path, "a.TextGrid", both)
    with pytest.raises(ValueError, match=r"2 tiers of words: pass tier=.*'bob - words', 'mary - words'"):
        read_word_times(path)
    assert read_word_times(path, "mary - words")[0].word == "yes"
    with pytest.raises(ValueError, match=r"no interval tiers named 'words'.*'phones', 'Word'"):
        read_word_times(write(tmp_path, "b.TextGrid", LONG), "words")
    with pytest.raises(ValueError, match="no tiers of words: pass tier="):
        read_word_times(write(tmp_path, "b.TextGrid", LONG.replace('"Word"', '"text"')))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('text = "yes"', "text = yes", "line 49 of .*ends where a string is expected"),
        ('text = "yes"', 'text = "yes', 'line 49 .*has a " that is not closed'),
        ('text = "yes"', 'text = "he said "yes""', 'line 49 .*has a " .*not doubled'),
        ("xmax = 0.5\n", "xmax = zero \n", "line 41 .*has '\"say.*expected a number"),
        ("xmax = 0.5\n", "xmax = 0,5 \n", "line 40 .*has '0,5', expected a number"),
        ("xmax = 0.5\n", "xmax = 1e999 \n", "line 40 .*expected a number"),
        ("xmax = 0.5\n", "xmax = 0.05 \n", "line 40 .*ends at 0.05 s, before its start at 0.1 s"),
        ("size = 4", "size = 1e300", "line 49 .*ends where a number is expected"),
        ("size = 4", "size = -1", "line 33 .*expected how many items"),
        ('"TextTier"', '"os.system"', "line 20 .*class 'os.system', expected IntervalTier"),
        ('"TextGrid"', '"Pitch 1"', "line 2 .*class 'Pitch 1', expected a TextGrid"),
        ("ooTextFile", "ooBinaryFile", "is not a TextGrid in text format"),
    ],
)
def test_malformed_text_grids_are_named_by_line(old, new, message, tmp_path):
    assert old in LONG
    path = write(tmp_path, "bad.TextGrid", LONG.replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_word_times(path)


def test_ctm_files_are_read(tmp_path):
    path = write(tmp_path, "a.ctm", ";; by hand\nrec 1 0.50 0.25 b 0.5\nrec 1 0.25 0.25 a\n\nrec 1 .75 0 <eps> 1\n")
    assert read_word_times(path) == [WordTime("a", 0.25, 0.5, None), WordTime("b", 0.5, 0.75, 0.5)]
    assert read_word_times(path, recording="rec") == read_word_times(path)
    several = "r1 A 0 1 a NA\nr1 B 0 1 b NA\nr2 1 0 1 c 0.5 lex mary\n"
    path = write(tmp_path, "b.ctm", several.replace("\n", "\r\n"))
    assert read_word_times(path, recording="r2") == [WordTime("c", 0, 1, 0.5)]
    assert read_word_times(path, recording="r1 B") == [WordTime("b", 0, 1, None)]
    with pytest.raises(ValueError, match="3 recordings: pass recording=, one of 'r2', 'r1 A', 'r1 B'"):
        read_word_times(path)
    with pytest.raises(ValueError, match="no recording 'r1'"):
        read_word_times(path, recording="r1")
    assert read_word_times(write(tmp_path, "c.ctm", "")) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("r 1 0 1", "line 2 of .*4 fields, expected file"),
        ("r 1 x 1 a", "line 2 .*has the start 'x', expected a number"),
        ("r 1 0 1 a high", "line 2 .*has the confidence 'high'"),
        ("r 1 0 -1 a", "line 2 .*goes from 0.0 s to -1.0 s"),
        ("r 1 nan 1 a", "line 2 .*finite"),
        ("r 1 0 inf a", "line 2 .*finite"),
    ],
)
def test_malformed_ctm_files_are_named_by_line(line, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_word_times(write(tmp_path, "bad.ctm", f"r 1 0 1 a\n{line}\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[\n{]", "is not JSON .*line 2"),
        ("[" * 100_000, "is not JSON"),
        ('{"word": "a"}', "has a dict, expected a list"),
        ('["a"]', "item 1 of .*is 'a', expected an object"),
        ('[{"word": "a", "start": "0", "end": 1}]', "item 1 .*has the start '0'"),
        ('[{"word": "a", "start": 0, "end": true}]', "item 1 .*has the end True"),
        ('[{"word": "a", "start": 0, "end": 1' + "0" * 400 + "}]", "item 1 .*has the end 1000"),
        ('[{"word": "a", "start": 2, "end": 1}]', "item 1 .*goes from 2.0 s to 1.0 s"),
        ('[{"word": "a", "start": 2, "end": Infinity}]', "item 1 .*has the end inf"),
    ],
)
def test_malformed_json_is_named_by_item(text, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        read_word_times(write(tmp_path, "bad.json", text))


def test_formats_and_arguments_without_effect_are_refused(tmp_path):
    for call, message in [
        (lambda: read_word_times(tmp_path / "a.txt"), "must end in .TextGrid, .ctm, .json, or pass format="),
        (lambda: read_word_times(tmp_path / "a.txt", format="textgird"), "'textgird'; did you mean 'textgrid'"),
        (lambda: read_word_times(tmp_path / "a.ctm", "words"), "tier= is for TextGrid"),
        (lambda: read_word_times(tmp_path / "a.json", recording="a"), "recording= is for CTM"),
        (lambda: write_word_times([], tmp_path / "a.ctm"), "must end in .vtt, .srt, .TextGrid, .json"),
        (lambda: write_word_times([], tmp_path / "a.vtt", duration=1), "duration= is for TextGrid"),
        (lambda: write_word_times([], tmp_path / "a.json", words=True), "words=True is for WebVTT"),
        (lambda: write_word_times([], tmp_path / "a.TextGrid"), "pass duration="),
        (lambda: write_word_times([], tmp_path / "a.TextGrid", duration=math.nan), "duration must be"),
        (lambda: write_word_times([WordTime("a", 2, 1, 1)], tmp_path / "a.vtt"), "word 0, 'a', goes from 2 s to 1 s"),
        (lambda: write_word_times([WordTime("a", -1, 1, 1)], tmp_path / "a.srt"), "from -1 s"),
        (lambda: write_word_times([WordTime("a", 0, math.nan, 1)], tmp_path / "a.json"), "to nan s"),
    ]:
        with pytest.raises(ValueError, match=message):
            call()
    with pytest.raises(TypeError, match=r"must be WordTime.*'ab' at 0"):
        write_word_times(["ab"], tmp_path / "a.vtt")
    assert list(tmp_path.iterdir()) == []


def test_a_text_grid_has_the_words_and_fills_the_gaps(tmp_path):
    times = [WordTime('say "hi"', 0.1, 0.5, 0.9), WordTime("yes", 0.5, 0.75, 0.8)]
    path = write_word_times(times, tmp_path / "a.TextGrid", duration=1)
    intervals = re.findall(r'xmin = (\S+) \n +xmax = (\S+) \n +text = "(.*)" \n', path.read_text(encoding="utf-8"))
    expected = [("0.0", "0.1", ""), ("0.1", "0.5", 'say ""hi""'), ("0.5", "0.75", "yes"), ("0.75", "1.0", "")]
    assert intervals == expected
    assert read_word_times(path) == [time._replace(confidence=None) for time in times]
    path = write_word_times([], tmp_path / "empty", "TextGrid", duration=2.5)
    assert read_word_times(path, format="textgrid") == []


def test_words_that_are_empty_or_overlap_become_intervals_in_order(tmp_path):
    times = [WordTime(*row, 1.0) for row in [("a", 0, 5), ("b", 1, 1), ("c", 1, 1.5), ("d", 1.25, 2), (" \n", 2, 3)]]
    path = write_word_times(times, tmp_path / "a.TextGrid")
    assert [tuple(time)[:3] for time in read_word_times(path)] == [
        ("a", 0, 1),
        ("b", 1, 1.001),
        ("c", 1.001, 1.25),
        ("d", 1.25, 2),
    ]


def test_json_keeps_everything(tmp_path):
    times = [WordTime(HOSTILE + "\ufeff", 0.1, 0.1 + 0.2, None), WordTime("", 0, 0, 0.5)]
    path = write_word_times(times, tmp_path / "a.json")
    assert read_word_times(path) == times
    assert json.loads(path.read_text(encoding="utf-8"))[0]["confidence"] is None
    assert read_word_times(write_word_times([times[1]._replace(confidence=math.nan)], path))[0].confidence is None
    assert read_word_times(write_word_times([], path)) == []
    numbers = [WordTime("a", np.float32(0.5), np.float64(1), np.float32(0.25))]
    assert read_word_times(write_word_times(numbers, path)) == [WordTime("a", 0.5, 1.0, 0.25)]


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\"<>&-\n\r.,?!{}' \u202e\x00"), max_size=60)
SURROGATES = st.text(st.characters(categories=["Cs"]) | st.sampled_from('a"\n'), max_size=1)
TIMES = st.floats(0, 1e5) | st.sampled_from([0.0, 1.0, 59.9996, 3599.9999])


@st.composite
def word_times(draw, text=TEXT | SURROGATES):
    rows = draw(st.lists(st.tuples(text, TIMES, TIMES, st.floats(0, 1) | st.just(None)), max_size=12))
    return [WordTime(word, min(a, b), max(a, b), c) for word, a, b, c in rows]


@given(word_times())
def test_json_survives_a_round_trip(tmp_path_factory, times):
    path = write_word_times(times, tmp_path_factory.mktemp("json") / "a.json")
    assert repr(read_word_times(path)) == repr(times)


LABELS = st.text('abcü"!<>1 ', min_size=1, max_size=8)


@given(st.lists(st.tuples(LABELS, TIMES), max_size=12, unique_by=lambda row: row[1]))
def test_a_text_grid_survives_a_round_trip(tmp_path_factory, rows):
    starts = sorted(start for _, start in rows)
    ends = [(a + b) / 2 for a, b in zip(starts, [*starts[1:], 2e5], strict=False)]
    times = [
        WordTime(" ".join(word.split()), start, end, None)
        for (word, _), start, end in zip(rows, starts, ends, strict=True)
        if word.strip() and start < end
    ]
    path = write_word_times(times, tmp_path_factory.mktemp("grid") / "a.TextGrid", duration=3e5)
    assert read_word_times(path) == times


@given(
    st.sampled_from([".TextGrid", ".ctm", ".json"]), st.integers(0, 1000), st.text('"0.<>!-[]{}:, \n\\e', max_size=6)
)
def test_damaged_files_give_words_or_an_error_and_nothing_else(tmp_path_factory, suffix, place, text):
    texts = {".TextGrid": SHORT, ".ctm": "r 1 0 1 a 0.5\n" * 4, ".json": '[{"word": "a", "start": 0, "end": 1}]'}
    place %= len(texts[suffix])
    damaged = texts[suffix][:place] + text + texts[suffix][place + len(text) // 2 :]
    path = write(tmp_path_factory.mktemp("damaged"), f"a{suffix}", damaged)
    try:
        times = read_word_times(path)
    except ValueError:
        return
    assert all(time.start <= time.end < math.inf for time in times)
