"""Calls without a row, without queries or without keys."""

import numpy as np
import pytest
from keras import ops

from keras_attention import PointerAttention
from tests.contract.case import BATCH, DIM, KEY_LENGTH, LENGTH, nothing_of
from tests.contract.families.reduced import POOLING
from tests.tools import BACKEND, gradients, near, to_numpy

SIZES = [(0, LENGTH), (BATCH, 0), (0, 0)]


def masks(layer, batch, length):
    """Call arguments of self-attention."""
    yield {}
    yield {"padding_mask": np.ones((batch, length), bool)}
    if layer.supports_causal_mask:
        yield {"use_causal_mask": True}
    if layer.supports_attention_mask:
        yield {"attention_mask": np.ones((1, length, length), bool)}


@pytest.mark.parametrize("size", SIZES)
def test_nothing_gives_nothing(layer, x, size):
    batch, length = size
    x = x[:batch, :length]
    for arguments in masks(layer, batch, length):
        output = layer(x, **arguments)
        assert tuple(output.shape) == (*size, DIM), arguments
    _, found = gradients(lambda x: ops.sum(layer(x) ** 2), x, layer=layer)
    assert found[0].shape == x.shape
    assert not any(np.any(gradient) for gradient in found)


@pytest.mark.parametrize("size", SIZES)
def test_a_cache_takes_nothing(layer, x, size):
    if not layer.supports_cache:
        pytest.skip("has no cache")
    batch, length = size
    cache = layer.init_cache(batch, LENGTH)
    if batch:
        _, cache = layer(x, cache=cache)  # it is full
    output, after = layer(
        x[:batch, :length], cache=cache, start=LENGTH - length
    )
    assert tuple(output.shape) == (*size, DIM)
    for name, leaf in cache.items():
        assert leaf.dtype == after[name].dtype
        near(after[name], leaf)


@pytest.mark.parametrize("form", ["value", "memory"])
def test_queries_without_keys_give_zeros(layer, x, source, form):
    if not layer.supports_cross_attention:
        pytest.skip("attends to itself alone")

    def call(batch, length, keys):
        query, value = x[:batch, :length], source[:batch, :keys]
        if form == "value":
            return layer(query, value)
        memory = layer.init_memory(ops.convert_to_tensor(value))
        return layer(query, memory=memory)

    for batch, length in SIZES:
        for keys in (0, KEY_LENGTH):
            output = call(batch, length, keys)
            assert tuple(output.shape) == (batch, length, DIM)
    output = to_numpy(call(BATCH, LENGTH, 0))
    near(output, np.broadcast_to(nothing_of(layer), output.shape))


@pytest.mark.parametrize("key", POOLING)
def test_nothing_is_pooled(key, x, rng):
    layer = POOLING[key].layer(rng)
    shape = layer(x).shape[1:]
    for batch, length in SIZES:
        output = to_numpy(layer(x[:batch, :length]))
        assert output.shape == (batch, *shape)
        near(output, np.broadcast_to(nothing_of(layer), output.shape))


@pytest.mark.parametrize("form", ["key", "value", "memory"])
def test_nothing_is_pointed_at(x, source, form):
    layer = PointerAttention(11)
    layer.build(x.shape, source.shape)
    for batch, length in (*SIZES, (BATCH, LENGTH)):
        assert tuple(layer(x[:batch, :length]).shape) == (batch, length, length)
        for keys in (0, KEY_LENGTH):
            given = {form: ops.convert_to_tensor(source[:batch, :keys])}
            if form == "memory":
                given = {form: layer.init_memory(given[form])}
            output = layer(x[:batch, :length], **given)
            assert tuple(output.shape) == (batch, length, keys)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_that_knows_neither_batch_nor_length(layer):
    import tensorflow as tf

    call = tf.function(
        layer, input_signature=[tf.TensorSpec([None, None, DIM])]
    )
    for size in SIZES:
        output = call(np.zeros((*size, DIM), "float32"))
        assert tuple(output.shape) == (*size, DIM)
