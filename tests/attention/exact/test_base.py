"""What flavours share that weigh every key by a score."""

import pytest
from keras import ops

from keras_attention import attention
from tests.attention.reference import Biased, EveryHook
from tests.tools import gradients, in_graph, near, randomize

BATCH, LENGTH, DIM, HEADS = 2, 11, 24, 6

FLAVOURS = {
    "sigmoid": {},
    "entmax": {},
    "talking_heads": {"num_kv_heads": 2},
    "differential": {"num_kv_heads": 2},
    "latent": {"value_dim": 3},
}


def pair(rng, name, position):
    """A layer without and one with blocks, of the same weights."""
    layers = []
    for block_size in (None, 4):
        layer = attention.get(
            name,
            num_heads=HEADS,
            query_block_size=block_size,
            position=None if position is None else position(),
            **FLAVOURS[name],
        )
        layer.build((BATCH, LENGTH, DIM))
        layers.append(layer)
    randomize(layers[0], rng)
    layers[1].set_weights(layers[0].get_weights())
    return layers


@pytest.mark.full
@pytest.mark.parametrize("name", FLAVOURS)
@pytest.mark.parametrize("position", [None, Biased])
def test_blocks_of_queries_give_all_gradients(rng, name, position):
    x = rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")
    padding = rng.random((BATCH, LENGTH)) < 0.6
    weights = ops.convert_to_tensor(rng.normal(size=x.shape), "float32")
    found = []
    for layer in pair(rng, name, position):

        def loss(x, layer=layer):
            output = layer(x, padding_mask=padding, use_causal_mask=True)
            return ops.sum(output * weights)

        # Without a position that acts on scores gradients of exact softmax
        # are written out in plain graphs of TensorFlow.
        loss = loss if position else in_graph(loss)
        found.append(gradients(loss, x, layer=layer)[1])
    for whole, blocks in zip(*found, strict=True):
        near(blocks, whole, 1e-4)


@pytest.mark.parametrize("name", ["differential", "latent"])
def test_what_adds_to_values_of_another_width_is_refused(name):
    with pytest.raises(ValueError, match="EveryHook adds to the values"):
        attention.get(name, num_heads=HEADS, position=EveryHook())
