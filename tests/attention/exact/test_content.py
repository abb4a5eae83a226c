"""Content-based addressing against its definition in float64."""

import numpy as np
import pytest
from keras import ops

from keras_attention import ContentAttention
from tests.attention.exact import context
from tests.tools import gradients, near, randomize, to_numpy

BATCH, LENGTH, KEY_LENGTH, DIM = 2, 7, 5, 12
HEADS = [(3, 3), (4, 2)]


def cosines(queries, keys):
    """`(batch, heads, query_length, key_length)`; 0 for vectors of zeros."""
    lengths = [
        np.linalg.norm(x, axis=-1, keepdims=True) for x in (queries, keys)
    ]
    queries, keys = (
        x / np.where(length > 0, length, 1)
        for x, length in zip((queries, keys), lengths, strict=True)
    )
    return np.einsum("bthd,bshd->bhts", queries, keys)


def expected(layer, query, key, value, mask, bias=0.0):
    heads, kv_heads = layer.num_heads, layer.num_kv_heads
    queries = context.project(layer.query_dense, query, heads)
    keys = context.project(layer.key_dense, key, kv_heads)
    values = context.project(layer.value_dense, value, kv_heads)
    keys, values = (
        np.repeat(x, heads // kv_heads, axis=2) for x in (keys, values)
    )
    dense = layer.strength_dense
    strength = query.astype("float64") @ to_numpy(dense.kernel)
    strength = np.log1p(np.exp(strength + to_numpy(dense.bias)))
    scores = strength.swapaxes(1, 2)[..., None] * cosines(queries, keys)
    weights = context.softmax(scores + bias, mask[:, None])
    return np.einsum("bhts,bshd->bthd", weights, values), weights


def make(rng, heads=(4, 2), **options):
    layer = ContentAttention(heads[0], None, heads[1], **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng, 0.5)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


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
    mixed, weights = expected(layer, x, x, x, mask)
    arguments = {
        "padding_mask": padding,
        "attention_mask": dense,
        "use_causal_mask": causal,
    }
    output = context.project_output(layer.output_dense, mixed)
    near(layer(x, **arguments), output)
    near(layer.attention_weights(x, **arguments), weights)


def test_a_memory_is_read_as_it_is_without_projections(rng, x):
    memory = rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")
    value = rng.normal(size=(BATCH, KEY_LENGTH, 3)).astype("float32")
    layer = ContentAttention(1, use_projections=False)
    layer.build(x.shape, value.shape, memory.shape)
    randomize(layer, rng, 0.5)
    mask = np.ones((BATCH, LENGTH, KEY_LENGTH), bool)
    _, weights = expected(layer, x, memory, value, mask)
    near(layer(x, value, memory), weights[:, 0] @ value)
    assert len(layer.weights) == 4  # of the query and of its strength


def test_a_position_biases_the_scores_without_a_scale(rng, x):
    layer = make(rng, position=context.ScoreHooks())
    bias, vectors = context.hooks(layer.position, LENGTH)
    mask = np.ones((BATCH, LENGTH, LENGTH), bool)
    mixed, weights = expected(layer, x, x, x, mask, bias)
    mixed = mixed + np.einsum("bhts,tsd->bthd", weights, vectors)
    near(layer(x), context.project_output(layer.output_dense, mixed))


def test_the_length_of_a_key_does_not_matter(rng, x):
    layer = make(rng, (3, 3), use_projections=False)
    factor = np.exp(rng.normal(size=(BATCH, LENGTH, 1))).astype("float32")
    near(
        layer.attention_weights(x, x, factor * x),
        layer.attention_weights(x, x, 1.0 * x),
    )


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_vectors_of_zeros_have_the_cosine_zero(rng, x, dtype):
    layer = make(rng, (3, 3), use_projections=False, dtype=dtype)
    layer.query_dense.bias.assign(0 * layer.query_dense.bias)
    x[0, 2] = x[1] = 0.0
    mask = np.ones((BATCH, LENGTH, LENGTH), bool)
    near(
        layer.attention_weights(x),
        expected(layer, x, x, x, mask)[1],
        1e-5 if dtype == "float32" else 3e-3,
    )

    def loss(x):
        return ops.sum(ops.cast(layer(x), "float32") ** 2)

    inputs = ops.cast(ops.convert_to_tensor(x), dtype)
    _, found = gradients(loss, inputs, layer=layer)
    assert all(np.isfinite(gradient).all() for gradient in found)


def test_the_strength_is_positive_in_half_precision(rng, x):
    layer = make(rng, (3, 3), dtype="mixed_float16")
    kernel, bias = layer.strength_dense.kernel, layer.strength_dense.bias
    kernel.assign(0 * kernel)
    bias.assign(0 * bias - 12.0)
    query = to_numpy(layer.project_query(ops.convert_to_tensor(x)))
    assert (np.abs(query).max(axis=-1) > 0).all()


def test_widths_that_do_not_fit_are_refused():
    layer = ContentAttention(3, use_projections=False)
    with pytest.raises(ValueError, match="its key.*= 12 wide.*: 7"):
        layer.build((None, None, 12), (None, None, 7))
