"""Measure scoring of a corpus: sentences per second, compared with a notebook loop and plain forwards, and memory.

    python tests/benchmarks/bench_corpus.py [PAIRS.tsv] [--pairs N] [--repeats N] [--rows N [N ...]] [--write]

Speed: (a) a notebook loop: batches of 8 in arrival order, eager attention with ``output_attentions``, the whole LM
head, one coverage function; (b) plain ``model(**batch)`` without capture, on the batches of
``score_corpus``; (c) ``score_corpus`` with six scores, including reading, encoding and writing; (d) the same with the
model in bfloat16; (e) like (c), but with generated greedy targets of ten tokens. The model has opus-mt's size (d_model
512, 6+6 layers of 8 heads, vocabulary 65,001) and random weights. PAIRS.tsv has one source and one target per line.
Without it, pairs are made of random words, with the length distribution of everyday sentences.

Memory: for each N, the peak of a process that scores N lines into a file with a tiny model.

``--write NAME`` writes docs/bench/NAME.md (speed) and docs/bench/NAME-memory.md, each if it was measured.
"""

import argparse
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from memory import peak_megabytes_here
from results import Results, add_write_option, libraries
from transformers import MarianConfig, MarianMTModel

from xattn_widget import load_demo, score_corpus
from xattn_widget.corpus.engine.worker import Worker
from xattn_widget.corpus.job import make_job
from xattn_widget.corpus.scoring import DEFAULT_SCORES
from xattn_widget.corpus.sources.rows import cut_windows, open_rows
from xattn_widget.inputs.paired import pair_model
from xattn_widget.inputs.pairs import force, forward_inputs

Pair = tuple[str, str]
BATCH_TOKENS, WINDOW = 4096, 4096


def make_model(tokenizer: Any, implementation: str, *, tiny: bool = False) -> MarianMTModel:
    torch.manual_seed(0)
    layers, width, vocabulary = (1, 32, len(tokenizer)) if tiny else (6, 512, 65_001)
    config = MarianConfig(
        vocab_size=vocabulary,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=2 if tiny else 8,
        decoder_attention_heads=2 if tiny else 8,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.pad_token_id,
    )
    config._attn_implementation = implementation
    return MarianMTModel(config).eval()


def read_pairs(path: str | None, count: int) -> list[Pair]:
    """Pairs sampled from a file, or random words without a file."""
    if path is None:
        return list(made_up(count))
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    lines = random.Random(0).sample(lines, min(count, len(lines)))
    return [(source, target) for source, target, *_ in (line.split("\t") for line in lines)]


def made_up(count: int) -> Iterator[Pair]:
    """Pairs of random words, 1 to 25 per side and 6.5 on average, as in everyday sentences."""
    generator = random.Random(0)
    letters = "enisratdhulcgmobwfkzpv"
    words = ["".join(generator.choices(letters, k=generator.randint(2, 9))) for _ in range(5000)]
    for _ in range(count):
        length = min(25, max(1, round(generator.lognormvariate(1.75, 0.45))))
        sides = [max(1, length + generator.randint(-1, 1)) for _ in range(2)]
        source, target = (" ".join(generator.choices(words, k=side)) + "." for side in sides)
        yield source, target


def notebook_loop(model: Any, tokenizer: Any, pairs: list[Pair]) -> torch.Tensor:
    """Coverage of each sentence by each head, ``[pairs, layers, heads]``, as a notebook computes it (with padding)."""
    penalties = []
    for start in range(0, len(pairs), 8):
        sources, targets = zip(*pairs[start : start + 8], strict=True)
        batch = tokenizer(list(sources), text_target=list(targets), padding=True, return_tensors="pt")
        with torch.no_grad():
            output = model(**batch, output_attentions=True)
        coverage = torch.stack(output.cross_attentions, dim=1).sum(-2)
        penalties.append(-coverage.clamp(1e-8, 1).log().mean(-1))
    return torch.cat(penalties)


def corpus_batches(model: Any, tokenizer: Any, pairs: list[Pair]) -> list[dict[str, torch.Tensor]]:
    """The inputs of all forwards that ``score_corpus`` runs."""
    paired = pair_model(model, tokenizer)
    job = make_job(
        paired,
        DEFAULT_SCORES,
        statistics=(),
        special="keep",
        generation=None,
        forward=None,
        with_targets=True,
        max_length=None,
        batch_tokens=BATCH_TOKENS,
        stop_on_error=False,
        with_ids=False,
    )
    worker = Worker(paired, job)
    sources, targets = zip(*pairs, strict=True)
    prepared = [worker.prepare(window) for window in cut_windows(open_rows(sources, targets).read(), WINDOW)]
    return [
        forward_inputs(model, force(model, [row.source for row in batch], [row.target or [] for row in batch]))
        for window in prepared
        for batch in window.batches
    ]


