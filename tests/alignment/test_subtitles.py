"""Subtitles: WebVTT and SRT files of word times."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xattn_widget import WordTime, read_word_times, write_word_times

HOSTILE = 'a"b\n\n2\n00:00:01,000 --> 00:00:02.000 <v X>&\r\x00\u202e\u2028\ud800{\\an8}'


def cues(text, point):
    """The start, end and lines of each cue, in milliseconds; fails for text that is not made of cues alone."""
    clock = rf"(\d\d+):([0-5]\d):([0-5]\d){re.escape(point)}(\d\d\d)"
    found = []
    for block in text.split("\n\n"):
        timing, *lines = block.rstrip("\n").split("\n")
        match = re.fullmatch(f"{clock} --> {clock}", timing)
        assert match, timing
        numbers = list(map(int, match.groups()))
        start, end = (((h * 60 + m) * 60 + s) * 1000 + ms for h, m, s, ms in (numbers[:4], numbers[4:]))
        assert start < end
        assert lines
        assert all(line.strip() and "-->" not in line for line in lines)
        found.append((start, end, lines))
    return found


def vtt_cues(path):
    text = path.read_bytes().decode()
    assert text.startswith("WEBVTT\n")
    return cues(text.removeprefix("WEBVTT\n\n"), ".") if text != "WEBVTT\n" else []


def srt_cues(path):
    blocks = [block.split("\n", 1) for block in path.read_bytes().decode().split("\n\n")] if path.stat().st_size else []
    assert [number for number, _ in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    return cues("\n\n".join(rest for _, rest in blocks), ",") if blocks else []


def plain(lines):
    """What a player shows of a WebVTT cue."""
    return html.unescape(re.sub(r"<[^>]*>", "", "\n".join(lines)))


def said(text, step=0.4, start=0.0):
    return [WordTime(word, start + i * step, start + (i + 0.9) * step, 1.0) for i, word in enumerate(text.split())]


def test_vtt_groups_words_and_times_each(tmp_path):
    times = said("Mr. Lee said: good morning, Anna. How are you?") + said("Fine & <well>!", start=6)
    path = write_word_times(times, tmp_path / "a.vtt")
    assert path.read_text(encoding="utf-8") == (
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.360\n"
        "Mr. <00:00:00.400>Lee <00:00:00.800>said: <00:00:01.200>good <00:00:01.600>morning, <00:00:02.000>Anna.\n\n"
        "00:00:02.400 --> 00:00:03.560\nHow <00:00:02.800>are <00:00:03.200>you?\n\n"
        "00:00:06.000 --> 00:00:07.160\nFine <00:00:06.400>&amp; <00:00:06.800>&lt;well&gt;!\n"
    )
    single = vtt_cues(write_word_times(times, path, words=True))
    assert [(start / 1000, end / 1000, plain(lines)) for start, end, lines in single] == [
        (pytest.approx(time.start), pytest.approx(time.end), time.word) for time in times
    ]


def test_a_full_cue_ends_with_a_clause(tmp_path):
    text = "This is the apostle of the middle classes, and we are glad to welcome his gospel."
    found = srt_cues(write_word_times(said(text, step=0.5), tmp_path / "a.srt"))
    assert [" ".join(lines) for _, _, lines in found] == [text[:42], text[43:]]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["我们", "今天", "去", "。"], "我们今天去。"),
        (["Yes", ",", "(", "I", "do", ")", "!"], "Yes, (I do)!"),
        ([" I", "'m", " here", "."], "I'm here."),
        (["안녕", "하세요"], "안녕 하세요"),
    ],
)
def test_words_are_joined_as_their_script_and_punctuation_ask(words, text, tmp_path):
    times = [WordTime(word, i / 4, (i + 1) / 4, 1.0) for i, word in enumerate(words)]
    assert [lines for _, _, lines in srt_cues(write_word_times(times, tmp_path / "a.srt"))] == [[text]]


def test_times_are_rounded_to_milliseconds_without_reaching_sixty_seconds(tmp_path):
    times = [WordTime("a", 59.9996, 59.9999, 1.0), WordTime("b", 3599.9994, 3599.9996, 1.0)]
    text = write_word_times(times, tmp_path / "a.srt", words=True).read_text(encoding="utf-8")
    assert text == "1\n00:01:00,000 --> 00:01:00,001\na\n\n2\n00:59:59,999 --> 01:00:00,000\nb\n"


def test_hostile_words_cannot_break_a_file(tmp_path):
    times = [WordTime(HOSTILE, 0, 0.5, 1.0), WordTime("end", 0.5, 1, 1.0)]
    for words in (False, True):
        assert len(srt_cues(write_word_times(times, tmp_path / "a.srt", words=words))) == 2
        assert not set("<>{}") & set((tmp_path / "a.srt").read_text(encoding="utf-8").replace(" --> ", ""))
        found = vtt_cues(write_word_times(times, tmp_path / "a.vtt", words=words))
        assert len(found) == 2
        assert "00:00:01,000 --> 00:00:02.000 <v X>& ⟨U+0000⟩⟨U+202E⟩" in plain(found[0][2]).replace("\n", " ")
    read = read_word_times(write_word_times(times, tmp_path / "a.TextGrid"))
    assert [time.word for time in read][1:] == ["end"]
    assert read[0].word.startswith('a"b 2 00:00:01,000 --> ')


TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from("\"<>&-\n\r.,?!{}' \u202e\x00"), max_size=60)
SURROGATES = st.text(st.characters(categories=["Cs"]) | st.sampled_from('a"\n'), max_size=1)
TIMES = st.floats(0, 1e5) | st.sampled_from([0.0, 1.0, 59.9996, 3599.9999])


@st.composite
def word_times(draw, text=TEXT | SURROGATES):
    rows = draw(st.lists(st.tuples(text, TIMES, TIMES, st.floats(0, 1) | st.none()), max_size=12))
    return [WordTime(word, min(a, b), max(a, b), c) for word, a, b, c in rows]


@given(word_times(), st.booleans())
def test_subtitles_are_well_formed_whatever_is_said(tmp_path_factory, times, words):
    folder = tmp_path_factory.mktemp("subtitles")
    vtt = vtt_cues(write_word_times(times, folder / "a.vtt", words=words))
    srt = srt_cues(write_word_times(times, folder / "a.srt", words=words))
    assert [cue[:2] for cue in vtt] == [cue[:2] for cue in srt]
    grid = read_word_times(write_word_times(times, folder / "a.TextGrid", duration=1))
    assert all(time.start < time.end for time in grid)
    before = 0
    for start, end, lines in vtt:
        stamps = re.findall(r"<(\d+):(\d\d):(\d\d)\.(\d\d\d)>", "\n".join(lines))
        inner = [((int(h) * 60 + int(m)) * 60 + int(s)) * 1000 + int(ms) for h, m, s, ms in stamps]
        moments = [start, *inner, end]
        assert moments == sorted(set(moments))  # as the standard asks of times inside a cue
        assert before <= start
        before = end
        assert len(lines) == 1 or len(lines) == 2
        if inner:
            assert end - start <= 7000
            assert all(len(re.sub("[\u0300-\U0010ffff]", "", line)) <= 42 for line in plain(lines).split("\n"))
