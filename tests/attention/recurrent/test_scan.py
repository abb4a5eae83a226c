"""States between chunks: in pairs, one by one, and in graphs."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    GatedDeltaAttention,
    GatedLinearAttention,
    RetentionAttention,
)
from keras_attention.attention.recurrent.decay import rows_by_columns
from keras_attention.attention.recurrent.scan import (
    chunk_length,
    from_chunks,
    states_between,
    to_chunks,
)
from tests.tools import BACKEND, gradients, near, randomize, to_numpy

LAYERS = [RetentionAttention, GatedLinearAttention, GatedDeltaAttention]


def test_chunks_hold_the_sequence_and_zeros(rng):
    x = rng.normal(size=(2, 11, 3, 5)).astype("float32")
    chunks = to_numpy(to_chunks(x, 4))
    assert chunks.shape == (2, 3, 3, 4, 5)
    assert np.all(chunks[:, :, 2, 3] == 0)
    np.testing.assert_array_equal(chunks[1, 2, 1, 2], x[1, 6, 2])
    np.testing.assert_array_equal(to_numpy(from_chunks(chunks, 11)), x)


def test_a_short_sequence_is_one_chunk():
    sizes = [chunk_length(n, 16) for n in (1, 2, 3, 5, 16, 17, None)]
    assert sizes == [1, 2, 4, 8, 16, 16, 16]


@pytest.mark.parametrize("chunks", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("kind", ["number", "matrix"])
@pytest.mark.parametrize("start", [False, True])
def test_states_in_pairs_are_those_one_by_one(rng, chunks, kind, start):
    draw = lambda *shape: rng.normal(size=shape).astype("float32")
    update, apply, first = draw(2, 3, chunks, 5, 7), ops.multiply, None
    transition = draw(1, 3, chunks, 5, 1)
    if kind == "matrix":
        transition, apply = 0.5 * draw(2, 3, chunks, 5, 5), rows_by_columns
    state = np.zeros((2, 3, 5, 7))
    if start:
        first = state = draw(2, 3, 5, 7)
    before, last = states_between(
        *map(ops.convert_to_tensor, (transition, update)), first, apply
    )
    for chunk in range(chunks):
        near(before[:, :, chunk], state)
        step = transition[:, :, chunk]
        moved = step @ state if kind == "matrix" else step * state
        state = moved + update[:, :, chunk]
    near(last, state)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize(
    ("cls", "jit_compile"),
    # XLA compiles for seconds; the loop is the same for all.
    [*((cls, False) for cls in LAYERS), (RetentionAttention, True)],
)
def test_gradients_of_a_graph_for_any_length(rng, cls, jit_compile):
    import tensorflow as tf

    layer = cls(2, 4, chunk_size=4)
    layer.build((None, None, 8))
    randomize(layer, rng)

    def loss(x):
        return ops.sum(layer(x, use_causal_mask=jit_compile) ** 2)

    @tf.function(
        input_signature=[tf.TensorSpec([None, None, 8])],
        jit_compile=jit_compile,
    )
    def differentiate(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = loss(x)
        return value, tape.gradient(value, [x, *layer.trainable_variables])

    for length in (11,) if jit_compile else (1, 11):
        x = rng.normal(size=(2, length, 8)).astype("float32")
        value, found = differentiate(tf.constant(x))
        expected = gradients(loss, x, layer=layer)
        near(value, expected[0], rtol=1e-4)
        for one, other in zip(found, expected[1], strict=True):
            near(one, other, 1e-4, 1e-4)
