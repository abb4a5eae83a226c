"""Weights of an adapted model, with the adapters as they are."""

import numpy as np
import pytest

from keras_attention import Classifier, TransformerEncoder, enable_lora
from keras_attention.training import (
    average_weights,
    load_trained,
    save_trained,
)
from tests.tools import near, to_numpy


@pytest.fixture(scope="module")
def model():
    made = Classifier(TransformerEncoder(13, 1, 6, 2), num_classes=3)
    return enable_lora(made, 2, train="head")


def draw(model, seed):
    generator = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(generator.normal(size=weight.shape))
    return [to_numpy(weight).copy() for weight in model.trainable_weights]


def test_adapters_come_back_and_can_be_averaged(model, tmp_path):
    paths, drawn = [], []
    for seed in (1, 2):
        drawn.append(draw(model, seed))
        paths.append(tmp_path / f"{seed}.weights.h5")
        save_trained(model, paths[-1])
    average_weights(paths, tmp_path / "mean.weights.h5")
    mean = [(a + b) / 2 for a, b in zip(*drawn, strict=True)]
    kernel = to_numpy(model.encoder.blocks[0].attention.query_dense._kernel)
    for path, expected in (
        (paths[0], drawn[0]),
        (tmp_path / "mean.weights.h5", mean),
    ):
        load_trained(model, path)
        for weight, value in zip(
            model.trainable_weights, expected, strict=True
        ):
            near(weight, value)
    near(model.encoder.blocks[0].attention.query_dense._kernel, kernel)


def test_weights_of_another_model_are_refused(model, tmp_path):
    path = tmp_path / "x.weights.h5"
    with pytest.raises(ValueError, match="No weights at"):
        load_trained(model, path)
    other = Classifier(TransformerEncoder(13, 1, 6, 2), num_classes=4)
    save_trained(enable_lora(other, 2, train="head"), path)
    before = draw(model, 3)
    with pytest.raises(ValueError, match="is of another model: .*_kernel"):
        load_trained(model, path)
    for weight, value in zip(model.trainable_weights, before, strict=True):
        near(weight, value)
