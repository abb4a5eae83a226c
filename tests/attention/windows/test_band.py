"""A band in blocks against its definition, computed in every way."""

import numpy as np
import pytest
from keras import ops

from keras_attention import PositionalEncoding
from keras_attention.attention.windows import band as windowed
from keras_attention.attention.windows import band_blocks
from keras_attention.attention.windows.band_call import Call, Extra, Mixing
from keras_attention.masks import Visibility
from tests.attention import reference
from tests.tools import (
    BACKEND,
    compiled,
    few,
    gradients,
    in_graph,
    near,
    to_numpy,
)

BATCH, HEADS, KV_HEADS, WIDTH, BLOCK = 2, 4, 2, 3, 4

# length, window, dilation, causal, first positions seen by all
BANDS = [
    (17, 3, 1, False, 0),
    (23, 5, 1, True, 3),
    (29, 9, 1, False, 2),
    (31, 2, 3, True, 2),
    (23, 3, 2, False, 0),
]


def see(length, window_size, dilation, causal, num_sinks):
    """Which keys a query sees: boolean `(length, length)`."""
    rows, columns = np.arange(length)[:, None], np.arange(length)[None]
    mask = np.abs(rows - columns) <= window_size * dilation
    mask &= (rows - columns) % dilation == 0
    mask |= columns < num_sinks
    return mask & (columns <= rows) if causal else mask


class Problem:
    """Inputs of one band, and how it is called."""

    def __init__(self, rng, band, position=None, padded=True):
        self.band, self.position = band, position or PositionalEncoding()
        length = band[0]
        shapes = [
            (BATCH, length, n, WIDTH) for n in (HEADS, KV_HEADS, KV_HEADS)
        ]
        self.inputs = [rng.normal(size=s).astype("float32") for s in shapes]
        self.direction = rng.normal(size=shapes[0]).astype("float32")
        self.padding = rng.random((BATCH, length)) < (0.7 if padded else 2)
        self.padding[0, :11] = not padded

    def run(self, query, key, value, attend=windowed.attend, dropout=0.0):
        length, window_size, dilation, causal, num_sinks = self.band
        turn, positions = self.position.rotate, ops.arange(length)
        query = turn(query, positions, "query")
        key = turn(key, positions, "key")
        padding, sinks = ops.convert_to_tensor(self.padding), None
        if num_sinks:
            first = slice(num_sinks)
            parts = key[:, first], value[:, first], padding[:, first]
            sinks = Extra(*parts, positions[first])
            padding = ops.logical_and(padding, positions >= num_sinks)
        visible = Visibility(positions, positions, padding, None, causal)
        call = Call(query, key, value, visible, sinks, window_size, dilation)
        seed = ops.convert_to_tensor([3, 5], "uint32")
        return attend(call, Mixing(self.position, dropout, seed, BLOCK))

    def loss(self, *inputs, **options):
        output = ops.cast(self.run(*inputs, **options), "float32")
        return ops.sum(output * ops.convert_to_tensor(self.direction))

    def expected(self):
        mask = see(*self.band) & self.padding[:, None]
        hooked = isinstance(self.position, reference.EveryHook)
        return reference.attention(
            *self.inputs,
            mask,
            self.position if hooked else None,
            self.band[3],
        )[0]

    def tensors(self):
        return [ops.convert_to_tensor(x) for x in self.inputs]


def every_hook():
    position = reference.EveryHook()
    position.build((None, None, HEADS, WIDTH))
    return position


@pytest.mark.few
@pytest.mark.parametrize(
    "band, group",
    [*((band, 2**26) for band in BANDS), (BANDS[1], 1), (BANDS[3], 3000)],
)
def test_blocks_give_the_definition(rng, band, group, monkeypatch):
    monkeypatch.setattr(band_blocks, "_GROUP", group)
    problem = Problem(rng, band)
    near(problem.run(*problem.tensors()), problem.expected())
    found = gradients(problem.loss, *problem.inputs)[1]
    at_once = lambda *x: problem.loss(*x, attend=windowed.attend_at_once)
    for one, other in zip(
        found, gradients(at_once, *problem.inputs)[1], strict=True
    ):
        near(one, other)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize("band", few(BANDS, 3))
def test_gradients_by_hand_are_the_gradients(rng, band):
    problem = Problem(rng, band)
    graph = in_graph(lambda *x: problem.run(*x))
    near(graph(*problem.tensors()), problem.expected())
    loss = in_graph(lambda *x: problem.loss(*x))
    at_once = lambda *x: problem.loss(*x, attend=windowed.attend_at_once)
    found = gradients(loss, *problem.inputs)[1]
    expected = gradients(at_once, *problem.inputs)[1]
    for one, other in zip(found, expected, strict=True):
        near(one, other)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize("band", [BANDS[1], BANDS[3]])
