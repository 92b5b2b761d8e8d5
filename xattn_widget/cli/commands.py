"""The commands ``score``, ``select`` and ``show``."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import IO, Any

import click

from xattn_widget.cli.errors import Commands, naming_options, run
from xattn_widget.cli.models import load_model, load_tokenizer
from xattn_widget.cli.options import COUNTED, POSITIVE, ColumnName, Names, Orders, Place, Setting
from xattn_widget.cli.showing import check_score, page_path, pairs_to_show, pick_heads
from xattn_widget.files.writing import refuse_to_overwrite, whole_file

_MODEL_HELP = (
    "Folder (or hub name) of the model and its tokenizer or processor; 'demo' is the German-English one in the package."
)
_TARGET_HELP = "Folder (or hub name) of the targets' tokenizer, if it is a different one."
_POLICIES = ("keep", "drop", "renormalize", "drop_punctuation", "renormalize_punctuation")
_SHOWN = ("show", "fade", "drop", "drop_punctuation")  # those of the panel's setting
_PROMPT_HELP = "With a model that reads images: the task or question that goes with each, or how targets begin."
_GENERATION_HELP = "Setting of generate, such as num_beams=4; repeatable."


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="xattn-widget", prog_name="xattn-widget")
def cli() -> None:
    """Score, choose and look at the cross-attention of encoder-decoder models.

    \b
    A first round, from a pool of sentences to those to label:
      xattn-widget score pool.csv --source-column source --model DIR \\
          --scores coverage_penalty,entropy --output scored.parquet
      xattn-widget select scored.parquet --by coverage_penalty --budget 1000 \\
          --output chosen.csv
      xattn-widget show --model DIR --table scored.parquet --row 17

    Exit codes: 0 success, 1 failure, 2 wrong usage, 130 interrupted. Errors are one line on stderr.
    """


@cli.command()
@click.argument("sources", type=click.Path(path_type=Path))
@click.option("--model", "model_name", required=True, metavar="DIR", help=_MODEL_HELP)
@click.option("--target-tokenizer", metavar="DIR", help=_TARGET_HELP)
@click.option("--output", required=True, type=Place(), help="Parquet file to write, or the URI of a folder in shared "
              "storage, such as s3://bucket/scored.parquet.")  # fmt: skip
@click.option("--scores", type=Names(), help="Scores to compute for every head.  [default: six built-in ones]")
@click.option("--statistics", type=Names(), help="Statistics of the output: logprob_sum, logprob_mean, "
              "logprob_min, margin, output_entropy.")  # fmt: skip
@click.option("--source-column", type=ColumnName(), help="Column of the sentences, or of the paths of recordings "
              "or pictures.  [default: source]")  # fmt: skip
@click.option("--target-column", type=ColumnName(), help="Column of given targets; without targets, the model "
              "generates them.")  # fmt: skip
@click.option("--id-column", type=ColumnName(), help="Column to keep as the id; by default, rows are numbered from 0.")
@click.option("--targets", type=click.Path(path_type=Path), help="File of given targets, one for each source.")
@click.option("--prompt", help=_PROMPT_HELP)
@click.option("--generation", type=Setting(), multiple=True, help=_GENERATION_HELP)
@click.option("--special", type=click.Choice(_POLICIES), default="keep", show_default=True,
              help="What to do with special tokens.")  # fmt: skip
@click.option("--max-length", type=POSITIVE, help="Most tokens per side.  [default: as many as the model supports]")
@click.option("--batch-tokens", type=POSITIVE, default=4096, show_default=True,
              help="Most tokens in a batch, including padding.")  # fmt: skip
@click.option("--window", type=POSITIVE, help="How many rows to sort by length and store together.  [default: 4096, or "
              "64 recordings or pictures]")  # fmt: skip
@click.option("--mel-padding", type=click.Choice(["model", "zeros"]),
              help="Pad sound for Whisper as transformers or as openai-whisper does.  [default: model]")  # fmt: skip
@click.option("--max-record-bytes", type=POSITIVE, help="Most bytes of a line or record; larger ones are not read.  "
              "[default: 4194304]")  # fmt: skip
@click.option("--on-error", type=click.Choice(["record", "raise"]), default="record", show_default=True,
              help="Record sentences that cannot be scored and continue, or stop at the first.")  # fmt: skip
@click.option("--device", default="cpu", show_default=True, help="Device to run the model on, such as cuda.")
@click.option("--dtype", default="auto", show_default=True, help="Number type of the model, such as bfloat16.")
@click.option("--engine", type=click.Choice(["local", "ray"]), default="local", show_default=True,
              help="Score in this process, or on a Ray cluster.")  # fmt: skip
@click.option("--workers", type=POSITIVE, help="Number of workers of the ray engine.")
@click.option("--address", help="Address of a running Ray cluster.  [default: a local one is started]")
@click.option("--quiet", is_flag=True, help="Show no progress bar and no summary.")
def score(
    sources: Path,
    model_name: str,
    target_tokenizer: str | None,
    output: Path | str,
    quiet: bool,
    device: str,
    dtype: str,
    **options: Any,
) -> None:
    """Score every head for each sentence of SOURCES.

    SOURCES is a file: text with one sentence per line, CSV, TSV, JSON Lines, Parquet, Feather or Arrow. It may be
    packed with gzip, bzip2, xz or zstd, or be the only file in a zip.

    For a model that reads sound, such as Whisper, the file lists paths of recordings (WAV, FLAC, OGG or MP3), relative
    to its own folder; SOURCES may also be one recording. For a model that reads images, such as TrOCR or Donut, the
    file lists paths of pictures, or is one.

    The same call resumes a run that was interrupted. OUTPUT gets its name only once it is complete.

    \b
    Examples:
      xattn-widget score pool.txt --model demo --output scored.parquet
      xattn-widget score pool.tsv --source-column 0 --target-column 1 --model DIR \\
          --statistics logprob_mean --output scored.parquet
      xattn-widget score pool.txt --model DIR --generation num_beams=4 --output scored.parquet
      xattn-widget score clips.tsv --source-column path --model WHISPER \\
          --generation language=german --output scored.parquet
      xattn-widget score lines.csv --source-column image --model demo-image --output scored.parquet
    """
    for option in ("workers", "address"):
        if options[option] is not None and options["engine"] == "local":
            raise click.UsageError(f"--{option} requires --engine ray: the local engine runs in this process")
    from xattn_widget.corpus.scoring import score_corpus
    from xattn_widget.corpus.sources.mediums import table_medium
    from xattn_widget.corpus.store.tables import corpus_info

    _check_names(options["scores"] or [], options["statistics"] or [])
    generation = dict(options.pop("generation")) or None
    given = {name: value for name, value in options.items() if value is not None}
    model, tokenizer = load_model(model_name, device, dtype)
    with naming_options():
        path = score_corpus(
            model,
            tokenizer,
            sources,
            output=output,
            generation=generation,
            progress=False if quiet else None,
            target_tokenizer=load_tokenizer(target_tokenizer),
            **given,
        )
    if quiet:
        return
    info = corpus_info(path)
    failed = info["rows"] - info["scored"]
    medium = table_medium(info)
    what = f"{info['rows']} {medium.plural if medium else 'sentences'}"
    if info.get("recordings", info["rows"]) != info["rows"]:
        what = f"{info['recordings']} recordings in {info['rows']} windows"
    click.echo(f"{path}: {what}, {info['scored']} scored, {failed} with an error")


@cli.command()
@click.argument("table", type=Place())
@click.option("--by", required=True, type=Orders(), metavar="NAME[:ORDER],...",
              help="Column or score, such as coverage_penalty, entropy.layer2.head5 or logprob_mean:lowest, or random; "
                   "several are combined by rank.")  # fmt: skip
@click.option("--budget", required=True, type=POSITIVE, help="How many sentences to choose.")
@click.option("--output", type=click.Path(path_type=Path), help="CSV or Parquet file to write.  "
              "[default: CSV on stdout]")  # fmt: skip
@click.option("--lowest", is_flag=True, help="Prefer the lowest values instead of the highest.")
@click.option("--length-bins", type=POSITIVE, help="Choose from this many bins of source length, in proportion.")
@click.option("--strata", help="Choose from the rows of each value of this column, in proportion.")
@click.option("--duplicates", type=click.Choice(["near", "exact", "keep"]), default="near", show_default=True,
              help="Which duplicates of chosen sentences to leave out.")  # fmt: skip
@click.option("--match", type=Place(), help="With --by random: a Parquet file of chosen sentences "
              "whose lengths to reproduce.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of random draws.")
@click.option("--spreadsheet", is_flag=True, help="Write CSV for spreadsheets: texts that look like formulas get an "
              "apostrophe.")  # fmt: skip
def select(
    table: Path | str,
    by: dict[str, str],
    lowest: bool,
    output: Path | None,
    match: Path | str | None,
    spreadsheet: bool,
    **options: Any,
) -> None:
    """Choose sentences to label from TABLE, which 'score' wrote, with the reason for each.

    \b
    Examples:
      xattn-widget select scored.parquet --by coverage_penalty --budget 1000 --output chosen.csv
      xattn-widget select scored.parquet --by coverage_penalty.layer2,logprob_mean:lowest \\
          --length-bins 5 --budget 1000 --output chosen.csv
      xattn-widget select scored.parquet --by random --seed 1 --budget 1000 --output random.csv
    """
    import pyarrow.parquet as pq

    from xattn_widget.corpus.selecting import select as select_rows

    _check_output(output, ".csv", ".parquet")
    if spreadsheet and output is not None and output.suffix.lower() != ".csv":
        raise click.UsageError(f"--spreadsheet requires a CSV file, but --output is {output}")
    if isinstance(table, Path) and not table.exists():
        raise FileNotFoundError(f"there is no file {table}: make one with 'xattn-widget score'")
    if output is not None:
        refuse_to_overwrite(output, table, *([] if match is None else [match]))
    default = "lowest" if lowest else "highest"
    orders = {name: order or default for name, order in by.items()}
    chosen = select_rows(table, orders, match=match, **options)  # type: ignore[arg-type]
    if output is None:
        if hasattr(sys.stdout, "buffer"):
            sys.stdout.flush()
            _write_csv(chosen, sys.stdout.buffer, spreadsheet)
        else:  # a notebook shows text
            content = io.BytesIO()
            _write_csv(chosen, content, spreadsheet)
            sys.stdout.write(content.getvalue().decode())
        return
    with whole_file(output) as file:
        if output.suffix.lower() == ".parquet":
            pq.write_table(chosen, file)
        else:
            _write_csv(chosen, file, spreadsheet)


@cli.command()
@click.argument("sentences", nargs=-1)
@click.option("--model", "model_name", required=True, metavar="DIR", help=_MODEL_HELP)
@click.option("--target-tokenizer", metavar="DIR", help=_TARGET_HELP)
@click.option("--output", type=click.Path(path_type=Path), help="HTML page to write; it works offline.  "
              "[default: attention.html, unless another program wrote that file]")  # fmt: skip
@click.option("--target", "targets", multiple=True, help="Given target, one for each sentence; by default, the model "
              "generates them.")  # fmt: skip
@click.option("--table", type=Place(), help="Show a row of this table, which 'score' wrote, with its source and "
              "target.")  # fmt: skip
@click.option("--row", type=COUNTED, help="With --table: the row to show, counted from 0.")
@click.option("--layer", type=COUNTED, help="Layer to show, counted from 0: the mean of its heads, or one --head.  "
              "[default: the heads that align best, as far as is known]")  # fmt: skip
@click.option("--head", type=COUNTED, help="With --layer: the head to show, counted from 0.")
@click.option("--score", "score_name", metavar="NAME", help="Built-in score that colors the grid of heads.  "
              "[default: alignment_norm]")  # fmt: skip
@click.option("--prompt", help=_PROMPT_HELP)
@click.option("--generation", type=Setting(), multiple=True, help=_GENERATION_HELP)
@click.option("--words/--subwords", default=True, show_default=True, help="Merge subwords into words.")
@click.option("--special", type=click.Choice(_SHOWN), default="fade", show_default=True,
              help="Show, fade or drop special tokens; 'drop_punctuation' drops punctuation as well.")  # fmt: skip
def show(
    sentences: tuple[str, ...],
    model_name: str,
    target_tokenizer: str | None,
    output: Path | None,
    targets: tuple[str, ...],
    table: Path | str | None,
    row: int | None,
    layer: int | None,
    head: int | None,
    score_name: str | None,
    prompt: str | None,
    generation: tuple[tuple[str, Any], ...],
    words: bool,
    special: str,
) -> None:
    """Write a page that shows the cross-attention of SENTENCES, as the notebook widget does.

    For a model that reads sound, such as Whisper, SENTENCES are the paths of recordings. For a model that reads images,
    such as TrOCR or Donut, they are the paths of images.

    \b
    Examples:
      xattn-widget show --model demo "Ich habe das Buch gelesen."
      xattn-widget show --model demo "Ich habe das Buch gelesen." --layer 0 --head 6 --score entropy
      xattn-widget show --model WHISPER clip.wav --target "What was said." --output page.html
      xattn-widget show --model DONUT receipt.png --prompt "<s_cord-v2>" --output page.html
      xattn-widget show --model DIR --table scored.parquet --row 17 --output page.html
    """
    if head is not None and layer is None:
        raise click.UsageError("--head requires --layer: heads are counted in each layer")
    path = page_path(output)
    _check_output(path, ".html", ".htm")
    from xattn_widget.widget.show import show_cross_attention

    shown, given, text = pairs_to_show(sentences, targets, table, row, prompt)
    check_score(score_name)
    model, tokenizer = load_model(model_name, "cpu", "auto")
    widget = show_cross_attention(
        model,
        tokenizer,
        shown,
        given,
        generation=dict(generation) or None,
        prompt=text,
        target_tokenizer=load_tokenizer(target_tokenizer),
        words=words,
        special=special,
    )
    pick_heads(widget, layer, head)
    if score_name is not None:
        widget.score_name = score_name
    click.echo(widget.to_html(path))


def _write_csv(table: Any, file: IO[bytes], spreadsheet: bool) -> None:
    """Write UTF-8 with CR LF, also to stdout, which has other line ends and another encoding on Windows."""
    from xattn_widget.files.csv_json import csv_writer

    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    try:
        write = csv_writer(text, spreadsheet)
        write(table.column_names)
        for row in zip(*(column.to_pylist() for column in table.columns), strict=True):
            write(row)
    finally:
        text.detach()  # writes the rest and leaves the file open


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
            raise click.BadParameter(f"{name!r} is not one of {', '.join(STATISTICS)}", param_hint="--statistics")


def _check_output(output: Path | None, *suffixes: str) -> None:
    if output is None:
        return
    if output.suffix.lower() not in suffixes:
        raise click.UsageError(f"--output {output} must end with {' or '.join(suffixes)}")
    if not output.absolute().parent.is_dir():
        raise FileNotFoundError(f"there is no folder {output.parent} to write {output.name} in: create it first")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    return run(cli, arguments)
