"""Pointers against their definition in float64, and what else they need."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import PointerAttention, attention
from keras_attention.registry import describe
from tests.attention.exact import context
from tests.tools import (
    BACKEND,
    compiled,
    gradients,
    in_graph,
    near,
    randomize,
    to_numpy,
)

BATCH, LENGTH, KEY_LENGTH, DIM = 3, 7, 5, 11


def expected(layer, query, source, mask):
    queries = context.project(layer.query_dense, query, 1)[:, :, 0]
    keys = context.project(layer.key_dense, source, 1)[:, :, 0]
    hidden = np.tanh(queries[:, :, None] + keys[:, None])
    scores = hidden @ to_numpy(layer.score_vector)[0].astype("float64")
    return context.softmax(scores, mask)


def make(rng, **options):
    layer = PointerAttention(**options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng, 0.5)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


@pytest.fixture
def source(rng):
    return rng.normal(size=(BATCH, KEY_LENGTH, DIM)).astype("float32")


@pytest.fixture
def padding(rng):
    """Every row has a key that counts, but for the second."""
    mask = rng.random((BATCH, KEY_LENGTH)) < 0.6
    mask[:, 2] = True
    mask[1] = False
    return mask


@pytest.mark.parametrize("options", [{}, {"hidden_dim": 4, "use_bias": True}])
def test_the_definition(rng, x, source, padding, options):
    layer = make(rng, **options)
    dense = rng.random((BATCH, LENGTH, KEY_LENGTH)) < 0.6
    shape = (BATCH, LENGTH, KEY_LENGTH)
    for masks in (
        {},
        {"padding_mask": padding},
        {"padding_mask": padding, "attention_mask": dense},
    ):
        mask = context.visible(
            masks.get("padding_mask"), masks.get("attention_mask"), shape=shape
        )
        weights = expected(layer, x, source, mask)
        output = layer(x, source, **masks)
        near(output, weights)
        assert tuple(output.shape) == shape
        near(layer(x, key=source, **masks), weights)
        near(layer.attention_weights(x, source, **masks), weights[:, None])


@pytest.mark.parametrize("block_size", [None, 3])
@pytest.mark.parametrize("log_probabilities", [False, True])
def test_pointing_at_oneself_and_the_past(
    rng, x, block_size, log_probabilities
):
    layer = make(
        rng,
        query_block_size=block_size,
        log_probabilities=log_probabilities,
    )
    mask = context.visible(shape=(BATCH, LENGTH, LENGTH), causal=True)
    weights = expected(layer, x, x, mask)
    output = to_numpy(layer(x, use_causal_mask=True))
    if log_probabilities:
        assert (output[~mask] == -1e9).all()
        output = np.exp(output)
    near(output, weights)


@pytest.mark.full
def test_blocks_have_the_gradients_of_all_at_once(rng, x, source, padding):
    whole = make(rng, query_block_size=None)
    blocks = make(rng, query_block_size=3)
    blocks.set_weights(whole.get_weights())
    upstream = rng.normal(size=(BATCH, LENGTH, KEY_LENGTH)).astype("float32")
    upstream, found = ops.convert_to_tensor(upstream), []
    for layer in (whole, blocks):
        loss = in_graph(
            lambda x, source, layer=layer: ops.sum(
                layer(x, source, padding_mask=padding) * upstream
            )
        )
        found.append(gradients(loss, x, source, layer=layer)[1])
    for other, gradient in zip(*found, strict=True):
        near(gradient, other, 1e-5)
        assert np.abs(other).max() > 0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("log_probabilities", [False, True])
def test_padding_and_rows_that_see_nothing(
    rng, x, source, padding, dtype, log_probabilities
):
    layer = make(rng, dtype=dtype, log_probabilities=log_probabilities)
    output = to_numpy(layer(x, source, padding_mask=padding))
    assert np.isfinite(output).all()
    changed = np.where(padding[..., None], source, 1e3).astype("float32")
    np.testing.assert_array_equal(
        to_numpy(layer(x, changed, padding_mask=padding)), output
    )
    hidden = np.broadcast_to(~padding[:, None], output.shape)
    if log_probabilities:
        assert (output[hidden] < -5e4).all()
        output = np.exp(output)
    assert (output[hidden] == 0).all()
    sums = output.sum(axis=-1)[padding.any(axis=-1)]
    near(sums, 1.0, 1e-5 if dtype == "float32" else 2e-2)

    def loss(x, source):
        found = layer(x, source, padding_mask=padding)
        return ops.sum(ops.cast(found[:, :, 2], "float32") ** 2)

    inputs = [ops.cast(ops.convert_to_tensor(a), dtype) for a in (x, source)]
    _, found = gradients(loss, *inputs, layer=layer)
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert (found[1][~padding] == 0).all()
    assert np.abs(found[1][padding]).max() > 0


def test_logits_of_a_loss_give_the_gradients_of_the_probabilities(
    rng, x, source, padding
):
    padding[1] = True
    layer = make(rng, log_probabilities=True)
    target = np.full((BATCH, LENGTH), 2)

    def from_logits(x):
        logits = layer(x, source, padding_mask=padding)
        return ops.mean(
            keras.losses.sparse_categorical_crossentropy(
                target, logits, from_logits=True
            )
        )

    plain = make(rng)
    plain.set_weights(layer.get_weights())

    def by_hand(x):
        weights = plain(x, source, padding_mask=padding)
        return -ops.mean(ops.log(weights[:, :, 2]))

    value, found = gradients(from_logits, x)
    other, expected_gradient = gradients(by_hand, x)
    near(value, other)
    near(found[0], expected_gradient[0])


def test_a_memory_is_the_source(rng, x, source, padding):
    layer = make(rng)
    memory = layer.init_memory(source, padding_mask=padding)
    for leaf in memory.values():
        assert leaf.shape[0] == BATCH
    expected_weights = to_numpy(layer(x, source, padding_mask=padding))
    near(layer(x, memory=memory), expected_weights)
    piece = layer(x[:, 3:4], memory=memory, start=3)
    near(to_numpy(piece)[:, 0], expected_weights[:, 3])


def test_an_implicit_mask_is_honoured(rng, x):
    ids = np.array([[1, 2, 3, 0, 0]] * BATCH)
    embedded = keras.layers.Embedding(5, DIM, mask_zero=True)(ids)
    layer = make(rng)
    weights = to_numpy(layer(x, embedded))
    near(weights, layer(x, to_numpy(embedded), padding_mask=ids != 0))
    assert (weights[:, :, 3:] == 0).all()


def test_compiled_and_of_unknown_sizes(rng, x, source, padding):
    layer = make(rng)
    call = compiled(lambda x, s, m: layer(x, s, padding_mask=m))
    weights = to_numpy(layer(x, source, padding_mask=padding))
    near(call(x, source, padding), weights)
    inputs = keras.Input((None, DIM)), keras.Input((None, DIM))
    model = keras.Model(inputs, layer(*inputs))
    assert tuple(model.output.shape) == (None, None, None)
    near(model([x, source]), layer(x, source))


@pytest.mark.full
@pytest.mark.skipif(BACKEND != "tensorflow", reason="a TensorFlow graph")
def test_blocks_in_a_graph_that_knows_neither_batch_nor_length(rng, x):
    import tensorflow as tf

    layer = make(rng, query_block_size=3)
    call = tf.function(
        lambda x: layer(x, use_causal_mask=True),
        input_signature=[tf.TensorSpec([None, None, DIM])],
    )
    near(call(x), layer(x, use_causal_mask=True))


def test_mixed_precision_stays_near_float32(rng, x, source):
    exact = make(rng)
    half = PointerAttention(dtype="mixed_bfloat16")
    half.build(x.shape)
    half.set_weights(exact.get_weights())
    output = half(x, source)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert {w.dtype for w in half.weights} == {"float32"}
    near(output, to_numpy(exact(x, source)), 2e-2)


def test_config_and_every_form_make_the_same_layer(rng, x, source):
    layer = make(
        rng, hidden_dim=4, log_probabilities=True, query_block_size=None
    )
    config = layer.get_config()
    assert config["log_probabilities"] and config["query_block_size"] is None
    assert "num_heads" not in config and "dropout" not in config
    serialized = keras.saving.serialize_keras_object(layer)
    for form in (layer, describe(layer), serialized):
        again = attention.get(form, num_heads=3, dropout=0.1)
        again.build(x.shape)
        again.set_weights(layer.get_weights())
        near(again(x, source), layer(x, source), 1e-7)
    again = PointerAttention.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config


def test_keras_file_gives_the_same_model(rng, x, source, tmp_path):
    layer = make(rng)
    inputs = keras.Input((None, DIM)), keras.Input((None, DIM))
    model = keras.Model(inputs, layer(*inputs))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    near(again([x, source]), model([x, source]), 1e-7)


@pytest.mark.full
def test_it_learns_to_find_a_place(rng):
    """Points at the key whose number the query names."""
    places = np.stack([rng.permutation(4) for _ in range(128)])
    inputs = keras.Input((4, 4)), keras.Input((4, 4))
    pointer = PointerAttention(32, log_probabilities=True)
    model = keras.Model(inputs, pointer(*inputs))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    numbers = np.eye(4, dtype="float32")
    given = [np.tile(numbers, (128, 1, 1)), numbers[places]]
    history = model.fit(given, places.argsort(axis=1), epochs=15, verbose=0)
    assert history.history["loss"][-1] < 0.3 * history.history["loss"][0]


def test_what_it_cannot_honour_is_refused(rng, x, source):
    layer = make(rng)
    with pytest.raises(ValueError, match="as value or as key"):
        layer(x, source, 1.0 * source)
    with pytest.raises(ValueError, match="as value or as key"):
        layer.init_memory(source, 1.0 * source)
    with pytest.raises(ValueError, match="cache"):
        layer.init_cache(BATCH, LENGTH)
    with pytest.raises(ValueError, match="cache"):
        layer(x, cache={})
    with pytest.raises(ValueError, match="hidden_dim must be.*Received: 0"):
        PointerAttention(0)
    with pytest.raises(TypeError, match="dropout"):
        PointerAttention(4, dropout=0.1)
