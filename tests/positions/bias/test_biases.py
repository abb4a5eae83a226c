"""What holds for every encoding that adds to the scores."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    FIRE,
    ALiBi,
    Kerple,
    MultiHeadAttention,
    SlidingWindowAttention,
    T5RelativeBias,
    TransformerDecoder,
    TransformerEncoder,
    WindowRelativeBias,
    positions,
)
from tests.positions.bias.biases import HEADS, SHAPE, built, in_order, of_pairs
from tests.tools import (
    BACKEND,
    few,
    gradients,
    near,
    only,
    randomize,
    to_numpy,
)

# Small enough that thresholds and last buckets are met.
MAKE = {
    "alibi": ALiBi,
    "t5": lambda **options: T5RelativeBias(8, 11, **options),
    "kerple_log": Kerple,
    "kerple_power": lambda **options: Kerple("power", **options),
    "fire": lambda **options: FIRE(7, initial_threshold=5.0, **options),
    "window": lambda **options: WindowRelativeBias(3, (5, 7), **options),
}
BY_DISTANCE = [name for name in MAKE if name not in ("fire", "window")]
DIM = 3 * HEADS


@pytest.fixture(params=MAKE)
def make(request):
    return MAKE[request.param]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("queries", "keys", "start"), [(7, 7, 0), (3, 11, 5), (5, 2, 4), (1, 7, 3)]
)
def test_order_makes_no_difference(make, rng, queries, keys, start, causal):
    layer = built(make(), rng)
    query, key = np.arange(start, start + queries), np.arange(keys)
    found = layer.bias_in(None, None, in_order(query, key, causal))
    expected = of_pairs(layer, query, key, causal)
    assert expected.shape == (1, HEADS, queries, keys)
    near(found, expected)


@pytest.mark.parametrize("causal", [False, True])
def test_a_sequence_in_order_is_its_pairs(make, rng, causal):
    layer = built(make(), rng)
    places = np.arange(7)
    visible = in_order(places, places, causal, same=True)
    seen = np.tril(np.ones((7, 7))) if causal else np.ones((7, 7))
    upstream = seen * rng.normal(size=(1, HEADS, 7, 7))
    upstream = upstream.astype("float32")

    def by_order(x):
        return ops.sum(x * layer.bias_in(None, None, visible))

    def by_pair(x):
        return ops.sum(x * layer.bias(None, None, places, places, causal))

    found = gradients(by_order, upstream, layer=layer)
    expected = gradients(by_pair, upstream, layer=layer)
    near(found[0], expected[0])
    for a, b in zip(found[1], expected[1], strict=True):
        shown = seen if a.shape == upstream.shape else 1
        near(a * shown, b * shown)


@pytest.mark.parametrize("causal", [False, True])
def test_positions_may_carry_rows_and_be_anywhere(make, rng, causal):
    layer = built(make(), rng)
    query = rng.integers(0, 40, size=(2, 5))
    key = rng.integers(-9, 40, size=(2, 11))
    found = of_pairs(layer, query, key, causal)
    assert found.shape == (2, HEADS, 5, 11) and found.dtype == "float32"
    assert np.isfinite(found).all()
    for row in range(2):
        tensors = (
            ops.convert_to_tensor(x[row].astype("int32")) for x in (query, key)
        )
        near(layer.bias(None, None, *tensors, causal), found[row : row + 1])
    _, slopes = gradients(
        lambda x: ops.sum(x * layer.bias(None, None, query, key, causal)),
        np.ones_like(found),
        layer=layer,
    )
    assert all(np.isfinite(slope).all() for slope in slopes)


@pytest.mark.parametrize("name", BY_DISTANCE)
@pytest.mark.parametrize("causal", [False, True])
def test_shifted_positions_have_the_same_bias(name, rng, causal):
    layer = built(MAKE[name](), rng)
    places = np.arange(7)
    found = of_pairs(layer, places, places, causal)
    near(of_pairs(layer, places + 1003, places + 1003, causal), found)


def test_gradients_are_those_of_finite_differences(make, rng):
    layer = built(make(), rng)
    places = np.arange(7)
    upstream = rng.normal(size=(1, HEADS, 7, 7)).astype("float32")

    def value(x):
        bias = layer.bias(None, None, places, places, False)
        return ops.sum(x * bias)

    _, found = gradients(value, upstream, layer=layer)
    for variable, slope in zip(
        layer.trainable_variables, found[1:], strict=True
    ):
        start = to_numpy(variable)
        step = rng.normal(size=start.shape).astype("float32")
        step *= 1e-3 * np.maximum(1.0, 0.1 * np.abs(start).max())
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * step)
            ends.append(to_numpy(value(ops.convert_to_tensor(upstream))))
        variable.assign(start)
        near((ends[0] - ends[1]) / 2, np.sum(slope * step), 2e-4, 0.02)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "bfloat16", "float16"])
def test_half_precision_keeps_the_bias_exact(make, rng, policy):
    layer = built(make(dtype=policy), rng)
    exact = make()
    exact.build(SHAPE)
    exact.set_weights([to_numpy(w) for w in layer.weights])
    places = np.arange(1001, 1012)
    found = layer.bias(None, None, places, places, True)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    near(found, exact.bias(None, None, places, places, True))


def test_float64_stays_float64(make, rng):
    if BACKEND == "jax":
        pytest.skip("JAX has float64 only where it is switched on")
    layer = built(make(dtype="float64"), rng)
    found = layer.bias(None, None, np.arange(5), np.arange(5), False)
    assert keras.backend.standardize_dtype(found.dtype) == "float64"


def test_attention_in_half_precision_is_finite(make, rng):
    layer = MultiHeadAttention(HEADS, position=make(), dtype="float16")
    x = rng.normal(size=(2, 35, DIM)).astype("float16")
    output = to_numpy(layer(x, use_causal_mask=True))
    assert np.isfinite(output).all()


# The pairs of the contract have those of exact attention.
@pytest.mark.few
@pytest.mark.parametrize(
    "flavour", only({"sliding_window"}, ["multi_head", "sliding_window"])
)
def test_a_cache_gives_what_the_full_pass_gives(make, rng, flavour):
    layer = {
        "multi_head": lambda p: MultiHeadAttention(HEADS, position=p),
        "sliding_window": lambda p: SlidingWindowAttention(
            HEADS, window_size=3, num_sinks=1, position=p
        ),
    }[flavour](make())
    x = rng.normal(size=(2, 11, DIM)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng)
    expected = to_numpy(layer(x, use_causal_mask=True))
    near(
        np.einsum(
            "bhts,bshd->bthd",
            to_numpy(layer.attention_weights(x, use_causal_mask=True)),
            to_numpy(layer.value_dense(x)),
        ),
        _mixed(layer, x),
    )
    for pieces in ([1] * 11, [5, 1, 1, 4], [8, 3]):
        cache, start, outputs = layer.init_cache(2, 11), 0, []
        for piece in pieces:
            part = x[:, start : start + piece]
            output, cache = layer(part, cache=cache, start=start)
            outputs.append(to_numpy(output))
            start += piece
        near(np.concatenate(outputs, axis=1), expected)


def _mixed(layer, x):
    """What a layer gives before its output projection."""
    layer.project_output = lambda output, query: output
    output = layer(x, use_causal_mask=True)
    del layer.project_output
    return output


@pytest.mark.full
@pytest.mark.parametrize("name", ["alibi", "t5_relative", "kerple", "fire"])
@pytest.mark.parametrize(
    "model", few([TransformerDecoder, TransformerEncoder], 1, "full")
)
def test_a_saved_model_gives_the_same(name, model, rng, tmp_path):
    first = randomize(model(11, 2, DIM, HEADS, position=name), rng)
    tokens = rng.integers(1, 11, size=(2, 7))
    expected = first(tokens)
    first.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again(tokens), expected)
    assert again.get_config() == first.get_config()
    for block in first.blocks:
        for weight in block.attention.position.weights:
            weight.assign(0 * to_numpy(weight))
    if name != "alibi":
        assert np.abs(to_numpy(first(tokens)) - to_numpy(expected)).max() > 1e-4


def test_options_survive_the_configuration(make):
    layer = make()
    again = positions.get(layer)
    assert again.get_config() | {"name": ""} == layer.get_config() | {
        "name": ""
    }


@pytest.mark.few
@pytest.mark.parametrize("name", ["t5", "kerple_log", "fire", "window"])
@pytest.mark.parametrize("shared", [False, True])
def test_blocks_share_an_encoding_or_not(name, shared):
    template = MAKE[name](shared=shared)
    model = TransformerEncoder(11, 2, DIM, HEADS, position=template)
    found = {id(block.attention.position) for block in model.blocks}
    assert len(found) == (1 if shared else 2)
    again = TransformerEncoder.from_config(model.get_config())
    assert len(again.weights) == len(model.weights)


@pytest.mark.few
def test_lengths_may_be_unknown_in_a_graph(make, rng):
    if BACKEND != "tensorflow":
        pytest.skip("TensorFlow alone traces unknown lengths")
    import tensorflow as tf

    layer = MultiHeadAttention(HEADS, position=make())
    x = rng.normal(size=(2, 7, DIM)).astype("float32")
    layer.build((None, None, DIM))
    randomize(layer, rng)
    signature = [tf.TensorSpec((None, None, DIM))]

    @tf.function(input_signature=signature, autograph=False)
    def call(x):
        with tf.GradientTape() as tape:
            output = layer(x, use_causal_mask=True)
            loss = tf.reduce_sum(output**2)
        variables = [v.value for v in layer.position.trainable_variables]
        return output, tape.gradient(loss, variables)

    output, found = call(x)
    near(output, layer(x, use_causal_mask=True))
    _, expected = gradients(
        lambda x: ops.sum(layer(x, use_causal_mask=True) ** 2),
        x,
        layer=layer.position,
    )
    for a, b in zip(found, expected[1:], strict=True):
        near(tf.convert_to_tensor(a), b, 1e-4, 1e-4)


@pytest.mark.few
def test_query_blocks_give_the_same_gradients(make, rng):
    x = rng.normal(size=(1, 11, DIM)).astype("float32")
    results, weights = [], None
    for block_size in (None, 4):
        layer = MultiHeadAttention(
            HEADS, position=make(), query_block_size=block_size
        )
        layer.build(x.shape)
        if weights is None:
            weights = randomize(layer, rng).get_weights()
        layer.set_weights(weights)
        value, found = gradients(
            lambda x, layer=layer: ops.sum(layer(x, use_causal_mask=True) ** 2),
            x,
            layer=layer,
        )
        results.append([value, *found])
    for a, b in zip(*results, strict=True):
        near(a, b, 1e-4, 1e-4)