def test_xla_differentiates_blocks(rng, band, monkeypatch):
    import tensorflow as tf

    monkeypatch.setattr(band_blocks, "_GROUP", 3000)
    problem = Problem(rng, band)

    def differentiate(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            loss = problem.loss(*inputs)
        return tape.gradient(loss, inputs)

    at_once = lambda *x: problem.loss(*x, attend=windowed.attend_at_once)
    found = compiled(differentiate)(*problem.tensors())
    expected = gradients(at_once, *problem.inputs)[1]
    for one, other in zip(found, expected, strict=True):
        near(one, other)


@pytest.mark.parametrize(
    "band, wrap", [(BANDS[1], in_graph), (BANDS[4], lambda f: f)]
)
def test_a_position_is_asked_for_each_block(rng, band, wrap):
    problem = Problem(rng, band, every_hook())
    near(wrap(problem.run)(*problem.tensors()), problem.expected())
    at_once = lambda *x: problem.loss(*x, attend=windowed.attend_at_once)
    options = {"layer": problem.position}
    found = gradients(wrap(problem.loss), *problem.inputs, **options)[1]
    expected = gradients(at_once, *problem.inputs, **options)[1]
    for one, other in zip(found, expected, strict=True):
        near(one, other, 1e-4)


@pytest.mark.full
@pytest.mark.parametrize("wrap", [lambda f: f, in_graph])
def test_dropout_drops_the_same_forwards_and_backwards(rng, wrap, monkeypatch):
    monkeypatch.setattr(band_blocks, "_GROUP", 1)
    problem = Problem(rng, BANDS[1], padded=False)
    run = lambda *x: problem.run(*x, dropout=0.5)
    query, key, value = problem.tensors()
    dropped = to_numpy(wrap(run)(query, key, value))
    near(wrap(run)(query, key, value), dropped)
    assert np.abs(dropped - problem.expected()).max() > 0.1
    # The output is linear in the values, and the gradient knows the factors.
    loss = wrap(lambda *x: problem.loss(*x, dropout=0.5))
    value, found = gradients(loss, *problem.inputs)
    near(np.sum(found[2] * problem.inputs[2]), value, 1e-4, 1e-4)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_for_any_length_takes_the_short_way_too(rng):
    import tensorflow as tf

    problem = Problem(rng, BANDS[0])
    call = Call(
        *problem.tensors(), Visibility(None, None), None, *BANDS[0][1:3]
    )
    spec = [
        tf.TensorSpec([None, None, n, WIDTH])
        for n in (HEADS, KV_HEADS, KV_HEADS)
    ]

    @tf.function(input_signature=spec)
    def attend(query, key, value):
        positions = ops.arange(tf.shape(query)[1])
        return windowed.attend(
            call._replace(
                query=query,
                key=key,
                value=value,
                visible=Visibility(positions, positions),
            ),
            Mixing(problem.position, block_size=BLOCK),
        )

    for length in (1, 5, 17):
        inputs = [x[:, :length] for x in problem.inputs]
        mask = np.broadcast_to(
            see(length, *BANDS[0][1:]), (BATCH, length, length)
        )
        near(attend(*inputs), reference.attention(*inputs, mask)[0])


@pytest.mark.parametrize("rows", [2, 3, 7])
@pytest.mark.parametrize("reach", [(0, 0), (1, 2), (3, 3), (7, 0), (5, 8)])
def test_windows_are_slices(rng, rows, reach):
    before, after = reach
    x = rng.normal(size=(2, before + 3 * rows + after, 2)).astype("float32")
    found = to_numpy(
        band_blocks.windows(ops.convert_to_tensor(x), rows, *reach)
    )
    assert found.shape == (3, 2, before + rows + after, 2)
    for block in range(3):
        start = block * rows
        expected = x[:, start : start + before + rows + after]
        np.testing.assert_array_equal(found[block], expected)


@pytest.mark.full
@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_gradients_in_other_precisions(rng, dtype):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("needs JAX_ENABLE_X64")
    problem = Problem(rng, BANDS[1])
    low = in_graph(lambda *x: problem.loss(*(ops.cast(t, dtype) for t in x)))
    found = gradients(low, *problem.inputs)[1]
    expected = gradients(problem.loss, *problem.inputs)[1]
    for one, other in zip(found, expected, strict=True):
        error = np.abs(one - other).max() / np.abs(other).max()
        assert error < {"bfloat16": 4e-2, "float16": 6e-3}.get(dtype, 1e-5)
