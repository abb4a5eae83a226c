"""Exported classifiers answer as the tasks do, without the package."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from keras_attention import (
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    RecurrentEncoder,
)
from keras_attention.tasks import TextClassifier
from tests.tasks import tiny
from tests.tasks.classification.classifiers import (
    LABELS,
    image_classifier,
    images,
    text_classifier,
)
from tests.tools import near

pytest.importorskip("tensorflow")
pytestmark = [
    pytest.mark.autograph,
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tests that export from other backends start them",
    ),
]
TEXTS = [tiny.sentences(13), tiny.AWKWARD, [""], []]


def serve(folder, kind, batches):
    server = Path(__file__).with_name("serve_classifier.py")
    result = subprocess.run(
        [sys.executable, server, folder, kind],
        env={**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=folder,
        input=json.dumps(batches),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout), result.stderr


def check(found, task, batches):
    assert found["labels"] == LABELS
    for batch, result in zip(batches, found["results"], strict=True):
        assert result["label"] == task(batch)
        if len(batch):
            near(result["probabilities"], task.probabilities(batch))


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Cut")
def test_texts_are_served_with_tensorflow_alone(tmp_path):
    task = text_classifier(pieces=tiny.tokenizer(byte_fallback=False))
    task.export(tmp_path / "exported")
    found, errors = serve(tmp_path / "exported", "text", TEXTS)
    check(found, task, TEXTS)
    assert "max_length=17 tokens" in errors


@pytest.mark.full
@pytest.mark.parametrize("encoder", [RecurrentEncoder, ConvolutionalEncoder])
def test_older_families_are_served_in_this_process(encoder, tmp_path):
    import tensorflow as tf

    sizes = (1, 6) if encoder is RecurrentEncoder else (7,)
    task = text_classifier(
        encoder(tiny.tokenizer().vocabulary_size, *sizes), pooling="max"
    )
    task.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported").signatures
    texts = tiny.sentences(7, longest=3)
    found = served["serving_default"](text=tf.constant(texts))
    near(found["probabilities"], task.probabilities(texts))


@pytest.mark.full
def test_images_are_served_with_tensorflow_alone(tmp_path):
    task = image_classifier()
    task.export(tmp_path / "exported")
    batches = [images(7), images(1), images(12, seed=2)]
    found, _ = serve(
        tmp_path / "exported", "images", [x.tolist() for x in batches]
    )
    check(found, task, batches)


@pytest.mark.full
def test_a_network_with_batch_norm_is_served(tmp_path):
    import tensorflow as tf

    task = image_classifier((8, 8, 1), ImageConvolutionEncoder((3, 5)))
    task.export(tmp_path / "exported")
    served = tf.saved_model.load(tmp_path / "exported").signatures
    given = images(6, (8, 8, 1))
    found = served["serving_default"](images=tf.constant(given))
    near(found["probabilities"], task.probabilities(given))


@pytest.mark.slow  # the command of a TextToText runs always
def test_a_saved_classifier_is_exported_from_the_command_line(tmp_path):
    text_classifier().save(tmp_path / "task")
    command = [sys.executable, "-m", "keras_attention.tasks"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [*command, tmp_path / "task", tmp_path / "exported"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exported" / "saved_model.pb").is_file()
    assert isinstance(TextClassifier.load(tmp_path / "task"), TextClassifier)
