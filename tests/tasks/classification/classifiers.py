"""Classifiers small enough for tests."""

import keras
import numpy as np

from keras_attention import (
    Classifier,
    PatchEmbedding,
    TransformerEncoder,
)
from keras_attention.tasks import ImageClassifier, TextClassifier
from tests.tasks import tiny
from tests.tools import randomize, to_numpy

LABELS = ["bad", "gut", "naïve"]
IMAGE = (4, 6, 2)


def make(encoder, pooling):
    """A model whose answers differ, though untrained."""
    model = Classifier(encoder, len(LABELS), pooling=pooling)
    randomize(model, np.random.default_rng(7), deviation=0.5)
    model.dense.kernel.assign(5 * model.dense.kernel)
    return model


def balance(task, inputs):
    """Moves the logits so that no class is the answer to everything."""
    logits = [to_numpy(task.model(batch)) for _, batch in task.batches(inputs)]
    bias = task.model.dense.bias
    bias.assign(bias - np.concatenate(logits).mean(axis=0))
    return task


def text_classifier(encoder=None, pieces=None, pooling="mean", **settings):
    keras.utils.set_random_seed(7)
    pieces = pieces or tiny.tokenizer()
    encoder = encoder or TransformerEncoder(
        pieces.vocabulary_size, 1, 12, 3, intermediate_dim=17
    )
    model = make(encoder, pooling)
    settings = {"max_length": 17, "batch_size": 5, **settings}
    task = TextClassifier(model, pieces, LABELS, **settings)
    return balance(task, ["a", "on", "the", "dog"])


def image_classifier(shape=IMAGE, encoder=None, **settings):
    keras.utils.set_random_seed(7)
    encoder = encoder or TransformerEncoder(
        None,
        1,
        12,
        3,
        embedding=PatchEmbedding(2, 12, channels=shape[-1]),
    )
    model = make(encoder, "attention")
    settings = {
        "image_shape": shape,
        "scale": 1 / 7,
        "offset": -0.5,
        "batch_size": 5,
        **settings,
    }
    return balance(
        ImageClassifier(model, LABELS, **settings), images(20, shape)
    )


def images(count, shape=IMAGE, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 17, size=(count, *shape)).astype("float32")
