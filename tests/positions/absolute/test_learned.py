"""Learned vectors for positions."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_attention import LearnedEncoding
from tests.tools import gradients, near, randomize, to_numpy

LENGTH, DIM = 7, 6


@pytest.fixture
def x(rng):
    return rng.normal(size=(2, LENGTH, DIM)).astype("float32")


def make(rng, **options):
    layer = LearnedEncoding(**{"max_length": 11, **options})
    layer.build((None, None, DIM))
    return randomize(layer, rng)


def test_vectors_are_those_of_torch_embeddings(rng, x):
    """As in BERT: word vectors plus rows of a table from the first on."""
    torch = pytest.importorskip("torch", reason="the oracle")
    layer = make(rng)
    oracle = torch.nn.Embedding(11, DIM)
    oracle.weight.data = torch.tensor(to_numpy(layer.table))
    expected = x + oracle(torch.arange(LENGTH)).detach().numpy()
    near(layer(x), expected, 1e-6)
    rows = oracle(torch.arange(4, 4 + LENGTH)).detach().numpy()
    near(layer(x, start=4), x + rows, 1e-6)


def test_an_offset_is_that_of_opt(rng, x):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.opt import modeling_opt

    layer = make(rng, offset=2)
    oracle = modeling_opt.OPTLearnedPositionalEmbedding(11, DIM)
    assert oracle.weight.shape == tuple(layer.table.shape)
    oracle.weight.data = torch.tensor(to_numpy(layer.table))
    rows = oracle(torch.ones((2, LENGTH), dtype=torch.long)).detach().numpy()
    near(layer(x), x + rows, 1e-6)


def test_only_the_rows_in_use_get_a_gradient(rng, x):
    layer = make(rng, offset=1)
    _, (_, found) = gradients(
        lambda x: ops.sum(layer(x, start=2) ** 2), x, layer=layer
    )
    used = np.abs(found).max(axis=-1) > 0
    np.testing.assert_array_equal(np.flatnonzero(used), np.arange(3, 10))


@pytest.mark.parametrize("start", [5, np.int64(5)])
def test_positions_that_have_no_vector_are_refused(rng, x, start):
    layer = make(rng)
    layer(x, start=4)
    with pytest.raises(ValueError, match="max_length=11.*start=5"):
        layer(x, start=start)


def test_a_computed_start_that_is_known_is_checked_too(rng, x):
    with pytest.raises(ValueError, match="max_length=11"):
        make(rng)(x, start=ops.convert_to_tensor(5))


def test_the_table_keeps_float32(rng, x):
    layer = make(rng, dtype="mixed_bfloat16")
    assert layer.table.dtype == "float32"
    output = layer(ops.cast(ops.convert_to_tensor(x), "bfloat16"))
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"


def test_vectors_start_small():
    layer = LearnedEncoding(499)
    layer.build((None, None, 64))
    assert abs(to_numpy(layer.table).std() / 0.02 - 1) < 0.15


def test_config_makes_the_same_encoding(rng, x):
    layer = make(rng, offset=3, initializer="zeros")
    again = LearnedEncoding.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    near(again(x), layer(x), atol=0)


def test_keras_file_gives_the_same_model(rng, x, tmp_path):
    inputs = keras.Input((None, DIM))
    model = keras.Model(inputs, make(rng)(inputs))
    model.save(tmp_path / "model.keras")
    near(keras.saving.load_model(tmp_path / "model.keras")(x), model(x), 0)


def test_a_length_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="max_length.*0"):
        LearnedEncoding(max_length=0)
