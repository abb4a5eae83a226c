"""Talking-heads attention against its definition in float64."""

import numpy as np
import pytest

from keras_attention import (
    MultiHeadAttention,
    PositionalEncoding,
    TalkingHeadsAttention,
)
from tests.attention import reference
from tests.tools import near, randomize, to_numpy

BATCH, DIM, HEADS, KV_HEADS = 2, 12, 6, 2


def project(dense, x):
    output = np.einsum("btm,mhd->bthd", x, to_numpy(dense.kernel))
    return output + to_numpy(dense.bias)


def defined(layer, x, mask, bias=0.0):
    """Output and weights; `mask` is `(batch, length, length)`."""
    x = x.astype("float64")
    query = project(layer.query_dense, x)
    key, value = (
        np.repeat(project(dense, x), HEADS // KV_HEADS, axis=2)
        for dense in (layer.key_dense, layer.value_dense)
    )
    scores = np.einsum("bthd,bshd->bhts", query, key) / np.sqrt(DIM // HEADS)
    before = to_numpy(layer.score_mixing).astype("float64")
    after = to_numpy(layer.weight_mixing).astype("float64")
    scores = np.einsum("bhts,hg->bgts", scores, before) + bias
    scores = np.where(mask[:, None], scores, -np.inf)
    highest = scores.max(axis=-1, keepdims=True)
    raised = np.exp(scores - np.where(np.isinf(highest), 0.0, highest))
    total = raised.sum(axis=-1, keepdims=True)
    weights = raised / np.where(total > 0, total, 1.0)
    weights = np.einsum("bhts,hg->bgts", weights, after)
    output = np.einsum("bhts,bshd->bthd", weights, value)
    dense = layer.output_dense
    output = np.einsum("bthd,hdm->btm", output, to_numpy(dense.kernel))
    return output + to_numpy(dense.bias), weights


def make(rng, **options):
    layer = TalkingHeadsAttention(HEADS, num_kv_heads=KV_HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng, 0.5)


@pytest.mark.parametrize("length", [7, 13])
@pytest.mark.parametrize("block_size", [None, 4])
def test_heads_are_mixed_before_and_after_the_softmax(rng, length, block_size):
    layer = make(rng, query_block_size=block_size)
    x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
    padding = rng.random((BATCH, length)) < 0.7
    dense = rng.random((BATCH, length, length)) < 0.6
    dense[0, 3] = False
    lower = np.tril(np.ones((BATCH, length, length), bool))
    for arguments, mask in (
        ({}, np.ones_like(lower)),
        ({"use_causal_mask": True}, lower),
        (
            {
                "padding_mask": padding,
                "attention_mask": dense,
                "use_causal_mask": True,
            },
            lower & padding[:, None] & dense,
        ),
    ):
        output, weights = defined(layer, x, mask)
        near(layer(x, **arguments), output)
        near(layer.attention_weights(x, **arguments), weights)


class Slopes(reference.Biased):
    """A bias alone."""

    rotate = PositionalEncoding.rotate
    scale = PositionalEncoding.scale


def test_a_bias_comes_between_the_mixings(rng):
    layer = make(rng, position=Slopes())
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    distance = np.arange(7)[:, None] - np.arange(7)
    slopes = to_numpy(layer.position.slopes)[:, None, None]
    mask = np.ones((BATCH, 7, 7), bool)
    output, _ = defined(layer, x, mask, slopes * distance)
    near(layer(x), output)


def test_a_new_layer_is_plain_attention(rng):
    layer = TalkingHeadsAttention(HEADS, use_bias=False)
    plain = MultiHeadAttention(HEADS, use_bias=False)
    x = rng.normal(size=(BATCH, 7, DIM)).astype("float32")
    for one in (layer, plain):
        one.build(x.shape)
    plain.set_weights(layer.get_weights()[2:])
    near(layer(x), plain(x))
