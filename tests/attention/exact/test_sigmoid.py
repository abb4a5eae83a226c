"""Sigmoid attention against its definition in float64."""

import numpy as np
import pytest

from keras_attention import SigmoidAttention
from tests.tools import near, randomize, to_numpy

BATCH, DIM, HEADS, KV_HEADS = 2, 12, 6, 2


def project(dense, x):
    output = np.einsum("btm,mhd->bthd", x, to_numpy(dense.kernel))
    return output + to_numpy(dense.bias)


def defined(layer, x, mask):
    """Output and weights; `mask` is `(batch, length, length)`."""
    x = x.astype("float64")
    query = project(layer.query_dense, x)
    key, value = (
        np.repeat(project(dense, x), HEADS // KV_HEADS, axis=2)
        for dense in (layer.key_dense, layer.value_dense)
    )
    scores = np.einsum("bthd,bshd->bhts", query, key) / np.sqrt(DIM // HEADS)
    count = np.maximum(mask.sum(axis=-1), 1)[:, None, :, None]
    weights = mask[:, None] / (1 + count * np.exp(-scores))
    output = np.einsum("bhts,bshd->bthd", weights, value)
    dense = layer.output_dense
    output = np.einsum("bthd,hdm->btm", output, to_numpy(dense.kernel))
    return output + to_numpy(dense.bias), weights


def make(rng, **options):
    layer = SigmoidAttention(HEADS, num_kv_heads=KV_HEADS, **options)
    layer.build((BATCH, None, DIM))
    return randomize(layer, rng, 0.5)


@pytest.mark.parametrize("length", [7, 13])
@pytest.mark.parametrize("block_size", [None, 4])
def test_weights_are_sigmoids_less_the_log_of_the_keys(rng, length, block_size):
    layer = make(rng, query_block_size=block_size)
    x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
    padding = rng.random((BATCH, length)) < 0.7
    dense = rng.random((BATCH, length, length)) < 0.6
    dense[0, 3] = False
    lower = np.tril(np.ones((BATCH, length, length), bool))
    for arguments, mask in (
        ({}, np.ones_like(lower)),
        ({"use_causal_mask": True}, lower),
        ({"padding_mask": padding}, padding[:, None] & np.ones_like(lower)),
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


def test_new_weights_sum_to_about_one(rng):
    layer = SigmoidAttention(HEADS)
    x = 1e-3 * rng.normal(size=(BATCH, 13, DIM)).astype("float32")
    sums = to_numpy(layer.attention_weights(x, use_causal_mask=True)).sum(-1)
    # sigmoid(-log n) is 1 / (1 + n), and the first row sees one key.
    keys = np.arange(1, 14)
    near(sums, np.broadcast_to(keys / (1 + keys), sums.shape), 1e-3)


def test_keys_do_not_compete(rng):
    layer = make(rng)
    x = rng.normal(size=(1, 5, DIM)).astype("float32")
    expected = to_numpy(layer.attention_weights(x, x))
    other = x.copy()
    other[:, 4] += 1.0
    found = to_numpy(layer.attention_weights(x, other))
    near(found[..., :4], expected[..., :4], 1e-6)
    assert np.abs(found[..., 4] - expected[..., 4]).max() > 1e-3
