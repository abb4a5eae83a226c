"""Attention through inducing points, beside two attentions in float64."""

import numpy as np
import pytest

from keras_attention import InducedSetAttention
from tests.attention import reference
from tests.tools import near, randomize, to_numpy

DIM, HEADS = 12, 3


@pytest.mark.parametrize(("length", "num_inducing"), [(11, 5), (3, 7)])
def test_it_is_two_attentions(rng, length, num_inducing):
    layer = InducedSetAttention(HEADS, num_inducing=num_inducing)
    layer.build((None, length, DIM))
    randomize(layer, rng)
    x = rng.normal(size=(2, length, DIM)).astype("float32")
    padding = rng.random((2, length)) < 0.7
    padding[:, 0] = True

    def split(dense, x):
        kernel = to_numpy(dense.kernel).astype("float64")
        return np.einsum("btm,mhd->bthd", x, kernel) + to_numpy(dense.bias)

    def joined(dense, x):
        kernel = to_numpy(dense.kernel).astype("float64")
        return np.einsum("bthd,hdm->btm", x, kernel) + to_numpy(dense.bias)

    points = to_numpy(layer.inducing)[None].repeat(2, axis=0)
    first, first_weights = reference.attention(
        split(layer.inducing_query_dense, points),
        split(layer.key_dense, x),
        split(layer.value_dense, x),
        padding[:, None].repeat(num_inducing, axis=1),
    )
    induced = joined(layer.induced_dense, first)
    second, second_weights = reference.attention(
        split(layer.query_dense, x),
        split(layer.induced_key_dense, induced),
        split(layer.induced_value_dense, induced),
        np.ones((2, length, num_inducing), bool),
    )
    near(layer(x, padding_mask=padding), joined(layer.output_dense, second))
    near(
        layer.attention_weights(x, padding_mask=padding),
        second_weights @ first_weights,
    )


def test_it_does_not_know_the_order(rng):
    layer = InducedSetAttention(HEADS, num_inducing=5)
    x = rng.normal(size=(2, 11, DIM)).astype("float32")
    order = rng.permutation(11)
    near(to_numpy(layer(x[:, order])), to_numpy(layer(x))[:, order])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_inducing": 0}, "num_inducing.*0"),
        ({"num_kv_heads": 1}, "num_kv_heads=1"),
        ({"position": "rotary"}, "rotation of RotaryEmbedding"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        InducedSetAttention(2, **options)
