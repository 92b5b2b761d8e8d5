"""Train the image model that ships in the package, which reads a short line of print, on a CPU core in half an hour.

    python examples/image_model/train.py --work DIR [--steps N]

The pictures are drawn while it trains (``lines.py``), so that no data is needed. A checkpoint goes to ``--work`` every
500 steps, and a second call continues from it. The averaged model goes to ``export/`` there, in half precision, as
``load_demo("image")`` reads it.

The recipe: a ViT of 2 layers and a TrOCR decoder of 2 layers, initialized with a standard deviation of 0.08 (with 0.02
they do not learn to attend), AdamW with warm-up and a linear decay, texts of one character first, and an exponential
moving average of the weights as the result. Only the text is given: nothing says where the characters are.
"""

import argparse
import random
import time
from pathlib import Path

import tokenizers
import torch
from lines import CHARACTERS, HEIGHT, LONGEST, WIDTH, Picture, is_held_out, random_picture
from torch.nn import functional
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    TrOCRConfig,
    TrOCRProcessor,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
    ViTImageProcessor,
)

PATCH = 8
WIDTH_OF_MODEL = 96
BATCH = 64
PEAK_LEARNING_RATE = 1e-3
WARMUP_STEPS = 300
AVERAGE_DECAY = 0.999
PAD, BOS, EOS, UNK = 0, 1, 2, 3
IGNORED = -100
MOST_STEPS = 500  # with texts of one length
LEARNED = 0.5  # the loss at which texts become longer
SPECIAL = {"<pad>": PAD, "<s>": BOS, "</s>": EOS, "<unk>": UNK}
VOCABULARY = SPECIAL | {character: index for index, character in enumerate(CHARACTERS, len(SPECIAL))}


def make_processor() -> TrOCRProcessor:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=VOCABULARY, merges=[], unk_token="<unk>"))
    tokenizer.decoder = tokenizers.decoders.Fuse()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", EOS)]
    )
    return TrOCRProcessor(
        ViTImageProcessor(
            size={"height": HEIGHT, "width": WIDTH}, image_mean=[1.0] * 3, image_std=[0.5] * 3, do_convert_rgb=True
        ),
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer,
            pad_token="<pad>",
            bos_token="<s>",
            eos_token="</s>",
            unk_token="<unk>",
            clean_up_tokenization_spaces=False,
        ),
    )


def make_model() -> VisionEncoderDecoderModel:
    encoder = ViTConfig(
        hidden_size=WIDTH_OF_MODEL,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=4 * WIDTH_OF_MODEL,
        image_size=(HEIGHT, WIDTH),
        patch_size=PATCH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.08,
    )
    decoder = TrOCRConfig(
        vocab_size=len(VOCABULARY),
        d_model=WIDTH_OF_MODEL,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=4 * WIDTH_OF_MODEL,
        max_position_embeddings=32,
        cross_attention_hidden_size=WIDTH_OF_MODEL,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
        scale_embedding=False,
        use_learned_position_embeddings=True,
        init_std=0.08,
    )
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = BOS, PAD, EOS
    config.tie_word_embeddings = False
    return VisionEncoderDecoderModel(config)


def pixels_of(picture: Picture) -> torch.Tensor:
    """What the processor makes of a picture, one channel of it."""
    small = picture.image.resize((WIDTH, HEIGHT), 2)  # bilinear, as the processor does
    return torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(HEIGHT, WIDTH).float().div(255)


def make_batch(order: random.Random, longest: int) -> tuple[torch.Tensor, ...]:
    pictures: list[Picture] = []
    while len(pictures) < BATCH:
        picture = random_picture(order, longest)
        if not is_held_out(picture.text):
            pictures.append(picture)
    pixels = torch.stack([pixels_of(picture) for picture in pictures])
    noise = torch.rand(BATCH, 1, 1) * 0.04
    pixels = (pixels + torch.randn(pixels.shape) * noise)[:, None].expand(-1, 3, -1, -1).sub(1).mul(2)
    rows = [[VOCABULARY[character] for character in picture.text] + [EOS] for picture in pictures]
    labels = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], True, IGNORED)
    inputs = functional.pad(labels[:, :-1].masked_fill(labels[:, :-1] == IGNORED, PAD), (1, 0), value=BOS)
    return pixels, inputs, labels


def train(model: VisionEncoderDecoderModel, work: Path, steps: int) -> None:
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=PEAK_LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.99))
    average = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    order, first, longest, checkpoint = random.Random(1), 0, 1, work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        average, first, longest = state["average"], state["step"], state["longest"]
        order = random.Random(first)
    model.train()
    started, recent, mean, stage = time.monotonic(), 0.0, 4.0, first
    for step in range(first, steps):
        share = step / steps
        if longest < LONGEST and (mean < LEARNED or step - stage > MOST_STEPS):  # the next texts are longer
            longest, mean, stage = longest + 1, 4.0, step
        rate = PEAK_LEARNING_RATE * min(1, (step + 1) / WARMUP_STEPS) * min(1, max(0.02, (1 - share) / 0.4))
        for group in optimizer.param_groups:
            group["lr"] = rate
        pixels, inputs, labels = make_batch(order, longest)
        logits = model(pixel_values=pixels, decoder_input_ids=inputs).logits
        loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                average[name].lerp_(tensor, 1 - decay)
        recent += loss.item()
        mean = 0.95 * mean + 0.05 * loss.item()
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}/{steps} loss {recent / 100:.4f} up to {longest} characters "
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )
            recent = 0.0
        if (step + 1) % 500 == 0 or step + 1 == steps:
            state = {
                "model": model.state_dict(),
                "average": average,
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
                "longest": longest,
            }
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").replace(checkpoint)
    model.load_state_dict(average)


def export(model: VisionEncoderDecoderModel, processor: TrOCRProcessor, folder: Path) -> None:
    """Write the model in half precision with its processor, as ``from_pretrained`` reads them."""
    model.generation_config = GenerationConfig(
        max_new_tokens=2 * LONGEST,
        num_beams=1,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        decoder_start_token_id=BOS,
    )
    model.eval().to(torch.float16).save_pretrained(folder)
    processor.save_pretrained(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and result")
    parser.add_argument("--steps", type=int, default=8000, help="default: %(default)s")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    model = make_model()
    print("parameters", sum(parameter.numel() for parameter in model.parameters()), flush=True)
    train(model, arguments.work, arguments.steps)
    export(model, make_processor(), arguments.work / "export")


if __name__ == "__main__":
    main()
