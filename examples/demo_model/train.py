"""Train the German-English model that ships in the package, on a CPU in an hour or two.

    python examples/demo_model/train.py --data DIR --work DIR [--direction en-de]

``--data`` is a folder with ``tatoeba.deu-eng.train.tsv`` and ``tatoeba.deu-eng.valid.tsv`` (tab-separated German and
English). The tokenizer and a checkpoint after every epoch go to ``--work``, and a second call continues from the last
checkpoint. The averaged model goes to ``export/`` there, in half precision, as ``load_demo()`` reads it. With
``--direction en-de`` the model translates the other way; it does not ship, and the benchmark of alignments from both
directions uses it.

The recipe: a joint SentencePiece model of 4,000 pieces, 3+3 post-norm layers of 8 heads, AdamW with warm-up and
cosine decay, label smoothing, bfloat16 products, and an exponential moving average of the weights as the result.
"""

import argparse
import io
import json
import math
import random
import time
from pathlib import Path

import sentencepiece
import torch
from torch.nn import functional
from transformers import GenerationConfig, MarianConfig, MarianMTModel, MarianTokenizer

from xattn_widget.files.writing import whole_file

VOCABULARY = 4000
TOKENS_PER_BATCH = 3000
WARMUP_STEPS = 400
PEAK_LEARNING_RATE = 1.2e-3
LABEL_SMOOTHING = 0.1
AVERAGE_DECAY = 0.999
PAD, EOS, UNK = 0, 1, 2
IGNORED = -100


def read_pairs(path: Path) -> list[tuple[str, str]]:
    """Return the (German, English) pairs of a tab-separated file."""
    return [
        tuple(line.split("\t")[:2]) for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n") if line
    ]


def make_tokenizer(pairs: list[tuple[str, str]], folder: Path, direction: str) -> MarianTokenizer:
    """Return a MarianTokenizer with one SentencePiece model for both languages, stored in ``folder``."""
    source_lang, target_lang = direction.split("-")
    if not (folder / "vocab.json").exists():
        folder.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=(sentence for pair in pairs for sentence in pair),
            model_writer=buffer,  # not a file, because its path would be stored in the model
            vocab_size=VOCABULARY,
            character_coverage=0.9999,
            pad_id=PAD,
            eos_id=EOS,
            unk_id=UNK,
            bos_id=-1,
        )
        model = buffer.getvalue()
        pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
        vocabulary = {pieces.id_to_piece(index): index for index in range(len(pieces))}
        vocabulary_json = json.dumps(vocabulary, ensure_ascii=False).encode()
        for name, content in (("source.spm", model), ("target.spm", model), ("vocab.json", vocabulary_json)):
            with whole_file(folder / name) as file:
                file.write(content)
    return MarianTokenizer(
        str(folder / "source.spm"),
        str(folder / "target.spm"),
        str(folder / "vocab.json"),
        source_lang=source_lang,
        target_lang=target_lang,
        model_max_length=256,
    )


def make_model() -> MarianMTModel:
    config = MarianConfig(
        vocab_size=VOCABULARY,
        d_model=192,
        encoder_layers=3,
        decoder_layers=3,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=768,
        decoder_ffn_dim=768,
        activation_function="relu",
        dropout=0.1,
        max_position_embeddings=256,
        scale_embedding=True,
        pad_token_id=PAD,
        eos_token_id=EOS,
        forced_eos_token_id=EOS,
        decoder_start_token_id=PAD,
    )
    config._attn_implementation = "eager"  # on a CPU its backward pass takes two thirds of the time of sdpa
    return MarianMTModel(config)


def make_batches(examples: list[tuple[list[int], list[int]]], order: random.Random) -> list[list[int]]:
    """Return batches of indices: about ``TOKENS_PER_BATCH`` padded tokens per side, similar lengths, random order."""
    indices = list(range(len(examples)))
    order.shuffle(indices)
    indices.sort(key=lambda index: (len(examples[index][1]), len(examples[index][0])))
    batches, batch, longest = [], [], 0
    for index in indices:
        longest_with = max(longest, *map(len, examples[index]))
        if batch and longest_with * (len(batch) + 1) > TOKENS_PER_BATCH:
            batches.append(batch)
            batch, longest_with = [], max(map(len, examples[index]))
        batch.append(index)
        longest = longest_with
    batches.append(batch)
    order.shuffle(batches)
    return batches


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def loss_of(
    model: MarianMTModel, source_rows: list[list[int]], target_rows: list[list[int]], products: torch.dtype
) -> torch.Tensor:
    source, labels = pad(source_rows, PAD), pad(target_rows, IGNORED)
    decoder_inputs = functional.pad(labels.masked_fill(labels == IGNORED, PAD)[:, :-1], (1, 0), value=PAD)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=products == torch.bfloat16):
        hidden = model.model(
            input_ids=source, attention_mask=(source != PAD).long(), decoder_input_ids=decoder_inputs, use_cache=False
        ).last_hidden_state
        is_token = labels != IGNORED  # skip padding in the vocabulary layer, which is a third of the cost
        logits = model.lm_head(hidden[is_token])
    return functional.cross_entropy(logits.float(), labels[is_token], label_smoothing=LABEL_SMOOTHING)


