"""The command line: its output, its exit codes, and one-line errors on stderr."""

from __future__ import annotations

import csv
import gzip
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import get_args, get_type_hints
from unittest.mock import Mock

import pyarrow.parquet as pq
import pytest
from corpus_pool import ENGLISH, GERMAN, assert_same_tables, made_up

from xattn_widget import load_demo, score_corpus, select
from xattn_widget.cli import cli
from xattn_widget.corpus.job import STATISTICS
from xattn_widget.corpus.scoring import DEFAULT_SCORES
from xattn_widget.corpus.sources.cells import MAX_RECORD_BYTES
from xattn_widget.record.special import NamedPolicy

pytestmark = pytest.mark.usefixtures("single_thread")


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("nr", "de", "en"), *zip(range(8), GERMAN, ENGLISH, strict=True), (8, "", "x")])
    return path


def test_score_and_select_give_the_sentences_to_label(run, pool, tmp_path):
    code, out, err = run(
        *["score", pool, "--source-column", "de", "--target-column", "en", "--id-column", "nr", "--model", "demo"],
        *["--scores", "coverage_penalty, entropy", "--statistics", "logprob_mean", "--output", "scored.parquet"],
    )
    assert (code, out) == (0, "scored.parquet: 9 sentences, 8 scored, 1 with an error\n")
    expected = score_corpus(
        *load_demo(),
        pool,
        source_column="de",
        target_column="en",
        id_column="nr",
        scores=["coverage_penalty", "entropy"],
        statistics="logprob_mean",
    )
    assert_same_tables(pq.read_table(tmp_path / "scored.parquet"), expected)

    code, out, err = run(
        "select", "scored.parquet", "--by", "coverage_penalty", "--budget", 3, "--output", "chosen.csv"
    )
    assert (code, out, err) == (0, "", "")
    with (tmp_path / "chosen.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = select(expected, "coverage_penalty", 3)
    assert [(row["id"], row["source"], row["reason"]) for row in rows] == list(
        zip(*(chosen[name].to_pylist() for name in ("id", "source", "reason")), strict=True)
    )

    assert run("select", "scored.parquet", "--by", "entropy.layer1:lowest,logprob_mean", "--budget", 2,
               "--output", "two.parquet")[0] == 0  # fmt: skip
    by = {"entropy.layer1": "lowest", "logprob_mean": "highest"}
    assert pq.read_table(tmp_path / "two.parquet").equals(select(expected, by, 2))
    code, out, _ = run("select", "scored.parquet", "--by", "random", "--budget", 2, "--match", "two.parquet")
    assert code == 0
    assert out.splitlines()[0] == "rank,row,id,source,target,source_length,value,reason"
    assert len(out.splitlines()) == 3
    assert run("select", "scored.parquet", "--by", "random", "--budget", 2, "--output", "TWO.PARQUET")[0] == 0
    assert pq.read_table(tmp_path / "TWO.PARQUET").equals(select(expected, "random", 2))


def test_generated_targets_with_quiet(run, tmp_path):
    (tmp_path / "pool.txt").write_text("\n".join(GERMAN))
    generation = ["--generation", "num_beams=3", "--generation", "early_stopping=True"]
    code, out, err = run("score", "pool.txt", "--model", "demo", *generation, "--output", "s.parquet", "--quiet")
    assert (code, out, err) == (0, "", "")
    expected = score_corpus(*load_demo(), GERMAN, generation={"num_beams": 3, "early_stopping": True})
    assert_same_tables(pq.read_table(tmp_path / "s.parquet"), expected)


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        ("score none.csv --model demo --output s.parquet", 1, "there is no file none.csv"),
        ("score pool.csv --model demo --output none/s.parquet", 1, "there is no folder none to write s.parquet in"),
        ("score pool.csv --model demo --output s.parquet", 1, "no column 'source'; it has 'nr', 'de', 'en'"),
        ("score pool.csv --model . --output s.parquet", 1, "the folder . contains no model"),
        ("score pool.csv --model ./none --output s.parquet", 1, "there is no folder ./none"),
        ("score pool.csv --model models\\none --output s.parquet", 1, "there is no folder models\\none"),
        (
            "score pool.csv --source-column de --model demo --scores entropie --output s.parquet",
            2,
            "Invalid value for --scores: no built-in score is called 'entropie'; did you mean 'entropy'",
        ),
        ("score pool.csv --model demo --scores , --output s.parquet", 2, "'--scores': ',' contains no names"),
        ("score pool.csv --model demo --statistics margni --output s.parquet", 2, "'margni' is not one of logprob_sum"),
        ("score pool.csv --model demo --window 0 --output s.parquet", 2, "'--window': 0 is not in the range x>=1"),
        ("score pool.csv --model demo --batch-tokens 0 --output s.parquet", 2, "'--batch-tokens': 0 is not in"),
        ("score pool.csv --model demo --max-length 0 --output s.parquet", 2, "'--max-length': 0 is not in"),
        ("score pool.csv --model demo --workers 2 --output s.parquet", 2, "--workers requires --engine ray"),
        ("score pool.csv --model demo --address auto --output s.parquet", 2, "--address requires --engine ray"),
        ("select s.parquet --by entropy --budget 0", 2, "'--budget': 0 is not in the range x>=1"),
        ("select s.parquet --by entropy --budget 1 --length-bins 0", 2, "'--length-bins': 0 is not in"),
        ("select s.parquet --by random --budget 1 --seed -1", 2, "'--seed': -1 is not in the range x>=0"),
        (
            "select s.parquet --by entropy:up --budget 1",
            2,
            "'entropy:up' is not of the form name, name:highest or name:lowest",
        ),
        (
            "select s.parquet --by random,entropy --budget 1",
            2,
            "random cannot be combined with other names, got 'random,entropy'",
        ),
        ("select s.parquet --by , --budget 1", 2, "'--by': ',' contains no names: give names separated by commas"),
        ("score pool.csv --model demo --dtype float7 --output s.parquet", 2, "--dtype float7 is not a number type"),
        (
            "score pool.csv --model demo --generation beams --output s.parquet",
            2,
            "'beams' is not of the form name=value",
        ),
        ("score pool.csv --model demo", 2, "Missing option '--output'"),
        ("score pool.csv --model demo --outptu s.parquet", 2, "No such option"),
        ("select none.parquet --by entropy --budget 1", 1, "there is no file none.parquet"),
        ("select pool.csv --by entropy --budget 1", 1, "pool.csv is not a Parquet file"),
        ("select pool.csv --by entropy --budget 1 --output c.xlsx", 2, "must end with .csv or .parquet"),
        ("show --model demo x --output none/page.html", 1, "there is no folder none"),
        ("show --model demo x --output s.parquet", 2, "--output s.parquet must end with .html or .htm"),
        ("show --model demo", 2, "give sentences to show, or a row of a scored table with --table FILE --row N"),
        ("show --model demo x --head 1", 2, "--head requires --layer"),
        ("show --model demo x --layer -1", 2, "'--layer': -1 is not in the range x>=0"),
        ("show --model demo x --layer 3", 2, "Invalid value for --layer: there is no layer 3: this model has layers 0"),
        ("show --model demo x --layer 0 --head 8", 2, "Invalid value for --head: there is no head 8: this model has"),
        (
            "show --model demo x --score entropie",
            2,
            "for --score: no built-in score is called 'entropie'",
        ),
        ("show --model demo x --score value_norm", 2, "--score: value_norm cannot be shown from the command line"),
        ("show --model demo --table s.parquet", 2, "--table requires --row N"),
        ("show --model demo --row 1", 2, "--row requires --table FILE"),
        ("show --model demo x --table s.parquet --row 1", 2, "leave out the sentence 'x'"),
        ("show --model demo --target x --table s.parquet --row 1", 2, "leave out --target"),
        ("show --model demo --table none.parquet --row 1", 1, "there is no file none.parquet"),
        ("show --model demo --table pool.csv --row 1", 1, "pool.csv is not a Parquet file"),
        ("shwo", 2, "No such command 'shwo'"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(run, pool, command, code, message):
    exit_code, out, err = run(*command.split())
    assert (exit_code, out) == (code, "")
    assert re.fullmatch(r"xattn-widget: [^\n]+\n", err), err
    assert message in err


def test_a_truncated_file_is_not_an_interrupt(run, tmp_path):
    whole = gzip.compress("\n".join(made_up(200)).encode())
    (tmp_path / "cut.txt.gz").write_bytes(whole[: len(whole) // 2])
    code, out, err = run("score", "cut.txt.gz", "--model", "demo", "--output", "x.parquet")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"xattn-widget: cut.txt.gz is cut short, its end is missing: [^\n]+\n", err)
    assert not list(tmp_path.glob("x.parquet*"))


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        ("pool.tsv", "Ja.\tYes.\n", "", "it has 'Ja.', 'Yes.': name one with --source-column, or count from 0 if there "
         "is no header line, as in --source-column 0"),
        ("pool.tsv", "Ja.\tYes.\n", "--source-column 0 --target-column en", "if it has no header line: got "
         "--source-column 0, --target-column en"),
        ("pool.tsv", "Ja.\tYes.\n", "--source-column 0 --id-column 2", "no column 2, which --id-column asks for"),
        ("pool.txt", "Ja.\n", "--source-column de", "which has no columns: leave out --source-column de;"),
        ("pool.txt", "Ja.\n", "--target-column 1", "which has no columns: leave out --target-column 1;"),
        ("pool.txt", "Ja.\n", "--targets pool.txt --target-column en", "leave out --target-column en;"),
        ("pool.jsonl", '{"translation": {"de": "Ja."}}', "--source-column translation",
         "name one of its fields, such as --source-column translation.de"),
        ("pool.jsonl", '{"de": "Ja."}', "--source-column 0", "whose fields have names: --source-column cannot be 0"),
        ("pool.txt", "Ja.\n", "--max-record-bytes 2 --on-error raise", "larger than 2 bytes, the value of --max-rec"),
    ],
)  # fmt: skip
def test_errors_use_the_names_of_the_command_line(run, tmp_path, name, content, options, message):
    (tmp_path / name).write_text(content)
    code, out, err = run("score", name, "--model", "demo", "--output", "s.parquet", *options.split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert message in err
    assert not re.search(r"(source|target|id)_column|max_record_bytes|on_error", err)


def test_file_and_column_names_that_look_like_arguments_are_not_changed(run, tmp_path):
    (tmp_path / "source_column.csv").write_text("target_column,my_id_column\nJa.,1\n")
    code, _, err = run("score", "source_column.csv", "--model", "demo", "--output", "s.parquet")
    assert code == 1
    assert (
        "source_column.csv has no column 'source'; it has 'target_column', 'my_id_column': name one with --sou" in err
    )


def test_nested_fields_and_the_record_limit_on_the_command_line(run, tmp_path):
    (tmp_path / "pool.jsonl").write_text("".join(json.dumps({"t": {"de": text}}) + "\n" for text in GERMAN))
    arguments = ["--source-column", "t.de", "--model", "demo", "--scores", "entropy", "--max-record-bytes", 60]
    code, out, _ = run("score", "pool.jsonl", *arguments, "--output", "s.parquet")
    failed = sum(len(json.dumps({"t": {"de": text}})) > 60 for text in GERMAN)
    assert (code, out) == (0, f"s.parquet: 8 sentences, {8 - failed} scored, {failed} with an error\n")
    assert 0 < failed < 8


def test_the_end_of_any_other_file_is_not_an_interrupt_either(run, monkeypatch):
    monkeypatch.setattr("xattn_widget.cli.commands.load_model", Mock(side_effect=EOFError("the weights end early")))
    result = run("show", "--model", "x", "Ja.", "--output", "page.html")
    assert result == (1, "", "xattn-widget: the weights end early\n")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("score pool.csv --model x --output s.parquet", "interrupted; the same call resumes it"),
        ("show --model x Ja. --output page.html", "interrupted"),
    ],
)
def test_only_scoring_resumes_after_an_interrupt(run, monkeypatch, command, message):
    monkeypatch.setattr("xattn_widget.cli.commands.load_model", Mock(side_effect=KeyboardInterrupt))
    code, out, err = run(*command.split())
    assert (code, out, err.lstrip()) == (130, "", f"xattn-widget: {message}\n")


