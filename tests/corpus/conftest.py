"""Fixtures that the tests of the corpus share."""

from __future__ import annotations

import logging
import secrets
from functools import cache

import pytest
import soundfile
from shared_storage import MISSING, Bucket, SharedDisk, s3_server
from sound_corpus import CLIP_SECONDS, CLIP_TEXTS, GIVEN
from speech_models import RATE
from speech_processors import sound, speech_pair

from xattn_widget import extract, score_corpus


@pytest.fixture(scope="module")
def alone(demo):
    """The record of one pair by itself."""
    return cache(lambda source, target: extract(*demo, source, target))


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A folder with ``clip0.wav`` to ``clip4.wav``; the first third of every other one is silent."""
    folder = tmp_path_factory.mktemp("clips")
    for number, seconds in enumerate(CLIP_SECONDS):
        samples = sound(seconds, number)
        samples[: len(samples) // 3 * (number % 2)] = 0
        soundfile.write(folder / f"clip{number}.wav", samples, RATE)
    return folder


@pytest.fixture
def paths(clips):
    return sorted(clips.glob("*.wav"))


@pytest.fixture(scope="module")
def whisper():
    return speech_pair("whisper")


@pytest.fixture(scope="module")
def direct(whisper, clips):
    """The table of the five recordings, as a list of absolute paths with given targets."""
    return score_corpus(*whisper, sorted(clips.glob("*.wav")), CLIP_TEXTS, **GIVEN)


@pytest.fixture(scope="session")
def s3():
    """A client of a local S3 server to which ``s3://`` leads; None if moto is not installed."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it logs each request
    with s3_server() as client:
        yield client


@pytest.fixture
def bucket(s3):
    if s3 is None:
        pytest.skip(MISSING)
    return Bucket(s3, f"bucket-{secrets.token_hex(4)}")


@pytest.fixture(params=["file", "s3"])
def storage(request, tmp_path):
    """Storage that all machines share, of each kind."""
    return SharedDisk(tmp_path) if request.param == "file" else request.getfixturevalue("bucket")
