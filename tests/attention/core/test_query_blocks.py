"""Blocks of queries give the numbers of the whole, forwards and backwards."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    MultiHeadAttention,
    PositionalEncoding,
    TalkingHeadsAttention,
)
from keras_attention.attention.core import query_blocks as query_blocks
from keras_attention.attention.core import softmax
from keras_attention.attention.exact import base
from keras_attention.masks import Visibility
from tests.attention.reference import EveryHook
from tests.tools import (
    BACKEND,
    compiled,
    few,
    gradients,
    in_graph,
    near,
    randomize,
    to_numpy,
)

BATCH, LENGTH, DIM = 2, 11, 12


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


def tensor(rng, shape):
    return ops.convert_to_tensor(rng.normal(size=shape).astype("float32"))


def pair(rng, block_size, position=None, **options):
    """A layer without and one with blocks, of the same weights."""
    whole = MultiHeadAttention(
        4, query_block_size=None, position=position and position(), **options
    )
    blocks = MultiHeadAttention(
        4,
        query_block_size=block_size,
        position=position and position(),
        **options,
    )
    for layer in (whole, blocks):
        layer.build((BATCH, LENGTH, DIM))
    randomize(whole, rng)
    blocks.set_weights(whole.get_weights())
    return whole, blocks


def calls(rng):
    padding = rng.random((BATCH, LENGTH)) < 0.6
    padding[1] = False
    dense = rng.random((BATCH, LENGTH, LENGTH)) < 0.6
    dense[0, 3] = False
    return {
        "bare": {},
        "causal": {"use_causal_mask": True},
        "padded": {"padding_mask": padding},
        "dense": {"attention_mask": dense},
        "dense for all rows": {"attention_mask": dense[:1]},
        "all": {
            "use_causal_mask": True,
            "padding_mask": padding,
            "attention_mask": dense,
        },
    }


CALLS = list(calls(np.random.default_rng(0)))
# Positions that act on scores, and plain graphs of TensorFlow without them,
# where gradients are written out.
WAYS = [(EveryHook, False)]
if BACKEND == "tensorflow":
    WAYS.append((None, True))


# Below, dividing, one less than, equal to and above the length.
@pytest.mark.parametrize("block_size", [1, 4, 10, 11, 13])
def test_any_block_size_gives_the_whole(rng, x, block_size):
    whole, blocks = pair(rng, block_size, num_kv_heads=2)
    arguments = calls(rng)["all"]
    near(blocks(x, **arguments), whole(x, **arguments), 1e-6)


@pytest.mark.few
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kv_heads", few([2, 1]))
@pytest.mark.parametrize(("position", "graph"), WAYS)
def test_values_and_gradients(rng, x, call, kv_heads, position, graph):
    arguments = calls(rng)[call]
    weights = tensor(rng, x.shape)
    results = []
    for layer in pair(rng, 4, position, num_kv_heads=kv_heads):

        def loss(x, layer=layer):
            return ops.sum(layer(x, **arguments) * weights)

        loss = in_graph(loss) if graph else loss
        value, found = gradients(loss, x, layer=layer)
        names = ["x", *(v.name for v in layer.trainable_variables)]
        results.append((value, dict(zip(names, found, strict=True))))
    (whole, expected), (value, found) = results
    near(value, whole, 1e-4)
    own = {"slopes", "vectors"} if position else set()
    assert set(expected) >= {"x", *own}
    for name, gradient in found.items():
        near(gradient, expected[name])
    for name in ("x", *own):
        assert np.abs(found[name]).max() > 1e-4


def test_cross_attention_and_memory(rng, x):
    whole, blocks = pair(rng, 4)
    source = rng.normal(size=(BATCH, 5, DIM)).astype("float32")
    mask = np.array([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)
    expected = whole(x, source, padding_mask=mask)
    near(blocks(x, source, padding_mask=mask), expected, 1e-6)
    memory = blocks.init_memory(source, padding_mask=mask)
    near(blocks(x, memory=memory), expected, 1e-6)


def test_pieces_with_a_cache(rng, x):
    whole, blocks = pair(rng, 2, EveryHook)
    cache, outputs = blocks.init_cache(BATCH, LENGTH + 2), []
    for start, stop in ((0, 5), (5, 6), (6, LENGTH)):
        output, cache = blocks(x[:, start:stop], cache=cache, start=start)
        outputs.append(to_numpy(output))
    expected = whole(x, use_causal_mask=True)
    near(np.concatenate(outputs, axis=1), expected)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_rows_that_see_nothing_give_zeros(rng, x, dtype):
    _, blocks = pair(rng, 4, dtype=dtype, use_bias=False)
    mask = np.ones((BATCH, LENGTH), bool)
    mask[1] = False

    def loss(x):
        output = blocks(x, padding_mask=mask)
        return ops.sum(ops.cast(output, "float32") ** 2)

    assert not to_numpy(blocks(x, padding_mask=mask))[1].any()
    x = ops.cast(ops.convert_to_tensor(x), dtype)
    _, found = gradients(loss, x, layer=blocks)
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert not found[0][1].any()


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_gradients(rng, x):
    whole, blocks = pair(rng, 4)
    near(compiled(blocks)(x), whole(x), 1e-5)
    inputs = keras.Input((None, DIM))
    histories = []
    for layer in (whole, blocks):
        model = keras.Model(inputs, layer(inputs))
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=True)
        histories.append(model.fit(x, x, epochs=3, verbose=0).history["loss"])
    near(histories[1], histories[0])


@pytest.mark.full
def test_a_keras_file_keeps_the_block_size(rng, x, tmp_path):
    for layer in pair(rng, 4):
        inputs = keras.Input((None, DIM))
        model = keras.Model(inputs, layer(inputs))
        model.save(tmp_path / "model.keras")
        again = keras.saving.load_model(tmp_path / "model.keras")
        assert again.layers[-1].query_block_size == layer.query_block_size
        near(again(x), model(x), 1e-6)


def test_auto_works_in_blocks_where_scores_are_large(rng, monkeypatch):
    sizes = []
    original = query_blocks.attend_in_blocks

    def spy(*arguments, block_size, **more):
        sizes.append(block_size)
        return original(*arguments, block_size=block_size, **more)

    monkeypatch.setattr(query_blocks, "attend_in_blocks", spy)
    monkeypatch.setattr(base, "_LARGE", BATCH * 4 * 8 * 8)
    monkeypatch.setattr(base, "_BLOCK", BATCH * 4 * 9 * 5)
    monkeypatch.setattr(base, "_BLOCK_SIZES", (3, 6))
    layer = MultiHeadAttention(4)
    # As many queries as fit into a block, but within the limits.
    cases = ((3, 3, []), (8, 8, []), (9, 9, [5]), (13, 13, [3]), (90, 1, [6]))
    for length, key_length, expected in cases:
        x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
        sizes.clear()
        layer(x, x[:, :key_length] + 0.0)
        assert sizes == expected


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_a_graph_may_capture_the_mask(rng, x):
    import tensorflow as tf

    whole, blocks = pair(rng, 4)
    mask = calls(rng)["padded"]["padding_mask"]
    held, x = tf.constant(mask), tf.constant(x)
    gradient = tf.function(
        lambda x: tf.gradients(blocks(x, padding_mask=held), [x])[0]
    )
    _, (expected,) = gradients(
        lambda x: ops.sum(whole(x, padding_mask=mask)), x
    )
    near(gradient(x), expected)


@pytest.mark.full
@pytest.mark.autograph
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
@pytest.mark.parametrize("position", [None, EveryHook])
@pytest.mark.parametrize("block_size", few(["auto", 4]))
@pytest.mark.parametrize(
    ("static_length", "jit_compile"),
    [(None, False), (None, True), (31, False)],
)
def test_in_a_graph_that_does_not_know_all_sizes(
    rng, monkeypatch, static_length, block_size, position, jit_compile
):
    import tensorflow as tf

    monkeypatch.setattr(base, "_LARGE", 1)
    whole, auto = pair(rng, block_size, position)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, static_length, DIM]),
            tf.TensorSpec([None, static_length], "bool"),
        ],
        jit_compile=jit_compile,
    )
    def train(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = auto(x, padding_mask=mask, use_causal_mask=True)
            loss = tf.reduce_sum(output**2)
        sources = [x, *(v.value for v in auto.trainable_variables)]
        return output, tape.gradient(loss, sources)

    for length in [static_length] if static_length else [7, 31]:
        x = rng.normal(size=(BATCH, length, DIM)).astype("float32")
        mask = rng.random((BATCH, length)) < 0.7
        arguments = {"padding_mask": mask, "use_causal_mask": True}
        _, expected = gradients(
            lambda x, a=arguments: ops.sum(whole(x, **a) ** 2), x, layer=whole
        )
        output, found = train(tf.constant(x), tf.constant(mask))
        near(output, whole(x, **arguments))
        for gradient, other in zip(found, expected, strict=True):
            near(tf.convert_to_tensor(gradient), other, 1e-4)


def heads(rng, dropout_seed=None):
    shape = (BATCH, LENGTH, 3, 5)
    query, key, value = (tensor(rng, shape) for _ in range(3))
    places = ops.arange(LENGTH, dtype="int32")
    visible = Visibility(places, places, causal=True).ordered(is_self=True)
    return query, key, value, visible


def gradients_of(attend, inputs, weights, visible, **options):
    def loss(*inputs):
        output = attend(*inputs, visible, PositionalEncoding(), **options)
        # NumPy cannot take a single bfloat16 of TensorFlow.
        wide = keras.backend.result_type(output.dtype, "float32")
        return ops.sum(ops.cast(output * weights, wide))

    return gradients(in_graph(loss), *inputs)


# None, some blocks of some of the segments, all.
@pytest.mark.full
@pytest.mark.parametrize(
    "keep",
    few([500, 200, 0, 10**6], 2) if BACKEND == "tensorflow" else [500],
)
@pytest.mark.parametrize("causal", [True, False])
def test_what_is_kept_changes_no_gradient(rng, keep, causal):
    *inputs, visible = heads(rng)
    visible = visible._replace(causal=causal)
    weights = tensor(rng, inputs[0].shape)
    arguments = (inputs, weights, visible)
    value, expected = gradients_of(softmax.attend, *arguments)
    found_value, found = gradients_of(
        query_blocks.attend_in_blocks, *arguments, block_size=2, keep=keep
    )
    near(found_value, value, 1e-4)
    near(found, expected)
    # With dropout there is no whole to compare with, only the other ways.
    dropout = {"dropout": 0.4, "seed": keras.random.SeedGenerator(7).next()}
    options = {"block_size": 2, **dropout}
    results = [
        gradients_of(query_blocks.attend_in_blocks, *arguments, **options, **k)
        for k in ({"keep": keep}, {"keep": 0})
    ]
    for gradient, other in zip(results[0][1], results[1][1], strict=True):
        near(gradient, other)


@pytest.mark.full
@pytest.mark.parametrize(
    "dtype, digits", [("float64", 1e-12), ("float16", 1e-2)]
)
def test_gradients_of_other_precisions(rng, dtype, digits):
    if BACKEND == "jax" and dtype == "float64":
        pytest.skip("JAX has float64 with JAX_ENABLE_X64 only")
    *inputs, visible = heads(rng)
    inputs = [ops.cast(x, dtype) for x in inputs]
    weights = ops.cast(tensor(rng, inputs[0].shape), dtype)
    arguments = (inputs, weights, visible)
    _, expected = gradients_of(softmax.attend, *arguments)
    _, found = gradients_of(
        query_blocks.attend_in_blocks, *arguments, block_size=4
    )
    for gradient, other in zip(found, expected, strict=True):
        near(gradient, other, digits, digits)


class Idle(PositionalEncoding):
    """Takes part and does nothing, so that gradients are not by hand."""

    def bias(self, query, key, query_positions, key_positions, causal):
        return None


@pytest.mark.full
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_dropout_of_gradients_by_hand(rng, dtype):
    *inputs, visible = heads(rng)
    inputs = [ops.cast(x, dtype) for x in inputs]
    weights = ops.cast(tensor(rng, inputs[0].shape), dtype)
    seed = keras.random.SeedGenerator(7).next()
    results = []
    for position in (Idle(), PositionalEncoding()):

        def attend(*arguments, position=position):
            *arguments, _ = arguments
            return query_blocks.attend_in_blocks(
                *arguments, position, 0.4, seed, block_size=4
            )

        results.append(gradients_of(attend, inputs, weights, visible)[1])
    digits = 1e-5 if dtype == "float32" else 5e-2
    for gradient, other in zip(*results, strict=True):
        near(gradient, other, digits, digits)


@pytest.mark.full
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_is_as_good_as_at_once(rng, dtype):
    """Keys and values of one sign, so that what should cancel is large."""
    shape = (2, 64, 3, 8)
    query, upstream = tensor(rng, shape), tensor(rng, shape)
    key, value = tensor(rng, shape) + 3.0, tensor(rng, shape) + 3.0
    places = ops.arange(64, dtype="int32")
    visible = Visibility(places, places)
    inputs = [query, key, value]
    _, (exact, *_) = gradients_of(softmax.attend, inputs, upstream, visible)
    halves = [ops.cast(x, dtype) for x in inputs]
    upstream = ops.cast(upstream, dtype)
    errors = []
    for attend in (softmax.attend, query_blocks.attend_in_blocks):
        _, (found, *_) = gradients_of(attend, halves, upstream, visible)
        errors.append(np.abs(found - exact).mean())
    assert errors[1] < 1.5 * errors[0]


@pytest.mark.full
@pytest.mark.skipif(BACKEND == "torch", reason="torch has no jit here")
def test_compiled_with_a_tape_for_many_gradients(rng, x):
    whole, blocks = pair(rng, 4)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        @tf.function(jit_compile=True)
        def find(x):
            with tf.GradientTape(persistent=True) as tape:
                tape.watch(x)
                loss = tf.reduce_sum(blocks(x) ** 2)
            return tape.gradient(loss, x)

        found = find(tf.constant(x))
    else:
        import jax

        found = jax.jit(jax.grad(lambda x: (blocks(x) ** 2).sum()))(x)
    _, (expected,) = gradients(lambda x: ops.sum(whole(x) ** 2), x)
    near(found, expected, 1e-4)


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_gradients_are_by_hand_in_plain_graphs_alone(rng, x, monkeypatch):
    import tensorflow as tf

    calls, original = [], query_blocks.process_by_hand

    def spy(*arguments, **options):
        calls.append(1)
        return original(*arguments, **options)

    monkeypatch.setattr(query_blocks, "process_by_hand", spy)
    _, layer = pair(rng, 4)
    layer(x)  # an eager tape would hold on to every block
    tf.function(layer, jit_compile=True)(tf.constant(x))
    assert not calls
    tf.function(layer)(tf.constant(x))
    assert calls


@pytest.mark.full
def test_an_empty_batch(rng, monkeypatch):
    monkeypatch.setattr(base, "_LARGE", 1)
    layer = MultiHeadAttention(4)
    layer.build((BATCH, LENGTH, DIM))
    attend = in_graph(lambda x: layer(x))
    for shape in ((0, LENGTH, DIM), (BATCH, 0, DIM)):
        assert tuple(attend(ops.zeros(shape)).shape) == shape


@pytest.mark.full
def test_dropout_is_the_same_with_and_without_recomputation(rng, monkeypatch):
    query, key, value, visible = heads(rng)
    position = EveryHook()
    position.build(query.shape)
    seed = keras.random.SeedGenerator(7).next()
    weights = tensor(rng, query.shape)
    results = []
    for remat in (lambda function: function, keras.remat):
        monkeypatch.setattr(keras, "remat", remat)

        def loss(query, key, value):
            output = query_blocks.attend_in_blocks(
                query,
                key,
                value,
                visible,
                position,
                dropout=0.4,
                seed=seed,
                block_size=4,
            )
            return ops.sum(output * weights)

        results.append(gradients(loss, query, key, value, layer=position))
    (kept, expected), (recomputed, found) = results
    near(recomputed, kept, 1e-4)
    for gradient, other in zip(found, expected, strict=True):
        assert np.abs(other).max() > 0
        near(gradient, other)
    # Dropout did act.
    plain = softmax.attend(query, key, value, visible, position)
    assert abs(to_numpy(ops.sum(plain * weights)) - kept) > 1e-2


@pytest.mark.full
@pytest.mark.parametrize("block_size", [None, 4])
def test_dropout_gradients_are_finite_differences(rng, block_size):
    """The same seed gives the same mask, so the loss is a fixed function."""
    query, key, value, visible = heads(rng)
    seed = keras.random.SeedGenerator(7).next()
    arguments = (visible, PositionalEncoding(), 0.4, seed)

    def loss(query, key, value):
        if block_size is None:
            output = softmax.attend(query, key, value, *arguments)
        else:
            output = query_blocks.attend_in_blocks(
                query, key, value, *arguments, block_size
            )
        return ops.sum(output**2)

    loss = in_graph(loss)
    _, found = gradients(loss, query, key, value)
    inputs = [query, key, value]
    for index, gradient in enumerate(found):
        direction = np.sign(gradient)  # so that nothing cancels
        ends = []
        for step in (1e-2, -1e-2):
            moved = list(inputs)
            moved[index] = inputs[index] + ops.convert_to_tensor(
                step * direction
            )
            ends.append(to_numpy(loss(*moved)))
        slope = (ends[0] - ends[1]) / 2e-2
        np.testing.assert_allclose(np.abs(gradient).sum(), slope, rtol=2e-2)


def test_blocks_and_calls_draw_dropout_of_their_own(rng):
    layer = MultiHeadAttention(
        3, 4, dropout=0.5, query_block_size=1, use_bias=False
    )
    # All rows alike: without dropout all outputs would be alike.
    x = np.broadcast_to(rng.normal(size=(1, 1, DIM)), (1, 8, DIM))
    first = to_numpy(layer(x.astype("float32"), training=True))[0]
    second = to_numpy(layer(x.astype("float32"), training=True))[0]
    rows = np.concatenate([first, second]).round(5)
    assert len(np.unique(rows, axis=0)) > len(rows) // 2


def test_dropout_keeps_the_mean(rng):
    layer = MultiHeadAttention(
        2, 2, dropout=0.3, query_block_size=4, use_bias=False
    )
    x = rng.normal(size=(3, 8, 4)).astype("float32")
    drawn = layer(np.tile(x, (500, 1, 1)), training=True)
    drawn = to_numpy(drawn).reshape((500, *x.shape))
    deviation = np.std(drawn, axis=0).mean() / np.sqrt(500)
    error = np.abs(np.mean(drawn, axis=0) - to_numpy(layer(x))).mean()
    assert error < 2 * deviation


@pytest.mark.full
@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiHeadAttention(2, sink_logits=True, query_block_size=2),
        lambda: TalkingHeadsAttention(2, query_block_size=2),
    ],
)
def test_frozen_weights_are_read_anew_in_blocks(rng, make):
    inputs = keras.Input((5, 6))
    layer = make()
    model = keras.Model(inputs, layer(inputs))
    layer.trainable = False
    model.compile("sgd", "mse")
    x = rng.normal(size=(2, 5, 6)).astype("float32")
    for _ in range(2):
        model.set_weights(
            [rng.normal(size=w.shape) for w in model.get_weights()]
        )
        expected = to_numpy(model(x))
        near(model.predict(x, verbose=0), expected, 1e-5)


class Bilinear(base.ScoredAttention):
    """Scores by sublayers: (q W) k, and once more by a layer of its parent."""

    uses_projection = False

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.score_dense = keras.layers.Dense(self.head_dim, name="score")
        self.score_dense.build((None, None, None, self.head_dim))

    def scores(self, query, key, visible, position):
        found = super().scores(self.score_dense(query), key, visible, position)
        if self.uses_projection:
            found = found * ops.mean(self.value_dense.kernel)
        return found


class WithProjection(Bilinear):
    uses_projection = True


@pytest.mark.full
@pytest.mark.parametrize("make", [Bilinear, WithProjection])
def test_sublayers_that_score_get_their_gradients(rng, x, make):
    layers = [make(4, query_block_size=size) for size in (None, 4)]
    for layer in layers:
        layer.build(x.shape)
    randomize(layers[0], rng, 0.5)
    layers[1].set_weights(layers[0].get_weights())
    found = []
    for layer in layers:

        def loss(x, layer=layer):
            return ops.mean(layer(x, use_causal_mask=True) ** 2)

        found.append(gradients(in_graph(loss), x, layer=layer))
    (whole, expected), (value, gradient) = found
    near(value, whole)
    for one, other in zip(gradient, expected, strict=True):
        near(one, other, rtol=1e-4)
    kernels = [
        one
        for one, weight in zip(
            gradient[1:], layers[1].trainable_weights, strict=True
        )
        if weight is layers[1].score_dense.kernel
    ]
    assert np.abs(to_numpy(kernels[0])).max() > 1e-3


def test_a_class_that_weighs_otherwise_is_not_taken_for_a_softmax():
    class Doubled(MultiHeadAttention):
        def scores(self, *arguments):
            return 2.0 * super().scores(*arguments)

    class Renamed(MultiHeadAttention):
        pass

    assert MultiHeadAttention(2).is_softmax and Renamed(2).is_softmax
    options = MultiHeadAttention(2, logit_softcap=5.0, sink_logits=True)
    assert options.is_softmax
    assert not Doubled(2).is_softmax and not TalkingHeadsAttention(2).is_softmax
