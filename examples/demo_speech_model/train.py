"""Train the speech model that ships in the package, on a CPU in an hour or two.

    python examples/demo_speech_model/train.py --work DIR

It needs the library of espeak-ng, which speaks the commands of ``commands.py`` in several voices (see
``../espeak_speech.py``). Spectrograms, the tokenizer and a checkpoint after every epoch go to ``--work``, and a second
call continues from the last checkpoint. The averaged model goes to ``export/`` there, in half precision, as
``load_demo("speech")`` reads it.

The recipe: a Whisper of 3+3 layers of 4 heads that hears 5 s, a position every 40 ms, AdamW with warm-up and cosine
decay, label smoothing, masked bands of the spectrogram, a second loss on the encoder (CTC, Graves et al. 2006) whose
layer is thrown away after training, and an exponential moving average of the weights as the result.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from pathlib import Path

import numpy as np
import torch
from commands import make_commands
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from torch.nn import functional
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)

sys.path.insert(0, str(Path(__file__).parents[1]))
from espeak_speech import RATE, Espeak

SECONDS = 5
HOP = 320  # samples per frame: twice as many as in the published models, for half the positions
VOCABULARY = 420
BATCH = 32
WARMUP_STEPS = 300
PEAK_LEARNING_RATE = 1.5e-3
LABEL_SMOOTHING = 0.1
CTC_WEIGHT = 0.3
AVERAGE_DECAY = 0.998
IGNORED = -100
# In the order of Whisper's vocabularies: what follows the last of them would be timestamps.
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
VOICES = ("en-us", "en", "en-gb-x-rp", "en-us+f3", "en-us+m3", "en-gb-scotland", "en+f2", "en-us+m7")


def make_processor(commands: list[str], folder: Path) -> WhisperProcessor:
    """Return a processor with a byte-level BPE of the commands, stored in ``folder``."""
    if not (folder / "tokenizer.json").exists():
        trained = Tokenizer(models.BPE())
        trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        trainer = trainers.BpeTrainer(
            vocab_size=VOCABULARY - len(SPECIAL), initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
        )
        trained.train_from_iterator(commands, trainer)
        model = json.loads(trained.to_str())["model"]
        tokenizer = WhisperTokenizer(
            vocab=model["vocab"],
            merges=[tuple(merge) for merge in model["merges"]],
            additional_special_tokens=SPECIAL,
            model_max_length=64,
        )
        extractor = WhisperFeatureExtractor(feature_size=80, hop_length=HOP, chunk_length=SECONDS)
        WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return WhisperProcessor.from_pretrained(folder)


def spoken(espeak: Espeak, command: str, number: int) -> np.ndarray:
    """The samples of a command in one of the voices, at a random speed, pitch and loudness, with some noise."""
    order = np.random.default_rng(number)
    samples, _ = espeak.speak(
        command, VOICES[number % len(VOICES)], int(order.integers(125, 190)), int(order.integers(25, 75))
    )
    noise = order.standard_normal(len(samples)).astype(np.float32)
    loudness = 10 ** order.uniform(-1, 0)
    return loudness * (samples + noise * float(np.abs(samples).mean()) * 10 ** order.uniform(-3, -0.7))


def make_examples(
    commands: list[str], processor: WhisperProcessor, path: Path, first_number: int
) -> tuple[torch.Tensor, list[list[int]], list[int]]:
    """Return spectrograms ``[commands, bins, frames]`` in half precision, token ids, and encoder positions with sound.

    They are stored in ``path``.
    """
    if not path.exists():
        espeak = Espeak()
        features, rows, positions = [], [], []
        for number, command in enumerate(commands, start=first_number):
            samples = spoken(espeak, command, number)
            if len(samples) > SECONDS * RATE:
                continue
            made = processor.feature_extractor(samples, sampling_rate=RATE, return_tensors="pt").input_features
            features.append(made[0].half())
            rows.append(processor.tokenizer.encode(" " + command, add_special_tokens=False))
            positions.append(len(samples) // (2 * HOP))
        torch.save((torch.stack(features), rows, positions), path.with_suffix(".tmp"))
        path.with_suffix(".tmp").replace(path)
    return torch.load(path, weights_only=True)


def make_model(tokenizer: WhisperTokenizer) -> WhisperForConditionalGeneration:
    end, start = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|startoftranscript|>"])
    special = {"eos_token_id": end, "bos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start}
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=128,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=384,
        decoder_ffn_dim=384,
        max_source_positions=SECONDS * RATE // (2 * HOP),
        max_target_positions=64,
        dropout=0.1,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **special,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        **special,
        is_multilingual=False,
        no_timestamps_token_id=tokenizer.convert_tokens_to_ids("<|notimestamps|>"),
        prev_sot_token_id=tokenizer.convert_tokens_to_ids("<|startofprev|>"),
        suppress_tokens=[index for index in tokenizer.convert_tokens_to_ids(SPECIAL) if index != end],
        max_length=48,
    )
    return model


def masked_bands(features: torch.Tensor) -> torch.Tensor:
    """Spectrograms ``[batch, bins, frames]`` without two bands of bins and two spans of frames (Park et al. 2019)."""
    features = features.clone()
    for row in features:
        least = row.min()
        for _ in range(2):
            width, first = random.randrange(12), random.randrange(68)
            row[first : first + width] = least
            width, first = random.randrange(10), random.randrange(features.shape[-1] - 10)
            row[:, first : first + width] = least
    return features


class Losses(torch.nn.Module):
    """The loss on the next token, plus that of CTC on the encoder."""

    def __init__(self, model: WhisperForConditionalGeneration, prompt: list[int]) -> None:
        super().__init__()
        self.model = model
        self.prompt = prompt
        self.ctc = torch.nn.Linear(model.config.d_model, model.config.vocab_size)

    def forward(self, features: torch.Tensor, rows: list[list[int]], positions: list[int]) -> torch.Tensor:
        end = self.model.config.eos_token_id
        read = [[*self.prompt, *row] for row in rows]
        labels = [[*[IGNORED] * (len(self.prompt) - 1), *row, end] for row in rows]
        encoded = self.model.model.encoder(features).last_hidden_state
        hidden = self.model.model.decoder(
            input_ids=padded(read, end), encoder_hidden_states=encoded, use_cache=False
        ).last_hidden_state
        logits = self.model.proj_out(hidden)
        loss = functional.cross_entropy(
            logits.flatten(0, 1), padded(labels, IGNORED).flatten(), label_smoothing=LABEL_SMOOTHING
        )
        if not self.training:
            return loss
        # The end token is the blank: no text has it.
        heard = self.ctc(encoded).log_softmax(-1).transpose(0, 1)
        sizes = [torch.tensor(lengths) for lengths in (positions, [len(row) for row in rows])]
        return loss + CTC_WEIGHT * functional.ctc_loss(heard, padded(rows, 0), *sizes, blank=end, zero_infinity=True)


def padded(rows: list[list[int]], value: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def learning_rate(step: int, steps: int) -> float:
    if step < WARMUP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARMUP_STEPS
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / (steps - WARMUP_STEPS)))


def train(losses: Losses, examples: tuple, valid: tuple, work: Path, epochs: int) -> None:
    """Train the model and leave its averaged weights in it; checkpoints go to ``work``."""
    features, rows, positions = examples
    optimizer = torch.optim.AdamW(losses.parameters(), betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    average = {name: tensor.detach().clone() for name, tensor in losses.model.state_dict().items()}
    steps = epochs * (len(rows) // BATCH)
    first_epoch = step = 0
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        losses.load_state_dict(state["losses"])
        optimizer.load_state_dict(state["optimizer"])
        average, first_epoch, step = state["average"], state["epoch"], state["step"]
    for epoch in range(first_epoch, epochs):
        losses.train()
        torch.manual_seed(epoch)
        random.seed(epoch)
        started, total = time.monotonic(), 0.0
        order = torch.randperm(len(rows)).tolist()
        batches = [order[start : start + BATCH] for start in range(0, len(order) - BATCH + 1, BATCH)]
        for batch in batches:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps)
            loss = losses(
                masked_bands(features[batch].float()), [rows[i] for i in batch], [positions[i] for i in batch]
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(losses.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, tensor in losses.model.state_dict().items():
                    average[name].lerp_(tensor, 1 - decay)
            total += loss.item()
            if step % 50 == 0:
                print(f"step {step}/{steps} loss {loss.item():.3f} {time.monotonic() - started:.0f} s", flush=True)
        state = {
            "losses": losses.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average,
            "epoch": epoch + 1,
            "step": step,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        text = (
            f"epoch {epoch} done, loss {total / len(batches):.3f}, valid loss {valid_loss(losses, average, valid):.3f}"
        )
        print(text, flush=True)
    losses.model.load_state_dict(average)


@torch.no_grad()
def valid_loss(losses: Losses, average: dict[str, torch.Tensor], valid: tuple) -> float:
    """The loss of the averaged weights on other commands. The model keeps its own weights."""
    features, rows, positions = valid
    weights = {name: tensor.clone() for name, tensor in losses.model.state_dict().items()}
    losses.model.load_state_dict(average)
    losses.eval()
    loss = losses(features.float(), rows, positions).item()
    losses.model.load_state_dict(weights)
    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for spectrograms, checkpoints and result")
    parser.add_argument("--commands", type=int, default=8000, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=12, help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    valid_commands = make_commands(200, seed=1)
    commands = make_commands(arguments.commands, seed=2, without=frozenset(valid_commands))
    processor = make_processor(commands, arguments.work / "processor")
    valid = make_examples(valid_commands, processor, arguments.work / "valid.pt", first_number=1_000_000)
    examples = make_examples(commands, processor, arguments.work / "train.pt", first_number=0)
    torch.manual_seed(0)
    losses = Losses(make_model(processor.tokenizer), processor.tokenizer.prefix_tokens)
    train(losses, examples, valid, arguments.work, arguments.epochs)
    losses.model.eval().to(torch.float16).save_pretrained(arguments.work / "export")
    processor.save_pretrained(arguments.work / "export")


if __name__ == "__main__":
    main()
