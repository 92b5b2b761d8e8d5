"""Measure word times of Whisper models against gold: this package with several sets of heads, and other tools.

    python tests/benchmarks/bench_word_times.py WEIGHTS [WEIGHTS ...] --calibration FOLDER [--test FOLDER [FOLDER ...]]
        [--given FOLDER [FOLDER ...]] [--language en] [--exact] [--cache FOLDER] [--write]

WEIGHTS are folders with a model and a processor as transformers save them. The tools that read OpenAI's format need the
same weights as FOLDER.pt next to the folder, or as a .pt file in it. The other folders hold recordings of at most 30 s,
each next to its gold times with the same name: a .TextGrid, .ctm or .json file. Heads and lags are chosen on the
recordings of --calibration, and only the others are measured: those of --test with the true text and with the
transcript that each tool writes, those of --given with the true text alone. The other tools (openai-whisper,
whisper-timestamped, stable-ts) are used if they are installed.
"""

import argparse
import functools
import importlib.metadata
import importlib.util
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from results import Results, add_write_option, libraries
from transformers import GenerationConfig, WhisperForConditionalGeneration, WhisperProcessor
from transformers.utils import logging
from word_timers import RATE, TOOLS, Weights, find_openai_alignment, load_openai

from xattn_widget import CrossAttention, calibrate_heads, extract, read_word_times, word_time_errors
from xattn_widget.alignment.word_time import WordTime
from xattn_widget.inputs.audio.recordings import open_recording

AUDIO = (".wav", ".flac", ".ogg", ".mp3")
GOLD = (".TextGrid", ".ctm", ".json")
METHODS = ("pauses", "dtw")
TOLERANCES = (0.05, 0.1, 0.2)
GIVEN, WRITTEN = "the true text", "its own"
OTHER_TOOLS = {"openai-whisper": "whisper", "whisper-timestamped": "whisper_timestamped", "stable-ts": "stable_whisper"}
Words = list[list[WordTime]]  # by recording


class Recording(NamedTuple):
    path: Path
    gold: list[WordTime]

    @property
    def text(self) -> str:
        return " ".join(word.word for word in self.gold)


def read_recordings(folder: Path) -> list[Recording]:
    found = []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in AUDIO):
        gold = [path.with_suffix(suffix) for suffix in GOLD if path.with_suffix(suffix).is_file()]
        if not gold:
            raise SystemExit(f"{path} has no gold times: expected {', '.join(GOLD)} of the same name next to it")
        found.append(Recording(path, read_word_times(gold[0])))
    if not found:
        raise SystemExit(f"there are no recordings ({', '.join(AUDIO)}) in {folder}")
    return found


def read_weights(folder: Path) -> Weights:
    pairs = GenerationConfig.from_pretrained(folder).alignment_heads
    checkpoints = [folder.with_name(f"{folder.name}.pt"), *folder.glob("*.pt")]
    heads = [(layer, head) for layer, head in pairs]
    return Weights(folder.name, folder, next((path for path in checkpoints if path.is_file()), None), heads)


@functools.lru_cache(maxsize=1)
def load_model(folder: Path, language: str) -> tuple[Any, Any]:
    model = WhisperForConditionalGeneration.from_pretrained(folder).eval()
    processor = WhisperProcessor.from_pretrained(folder)
    if model.generation_config.is_multilingual:
        processor.tokenizer.set_prefix_tokens(language=language, task="transcribe", predict_timestamps=False)
    return model, processor


