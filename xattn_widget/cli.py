"""The command line: ``xattn-widget score``, ``select`` and ``show``."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

from xattn_widget.files.writing import refuse_to_overwrite, whole_file
from xattn_widget.messages.quiet import no_loading_bars, quiet_logger, quiet_warnings

_MODEL_HELP = "Folder (or hub name) of the model and its tokenizer; 'demo' is the German-English one in the package."
# An argument of score_corpus in a message, where it is not within quotes or a longer word.
_ARGUMENT = re.compile(
    r"(?<![\w'\"./-])(?P<name>(?:source|target|id)_column|max_record_bytes|max_length|batch_tokens|on_error)\b"
    r"(?:=(?P<value>'[^']*'|\w+))?(?!['\"]|\.\w)"
)
_TARGET_HELP = "Folder (or hub name) of the targets' tokenizer, where it is another one."
_POSITIVE = click.IntRange(min=1)


class _List(click.ParamType):  # type: ignore[type-arg]
    """Names with commas between them."""

    name = "name,name,..."

    def convert(self, value: Any, param: Any, ctx: Any) -> list[str]:
        """The names."""
        if isinstance(value, list):
            return value
        names = [part.strip() for part in value.split(",") if part.strip()]
        if not names:
            self.fail(f"{value!r} names nothing: give names with commas between them", param, ctx)
        return names


class _Orders(_List):
    """Names with an order each, where it is given: ``name:lowest,name``."""

    name = "name[:order],..."

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """``{name: order}``, with an empty order where none is given."""
        if isinstance(value, dict):
            return value
        orders = {}
        for each in super().convert(value, param, ctx):
            name, _, order = each.partition(":")
            if not name or order not in ("", "highest", "lowest"):
                self.fail(f"{each!r} is no name, name:highest or name:lowest", param, ctx)
            orders[name] = order
        if "random" in orders and len(orders) > 1:
            self.fail(f"random stands alone, got {value!r}", param, ctx)
        return orders


class _Column(click.ParamType):  # type: ignore[type-arg]
    """A column's name, or its number in a file without a header."""

    name = "column"

    def convert(self, value: Any, param: Any, ctx: Any) -> str | int:
        """A number where it is one."""
        text = str(value)
        return int(text) if text.isascii() and text.isdigit() else text


class _Setting(click.ParamType):  # type: ignore[type-arg]
    """A setting ``name=value`` with the value in JSON, or else as text."""

    name = "name=value"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, Any]:
        """Name and value."""
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals:
            self.fail(f"{value!r} is no name=value, such as num_beams=4", param, ctx)
        try:
            return name, json.loads(text.replace("True", "true").replace("False", "false"))
        except json.JSONDecodeError:
            return name, text


class _Interrupted(click.ClickException):
    exit_code = 130


