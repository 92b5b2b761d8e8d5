"""Measure the demo speech model: commands that it recognizes, and the errors of its word times.

    python examples/demo_speech_model/evaluate.py [--model DIR] [--calibrate]

The commands are not among those that it was trained on. espeak-ng speaks them in the voices of the training and in two
others. ``--calibrate`` also chooses the heads that time words, on 20 more commands, and saves them with the model.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from commands import make_commands
from train import VOICES
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from xattn_widget import calibrate_heads, extract, word_time_errors
from xattn_widget.demo import SPEECH_FOLDER

sys.path.insert(0, str(Path(__file__).parents[1]))
from espeak_speech import RATE, Espeak

OTHER_VOICES = ("en-us+m1", "en-gb-x-gbclan")


def word_errors(heard: list[str], said: list[str]) -> int:
    """The number of words to insert, delete or replace."""
    row = list(range(len(said) + 1))
    for number, word in enumerate(heard, start=1):
        previous, row[0] = row[0], number
        for place, other in enumerate(said, start=1):
            previous, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, previous + (word != other))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=SPEECH_FOLDER, help="folder with the model and the processor")
    parser.add_argument("--commands", type=int, default=100, help="for each kind of voices; default: %(default)s")
    parser.add_argument("--calibrate", action="store_true", help="choose and save the heads that time words")
    arguments = parser.parse_args()
    processor = WhisperProcessor.from_pretrained(arguments.model)
    model = WhisperForConditionalGeneration.from_pretrained(arguments.model).float().eval()
    espeak = Espeak()
    if arguments.calibrate:
        spoken = [espeak.speak(command, VOICES[i % len(VOICES)]) for i, command in enumerate(make_commands(20, seed=3))]
        times = [[time[:3] for time in words] for _, words in spoken]
        calibration = calibrate_heads(model, processor, [(samples, RATE) for samples, _ in spoken], times)
        print(f"calibrated: {calibration.heads}, lag {calibration.lag:.3f} s -> {calibration.save(arguments.model)}")
        model = WhisperForConditionalGeneration.from_pretrained(arguments.model).float().eval()
    for name, voices in (("voices of the training", VOICES), ("other voices", OTHER_VOICES)):
        exact = errors = words = 0
        late = []
        for number, command in enumerate(make_commands(arguments.commands, seed=1)):
            samples, times = espeak.speak(command, voices[number % len(voices)], 135 + number % 40)
            record = extract(model, processor, (samples, RATE))
            heard = record.target.text.split()
            exact += heard == command.split()
            errors += word_errors(heard, command.split())
            words += len(command.split())
            forced = extract(model, processor, (samples, RATE), command)
            measured = word_time_errors(forced.word_times(), [time[:3] for time in times])
            late.append((measured.start_error + measured.end_error) / 2)
        print(
            f"{name}: {exact} of {arguments.commands} commands exact, word error rate {errors / words:.3f}, "
            f"mean error of word times {1000 * np.mean(late):.0f} ms"
        )


if __name__ == "__main__":
    main()