class Cache:
    """What was computed in an earlier run, as JSON files in a folder; without a folder nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        if self.folder is None:
            return make()
        path = self.folder / f"{name.replace(', ', '-').replace(' ', '-')}.json"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(make()), encoding="utf-8")
        return json.loads(path.read_text(encoding="utf-8"))


class Calibration(NamedTuple):
    heads: list[tuple[int, int]]
    lag: float


def calibrate(weights: Weights, recordings: Sequence[Recording], language: str, method: str) -> dict[str, Any]:
    model, processor = load_model(weights.folder, language)
    paths = [str(recording.path) for recording in recordings]
    times = [[word[:3] for word in recording.gold] for recording in recordings]
    found = calibrate_heads(model, processor, paths, times, method=method)
    return {"heads": found.heads, "lag": found.lag}


def times_of_heads(
    weights: Weights,
    recordings: Sequence[Recording],
    language: str,
    calibrations: dict[str, Calibration],
    is_given_text: bool,
) -> dict[str, Words]:
    """The words of each recording by several sets of heads and methods, by the name of the row."""
    model, processor = load_model(weights.folder, language)
    names = {"language": language, "task": "transcribe"} if model.generation_config.is_multilingual else {}
    rows: dict[str, Words] = {}
    for recording in recordings:
        if is_given_text:
            record = extract(model, processor, str(recording.path), recording.text)
        else:
            record = extract(model, processor, str(recording.path), generation=names)
        if not isinstance(record, CrossAttention):
            raise SystemExit(f"{recording.path} is longer than 30 s")
        for method in METHODS:
            heads, lag = calibrations[method]
            words = record.word_times(heads, lag, method)
            rows.setdefault(f"calibrated heads, {method}", []).append(words)
        for method in METHODS:
            words = record.word_times(weights.heads, 0.0, method)
            rows.setdefault(f"the model's alignment heads, {method}", []).append(words)
        rows.setdefault("guessed heads", []).append(replace(record, timing=None).word_times())
    return rows


def times_of_tool(tool: Any, weights: Weights, recordings: Sequence[Recording], language: str) -> Words:
    timer = tool.load(weights, language)
    return [
        # The samples that this package reads, so that all tools hear the same.
        timer(open_recording(str(recording.path), RATE).read(), recording.text if tool.is_given_text else None)
        for recording in recordings
    ]


def cells(words: Words, recordings: Sequence[Recording]) -> list[str]:
    predicted = [[WordTime(*word) for word in part] for part in words]
    errors = word_time_errors(predicted, [recording.gold for recording in recordings], TOLERANCES)
    return [
        f"{errors.matched}",
        f"{1000 * errors.start_error:.0f} ms",
        f"{1000 * errors.end_error:.0f} ms",
        " ".join(f"{100 * errors.f1[tolerance]:.0f}" for tolerance in TOLERANCES),
    ]


def measure(
    results: Results,
    models: Sequence[Weights],
    calibrations: dict[str, dict[str, Calibration]],
    folder: Path,
    transcripts: Sequence[str],
    language: str,
    cache: Cache,
) -> None:
    recordings = read_recordings(folder)
    gold = sum(len(recording.gold) for recording in recordings)
    results.say()
    results.say(f"**{folder.name}**: {len(recordings)} recordings, {gold} words")
    columns = ["words", "starts", "ends", f"F1 at {', '.join(f'{1000 * t:g}' for t in TOLERANCES)} ms"]
    header = ["transcript", "word times by"]
    for model in models:
        header += [f"{model.name}: {columns[0]}", *columns[1:]]
    rows: dict[tuple[str, str], dict[str, list[str]]] = {}
    for model in models:
        for transcript in transcripts:
            name = f"{model.name}, {folder.name}, {'given' if transcript == GIVEN else 'written'}"

            def by_heads(model: Weights = model, transcript: str = transcript) -> dict[str, Words]:
                chosen = calibrations[model.name]
                return times_of_heads(model, recordings, language, chosen, transcript == GIVEN)

            for row, words in cache.get(name, by_heads).items():
                rows.setdefault((transcript, row), {})[model.name] = cells(words, recordings)
            for tool in TOOLS:
                if tool.is_given_text == (transcript == GIVEN) and tool.is_usable(model):
                    by_tool = functools.partial(times_of_tool, tool, model, recordings, language)
                    words = cache.get(f"{name}, {tool.name}", by_tool)
                    rows.setdefault((transcript, tool.name), {})[model.name] = cells(words, recordings)
    results.table(header)
    for (transcript, row), by_model in rows.items():
        parts = [by_model.get(model.name, [""] * len(columns)) for model in models]
        results.row([transcript, row, *(cell for part in parts for cell in part)])


def compare_with_openai(weights: Weights, recordings: Sequence[Recording], language: str) -> dict[str, Any]:
    """How many boundaries equal those of openai-whisper's ``find_alignment``, and how confidences differ."""
    import whisper

    theirs = load_openai(weights, whisper)
    model, processor = load_model(weights.folder, language)
    found: dict[str, Any] = {"equal": 0, "boundaries": 0, "seconds": 0.0, "higher": []}
    for recording in recordings:
        record = extract(model, processor, str(recording.path), recording.text, mel_padding="zeros")
        expected = find_openai_alignment(theirs, record.sound.samples.numpy(), recording.text, language)
        words = record.with_words(target=[word.word for word in expected]).word_times(weights.heads, 0.0, "dtw")
        differences = np.array([(a.start - b.start, a.end - b.end) for a, b in zip(words, expected, strict=True)])
        found["equal"] += int((np.abs(differences) < 1e-9).sum())
        found["boundaries"] += differences.size
        found["seconds"] = max(found["seconds"], float(np.abs(differences).max()))
        found["higher"] += [float(b.probability) - a.confidence for a, b in zip(words, expected, strict=True)]
    return found


