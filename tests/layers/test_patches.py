"""Tokens before patches, and images of one size."""

import numpy as np
import pytest

from keras_attention import Classifier, PatchEmbedding, TransformerEncoder
from tests.tools import near, randomize, to_numpy

DIM = 7


def test_a_distillation_token_stands_behind_the_class_token(rng):
    layer = PatchEmbedding(
        2, DIM, channels=3, class_token=True, distillation_token=True
    )
    images = rng.normal(size=(5, 4, 6, 3)).astype("float32")
    layer(images)
    randomize(layer, rng)
    found = to_numpy(layer(images))
    assert found.shape == (5, 2 + 6, DIM) and layer.num_class_tokens == 2
    near(found[3, 0], to_numpy(layer.token)[0])
    near(found[3, 1], to_numpy(layer.second_token)[0])
    plain = PatchEmbedding(2, DIM, channels=3)
    plain.build(images.shape)
    plain.set_weights([*map(to_numpy, layer.dense.weights)])
    near(found[:, 2:], plain(images))
    again = PatchEmbedding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("size", [4, (4, 6)])
def test_images_of_another_size_are_refused(size, rng):
    layer = PatchEmbedding(2, DIM, image_size=size)
    height, width = layer.image_size
    assert layer.known_shape == (None, height, width, 1)
    assert layer.grid(height, width) == (2, width // 2)
    layer(np.zeros((1, height, width), "float32"))
    for wrong in ((height, width + 2), (height + 2, width)):
        with pytest.raises(ValueError, match=f"{height} x {width} pixels"):
            layer(np.zeros((1, *wrong), "float32"))
    again = PatchEmbedding.from_config(layer.get_config())
    assert again.image_size == layer.image_size


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distillation_token": True}, "stands behind a class token"),
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": (4,)}, "image_size must be an integer or"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(2, DIM, **options)


def test_a_second_head_needs_a_second_token():
    embedding = PatchEmbedding(2, 8, class_token=True)
    encoder = TransformerEncoder(None, 1, 8, 2, embedding=embedding)
    with pytest.raises(ValueError, match="distillation_token=True"):
        Classifier(encoder, 3, pooling="first", distillation=True)