def learning_rate(step: int, steps: int) -> float:
    if step < WARMUP_STEPS:
        return PEAK_LEARNING_RATE * (step + 1) / WARMUP_STEPS
    return PEAK_LEARNING_RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP_STEPS) / (steps - WARMUP_STEPS)))


def train(model: MarianMTModel, examples: list, valid: list, work: Path, epochs: int, products: torch.dtype) -> None:
    """Train ``model`` and leave its averaged weights in it; checkpoints go to ``work``."""
    optimizer = torch.optim.AdamW(
        [parameter for parameter in model.parameters() if parameter.requires_grad],
        betas=(0.9, 0.98),
        weight_decay=0.01,
        fused=True,
    )
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    steps = epochs * len(make_batches(examples, random.Random(0)))
    first_epoch = step = 0
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, first_epoch, step = state["average"], state["epoch"], state["step"]
    for epoch in range(first_epoch, epochs):
        model.train()
        torch.manual_seed(epoch)
        started, total, last_report = time.monotonic(), 0.0, step
        for batch in make_batches(examples, random.Random(epoch)):
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, steps)
            loss = loss_of(model, [examples[i][0] for i in batch], [examples[i][1] for i in batch], products)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
            with torch.no_grad():
                for name, tensor in model.state_dict().items():
                    average[name].lerp_(tensor, 1 - decay)
            total += loss.item()
            if step - last_report == 100:
                print(
                    f"epoch {epoch} step {step}/{steps} loss {total / 100:.3f} {time.monotonic() - started:.0f} s",
                    flush=True,
                )
                total, last_report = 0.0, step
        state = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average,
            "epoch": epoch + 1,
            "step": step,
        }
        torch.save(state, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
        print(f"epoch {epoch} done, valid loss {valid_loss(model, average, valid, products):.4f}", flush=True)
    model.load_state_dict(average)


@torch.no_grad()
def valid_loss(model: MarianMTModel, average: dict, valid: list, products: torch.dtype) -> float:
    """Return the loss of the averaged weights on the validation pairs. ``model`` keeps its own weights."""
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    model.load_state_dict(average)
    model.eval()
    losses = [
        loss_of(model, [valid[i][0] for i in batch], [valid[i][1] for i in batch], products)
        for batch in make_batches(valid, random.Random(0))
    ]
    model.load_state_dict(weights)
    return float(sum(losses) / len(losses))


def export(model: MarianMTModel, tokenizer: MarianTokenizer, folder: Path) -> None:
    """Write the model in half precision with its tokenizer, as ``from_pretrained`` reads them."""
    model.generation_config = GenerationConfig(
        max_new_tokens=128,
        num_beams=1,
        pad_token_id=PAD,
        eos_token_id=EOS,
        decoder_start_token_id=PAD,
        bad_words_ids=[[PAD]],
    )
    model.eval().to(torch.float16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with the tab-separated pairs")
    parser.add_argument("--work", type=Path, required=True, help="folder for tokenizer, checkpoints and result")
    parser.add_argument("--direction", choices=("de-en", "en-de"), default="de-en", help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=10, help="default: %(default)s")
    parser.add_argument(
        "--float32", action="store_true", help="products in float32: faster on a CPU without bfloat16 instructions"
    )
    arguments = parser.parse_args()
    pairs = read_pairs(arguments.data / "tatoeba.deu-eng.train.tsv")
    tokenizer = make_tokenizer(pairs, arguments.work / "tokenizer", arguments.direction)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(arguments.work / "tokenizer" / "source.spm"))

    def encode(pairs: list[tuple[str, str]]) -> list[tuple[list[int], list[int]]]:
        examples = [([*pieces.encode(german), EOS], [*pieces.encode(english), EOS]) for german, english in pairs]
        return examples if arguments.direction == "de-en" else [(english, german) for german, english in examples]

    torch.manual_seed(0)
    model = make_model()
    valid = encode(read_pairs(arguments.data / "tatoeba.deu-eng.valid.tsv"))
    products = torch.float32 if arguments.float32 else torch.bfloat16
    train(model, encode(pairs), valid, arguments.work, arguments.epochs, products)
    export(model, tokenizer, arguments.work / "export")


if __name__ == "__main__":
    main()
