"""What the base class checks for every flavour."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import (
    Attention,
    BlockSparseAttention,
    FeedForward,
    LearnedEncoding,
    MultiHeadAttention,
    PositionalEncoding,
    RotaryEmbedding,
    SlidingWindowAttention,
    TokenEmbedding,
    attention,
)
from tests.tools import BACKEND, in_graph, to_numpy

X = np.ones((2, 3, 8), "float32")


class Picky(MultiHeadAttention):
    """Refuses whatever can be refused."""

    supports_cross_attention = False
    supports_causal_mask = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False


class Biased(PositionalEncoding):
    def bias(self, query, key, query_positions, key_positions, causal):
        return None


class BiasedByCall(PositionalEncoding):
    """Has no bias of positions alone, only one of the whole call."""

    def bias_in(self, query, key, visible):
        keys = ops.cast(visible.key_positions, "float32")
        return -0.3 * keys[None, None, None]


class BiasedByKeys(PositionalEncoding):
    def bias(self, query, key, query_positions, key_positions, causal):
        keys = ops.cast(key_positions, "float32")
        return -0.3 * keys[None, None, None]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"value": X + 1}, "cross-attention"),
        ({"key": X + 1}, "cross-attention"),
        ({"memory": {"key": X}}, "cross-attention"),
        ({"use_causal_mask": True}, "causal"),
        ({"attention_mask": np.ones((2, 3, 3), bool)}, "attention_mask"),
        ({"cache": {"key": X}}, "cache"),
    ],
)
def test_what_a_flavour_declares_unsupported_is_refused(arguments, message):
    layer = Picky(2)
    layer(X)
    for call in (layer, layer.attention_weights):
        if "cache" in arguments and call is not layer:
            continue
        with pytest.raises(ValueError, match=message) as error:
            call(X, **arguments)
        assert "Picky" in str(error.value)


def test_caches_and_memories_that_are_unsupported_are_refused():
    layer = Picky(2)
    layer(X)
    with pytest.raises(ValueError, match="Picky.*cache"):
        layer.init_cache(2, 3)
    with pytest.raises(ValueError, match="Picky.*cross-attention"):
        layer.init_memory(X)


def test_a_score_bias_that_is_unsupported_is_refused():
    MultiHeadAttention(2, position=Biased())
    Picky(2, position=RotaryEmbedding())
    for position in (Biased(), BiasedByCall()):
        with pytest.raises(ValueError, match=r"Picky.*bias.*Biased"):
            Picky(2, position=position)


@pytest.mark.few
@pytest.mark.parametrize(
    "make",
    [
        lambda position: MultiHeadAttention(2, position=position),
        lambda position: MultiHeadAttention(
            2, position=position, query_block_size=2
        ),
        lambda position: BlockSparseAttention(
            2, position=position, block_size=2
        ),
        lambda position: SlidingWindowAttention(
            2, position=position, window_size=1
        ),
    ],
)
def test_a_bias_of_the_call_alone_is_seen(rng, make):
    x = rng.normal(size=(2, 7, 8)).astype("float32")
    layers = [make(BiasedByKeys()), make(BiasedByCall()), make(None)]
    for layer in layers:
        layer.build(x.shape)
        layer.set_weights(layers[0].get_weights())
    expected, found, plain = (
        to_numpy(in_graph(layer)(ops.convert_to_tensor(x))) for layer in layers
    )
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.abs(found - plain).max() > 1e-3


@pytest.mark.parametrize("name", ["num_heads", "head_dim", "num_kv_heads"])
@pytest.mark.parametrize("wrong", [0, -2, 2.0, "2"])
def test_sizes_must_be_positive_integers(name, wrong):
    with pytest.raises(ValueError, match=f"{name}.*{wrong}"):
        MultiHeadAttention(**{"num_heads": 4, name: wrong})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_heads": 4, "num_kv_heads": 3}, "num_kv_heads=3"),
        ({"num_heads": 2, "num_kv_heads": 4}, "num_kv_heads=4"),
        ({"num_heads": 4, "dropout": 1.0}, "dropout.*1.0"),
        ({"num_heads": 4, "dropout": -0.1}, "dropout.*-0.1"),
        ({"num_heads": 4, "position": "no_such"}, "no_such.*rotary"),
        ({"num_heads": 4, "position": "sinusoidal"}, "Sinusoidal"),
        ({"num_heads": 4, "position": LearnedEncoding()}, "LearnedEncoding"),
        ({"num_heads": 4, "query_block_size": 0}, "query_block_size.*0"),
        ({"num_heads": 4, "query_block_size": "all"}, "query_block_size.*all"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        MultiHeadAttention(**arguments)


def test_a_width_that_the_heads_do_not_divide_is_named():
    with pytest.raises(ValueError, match="dim=8.*num_heads=3"):
        MultiHeadAttention(3)(X)
    assert tuple(MultiHeadAttention(3, head_dim=5)(X).shape) == X.shape


@pytest.mark.parametrize(
    "shape", [(3,), (2, 1), (2, 4), (1, 3), (3, 3), (2, 3, 3), (2, 3, 1)]
)
def test_a_padding_mask_of_another_shape_is_refused(shape):
    layer = MultiHeadAttention(2)
    mask = np.ones(shape, bool)
    with pytest.raises(ValueError, match="padding_mask"):
        layer(X, padding_mask=mask)
    cache = layer.init_cache(2, 4)
    with pytest.raises(ValueError, match="padding_mask"):
        layer(X, padding_mask=mask, cache=cache)
    with pytest.raises(ValueError, match="padding_mask"):
        layer.init_memory(X, padding_mask=mask)


@pytest.mark.parametrize(
    "shape", [(3, 3), (2, 1, 3), (2, 3, 1), (3, 3, 3), (2, 2, 3, 3), (2, 4, 3)]
)
def test_an_attention_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match="attention_mask"):
        MultiHeadAttention(2)(X, attention_mask=np.ones(shape, bool))


def test_one_attention_mask_may_serve_all_rows():
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    for block_size in (None, 2):
        layer = MultiHeadAttention(2, query_block_size=block_size)
        mask = np.tril(np.ones((1, 3, 3), bool))
        np.testing.assert_allclose(
            keras.ops.convert_to_numpy(layer(x, attention_mask=mask)),
            keras.ops.convert_to_numpy(layer(x, use_causal_mask=True)),
            atol=1e-6,
        )


def test_integer_masks_count_as_boolean():
    x = np.random.default_rng(0).normal(size=(2, 3, 8)).astype("float32")
    layer = MultiHeadAttention(2)
    mask = np.array([[1, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(layer(x, padding_mask=mask)),
        keras.ops.convert_to_numpy(layer(x, padding_mask=mask.astype(bool))),
    )


def test_an_argument_that_nobody_knows_is_refused():
    with pytest.raises((TypeError, ValueError)):
        MultiHeadAttention(2, windows=3)
    with pytest.raises(TypeError):
        MultiHeadAttention(2)(X, sliding=3)
    with pytest.raises(TypeError):
        MultiHeadAttention(2).attention_weights(X, cache={})


def test_a_flavour_without_attend_says_so():
    with pytest.raises(NotImplementedError, match="attend"):
        Attention(2)(X)
    with pytest.raises(ValueError, match="no attention weights"):
        Attention(2).attention_weights(X)


def test_a_fixed_seed_of_the_initializer_gives_the_same_weights():
    kernels = []
    for _ in range(2):
        initializer = keras.initializers.GlorotUniform(seed=7)
        layer = MultiHeadAttention(2, kernel_initializer=initializer)
        layer.build(X.shape)
        kernels.append(keras.ops.convert_to_numpy(layer.key_dense.kernel))
    np.testing.assert_array_equal(*kernels)


def test_an_initializer_may_be_a_function():
    def halves(shape, dtype):
        return keras.ops.full(shape, 0.5, dtype)

    for layer in (
        MultiHeadAttention(2, kernel_initializer=halves),
        FeedForward(16, kernel_initializer=halves),
        TokenEmbedding(5, 8, initializer=halves),
    ):
        layer.build(X.shape)
        assert (to_numpy(layer.weights[0]) == 0.5).all()


def test_what_stands_at_padding_never_matters():
    layer = MultiHeadAttention(2)
    mask = np.array([[True, True, False]] * 2)
    expected = to_numpy(layer(X, padding_mask=mask))
    for content in (1e31, -1e31, np.inf, np.nan):
        x = np.array(X)
        x[:, 2] = content
        found = to_numpy(layer(x, padding_mask=mask))
        np.testing.assert_allclose(found[:, :2], expected[:, :2], atol=1e-6)
        memory = layer.init_memory(x, padding_mask=mask)
        found = to_numpy(layer(X, memory=memory))
        np.testing.assert_allclose(
            found, to_numpy(layer(X, X + 0.0, padding_mask=mask)), atol=1e-6
        )


def test_a_mask_to_be_added_is_refused():
    layer = MultiHeadAttention(2)
    with pytest.raises(ValueError, match="attention_mask must be boolean"):
        layer(X, attention_mask=np.zeros((2, 3, 3), "float32"))
    expected = layer(X, padding_mask=np.array([[True, False, True]] * 2))
    found = layer(X, padding_mask=[[1, 0, 1]] * 2)
    np.testing.assert_array_equal(to_numpy(found), to_numpy(expected))


def test_a_negative_start_is_refused():
    layer = MultiHeadAttention(2)
    layer(X)
    with pytest.raises(ValueError, match="start.*-1"):
        layer(X, cache=layer.init_cache(2, 4), start=-1)


@pytest.mark.parametrize("start", [[0, 1], np.array([0, 2])])
def test_a_start_for_each_row_is_refused(start):
    with pytest.raises(ValueError, match="start must be one integer"):
        MultiHeadAttention(2)(X, start=start)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (np.ones((2, 1, 8)), np.ones((2, 5, 8))),
        (np.ones((2, 4, 8)), np.ones((2, 5, 8))),
        (np.ones((3, 4, 8)), np.ones((3, 4, 8))),
        (np.ones((1, 4, 8)), np.ones((2, 4, 8))),
        (None, np.ones((2, 5, 8))),
    ],
)
def test_sources_of_other_sizes_are_refused(value, key):
    with pytest.raises(ValueError, match="same batch"):
        MultiHeadAttention(2)(X, value, key)


def test_another_width_than_was_built_is_refused():
    layer = MultiHeadAttention(2)
    layer.build(X.shape)
    with pytest.raises(ValueError, match="axis -1"):
        layer(X[..., :4])


@pytest.mark.parametrize("wrong", [None, "half", -0.1, 1.0])
def test_a_dropout_without_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="dropout must lie in"):
        MultiHeadAttention(2, dropout=wrong)


@pytest.mark.skipif(BACKEND != "jax", reason="lengths without a value")
@pytest.mark.parametrize("name", ["sliding_window", "retention", "lsh"])
def test_a_length_that_jax_does_not_know_is_no_guess(name):
    import jax

    layer = attention.get(name, num_heads=2)
    layer.build(X.shape)
    (length,) = jax.export.symbolic_shape("n")
    x = jax.ShapeDtypeStruct((2, length, 8), "float32")
    with pytest.raises(ValueError, match="length that is known"):
        jax.export.export(jax.jit(layer))(x)


def test_an_integer_mask_to_be_added_is_refused():
    mask = np.array([[0, 0, -10000]] * 2)
    with pytest.raises(ValueError, match="padding_mask must be boolean"):
        MultiHeadAttention(2)(X, padding_mask=mask)


def test_sizes_of_numpy_are_saved_as_integers():
    layer = MultiHeadAttention(np.int64(2), np.int32(4), np.int64(1))
    config = json.loads(json.dumps(layer.get_config()))
    assert config["num_heads"] == 2 and config["head_dim"] == 4
