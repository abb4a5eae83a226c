"""Parts of a model that training leaves as they are."""

import keras
import numpy as np
import pytest

from keras_attention import CausalLM, Classifier, freeze
from keras_attention.models.adapting.parts import named_layers, release
from tests.models import small
from tests.tools import to_numpy


@pytest.fixture(scope="module")
def model():
    rng = np.random.default_rng(1)
    encoder = small.encoder(rng, num_layers=3, position="learned")
    return Classifier(encoder, 3, hidden_dim=5)


@pytest.fixture(autouse=True)
def all_trainable(model):
    release(model)


def trainable(model):
    """Paths of layers with weights that are trained."""
    wanted = {id(weight) for weight in model.trainable_weights}
    return {
        path
        for path, layer in named_layers(model).items()
        if wanted & {id(weight) for weight in layer.weights}
    }


def blocks(model):
    return {
        int(path.split(".")[2])
        for path in trainable(model)
        if path.startswith("encoder.blocks.")
    }


def test_parts_are_frozen_by_name(model):
    freeze(model, "embedding")
    assert "encoder.embedding" not in trainable(model)
    assert blocks(model) == {0, 1, 2}
    freeze(model, ["blocks.0-1", "position"])
    assert blocks(model) == {2}
    assert "encoder.position" not in trainable(model)
    freeze(model, "encoder.blocks.2.attention")
    found = trainable(model)
    assert "encoder.blocks.2.attention.query_dense" not in found
    assert "encoder.blocks.2.feed_forward.up_dense" in found
    freeze(model, "encoder")
    assert trainable(model) == {"hidden", "dense"}
    freeze(model, "head")
    assert not model.trainable_weights


def test_all_but_some_parts(model):
    freeze(model, "all but head")
    assert trainable(model) == {"hidden", "dense"}
    release(model)
    freeze(model, "all but blocks.2.feed_forward")
    parents = {"encoder", "encoder.blocks.2", "encoder.blocks.2.feed_forward"}
    dense = {f"encoder.blocks.2.feed_forward.{n}_dense" for n in ("up", "down")}
    assert trainable(model) == parents | dense
    freeze(model, "all")
    assert not model.trainable_weights


@pytest.mark.full
def test_training_leaves_frozen_parts_as_they_are(model, rng):
    freeze(model, ["embedding", "blocks.0-1"])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(True))
    before = [to_numpy(weight) for weight in model.weights]
    model.fit(small.ids(rng), np.array([0, 1, 2]), verbose=0)
    trained = {id(weight) for weight in model.trainable_weights}
    for weight, old in zip(model.weights, before, strict=True):
        is_same = np.array_equal(to_numpy(weight), old)
        # A bias of keys moves no weight of attention.
        if not weight.path.endswith("key/bias"):
            assert is_same == (id(weight) not in trained), weight.path


def test_a_part_that_does_not_exist_is_one_message(model, rng):
    with pytest.raises(ValueError, match="no part 'encodr'.*Parts are head.*"):
        freeze(model, ["embedding", "encodr"])
    with pytest.raises(ValueError, match="Did you mean 'encoder'"):
        freeze(model, "encodr")
    with pytest.raises(ValueError, match=r"no part 'blocks\.3'"):
        freeze(model, "blocks.3")
    with pytest.raises(ValueError, match=r"no part 'blocks\.11'"):
        freeze(model, "blocks.0-11")
    with pytest.raises(ValueError, match=r"no part 'blocks\.2-1'"):
        freeze(model, "blocks.2-1")
    with pytest.raises(ValueError, match="name of a part. Received: 3"):
        freeze(model, [3])
    with pytest.raises(ValueError, match="no part 'head'"):
        freeze(CausalLM(small.decoder(rng)), "head")
    assert len(trainable(model)) == len(trainable(freeze(model, [])))
    assert "encoder.embedding" in trainable(model)
