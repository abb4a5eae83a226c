"""Exported tasks of images and speech answer as the tasks do."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention.data import audio
from tests.tasks.sequence_to_sequence import seeing

tf = pytest.importorskip("tensorflow")
pytest.importorskip("tensorflow_text")
pytestmark = [
    pytest.mark.autograph,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tests that export from other backends start them",
    ),
]


def serve(folder, batches):
    """What a process without the package answers, and what it prints."""
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            Path(__file__).with_name("serve_sources.py"),
            folder,
        ],
        env={**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        input=json.dumps(batches),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def check(found, task, sources):
    for result, given in zip(found, sources, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sounds that are cut
            token_ids, scores = task.generate(given)
        assert result["token_ids"] == token_ids.tolist()
        assert result["text"] == task.decode(token_ids)
        np.testing.assert_allclose(result["scores"], scores, atol=1e-4)
    assert len({text for result in found for text in result["text"]}) > 4


@pytest.mark.full
def test_images_are_read_without_the_package(tmp_path):
    task = seeing.image_task()
    task.export(tmp_path / "exported")
    sources = [seeing.images(count, seed=count) for count in (7, 1, 12, 3, 5)]
    batches = [{"images": images.tolist()} for images in sources]
    found, _ = serve(tmp_path / "exported", batches)
    check(found, task, sources)


def as_inputs(sounds):
    lengths = [len(sound) for sound in sounds]
    samples = np.full((len(sounds), max(lengths) + 3), 0.7)
    for row, sound in zip(samples, sounds, strict=True):
        row[: len(sound)] = sound
    return {"samples": samples.tolist(), "lengths": lengths}


@pytest.mark.full
def test_speech_is_written_down_without_the_package(tmp_path):
    task = seeing.speech_task()
    task.export(tmp_path / "exported")
    sources = [
        seeing.sounds(*lengths, seed=seed)
        for seed, lengths in enumerate(
            [
                (1_201, 40, 700, 0, 1_777, 333, 1_009),
                (500,),
                (1_000, 2_500, 900),
                (0, 0),
                (33, 51, 1_800, 600),
            ]
        )
    ]
    found, errors = serve(
        tmp_path / "exported", [as_inputs(sounds) for sounds in sources]
    )
    check(found, task, sources)
    assert "Cut 1 of 3 sounds to max_seconds=0.9." in errors


@pytest.mark.parametrize("length", [16_001, 30, 12_345])
def test_frames_in_a_graph_are_those_of_python(length):
    from keras_attention.export.sound_graph import log_mel

    (sound,) = seeing.sounds(length)
    found = log_mel(tf.constant(sound), 16_000, 80)
    np.testing.assert_allclose(found, audio.log_mel(sound), atol=1e-4)
