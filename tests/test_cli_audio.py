"""The commands ``score`` and ``show`` with a model that reads sound."""

import pyarrow.parquet as pq
import pytest
from pages import traits_of
from speech_processors import speech_pair, write_sound

from xattn_widget import extract
from xattn_widget.corpus import grids

pytestmark = pytest.mark.usefixtures("single_thread")

TEXTS = ["Ich habe das Buch gelesen.", "I have read the book."]


@pytest.fixture(scope="module")
def pair():
    return speech_pair("whisper")


@pytest.fixture(scope="module")
def folder(pair, tmp_path_factory):
    """A folder with a saved Whisper, and with a table of two recordings and a missing one."""
    folder = tmp_path_factory.mktemp("speech")
    for part in pair:
        part.save_pretrained(folder / "whisper")
    (folder / "clips").mkdir()
    for number in range(2):
        write_sound(folder / "clips" / f"{number}.flac", 0.6 + number, number)
    rows = [f"clips/{number}.flac\t{text}" for number, text in enumerate([*TEXTS, "Nothing."])]
    (folder / "list.tsv").write_text("\n".join(["path\ttext", *rows]), encoding="utf-8")
    return folder


def test_score_reads_a_list_of_recordings(run, folder, pair, tmp_path):
    arguments = ["--source-column", "path", "--target-column", "text", "--scores", "entropy"]
    command = ["score", folder / "list.tsv", "--model", folder / "whisper", "--output", "s.parquet"]
    code, out, _ = run(*command, *arguments)
    assert (code, out) == (0, "s.parquet: 3 recordings, 2 scored, 1 with an error\n")
    table = pq.read_table(tmp_path / "s.parquet")
    record = extract(*pair, folder / "clips" / "1.flac", TEXTS[1])
    assert abs(grids(table, "entropy")[1] - record.score("entropy").numpy()).max() < 1e-5
    assert table["source"].to_pylist() == [f"clips/{number}.flac" for number in range(3)]
    assert run("show", "--model", folder / "whisper", "--table", "s.parquet", "--row", 1, "--output", "p.html")[0] == 0
    assert traits_of(tmp_path / "p.html")["info"]["layers"] == 3


def test_score_reads_one_recording(run, folder):
    command = ["score", folder / "clips" / "0.flac", "--model", folder / "whisper", "--scores", "entropy"]
    settings = ["--generation", "max_new_tokens=3", "--generation", "language=german"]
    code, out, _ = run(*command, *settings, "--output", "s.parquet")
    assert (code, out) == (0, "s.parquet: 1 recordings, 1 scored, 0 with an error\n")


def test_windows_of_a_long_recording_are_rows_that_can_be_shown(run, folder, pair, tmp_path):
    write_sound(tmp_path / "long.wav", 4.5)
    command = ["score", "long.wav", "--model", folder / "whisper", "--scores", "sound_coverage"]
    generation = {"max_new_tokens": 6, "language": "german"}
    settings = [f"--generation={name}={value}" for name, value in generation.items()]
    code, out, _ = run(*command, *settings, "--mel-padding", "zeros", "--output", "s.parquet")
    records = list(extract(*pair, tmp_path / "long.wav", generation=generation, mel_padding="zeros"))
    expected = f"s.parquet: 1 recordings in {len(records)} windows, {len(records)} scored, 0 with an error\n"
    assert (code, out) == (0, expected)
    values = grids(pq.read_table(tmp_path / "s.parquet"), "sound_coverage")
    for row, record in enumerate(records):
        assert abs(values[row] - record.score("sound_coverage").numpy()).max() < 1e-5
    show = ["show", "--model", folder / "whisper", "--table", "s.parquet", "--row", 1, "--output", "p.html"]
    assert run(*show)[0] == 0
    [entry] = traits_of(tmp_path / "p.html")["info"]["sentences"]
    assert f"from {records[1].sound.offset:.1f} s" in entry["source"]


def test_show_colors_by_a_score_of_sound(run, folder, tmp_path):
    command = ["show", "--model", folder / "whisper", folder / "clips" / "0.flac", "--target", TEXTS[0]]
    assert run(*command, "--score", "silence_mass", "--output", "page.html")[0] == 0
    assert traits_of(tmp_path / "page.html")["score_name"] == "silence_mass"
    code, _, err = run("show", "--model", "demo", "Ja.", "--score", "silence_mass", "--output", "page.html")
    assert code == 1
    assert "no score 'silence_mass' is listed" in err


def test_show_writes_a_page_of_a_recording(run, folder, tmp_path):
    command = ["show", "--model", folder / "whisper", folder / "clips" / "0.flac"]
    assert run(*command, "--target", TEXTS[0], "--output", "page.html")[:2] == (0, "page.html\n")
    view = traits_of(tmp_path / "page.html")
    assert (view["info"]["layers"], view["info"]["heads"]) == (3, 4)
    code, _, err = run("show", "--model", folder / "whisper", "missing.wav", "--output", "page.html")
    assert code == 1
    assert "'missing.wav' does not exist" in err
