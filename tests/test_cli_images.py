"""The commands ``score`` and ``show`` with a model that reads images."""

import pyarrow.parquet as pq
import pytest
from image_models import image_model, picture
from pages import traits_of

from xattn_widget import extract
from xattn_widget.corpus import grids

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture(scope="module")
def pair():
    return image_model("pix2struct")


@pytest.fixture(scope="module")
def folder(pair, tmp_path_factory):
    """A folder with a saved Pix2Struct, and with a table of two pictures and a missing one."""
    folder = tmp_path_factory.mktemp("images")
    for part in pair:
        part.save_pretrained(folder / "model")
    for number in range(2):
        picture(60, 40, seed=number).save(folder / f"{number}.png")
    rows = [f"{number}.png\t{text}" for number, text in enumerate(["ab", "dog tisch", "c"])]
    (folder / "list.tsv").write_text("\n".join(["image\ttext", *rows]), encoding="utf-8")
    return folder


def test_score_reads_a_list_of_pictures_with_a_prompt_and_show_opens_a_row(run, folder, pair, tmp_path):
    columns = ["--source-column", "image", "--target-column", "text", "--scores", "entropy,spatial_spread"]
    command = ["score", folder / "list.tsv", "--model", folder / "model", "--prompt", "ab", "--output", "s.parquet"]
    code, out, _ = run(*command, *columns)
    assert (code, out) == (0, "s.parquet: 3 pictures, 2 scored, 1 with an error\n")
    table = pq.read_table(tmp_path / "s.parquet")
    record = extract(*pair, folder / "1.png", "dog tisch", prompt="ab")
    for score in ("entropy", "spatial_spread"):
        assert abs(grids(table, score)[1] - record.score(score).numpy()).max() < 1e-5
    show = ["show", "--model", folder / "model", "--table", "s.parquet", "--row", 1, "--output", "p.html"]
    assert run(*show)[0] == 0
    [entry] = traits_of(tmp_path / "p.html")["info"]["sentences"]
    assert entry["lengths"]["target"]["positions"] == len(record.target)
    code, _, err = run(*show, "--prompt", "c")
    assert code == 2
    assert "leave out --prompt" in err


def test_show_passes_a_prompt(run, folder, pair, tmp_path):
    command = ["show", "--model", folder / "model", folder / "0.png", "--target", "dog", "--prompt", "ab tisch"]
    assert run(*command, "--output", "page.html")[0] == 0
    [entry] = traits_of(tmp_path / "page.html")["info"]["sentences"]
    prompted, plain = (extract(*pair, folder / "0.png", "dog", prompt=prompt) for prompt in ("ab tisch", None))
    assert entry["lengths"]["target"]["positions"] == len(prompted.target) > len(plain.target)
    code, _, err = run("show", "--model", "demo", "Ja.", "--prompt", "ab", "--output", "page.html")
    assert code == 1
    assert "prompt= is the text that goes with an image" in err
