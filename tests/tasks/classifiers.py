"""Classifiers small enough for tests."""

import numpy as np

from keras_attention import (
    Classifier,
    PatchEmbedding,
    TransformerEncoder,
)
from keras_attention.tasks import ImageClassifier, TextClassifier
from tests.tasks import tiny
from tests.tools import randomize

LABELS = ["bad", "gut", "naïve"]
IMAGE = (4, 6, 2)


def text_classifier(encoder=None, pieces=None, pooling="mean", **settings):
    pieces = pieces or tiny.tokenizer()
    encoder = encoder or TransformerEncoder(
        pieces.vocabulary_size, 1, 12, 3, intermediate_dim=17
    )
    model = Classifier(encoder, len(LABELS), pooling=pooling)
    randomize(model, np.random.default_rng(7), deviation=0.5)
    settings = {"max_length": 17, "batch_size": 5, **settings}
    return TextClassifier(model, pieces, LABELS, **settings)


def image_classifier(shape=IMAGE, encoder=None, **settings):
    encoder = encoder or TransformerEncoder(
        *(None, 1, 12, 3),
        embedding=PatchEmbedding(2, 12, channels=shape[-1]),
    )
    model = Classifier(encoder, len(LABELS), pooling="attention")
    randomize(model, np.random.default_rng(7), deviation=0.5)
    settings = {
        "image_shape": shape,
        "scale": 1 / 7,
        "offset": -0.5,
        "batch_size": 5,
        **settings,
    }
    return ImageClassifier(model, LABELS, **settings)


def images(count, shape=IMAGE, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 17, size=(count, *shape)).astype("float32")
