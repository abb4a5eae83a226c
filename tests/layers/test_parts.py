"""Parts of a model are replaced by none that would be lost."""

import keras
import pytest

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    FeedForward,
    ImageConvolutionEncoder,
    MultiHeadAttention,
    RecurrentEncoder,
    RecurrentEncoderDecoder,
    TransformerBlock,
)
from keras_attention.layers.parts import Parts
from tests.models import small

SHAPE = (None, None, small.DIM)


def other_block():
    block = TransformerBlock(MultiHeadAttention(3), FeedForward(17, "relu"))
    block.build(SHAPE)
    return block


def built(layer):
    layer.build(SHAPE)
    return layer


ITEMS = {
    "a block": lambda model: (model.blocks, other_block()),
    "a norm": lambda model: (
        model.blocks[0].norms,
        built(keras.layers.LayerNormalization(epsilon=0.1)),
    ),
    "a dropout": lambda model: (
        model.blocks[0].dropouts,
        keras.layers.Dropout(0.5),
    ),
}


@pytest.mark.parametrize("find", ITEMS.values(), ids=ITEMS)
def test_an_item_cannot_be_replaced(rng, find):
    model = small.decoder(rng)
    parts, other = find(model)
    before = parts[0]
    with pytest.raises(ValueError, match="cannot be replaced after constr"):
        parts[0] = other
    assert parts[0] is before
    assert not hasattr(parts, "append")


def test_the_layers_of_other_models_cannot_either():
    images = ImageConvolutionEncoder((4, 6), channels=2)
    for parts in (
        RecurrentEncoder(23, 1, 12).recurrent_layers,
        RecurrentEncoder(23, 1, 12).dropouts,
        ConvolutionalEncoder(23, 12).convolutions,
        images.dropouts,
        images.stages,
        images.stages[0],
    ):
        with pytest.raises(ValueError, match="cannot be replaced after"):
            parts[0] = parts[-1]


ATTRIBUTES = {
    "embedding": lambda model: model,
    "final_norm": lambda model: model,
    "position": lambda model: model,
    "blocks": lambda model: model,
    "attention": lambda model: model.blocks[0],
    "feed_forward": lambda model: model.blocks[0],
    "norms": lambda model: model.blocks[0],
}


@pytest.mark.few
@pytest.mark.parametrize("name", ATTRIBUTES)
def test_an_attribute_cannot_be_replaced(rng, name):
    owner = ATTRIBUTES[name](small.decoder(rng))
    other = getattr(ATTRIBUTES[name](small.decoder(rng)), name)
    # By Keras itself.
    with pytest.raises(ValueError, match="already built"):
        setattr(owner, name, other)


def test_parts_are_sublayers(rng):
    model = small.decoder(rng)
    assert isinstance(model.blocks, Parts)
    assert set(map(id, model.blocks)) <= set(map(id, model.layers))
    assert all(layer.trainable for layer in model.blocks)
    model.trainable = False
    assert not model.blocks[1].attention.trainable


MODELS = {
    "encoder": small.encoder,
    "decoder": small.decoder,
    "encoder_decoder": small.encoder_decoder,
    "classifier": lambda rng: Classifier(small.encoder(rng), 5),
    "recurrent": lambda rng: RecurrentEncoderDecoder(23, 1, 12),
    "convolutional": lambda rng: ConvolutionalEncoder(23, 12),
    "images": lambda rng: ImageConvolutionEncoder((4, 6), channels=2),
}


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_model_builds_twice_unchanged(rng, make):
    model = make(rng)
    before = [id(weight) for weight in model.weights]
    for part in (model, *model._flatten_layers(include_self=False)):
        if isinstance(part, keras.Model):
            part.build((None, 7))
    assert [id(weight) for weight in model.weights] == before
