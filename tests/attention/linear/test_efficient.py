"""Efficient attention against its definition in float64."""

import numpy as np
import pytest

from keras_attention import EfficientAttention
from tests.attention.linear import features
from tests.tools import near, to_numpy


def make(heads, head_dim=5):
    layer = EfficientAttention(heads[0], head_dim, heads[1])
    layer.build((None, None, 7))
    return layer


def expected(query, key, value, keep):
    query, key = query.astype("float64"), key.astype("float64")
    query = features.softmax(query, -1)
    key = np.where(keep[..., None, None], key, -np.inf)
    key = features.softmax(key, 1)
    key = np.repeat(key, query.shape[2] // key.shape[2], axis=2)
    return np.einsum("bthd,bshd->bhts", query, key)


@pytest.mark.parametrize("heads", [(3, 3), (4, 2)])
@pytest.mark.parametrize("length, keys", [(11, 11), (2, 13), (1, 1), (17, 3)])
def test_definition(rng, heads, length, keys):
    layer = make(heads)
    query, key, value = features.heads(rng, layer, length, keys)
    keep = rng.random((2, keys)) < 0.7
    keep[:, 0] = True
    weights = expected(query, key, value, keep)
    output = features.mix(weights, value)
    near(features.attend(layer, query, key, value, keep, False), output)
    np.testing.assert_allclose(weights.sum(axis=-1), 1.0)


def test_weights(rng):
    layer = make((4, 2))
    x = rng.normal(size=(2, 11, 7)).astype("float32")
    keep = features.padding(rng, 11)
    parts = to_numpy([layer.query_dense(x), *layer.project_source(x, x)])
    weights = layer.attention_weights(x, padding_mask=keep)
    near(weights, expected(*parts, keep))


def test_keys_far_below_zero_count_as_much(rng):
    layer = make((3, 3))
    query, key, value = features.heads(rng, layer, 11)
    keep = features.padding(rng, 11)
    expected = features.attend(layer, query, key, value, keep, False)
    # A softmax over positions does not mind what all of them share.
    moved = np.where(keep[..., None, None], key - 1000.0, 0.0)
    found = features.attend(
        layer, query, moved.astype("float32"), value, keep, False
    )
    near(found, expected, 1e-4)


def test_there_is_no_causal_form(rng):
    layer = make((3, 3))
    with pytest.raises(ValueError, match="causal"):
        layer(np.ones((2, 3, 7), "float32"), use_causal_mask=True)
