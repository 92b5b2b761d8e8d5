"""How well scores of sound detect transcripts that do not fit their recording: AUCs on a speech model and recordings.

    python examples/speech_detectors.py WEIGHTS RECORDINGS

WEIGHTS is the folder or name of a speech model. RECORDINGS is a folder of short recordings (WAV, FLAC, OGG or MP3) with
the transcript of each in a text file of the same name. Each recording is read with its transcript and with wrong ones.
For each score the best head is chosen on every second recording and tested on the others. An AUC of 1 means that every
wrong transcript scores worse than every true one, .5 that the score says nothing. 40 recordings take about ten minutes
with whisper-tiny.
"""

import argparse
import random
from pathlib import Path

import numpy as np

from xattn_widget import extract

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
SCORES = (
    "unsupported_words",
    "silence_mass",
    "outside_mass",
    "rereading",
    "sound_coverage",
    "entropy",
    "monotonicity",
    "alignment_norm",
)
# What is made up where nothing was said.
INVENTED = (
    "Thank you for watching.",
    "Please subscribe to my channel.",
    "I'll see you in the next video.",
    "Thanks for listening, bye bye.",
    "Subtitles by the Amara community.",
)
# A wrong transcript (or sound), and what it is compared with.
COMPARED = (
    ("inserted", "true"),
    ("run", "true"),
    ("tail", "pause"),
    ("silence", "true"),
    ("loop", "true"),
    ("loop", "run"),
    ("omitted", "true"),
)


def make_cases(name, samples, words, vocabulary, rate):
    """For each case the samples, the words, and which of them were not said."""
    chosen = random.Random(name)
    true, none = list(words), [False] * len(words)
    inserted, flags = list(words), list(none)
    for _ in range(max(1, len(words) // 5)):
        place = chosen.randrange(len(inserted) + 1)
        inserted.insert(place, chosen.choice(vocabulary))
        flags.insert(place, True)
    place = chosen.randrange(len(words) + 1)
    run = [chosen.choice(vocabulary) for _ in range(4)]
    invented = chosen.choice(INVENTED).split()
    noise = (np.random.default_rng(len(name)).standard_normal(2 * rate) * 10 ** (-65 / 20)).astype(np.float32)
    longer = np.concatenate([samples, noise])
    count = min(len(words), chosen.choice([3, 4]))
    start = chosen.randrange(len(words) - count + 1)
    stop = start + count
    left_out = max(2, len(words) // 3)
    cut = chosen.randrange(max(1, len(words) - left_out + 1))
    return {
        "true": (samples, true, none),
        "inserted": (samples, inserted, flags),
        "run": (samples, true[:place] + run + true[place:], none[:place] + [True] * 4 + none[place:]),
        "pause": (longer, true, none),
        "tail": (longer, true + invented, none + [True] * len(invented)),
        "silence": (noise, invented, [True] * len(invented)),
        "loop": (
            samples,
            true[:stop] + true[start:stop] * 3 + true[stop:],
            none[:stop] + [True] * (3 * count) + none[stop:],
        ),
        "omitted": (samples, true[:cut] + true[cut + left_out :], [False] * (len(words) - left_out)),
    }


def measure(record):
    """The badness of a record by each score, ``[layers, heads]``, and by its log-probability."""
    values = {}
    for name in SCORES:
        grid = record.score(name, special="drop")
        values[name] = (grid if grid.direction == "lower" else -grid).numpy()
    values["log-probability"] = np.full(grid.shape, -float(record.logprobs[~record.target_special].mean()))
    return values


def measure_words(record):
    """The badness of each word with letters: one minus its support by the timing heads, and by log-probability."""
    supports = {word.number: word.support for word in record.unsupported_words(below=1)}
    words = [(index, word) for index, word in enumerate(record.target_words) if any(map(str.isalnum, word.text))]
    return {
        "unsupported_words()": [1 - supports.get(index, 1.0) for index, _ in words],
        "log-probability": [-float(record.logprobs[word.start : word.stop].mean()) for _, word in words],
    }


def auc(wrong, true):
    """The share of pairs in which the wrong one has the larger value; ties count half.

    Args:
        wrong: ``[n, ...]`` values; NaN is left out.
        true: ``[m, ...]`` values.
    """
    wrong, true = np.array(wrong, float)[:, None], np.array(true, float)[None]
    won = (wrong > true) + 0.5 * (wrong == true)
    known = ~(np.isnan(wrong) | np.isnan(true))
    with np.errstate(invalid="ignore"):
        return np.where(known, won, 0).sum((0, 1)) / known.sum((0, 1))


def report(grids, words):
    """Print the tables.

    Args:
        grids: for each recording, case and score a grid ``[layers, heads]``.
        words: for each recording and case the values of its words by method, and which of them were not said.
    """
    names = sorted(grids)
    print(f"{len(names)} recordings: the head chosen on {len(names[::2])} has this AUC on the other {len(names[1::2])}")
    print(" " * 18 + "".join(f"{wrong}/{true}".rjust(17) for wrong, true in COMPARED))
    for score in (*SCORES, "log-probability"):
        line = f"{score:18s}"
        for wrong, true in COMPARED:
            chosen, tested = (
                auc(*([grids[name][case][score] for name in half if case in grids[name]] for case in (wrong, true)))
                for half in (names[::2], names[1::2])
            )
            best = np.unravel_index(np.nan_to_num(chosen, nan=-1).argmax(), chosen.shape)
            line += f"{tested[best]:.2f} ({best[0]}, {best[1]})".rjust(17)
        print(line)
    print("Single words: those that were not said against the others")
    for method in ("unsupported_words()", "log-probability"):
        line = f"{method:22s}"
        for case in ("inserted", "run", "tail", "loop"):
            values = [value for name in names if case in words[name] for value in words[name][case][0][method]]
            made_up = np.array([flag for name in names if case in words[name] for flag in words[name][case][1]], bool)
            line += f"{case} {auc(np.array(values)[made_up], np.array(values)[~made_up]):.2f}   "
        print(line)


def main():
    """Read the recordings, force each transcript, and print the tables."""
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("recordings", type=Path)
    arguments = parser.parse_args()
    model = AutoModelForSpeechSeq2Seq.from_pretrained(arguments.weights)
    processor = AutoProcessor.from_pretrained(arguments.weights)
    texts = {
        path: path.with_suffix(".txt").read_text(encoding="utf-8").split()
        for path in sorted(arguments.recordings.iterdir())
        if path.suffix.lower() in SUFFIXES and path.with_suffix(".txt").exists()
    }
    texts = {path: words for path, words in texts.items() if len(words) >= 4}
    if len(texts) < 4:
        parser.error(f"{arguments.recordings} has {len(texts)} recordings with 4 words or more in a .txt file; give 4")
    vocabulary = sorted({word for words in texts.values() for word in words if len(word) > 3})
    grids, measured = {}, {}
    for path, words in texts.items():
        sound = extract(model, processor, str(path), " ".join(words)).sound
        grids[path.stem], measured[path.stem] = {}, {}
        for case, (samples, target, flags) in make_cases(
            path.stem, sound.samples.numpy(), words, vocabulary, sound.rate
        ).items():
            record = extract(model, processor, (samples, sound.rate), " ".join(target))
            grids[path.stem][case] = measure(record)
            values = measure_words(record)
            if len(values["log-probability"]) == len(flags):  # the model may split a word such as "10-year"
                measured[path.stem][case] = values, flags
    report(grids, measured)


if __name__ == "__main__":
    main()