def test_an_interrupt_during_the_imports_is_reported_in_one_line(tmp_path):
    (tmp_path / "click.py").write_text("raise KeyboardInterrupt")
    result = subprocess.run(
        [sys.executable, "-m", "xattn_widget"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (result.returncode, result.stderr) == (130, "xattn-widget: interrupted\n")


def test_a_model_that_the_hub_lacks_is_reported_in_one_line(tmp_path):
    # Nothing listens at the address, as if there were no network; the pauses between attempts are skipped.
    program = """
import sys, time
time.sleep = lambda seconds: None
from xattn_widget.cli import cli, main
from xattn_widget.corpus.job import STATISTICS
from xattn_widget.corpus.scoring import DEFAULT_SCORES
from xattn_widget.corpus.sources.cells import MAX_RECORD_BYTES
sys.exit(main("score pool.txt --model nosuchmodel --output s.parquet".split()))
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    line = r"xattn-widget: --model nosuchmodel is not a folder here and could not be loaded from the hub: [^\n]+\n"
    assert re.fullmatch(line, result.stderr), result.stderr


def test_a_folder_that_does_not_load_is_named_in_the_error(run, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{}")
    code, _, err = run("show", "--model", "broken", "Ja.", "--output", "page.html")
    assert code == 1
    assert re.fullmatch(r"xattn-widget: --model broken could not be loaded: [^\n]+\n", err)


def test_help_has_examples(run):
    code, out, _ = run("--help")
    assert code == 0
    for command in ("score pool.csv", "select scored.parquet", "show --model"):
        assert f"xattn-widget {command}" in out
    assert "Exit codes" in out
    for command in ("score", "select", "show"):
        code, out, _ = run(command, "--help")
        assert code == 0
        assert "Example" in out
    assert run()[0] == 2


def test_it_runs_as_a_module(tmp_path):
    command = [sys.executable, "-m", "xattn_widget", "score", "none.txt", "--model", "demo", "--output", "s.parquet"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    assert result.stderr.startswith("xattn-widget: there is no file none.txt")
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(os.name == "nt", reason="sends an interrupt to another process")
def test_an_interrupted_run_says_so_and_resumes(run, tmp_path):
    sources = made_up(3000)
    (tmp_path / "pool.txt").write_text("\n".join(sources) + "\n")
    arguments = ["score", "pool.txt", "--targets", "pool.txt", "--model", "demo", "--scores", "entropy"]
    arguments += ["--window", "32", "--output", "s.parquet"]
    program = subprocess.Popen(
        [sys.executable, "-m", "xattn_widget", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # The background jobs of a shell ignore interrupts, and so would these tests.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while len(list(tmp_path.glob("s.parquet.parts/window-*.parquet"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.002)
    program.send_signal(signal.SIGINT)
    _, error = program.communicate(timeout=60)
    assert program.returncode == 130
    assert error.lstrip() == "xattn-widget: interrupted; the same call resumes it\n"  # below the ^C
    windows = set(tmp_path.glob("s.parquet.parts/window-*.parquet"))
    assert 2 <= len(windows) < 94

    assert run(*arguments)[0] == 0
    assert pq.read_table(tmp_path / "s.parquet")["source"].to_pylist() == sources


def test_the_options_of_score_have_the_defaults_and_choices_of_score_corpus():
    """The command line lists them itself, so that its help does not have to load torch."""
    parameters = inspect.signature(score_corpus).parameters
    hints = get_type_hints(score_corpus)
    options = {option.name: option for option in cli.commands["score"].params}
    for name in ("special", "batch_tokens", "window", "on_error", "engine"):
        default = options[name].default
        # click marks an option without a default by an object of its own.
        assert (default if isinstance(default, int | str) else None) == parameters[name].default, name
    for name in ("on_error", "engine"):
        assert tuple(options[name].type.choices) == get_args(hints[name]), name
    assert tuple(options["special"].type.choices) == get_args(NamedPolicy)
    assert str(MAX_RECORD_BYTES) in options["max_record_bytes"].help
    assert all(name in options["statistics"].help for name in STATISTICS)
    assert "six" in options["scores"].help
    assert len(DEFAULT_SCORES) == 6