def measure_speed(path: str | None, count: int, repeats: int, file: str | None) -> None:
    pairs = read_pairs(path, count)
    _, tokenizer = load_demo()
    eager, model = make_model(tokenizer, "eager"), make_model(tokenizer, "sdpa")
    batches = corpus_batches(model, tokenizer, pairs)
    temporary = tempfile.TemporaryDirectory()
    folder = Path(temporary.name)
    sources, targets = (list(side) for side in zip(*pairs, strict=True))

    def plain() -> None:
        for batch in batches:
            with torch.no_grad():
                model(**batch)

    bfloat16_model = make_model(tokenizer, "sdpa").to(torch.bfloat16)

    def score(model: MarianMTModel, targets: list[str] | None = targets, **options: Any) -> None:
        output = folder / "scored.parquet"
        options |= {"output": output, "batch_tokens": BATCH_TOKENS, "window": WINDOW, "progress": False}
        score_corpus(model, tokenizer, sources, targets, **options)
        output.unlink()

    cases = {
        "notebook loop": lambda: notebook_loop(eager, tokenizer, pairs),
        "plain forwards": plain,
        "score_corpus, six scores": lambda: score(model),
        "score_corpus, six scores, bfloat16 model": lambda: score(bfloat16_model),
        "score_corpus, six scores, greedy targets": lambda: score(model, None, generation={"max_new_tokens": 10}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats):
        for name in list(cases) if repeat % 2 == 0 else list(reversed(cases)):
            started, cpu_started = time.perf_counter(), time.process_time()
            cases[name]()
            seconds[name].append(time.perf_counter() - started)
            cpu_seconds[name].append(time.process_time() - cpu_started)
    temporary.cleanup()
    kind = "made-up pairs" if path is None else "pairs of a file"
    results = Results(file, f"{libraries()}; {len(pairs)} {kind} of sentences; medians of {repeats} repeats")
    relative = [f"time relative to {baseline}" for baseline in ("a notebook loop", "plain forwards")]
    results.table(["method", "sentences per second", *relative, "sentences per CPU second"])
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    for name, median in medians.items():
        ratios = [f"{median / medians[baseline]:.2f}" for baseline in list(medians)[:2]]
        per_cpu_second = len(pairs) / statistics.median(cpu_seconds[name])  # less affected by other load
        results.row([name, f"{len(pairs) / median:.0f}", *ratios, f"{per_cpu_second:.0f}"])
    results.save()


def measure_memory(rows: int) -> tuple[float, float]:
    """Peak memory in megabytes, and seconds, of a process that scores this many lines."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_score_lines, (rows,))


def _score_lines(rows: int) -> tuple[float, float]:
    torch.set_num_threads(1)
    _, tokenizer = load_demo()
    model = make_model(tokenizer, "sdpa", tiny=True)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("source.txt", "target.txt")]
        with paths[0].open("w") as sources, paths[1].open("w") as targets:
            for source, target in made_up(rows):
                sources.write(source + "\n")
                targets.write(target + "\n")
        started = time.perf_counter()
        score_corpus(model, tokenizer, *paths, output=Path(folder, "scored.parquet"), progress=False)
        seconds = time.perf_counter() - started
    return peak_megabytes_here(), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", nargs="?", metavar="PAIRS.tsv")
    parser.add_argument("--pairs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="*", default=[10_000, 100_000])
    add_write_option(parser, "corpus")
    options = parser.parse_args()
    if options.pairs:
        measure_speed(options.path, options.pairs, options.repeats, options.write)
    if options.rows:
        results = Results(options.write and f"{options.write}-memory", f"{libraries()}; a tiny model")
        results.table(["sentences", "peak memory", "sentences per second (tiny model, one thread)"])
        for rows in options.rows:
            megabytes, seconds = measure_memory(rows)
            results.row([f"{rows:,}", f"{megabytes:.0f} MB", f"{rows / seconds:.0f}"])
        results.save()


if __name__ == "__main__":
    main()
