"""Additive attention against its definition in float64, and against Keras."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import AdditiveAttention, RotaryEmbedding
from keras_attention.attention.exact import base
from tests.attention.exact import context
from tests.tools import gradients, in_graph, near, randomize, to_numpy

BATCH, LENGTH, KEY_LENGTH, DIM = 2, 7, 5, 11
HEADS = [(1, 1), (4, 2)]


def expected(layer, query, source, mask, bias=0.0):
    heads, kv_heads = layer.num_heads, layer.num_kv_heads
    keys = context.project(layer.key_dense, source, kv_heads)
    values = context.project(layer.value_dense, source, kv_heads)
    keys, values = (
        np.repeat(x, heads // kv_heads, axis=2) for x in (keys, values)
    )
    queries = context.project(layer.query_dense, query, heads)
    hidden = np.tanh(queries[:, :, None] + keys[:, None])
    scores = np.einsum("btshd,hd->bhts", hidden, to_numpy(layer.score_vector))
    weights = context.softmax(scores + bias, mask[:, None])
    mixed = np.einsum("bhts,bshd->bthd", weights, values)
    return mixed, weights


def make(rng, heads=(4, 2), dim=DIM, **options):
    layer = AdditiveAttention(heads[0], 3, heads[1], **options)
    layer.build((BATCH, LENGTH, dim))
    return randomize(layer, rng, 0.5)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    return rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("causal", [False, True])
def test_the_definition(rng, x, heads, block_size, causal):
    layer = make(rng, heads, query_block_size=block_size)
    padding = rng.random((BATCH, LENGTH)) < 0.6
    dense = rng.random((BATCH, LENGTH, LENGTH)) < 0.6
    dense[0, 3] = False
    shape = (BATCH, LENGTH, LENGTH)
    mask = context.visible(padding, dense, causal, shape)
    mixed, weights = expected(layer, x, x, mask)
    arguments = {
        "padding_mask": padding,
        "attention_mask": dense,
        "use_causal_mask": causal,
    }
    output = context.project_output(layer.output_dense, mixed)
    near(layer(x, **arguments), output)
    near(layer.attention_weights(x, **arguments), weights)


def test_one_head_without_projections_is_the_paper(rng, x, source):
    layer = AdditiveAttention(1, 13, use_projections=False)
    value = rng.normal(size=(BATCH, KEY_LENGTH, 3)).astype("float32")
    layer.build(x.shape, value.shape, source.shape)
    randomize(layer, rng, 0.5)
    keys = context.project(layer.key_dense, source, 1)
    queries = context.project(layer.query_dense, x, 1)
    hidden = np.tanh(queries[:, :, None] + keys[:, None])[..., 0, :]
    scores = hidden @ to_numpy(layer.score_vector)[0]
    weights = np.exp(scores) / np.exp(scores).sum(axis=-1, keepdims=True)
    near(layer(x, value, source), weights @ value)
    assert layer.value_dense is None and layer.output_dense is None
    assert len(layer.weights) == 5


def test_agrees_with_keras(rng, x, source):
    layer = AdditiveAttention(1, use_projections=False)
    layer.build(x.shape, source.shape)
    randomize(layer, rng, 0.5)
    theirs = keras.layers.AdditiveAttention()
    query, key = (
        to_numpy(project(inputs))[:, :, 0]
        for project, inputs in (
            (layer.query_dense, x),
            (layer.key_dense, source),
        )
    )
    theirs.build([query.shape, source.shape, key.shape])
    theirs.set_weights([to_numpy(layer.score_vector)[0]])
    mask = np.ones((BATCH, KEY_LENGTH), bool)
    mask[0, -2:] = False
    query_mask = np.ones((BATCH, LENGTH), bool)
    output = theirs([query, source, key], mask=[query_mask, mask, mask])
    near(layer(x, source, padding_mask=mask), output)


def test_a_cache_without_projections_has_the_width_of_the_values(rng, x):
    layer = AdditiveAttention(1, 3, use_projections=False)
    layer.build(x.shape)
    randomize(layer, rng)
    cache, outputs = layer.init_cache(BATCH, LENGTH), []
    shapes = {name: tuple(leaf.shape)[2:] for name, leaf in cache.items()}
    assert shapes == {"key": (LENGTH, 3), "value": (LENGTH, DIM), "mask": ()}
    for start, stop in ((0, 3), (3, 4), (4, LENGTH)):
        output, cache = layer(x[:, start:stop], cache=cache, start=start)
        outputs.append(to_numpy(output))
    near(np.concatenate(outputs, axis=1), layer(x, use_causal_mask=True))


@pytest.mark.parametrize("block_size", [None, 3])
def test_a_position_biases_the_scores_without_a_scale(rng, x, block_size):
    layer = make(
        rng, position=context.ScoreHooks(), query_block_size=block_size
    )
    bias, vectors = context.hooks(layer.position, LENGTH)
    mask = np.ones((BATCH, LENGTH, LENGTH), bool)
    mixed, weights = expected(layer, x, x, mask, bias)
    mixed = mixed + np.einsum("bhts,tsd->bthd", weights, vectors)
    near(layer(x), context.project_output(layer.output_dense, mixed))


@pytest.mark.full
def test_blocks_have_the_gradients_of_all_at_once(rng, x):
    whole = make(rng, query_block_size=None)
    blocks = make(rng, query_block_size=3)
    blocks.set_weights(whole.get_weights())
    found = []
    for layer in (whole, blocks):
        loss = in_graph(lambda x, layer=layer: ops.sum(layer(x) ** 2))
        found.append(gradients(loss, x, layer=layer)[1])
    names = [v.path for v in whole.trainable_variables]
    assert any("score_vector" in name for name in names)
    for other, gradient in zip(*found, strict=True):
        near(gradient, other, 1e-4)
        assert np.abs(other).max() > 0


def test_blocks_start_where_the_features_are_large(rng, monkeypatch):
    layer = AdditiveAttention(4)
    query = np.zeros((2, 10, 4, 8))
    monkeypatch.setattr(base, "_LARGE", 2 * 10 * 4 * 10 * 8)
    assert layer._choose_block_size(query, query) is None
    monkeypatch.setattr(base, "_LARGE", 2 * 10 * 4 * 10 * 8 - 1)
    assert layer._choose_block_size(query, query) is not None


def test_what_it_cannot_honour_is_refused():
    with pytest.raises(ValueError, match="rotation of RotaryEmbedding"):
        AdditiveAttention(2, position=RotaryEmbedding())
    with pytest.raises(ValueError, match="num_kv_heads=2"):
        AdditiveAttention(4, num_kv_heads=2, use_projections=False)
    layer = AdditiveAttention(4, 3, use_projections=False)
    with pytest.raises(ValueError, match="multiple of num_heads=4.*: 11"):
        layer.build((None, None, 11))
