"""Models that are given no rows, or rows without tokens."""

import itertools

import numpy as np
import pytest

from keras_attention import Classifier
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.models.test_classifier import CLASSES, ENCODERS
from tests.tools import near, only, to_numpy

SIZES = [(0, 7), (3, 0), (0, 0)]


@pytest.mark.full
@pytest.mark.parametrize("size", SIZES)
def test_an_encoder_and_a_decoder(rng, size):
    token_ids = np.zeros(size, "int32")
    shape = (*size, small.DIM)
    assert tuple(small.encoder(rng)(token_ids).shape) == shape
    decoder = small.decoder(rng)
    assert tuple(decoder(token_ids).shape) == shape
    cache = decoder.init_cache(size[0], 9)
    hidden, _ = decoder(token_ids, cache=cache)
    assert tuple(hidden.shape) == shape
    assert tuple(decoder.logits(hidden).shape) == (*size, small.VOCABULARY)


@pytest.mark.full
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("source_length", [0, 5])
def test_an_encoder_decoder(rng, size, source_length):
    model = small.encoder_decoder(rng)
    inputs = {
        "source_ids": np.ones((size[0], source_length), "int32"),
        "target_ids": np.ones(size, "int32"),
    }
    assert tuple(model(inputs).shape) == (*size, small.VOCABULARY)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    "variant", only({"bahdanau", "luong"}, small_recurrent.VARIANTS)
)
def test_a_recurrent_encoder_decoder(rng, variant, size):
    model = small_recurrent.model(rng, variant)
    inputs = {
        "source_ids": np.ones((size[0], 5), "int32"),
        "target_ids": np.ones(size, "int32"),
    }
    assert tuple(model(inputs).shape)[:2] == size


@pytest.mark.parametrize(
    ("kind", "pooling"),
    only(
        {
            ("transformer", "mean"),
            ("recurrent", "ends"),
            ("convolutional", "max"),
            ("convolutional", "attention"),
        },
        itertools.product(
            ["transformer", "recurrent", "convolutional"],
            ["mean", "max", "ends", "attention"],
        ),
    ),
)
def test_a_classifier(rng, kind, pooling):
    model = Classifier(ENCODERS[kind](rng), CLASSES, pooling=pooling)
    found = model(np.ones((0, 5), "int32"))
    assert tuple(found.shape) == (0, CLASSES)


@pytest.mark.few
@pytest.mark.parametrize(
    "pooling", ["mean", "max", "first", "last", "ends", "attention"]
)
def test_a_classifier_of_rows_without_tokens(rng, pooling):
    model = Classifier(small.encoder(rng), CLASSES, pooling=pooling)
    found = to_numpy(model(np.ones((2, 0), "int32")))
    assert found.shape == (2, CLASSES)
    near(found, to_numpy(model(np.zeros((2, 3), "int32"))))