def exact_table(
    results: Results, models: Sequence[Weights], recordings: Sequence[Recording], language: str, cache: Cache
) -> None:
    results.say()
    results.say(f"**openai-whisper's find_alignment**: the true text of {len(recordings)} recordings, of all folders")
    higher_by = "openai-whisper's probability minus confidence: median"
    results.table(["weights", "equal boundaries", "largest difference", higher_by, "largest", "smallest"])
    for model in models:
        if model.checkpoint is None or importlib.util.find_spec("whisper") is None:
            raise SystemExit(f"--exact needs openai-whisper, and OpenAI's file {model.folder}.pt")
        compare = functools.partial(compare_with_openai, model, recordings, language)
        found = cache.get(f"{model.name}, exact", compare)
        higher = np.array(found["higher"])
        shares = [f"{value:.4f}" for value in (np.median(higher), higher.max(), higher.min())]
        equal = f"{found['equal']:,} of {found['boundaries']:,}"
        results.row([model.name, equal, f"{1000 * found['seconds']:.0f} ms", *shares])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, nargs="*", help="folders with a model and a processor")
    parser.add_argument("--calibration", type=Path, metavar="FOLDER", help="recordings that choose heads and lags")
    parser.add_argument("--test", type=Path, nargs="+", metavar="FOLDER", default=[], help="recordings to measure")
    parser.add_argument("--given", type=Path, nargs="+", metavar="FOLDER", default=[], help="only with the true text")
    parser.add_argument("--language", default="en", help="the code of the language of all recordings")
    parser.add_argument("--exact", action="store_true", help="also compare every boundary with openai-whisper's")
    parser.add_argument("--cache", type=Path, metavar="FOLDER", help="keep the times of words there between runs")
    add_write_option(parser, "word-times")
    arguments = parser.parse_args()
    folders = arguments.test + arguments.given
    if not arguments.weights or arguments.calibration is None or not folders:
        print("This benchmark needs weights and recordings, so nothing was measured. Run it with its folders:")
        print(__doc__.partition("\n\n")[2])
        return
    if arguments.calibration.resolve() in [folder.resolve() for folder in folders]:
        parser.error("a folder is for the calibration or for the test, not for both")
    logging.set_verbosity_error()
    cache, language = Cache(arguments.cache), arguments.language
    models = [read_weights(folder) for folder in arguments.weights]
    recordings = read_recordings(arguments.calibration)
    others = [name for name, module in OTHER_TOOLS.items() if importlib.util.find_spec(module) is not None]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in others]
    results = Results(arguments.write, libraries(*versions))
    calibrations: dict[str, dict[str, Calibration]] = {}
    results.say()
    results.say(f"**{arguments.calibration.name}**: {len(recordings)} recordings")
    results.table(["weights", "method", "calibrated (layer, head) pairs", "lag"])
    for model in models:
        for method in METHODS:
            choose = functools.partial(calibrate, model, recordings, language, method)
            chosen = Calibration(**cache.get(f"{model.name}, calibration, {method}", choose))
            calibrations.setdefault(model.name, {})[method] = chosen
            pairs = ", ".join(f"({layer}, {head})" for layer, head in chosen.heads)
            results.row([model.name, method, pairs, f"{1000 * chosen.lag:.0f} ms"])
    for folder in folders:
        transcripts = (GIVEN, WRITTEN) if folder in arguments.test else (GIVEN,)
        measure(results, models, calibrations, folder, transcripts, language, cache)
    if arguments.exact:
        everything = [*recordings, *(item for folder in folders for item in read_recordings(folder))]
        exact_table(results, models, everything, language, cache)
    results.save()


if __name__ == "__main__":
    main()