class _Commands(click.Group):
    """Tells an end of a file from an interrupt, which click does not, and what an interrupted command leaves."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except EOFError as error:
            raise click.ClickException(str(error) or "a file is cut short") from error
        except KeyboardInterrupt:
            click.echo(err=True)  # below the ^C
            goes_on = "; the same call goes on where it was" if ctx.invoked_subcommand == "score" else ""
            raise _Interrupted(f"interrupted{goes_on}") from None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="xattn-widget", prog_name="xattn-widget")
def cli() -> None:
    """Score, choose and look at the cross-attention of encoder-decoder models.

    \b
    A first round, from a pool of sentences to those to label:
      xattn-widget score pool.csv --source-column source --model DIR \\
          --scores coverage_penalty,entropy --output scored.parquet
      xattn-widget select scored.parquet --by coverage_penalty --budget 1000 \\
          --output chosen.csv
      xattn-widget show --model DIR "Ich habe das Buch gelesen." --output page.html

    Exit codes: 0 done, 1 it failed, 2 the call is wrong, 130 interrupted. Errors are one line on stderr.
    """


@cli.command()
@click.argument("sources", type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, metavar="DIR", help=_MODEL_HELP)
@click.option("--target-tokenizer", metavar="DIR", help=_TARGET_HELP)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Parquet file to write.")
@click.option("--scores", type=_List(), help="Scores of every head.  [default: six built-in ones]")
@click.option("--statistics", type=_List(), help="logprob_sum, logprob_mean, logprob_min, margin, output_entropy.")
@click.option("--source-column", type=_Column(), help="Column of the sentences.  [default: source]")
@click.option(
    "--target-column", type=_Column(), help="Column of given targets; without targets the model generates them."
)
@click.option("--id-column", type=_Column(), help="Column to keep as id; else rows are numbered from 0.")
@click.option("--targets", type=click.Path(path_type=Path), help="File of given targets, one for each source.")
@click.option(
    "--generation", type=_Setting(), multiple=True, help="Setting of generate, such as num_beams=4; repeatable."
)
@click.option("--special", type=click.Choice(["keep", "drop", "renormalize"]), default="keep", show_default=True,
              help="What is done with special tokens.")  # fmt: skip
@click.option("--max-length", type=_POSITIVE, help="Most tokens a side.  [default: what the model has positions for]")
@click.option(
    "--batch-tokens", type=_POSITIVE, default=4096, show_default=True, help="Most tokens of a forward, with padding."
)
@click.option(
    "--window", type=_POSITIVE, default=4096, show_default=True, help="Rows that are sorted and stored together."
)
@click.option("--max-record-bytes", type=_POSITIVE, help="Most bytes of a line or record; larger ones are not read.  "
              "[default: 4194304]")  # fmt: skip
@click.option("--on-error", type=click.Choice(["record", "raise"]), default="record", show_default=True,
              help="Note sentences that cannot be scored and go on, or stop at the first.")  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="Where the model runs, such as cuda.")
@click.option("--dtype", default="auto", show_default=True, help="Its number type, such as bfloat16.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True)
@click.option("--workers", type=_POSITIVE, help="Of the ray engine.")
@click.option("--address", help="Of a running Ray cluster.  [default: a local one is started]")
@click.option("--quiet", is_flag=True, help="No progress bar and no summary.")
def score(
    sources: Path,
    model_name: str,
    target_tokenizer: str | None,
    output: Path,
    quiet: bool,
    device: str,
    dtype: str,
    **options: Any,
) -> None:
    """Score every head for each sentence of SOURCES.

    SOURCES is a file of text with one sentence per line, CSV, TSV, JSON Lines, Parquet, Feather or Arrow, which may be
    packed with gzip, bzip2, xz or zstd, or alone in a zip.

    Run again after a break, the same call goes on where it was. OUTPUT has its name only when it is whole.

    \b
    Examples:
      xattn-widget score pool.txt --model demo --output scored.parquet
      xattn-widget score pool.tsv --source-column 0 --target-column 1 --model DIR \\
          --statistics logprob_mean --output scored.parquet
      xattn-widget score pool.txt --model DIR --generation num_beams=4 --output scored.parquet
    """
    for option in ("workers", "address"):
        if options[option] is not None and options["engine"] == "local":
            raise click.UsageError(f"--{option} goes with --engine ray, the local engine runs in this process")
    from xattn_widget.corpus import corpus_info, score_corpus

    _check_names(options["scores"] or [], options["statistics"] or [])
    generation = dict(options.pop("generation")) or None
    given = {name: value for name, value in options.items() if value is not None}
    model, tokenizer = _load(model_name, device, dtype)
    with _naming_options():
        path = score_corpus(
            model,
            tokenizer,
            sources,
            output=output,
            generation=generation,
            progress=False if quiet else None,
            target_tokenizer=_load_tokenizer(target_tokenizer),
            **given,
        )
    if quiet:
        return
    info = corpus_info(path)
    failed = info["rows"] - info["scored"]
    click.echo(f"{path}: {info['rows']} sentences, {info['scored']} scored, {failed} with an error")


@cli.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--by", required=True, type=_Orders(), metavar="NAME[:ORDER],...",
              help="Column or score, e.g. coverage_penalty, entropy.layer2.head5, logprob_mean:lowest, or random; "
                   "several are combined by rank.")  # fmt: skip
@click.option("--budget", required=True, type=_POSITIVE, help="How many sentences.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="CSV or Parquet file to write.  [default: CSV on stdout]"
)
@click.option("--lowest", is_flag=True, help="Lowest values first, in place of highest.")
@click.option("--length-bins", type=_POSITIVE, help="Choose within this many bins of source length.")
@click.option("--strata", help="Choose within each value of this column, in proportion.")
@click.option("--duplicates", type=click.Choice(["near", "exact", "keep"]), default="near", show_default=True,
              help="Which duplicates of chosen sentences are left out.")  # fmt: skip
@click.option(
    "--match", type=click.Path(path_type=Path), help="With --by random: a chosen Parquet file whose lengths to have."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of random draws.")
@click.option(
    "--spreadsheet", is_flag=True, help="CSV for a spreadsheet: texts that begin like a formula get an apostrophe."
)
def select(
    table: Path,
    by: dict[str, str],
    lowest: bool,
    output: Path | None,
    match: Path | None,
    spreadsheet: bool,
    **options: Any,
) -> None:
    """Choose sentences of TABLE, a file that 'score' wrote: those to label, with the reason for each.

    \b
    Examples:
      xattn-widget select scored.parquet --by coverage_penalty --budget 1000 --output chosen.csv
      xattn-widget select scored.parquet --by coverage_penalty.layer2,logprob_mean:lowest \\
          --length-bins 5 --budget 1000 --output chosen.csv
      xattn-widget select scored.parquet --by random --seed 1 --budget 1000 --output random.csv
    """
    import pyarrow.parquet as pq

    from xattn_widget.corpus import select as choose

    _check_output(output, ".csv", ".parquet")
    if spreadsheet and output is not None and output.suffix.lower() != ".csv":
        raise click.UsageError(f"--spreadsheet is for CSV, and --output is {output}")
    if not table.is_file():
        raise FileNotFoundError(f"there is no file {table}: make one with 'xattn-widget score'")
    if output is not None:
        refuse_to_overwrite(output, table, *([] if match is None else [match]))
    default = "lowest" if lowest else "highest"
    orders = {name: order or default for name, order in by.items()}
    chosen = choose(table, orders, match=match, **options)  # type: ignore[arg-type]
    if output is None:
        _write_csv(chosen, sys.stdout, spreadsheet)
        return
    with whole_file(output) as file:
        if output.suffix.lower() == ".parquet":
            pq.write_table(chosen, file)
        else:
            text = io.TextIOWrapper(file, encoding="utf-8", newline="")
            _write_csv(chosen, text, spreadsheet)
            text.flush()
            text.detach()


@cli.command()
@click.argument("sentences", nargs=-1, required=True)
@click.option("--model", "model_name", required=True, metavar="DIR", help=_MODEL_HELP)
@click.option("--target-tokenizer", metavar="DIR", help=_TARGET_HELP)
@click.option("--output", required=True, type=click.Path(path_type=Path), help="HTML page to write; it works offline.")
@click.option(
    "--target", "targets", multiple=True, help="Given target, one for each sentence; else they are generated."
)
@click.option(
    "--generation", type=_Setting(), multiple=True, help="Setting of generate, such as num_beams=4; repeatable."
)
@click.option("--words", is_flag=True, help="Merge subwords into words.")
def show(
    sentences: tuple[str, ...],
    model_name: str,
    target_tokenizer: str | None,
    output: Path,
    targets: tuple[str, ...],
    generation: tuple[tuple[str, Any], ...],
    words: bool,
) -> None:
    """Write a page that shows the cross-attention of SENTENCES, as the notebook widget does.

    \b
    Example:
      xattn-widget show --model demo "Ich habe das Buch gelesen." --output page.html
    """
    from xattn_widget import show_cross_attention

    _check_output(output, ".html", ".htm")
    model, tokenizer = _load(model_name, "cpu", "auto")
    widget = show_cross_attention(
        model,
        tokenizer,
        list(sentences),
        list(targets) or None,
        generation=dict(generation) or None,
        target_tokenizer=_load_tokenizer(target_tokenizer),
        words=words,
    )
    click.echo(widget.to_html(output))


@contextmanager
def _naming_options() -> Iterator[None]:
    """Tell of a wrong call in the words of the command line: ``--source-column de`` for ``source_column='de'``."""
    try:
        yield
    except (TypeError, ValueError) as error:
        message = _ARGUMENT.sub(_option, str(error))
        raise click.ClickException(message) from error


def _option(match: re.Match[str]) -> str:
    name, value = match["name"].replace("_", "-"), (match["value"] or "").strip("'")
    return f"--{name} {value}".rstrip()


def _write_csv(table: Any, file: IO[str], spreadsheet: bool) -> None:
    from xattn_widget.files.csv_json import csv_writer

    write = csv_writer(file, spreadsheet)
    write(table.column_names)
    for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
        write(row)


def _check_names(scores: list[str], statistics: list[str]) -> None:
    from xattn_widget.corpus.job import STATISTICS
    from xattn_widget.scores import find_score

    for name in scores:
        try:
            find_score(name)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--scores") from None
    for name in statistics:
        if name not in STATISTICS:
            raise click.BadParameter(f"{name!r} is none of {', '.join(STATISTICS)}", param_hint="--statistics")


def _check_output(output: Path | None, *suffixes: str) -> None:
    if output is None:
        return
    if output.suffix.lower() not in suffixes:
        raise click.UsageError(f"--output {output} must end with {' or '.join(suffixes)}")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent} to write {output.name} in")


def _load(name: str, device: str, dtype: str) -> tuple[Any, Any]:
    """The model and tokenizer in a folder, or of the hub."""
    import torch
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from xattn_widget.demo import FOLDER

    kind = dtype if dtype == "auto" else getattr(torch, dtype, None)
    if not (kind == "auto" or isinstance(kind, torch.dtype)):
        raise click.UsageError(f"--dtype {dtype} is no number type of torch, such as float32 or bfloat16")
    place = FOLDER if name == "demo" else name
    if not Path(place).is_dir() and (Path(place).is_absolute() or name.count("/") > 1 or name.startswith(".")):
        raise FileNotFoundError(f"there is no folder {place}: pass a model's folder or its name on a hub (owner/name)")
    if Path(place).is_dir() and not Path(place, "config.json").is_file():
        raise FileNotFoundError(f"the folder {place} holds no model: there is no config.json")
    try:
        with _quiet_loading():
            model = AutoModelForSeq2SeqLM.from_pretrained(place, dtype=torch.float32 if name == "demo" else kind)
            tokenizer = AutoTokenizer.from_pretrained(place)
    except Exception as error:  # of any kind, and few name the model
        what = "" if Path(place).is_dir() else "is no folder here, and from the hub it "
        raise click.ClickException(f"--model {name} {what}could not be loaded: {error}") from error
    return model.to(device).eval(), tokenizer


@contextmanager
def _quiet_loading() -> Iterator[None]:
    # huggingface_hub logs each attempt to reach the hub. What transformers logs stays, such as missing weights.
    with no_loading_bars(), quiet_logger("huggingface_hub"):
        yield


def _load_tokenizer(name: str | None) -> Any:
    """The tokenizer in a folder, or of the hub; None where none is named."""
    from transformers import AutoTokenizer

    if name is None:
        return None
    try:
        with _quiet_loading():
            return AutoTokenizer.from_pretrained(name)
    except Exception as error:  # of any kind, and few name the tokenizer
        raise click.ClickException(f"--target-tokenizer {name} could not be loaded: {error}") from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Errors are one line on stderr."""
    try:
        with quiet_warnings():
            code = cli.main(args=arguments, prog_name="xattn-widget", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(error.format_message(), error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        return _fail("interrupted", 130)
    except Exception as error:
        return _fail(str(error) or type(error).__name__, 1)
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> int:
    click.echo(f"xattn-widget: {' '.join(message.split())}", err=True)
    return code
