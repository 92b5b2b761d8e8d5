"""Write openai_word_times.json: the word times of openai-whisper's ``find_alignment``, for test_real_whisper.py.

    pip install openai-whisper==20250625 soundfile
    python tests/extraction/openai_word_times.py tiny.en.pt

Takes OpenAI's file of weights. The tokens are those that openai-whisper itself decodes greedily.
"""

import json
import sys
from pathlib import Path

import soundfile
import whisper
from whisper.timing import find_alignment
from whisper.tokenizer import get_tokenizer

HERE = Path(__file__).parent
SOUND = HERE.parents[1] / "examples/data/speech.flac"


def main() -> None:
    model = whisper.load_model(sys.argv[1], device="cpu")
    model.set_alignment_heads(whisper._ALIGNMENT_HEADS["tiny.en"])  # a file of weights does not have them
    samples, _ = soundfile.read(SOUND, dtype="float32")
    frames = len(samples) // whisper.audio.HOP_LENGTH
    mel = whisper.log_mel_spectrogram(samples, padding=whisper.audio.N_SAMPLES)[:, :frames]
    mel = whisper.pad_or_trim(mel, whisper.audio.N_FRAMES)
    options = whisper.DecodingOptions(language="en", without_timestamps=True, fp16=False)
    decoded = whisper.decode(model, mel, options)
    timings = find_alignment(model, get_tokenizer(multilingual=False), decoded.tokens, mel, frames)
    words = [[timing.word, round(float(timing.start), 2), round(float(timing.end), 2)] for timing in timings]
    content = {
        "made by": f"python tests/extraction/openai_word_times.py tiny.en.pt, openai-whisper {whisper.__version__}",
        "text": decoded.text,
        "words": words,
    }
    lines = ",\n".join(f"    {json.dumps(word)}" for word in words)
    text = json.dumps(content | {"words": []}, indent=2).replace("[]", f"[\n{lines}\n  ]")
    (HERE / "openai_word_times.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
