"""Measure what capturing costs: times relative to a plain forward, as medians of interleaved repeats in one run.

    python tests/benchmarks/bench_capture.py [--repeats N] [--lengths N [N ...]] [--write]

The model has opus-mt's size (d_model 512, 6+6 layers of 8 heads, vocabulary 65,001) and random weights. Memory is
the peak above that of the plain call, in megabytes, with each case in its own process.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable

import torch
from memory import peak_megabytes_here
from results import Results, add_write_option, libraries
from transformers import MarianConfig, MarianMTModel

from xattn_widget import capture

BATCH = 8
LENGTHS = (32, 128, 512)
STEPS = 16


def make_model(implementation: str) -> MarianMTModel:
    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=65_001,
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        max_position_embeddings=512,
        pad_token_id=65_000,
        decoder_start_token_id=65_000,
        eos_token_id=0,
    )
    config._attn_implementation = implementation
    return MarianMTModel(config).eval()


def make_inputs(length: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 60_000, (BATCH, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[BATCH // 2 :, length - length // 4 :] = 0
    return {"input_ids": ids, "attention_mask": mask}


def coverage(weights: torch.Tensor) -> torch.Tensor:
    """A reduction like that of a score: the attention that each source token receives, ``[batch, heads, source]``."""
    return weights.sum(-2)


Case = Callable[[], object]


def forward_cases(length: int, cases: tuple[str, ...]) -> dict[str, Case]:
    inputs = make_inputs(length)
    inputs["decoder_input_ids"] = make_inputs(length)["input_ids"]
    models = {"sdpa": make_model("sdpa")} | ({"eager": make_model("eager")} if "eager" in cases else {})

    def plain() -> object:
        return models["sdpa"](**inputs)

    def kept() -> object:
        with capture(models["sdpa"]) as captured:
            output = models["sdpa"](**inputs)
        return output, captured.cross_attentions

    def reduced() -> object:
        with capture(models["sdpa"], reduce=coverage) as captured:
            output = models["sdpa"](**inputs)
        return output, captured.cross_attentions

    def eager() -> object:
        return models["eager"](**inputs, output_attentions=True)

    return {name: case for name, case in locals().items() if name in cases}


def generate_cases(length: int, cases: tuple[str, ...]) -> dict[str, Case]:
    inputs = make_inputs(length)
    settings = {"num_beams": 1, "do_sample": False, "min_new_tokens": STEPS, "max_new_tokens": STEPS}
    models = {"sdpa": make_model("sdpa")} | ({"eager": make_model("eager")} if "eager" in cases else {})

    def plain() -> object:
        return models["sdpa"].generate(**inputs, **settings)

    def kept() -> object:
        with capture(models["sdpa"]) as captured:
            output = models["sdpa"].generate(**inputs, **settings)
        return output, captured.forwards

    def reduced() -> object:
        with capture(models["sdpa"], reduce=coverage) as captured:
            output = models["sdpa"].generate(**inputs, **settings)
        return output, captured.forwards

    def eager() -> object:
        return models["eager"].generate(**inputs, **settings, output_attentions=True, return_dict_in_generate=True)

    return {name: case for name, case in locals().items() if name in cases}


KINDS = {"forward": forward_cases, "generate": generate_cases}
CASES = ("plain", "kept", "reduced", "eager")


def time_cases(cases: dict[str, Case], repeats: int) -> dict[str, list[float]]:
    """Seconds of each repeat. The cases take turns, so that other load on the machine affects all of them alike."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for case in cases.values():
        case()
    for repeat in range(repeats):
        names = list(cases) if repeat % 2 == 0 else list(reversed(cases))
        for name in names:
            started = time.perf_counter()
            cases[name]()
            seconds[name].append(time.perf_counter() - started)
    return seconds


def peak_megabytes(kind: str, length: int, name: str) -> float:
    """Peak memory of a new process that runs one case, in megabytes."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run_and_measure, (kind, length, name))


def _run_and_measure(kind: str, length: int, name: str) -> float:
    with torch.no_grad():
        KINDS[kind](length, (name,))[name]()
    return peak_megabytes_here()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9, help="of each case; a third of them at length 512")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="tokens on each side")
    add_write_option(parser, "capture")
    arguments = parser.parse_args()
    repeats = arguments.repeats
    fewer = f" ({max(3, repeats // 3)} at length 512)" if 512 in arguments.lengths else ""
    results = Results(arguments.write, f"{libraries()}; batch {BATCH}; medians of {repeats} repeats{fewer}")
    memory = ["weights kept", "peak memory above plain: kept", "reduced"]
    results.table(["call", "length", "plain", "kept", "reduced", "eager", *memory])
    for kind, make_cases in KINDS.items():
        for length in arguments.lengths:
            with torch.no_grad():
                seconds = time_cases(make_cases(length, CASES), repeats if length < 512 else max(3, repeats // 3))
            medians = {name: statistics.median(values) for name, values in seconds.items()}
            # The median of the ratios within each repeat is steadier than the ratio of the medians.
            ratios = {
                name: statistics.median(a / b for a, b in zip(seconds[name], seconds["plain"], strict=True))
                for name in CASES[1:]
            }
            peaks = {name: peak_megabytes(kind, length, name) for name in ("plain", "kept", "reduced")}
            rows = STEPS * length if kind == "generate" else length * length
            weights = 6 * BATCH * 8 * rows * 4 / 2**20
            results.row(
                [kind, str(length), f"{medians['plain'] * 1000:.0f} ms"]
                + [f"{ratios[name]:.2f}" for name in CASES[1:]]
                + [f"{weights:.0f} MB"]
                + [f"{round(peaks[name] - peaks['plain'])} MB" for name in ("kept", "reduced")]
            )
    results.save()


if __name__ == "__main__":
    main()
