"""Word times by other tools, on given weights and samples. Each tool is used only if it is installed."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from xattn_widget.alignment.word_time import WordTime

RATE = 16_000


class Weights(NamedTuple):
    """The same weights as two files have them.

    Attributes:
        name: what the tables call them.
        folder: a model and a processor as transformers save them.
        checkpoint: OpenAI's file, ``FOLDER.pt`` next to the folder or a ``.pt`` in it; None if there is neither.
        heads: the alignment heads of the generation config.
    """

    name: str
    folder: Path
    checkpoint: Path | None
    heads: list[tuple[int, int]]


# Times the words of samples [n] at 16 kHz. The text is None where the tool writes its own transcript.
Timer = Callable[[np.ndarray, str | None], list[WordTime]]


class Tool(NamedTuple):
    """A tool to compare with.

    Attributes:
        name: what the tables call it.
        module: what must be installed.
        load: makes its timer for weights and a language.
        is_given_text: whether it times a given text, or else its own transcript.
        needs_checkpoint: whether it reads OpenAI's file.
    """

    name: str
    module: str
    load: Callable[[Weights, str], Timer]
    is_given_text: bool
    needs_checkpoint: bool = True

    def is_usable(self, weights: Weights) -> bool:
        has_file = weights.checkpoint is not None or not self.needs_checkpoint
        return has_file and importlib.util.find_spec(self.module) is not None


def set_alignment_heads(model: Any, heads: list[tuple[int, int]]) -> None:
    """Let a model of openai-whisper time words with these heads."""
    mask = torch.zeros(model.dims.n_text_layer, model.dims.n_text_head, dtype=torch.bool)
    for pair in heads:
        mask[pair] = True
    model.register_buffer("alignment_heads", mask.to_sparse(), persistent=False)


def load_openai(weights: Weights, module: Any) -> Any:
    model = module.load_model(str(weights.checkpoint), device="cpu")
    set_alignment_heads(model, weights.heads)
    return model


def find_openai_alignment(model: Any, samples: np.ndarray, text: str, language: str) -> list[Any]:
    """What openai-whisper's ``find_alignment`` returns for a text."""
    import whisper
    from whisper.timing import find_alignment
    from whisper.tokenizer import get_tokenizer

    names = {"language": language, "task": "transcribe"} if model.is_multilingual else {}
    tokenizer = get_tokenizer(model.is_multilingual, num_languages=model.num_languages, **names)
    frames = len(samples) // whisper.audio.HOP_LENGTH
    mel = whisper.log_mel_spectrogram(samples, model.dims.n_mels, padding=whisper.audio.N_SAMPLES)[:, :frames]
    mel = whisper.pad_or_trim(mel, whisper.audio.N_FRAMES)
    return find_alignment(model, tokenizer, tokenizer.encode(f" {text}"), mel, frames)


def openai_alignment(weights: Weights, language: str) -> Timer:
    import whisper

    model = load_openai(weights, whisper)

    def time(samples: np.ndarray, text: str | None) -> list[WordTime]:
        words = find_openai_alignment(model, samples, text or "", language)
        return [WordTime(word.word, float(word.start), float(word.end), None) for word in words]

    return time


# Greedy, as generate is by default, and without the text of earlier windows.
_GREEDY = {"temperature": 0.0, "condition_on_previous_text": False}


def openai_transcript(weights: Weights, language: str) -> Timer:
    import whisper

    model = load_openai(weights, whisper)

    def time(samples: np.ndarray, _: str | None) -> list[WordTime]:
        found = model.transcribe(samples, language=language, word_timestamps=True, **_GREEDY)
        words = [word for segment in found["segments"] for word in segment["words"]]
        return [WordTime(word["word"], float(word["start"]), float(word["end"]), None) for word in words]

    return time


def whisper_timestamped(weights: Weights, language: str) -> Timer:
    import whisper
    import whisper_timestamped as tool

    model = load_openai(weights, whisper)

    def time(samples: np.ndarray, _: str | None) -> list[WordTime]:
        found = tool.transcribe(model, samples, language=language, verbose=None, **_GREEDY)
        words = [word for segment in found["segments"] for word in segment["words"]]
        return [WordTime(word["text"], float(word["start"]), float(word["end"]), None) for word in words]

    return time


def stable_ts_transcript(weights: Weights, language: str) -> Timer:
    import stable_whisper

    model = load_openai(weights, stable_whisper)

    def time(samples: np.ndarray, _: str | None) -> list[WordTime]:
        found = model.transcribe(samples, language=language, verbose=None, regroup=False, **_GREEDY)
        return [WordTime(word.word, float(word.start), float(word.end), None) for word in found.all_words()]

    return time


def stable_ts_alignment(weights: Weights, language: str) -> Timer:
    import stable_whisper

    model = load_openai(weights, stable_whisper)

    def time(samples: np.ndarray, text: str | None) -> list[WordTime]:
        found = model.align(samples, text, language=language, verbose=None, regroup=False)
        words = found.all_words() if found is not None else []
        return [WordTime(word.word, float(word.start), float(word.end), None) for word in words]

    return time


def transformers_transcript(weights: Weights, language: str) -> Timer:
    from transformers import WhisperForConditionalGeneration, WhisperProcessor, pipeline

    model = WhisperForConditionalGeneration.from_pretrained(weights.folder).eval()
    processor = WhisperProcessor.from_pretrained(weights.folder)
    parts = {"tokenizer": processor.tokenizer, "feature_extractor": processor.feature_extractor}
    transcribe = pipeline("automatic-speech-recognition", model=model, **parts)
    names = {"language": language, "task": "transcribe"} if model.generation_config.is_multilingual else {}

    def time(samples: np.ndarray, _: str | None) -> list[WordTime]:
        sound = {"raw": samples.copy(), "sampling_rate": RATE}
        found = transcribe(sound, return_timestamps="word", generate_kwargs=names | {"num_beams": 1})
        # The last word may have no end: it counts as one that was not found.
        known = [(part["text"], *part["timestamp"]) for part in found["chunks"] if None not in part["timestamp"]]
        return [WordTime(word, float(start), float(end), None) for word, start, end in known]

    return time


TOOLS = (
    Tool("openai-whisper, find_alignment", "whisper", openai_alignment, True),
    Tool("stable-ts, align", "stable_whisper", stable_ts_alignment, True),
    Tool("openai-whisper", "whisper", openai_transcript, False),
    Tool("whisper-timestamped", "whisper_timestamped", whisper_timestamped, False),
    Tool("stable-ts", "stable_whisper", stable_ts_transcript, False),
    Tool("transformers", "transformers", transformers_transcript, False, needs_checkpoint=False),
)
