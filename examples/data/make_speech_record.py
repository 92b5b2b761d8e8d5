"""Make speech.safetensors: what Whisper tiny.en reads while it transcribes speech.flac, with the sound.

    python tests/helpers/real_whisper.py                    # prints the folder of the weights
    python examples/data/make_speech_record.py FOLDER [PATH]

All numbers of the file are rounded to 16 bits, which halves its size. Weights after the end of the sound are cut off.
"""

import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from xattn_widget import extract
from xattn_widget.files.writing import whole_file

HERE = Path(__file__).parent


def rounded(path: Path) -> None:
    """Store the numbers of a saved record in 16 bits."""
    with safe_open(path, framework="pt") as saved:
        metadata = saved.metadata()
        tensors = {name: saved.get_tensor(name).to(torch.float16) for name in saved.keys()}  # noqa: SIM118
    with whole_file(path) as file:
        save_file(tensors, file.name, metadata=metadata)


def main() -> None:
    folder = sys.argv[1]
    path = Path(sys.argv[2]) if len(sys.argv) > 2 else HERE / "speech.safetensors"
    model = WhisperForConditionalGeneration.from_pretrained(folder)
    processor = WhisperProcessor.from_pretrained(folder)
    record = extract(model, processor, HERE / "speech.flac")
    record.cropped().save(path)
    rounded(path)
    print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
