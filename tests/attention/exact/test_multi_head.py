"""Multi-head attention against its definition in float64."""

import numpy as np
import pytest

from keras_attention import MultiHeadAttention
from tests.attention import reference
from tests.tools import near, randomize, to_numpy

BATCH, LENGTH, KEY_LENGTH, DIM = 2, 7, 5, 11
HEADS = [(3, 3), (4, 2), (6, 1)]


def project(dense, x):
    output = np.einsum("btm,mhd->bthd", x, to_numpy(dense.kernel))
    return output + (0 if dense.bias is None else to_numpy(dense.bias))


def expected(layer, query, source, mask, **options):
    output, weights = reference.attention(
        project(layer.query_dense, query.astype("float64")),
        project(layer.key_dense, source.astype("float64")),
        project(layer.value_dense, source.astype("float64")),
        mask,
        **options,
    )
    dense = layer.output_dense
    output = np.einsum("bthd,hdm->btm", output, to_numpy(dense.kernel))
    if dense.bias is not None:
        output = output + to_numpy(dense.bias)
    return output, weights


def make(rng, heads, **options):
    layer = MultiHeadAttention(heads[0], 5, heads[1], **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("hooks", [False, True])
@pytest.mark.parametrize("causal", [False, True])
def test_self_attention(rng, x, heads, hooks, causal):
    position = reference.EveryHook() if hooks else None
    layer = make(rng, heads, position=position)
    padding = rng.random((BATCH, LENGTH)) < 0.6
    dense = rng.random((BATCH, LENGTH, LENGTH)) < 0.6
    dense[0, 3] = False
    masks = {"padding_mask": padding, "attention_mask": dense}
    output, weights = expected(
        layer,
        x,
        x,
        dense & padding[:, None],
        position=position,
        causal=causal,
    )
    near(layer(x, use_causal_mask=causal, **masks), output)
    found = layer.attention_weights(x, use_causal_mask=causal, **masks)
    near(found, weights)


@pytest.mark.parametrize("heads", HEADS)
def test_cross_attention_carries_no_position(rng, x, heads):
    layer = make(rng, heads, position=reference.EveryHook(), use_bias=False)
    source = rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")
    mask = np.ones((BATCH, LENGTH, KEY_LENGTH), bool)
    output, weights = expected(layer, x, source, mask)
    near(layer(x, source), output)
    near(layer(x, source, start=3), output)
    near(layer.attention_weights(x, source), weights)


def test_a_cache_asks_the_position_for_every_piece(rng, x):
    layer = make(rng, (4, 2), position=reference.EveryHook())
    cache, outputs = layer.init_cache(BATCH, LENGTH + 3), []
    for start, stop in ((0, 3), (3, 4), (4, LENGTH)):
        output, cache = layer(x[:, start:stop], cache=cache, start=start)
        outputs.append(to_numpy(output))
    output, _ = expected(
        layer,
        x,
        x,
        np.ones((BATCH, LENGTH, LENGTH), bool),
        position=layer.position,
        causal=True,
    )
    near(np.concatenate(outputs, axis=1), output)


def test_positions_start_where_the_call_says(rng, x):
    layer = MultiHeadAttention(3, 4, position="rotary")
    layer.build(x.shape)
    # What rotation leaves is the distance, so the start does not matter.
    near(layer(x, start=13), layer(x))
    other = make(rng, (3, 3), position=reference.EveryHook())
    difference = to_numpy(other(x, start=13)) - to_numpy(other(x))
    assert np.abs(difference).max() > 1e-4


def test_half_precision_scores_keep_the_range_of_float32(rng, x):
    layer = make(rng, (3, 3), dtype="float16")
    # Scores of some tens of thousands: exp and mask are done in float32.
    output = to_numpy(layer(60 * x.astype("float16")))
    assert np.isfinite(output).all()


def test_initial_kernels_have_the_deviation_of_their_fans(rng):
    layer = MultiHeadAttention(8)
    layer.build((None, None, 256))
    for dense in (layer.query_dense, layer.output_dense):
        deviation = to_numpy(dense.kernel).std()
        assert abs(deviation / np.sqrt(2 / 512) - 1) < 0.1
