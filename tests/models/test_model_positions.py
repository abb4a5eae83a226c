"""Encodings of attention in whole models."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    FIRE,
    MultiHeadAttention,
    RotaryEmbedding,
    ShawRelative,
    TransformerDecoder,
    TransformerEncoder,
    XPos,
)
from tests.models import small
from tests.tools import BACKEND, few, near, to_numpy


@pytest.mark.full
def test_blocks_share_an_encoding_or_have_their_own(rng):
    own = small.decoder(rng, position=ShawRelative(3))
    shared = small.decoder(rng, position=ShawRelative(3, shared=True))
    positions = [
        [block.attention.position for block in model.blocks]
        for model in (own, shared)
    ]
    assert positions[0][0] is not positions[0][1]
    assert positions[1][0] is positions[1][1] is shared.position
    difference = own.count_params() - shared.count_params()
    assert difference == positions[0][0].count_params() > 0


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="int8 runs there")
@pytest.mark.filterwarnings("ignore:.*does not have a `quantize` method")
@pytest.mark.usefixtures("quick_collection")
@pytest.mark.parametrize("shared", [False, True])
def test_int_8_beside_an_encoding(rng, shared):
    model = small.encoder(rng, position=ShawRelative(3, shared=shared))
    tokens = small.ids(rng)
    expected = to_numpy(model(tokens))
    model.quantize("int8")
    found = to_numpy(model(tokens))
    assert 0 < np.abs(found - expected).max() < 0.3 * np.abs(expected).max()


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize("jit", few([True, False]))
@pytest.mark.parametrize("position", [FIRE(initial_threshold=6.0), "cope"])
def test_batches_of_any_length_train(rng, position, jit):
    """Lengths that the graph does not know, on both sides of a threshold."""
    decoder = small.decoder(rng, position=position, dropout=0.0)
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, decoder.logits(decoder(inputs)))
    model.compile(
        "sgd",
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit,
    )
    for length in (5, 9, 1):
        tokens = small.ids(rng, length, ragged=False)
        eager = model.loss(tokens, model(tokens))
        near(model.train_on_batch(tokens, tokens), eager)


@pytest.mark.parametrize("position", ["cope", "xpos"])
def test_an_encoder_refuses_what_is_causal_alone(position):
    with pytest.raises(ValueError, match="causal.*TransformerDecoder"):
        TransformerEncoder(**small.SIZES, position=position)


def test_positions_that_do_not_exist_are_refused(rng):
    x = ops.convert_to_tensor(rng.normal(size=(1, 2, 12)).astype("float32"))
    grid = RotaryEmbedding(axes=2, grid=(3, 3))
    for position, limit in ((XPos(), 26_158), (grid, 9)):
        layer = MultiHeadAttention(3, position=position)
        assert np.isfinite(to_numpy(layer(x, start=limit - 2))).all()
        with pytest.raises(ValueError, match=f"max_length={limit}.*start="):
            layer(x, start=limit - 1)
        cache = layer.init_cache(1, 4)
        with pytest.raises(ValueError, match=f"max_length={limit}.*start="):
            layer(x, cache=cache, start=limit - 1)
    with pytest.raises(ValueError, match="max_length"):
        TransformerDecoder(
            **small.SIZES, position=XPos(), segment_memory=30_000
        )
