"""Retention against its definition in float64 and against `fla`."""

import keras
import numpy as np
import pytest

from keras_attention import RetentionAttention, TransformerDecoder
from tests.attention.recurrent.recurrences import (
    from_fla,
    joined,
    padding,
    pieces,
    project,
    run_torch,
)
from tests.tools import near, randomize, to_numpy

BATCH, LENGTH, DIM, HEADS = 2, 29, 13, 3


def make(rng, **options):
    layer = RetentionAttention(HEADS, 5, **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


def heads(layer, x, mask):
    """Query, key and value, those of padding zero, in float64."""
    query, key, value = (
        project(dense, x.astype("float64"))
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    key, value = (np.where(mask[..., None, None], y, 0) for y in (key, value))
    return query, key, value


def dense_weights(layer, x, mask, decay, causal):
    query, key, _ = heads(layer, x, mask)
    place = np.arange(x.shape[1])
    distance = place[:, None] - place
    weights = np.asarray(decay)[:, None, None] ** np.abs(distance)
    weights = weights * (distance >= 0 if causal else 1)
    return np.einsum("bthd,bshd,hts->bhts", query, key, weights) / np.sqrt(
        query.shape[-1]
    )


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("chunk_size", [4, 64])
def test_definition(rng, x, causal, chunk_size):
    decay = [0.3, 0.9, 1.0]
    layer = make(rng, decay=decay, chunk_size=chunk_size, value_head_dim=7)
    mask = padding(rng, x.shape[:2])
    weights = dense_weights(layer, x, mask, decay, causal)
    arguments = {"padding_mask": mask, "use_causal_mask": causal}
    near(layer.attention_weights(x, **arguments), weights)
    value = heads(layer, x, mask)[2]
    expected = joined(layer, np.einsum("bhts,bshd->bthd", weights, value), x)
    near(layer(x, **arguments), expected)


def test_the_bare_sum_agrees_with_fla(rng, x):
    layer = make(rng, norm=False, gate=False, chunk_size=8)
    naive = from_fla("retention/naive.py").naive_retention
    parts = heads(layer, x, np.ones(x.shape[:2], bool))
    parts = [part.swapaxes(1, 2) for part in parts]
    expected = run_torch(naive, *parts).swapaxes(1, 2)
    near(layer(x, use_causal_mask=True), joined(layer, expected, x))


def test_decays_by_default_are_those_of_the_paper(rng):
    layer = RetentionAttention(60)
    gamma = np.exp(layer._log_decay())
    np.testing.assert_allclose(gamma, 1 - 2.0 ** (-5 - np.arange(60)))
    # Nothing of them is lost in float32, where 1 - 2 ** -40 is 1.
    assert np.all(np.diff(layer._log_decay()) > 0)


def test_distance_counts_positions_and_padding_takes_its_place(rng, x):
    layer = make(rng, decay=[0.5] * HEADS, norm=False, gate=False)
    x[:, 2:] = x[:, 2:3]
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, 1:5] = False
    mask[:, 6:] = False
    output = to_numpy(layer(x[:, :6], padding_mask=mask[:, :6]))
    # The first sees itself and the sixth, which four more places would
    # weaken by a factor of sixteen.
    alone = to_numpy(layer(x[:, :1]))[:, 0]
    near_by = to_numpy(layer(x[:, [0, 5]]))[:, 0]
    share = (output[:, 0] - alone) / (near_by - alone)
    near(share, np.full_like(share, 0.5**4), 1e-4, 1e-3)


def test_left_padding_changes_nothing(rng, x):
    layer = make(rng)
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, :6] = False
    for causal in (False, True):
        output = layer(x, padding_mask=mask, use_causal_mask=causal)
        expected = layer(x[:, 6:], use_causal_mask=causal)
        near(to_numpy(output)[:, 6:], expected)


@pytest.mark.full
def test_a_state_goes_on_over_any_pieces(rng, x):
    layer = make(rng, chunk_size=8)
    mask = padding(rng, x.shape[:2])
    expected = layer(x, padding_mask=mask, use_causal_mask=True)
    output, cache = pieces(layer, x, [0, 11, 12, 13, 20, LENGTH], mask)
    near(output, expected)
    _, other = pieces(layer, x, range(LENGTH + 1), mask)
    near(cache["state"], other["state"])


@pytest.mark.full
def test_a_state_in_half_precision_keeps_its_digits(rng):
    # Thousands of steps of a state that is rounded to bfloat16 at each would
    # stand still; the queries and keys are rounded alone.
    layer = make(rng, dtype="mixed_bfloat16", norm=False, gate=False)
    x = np.repeat(rng.normal(size=(1, 1, DIM)), 600, axis=1).astype("float32")
    expected = to_numpy(layer(x, use_causal_mask=True))[:, -1]
    cache = layer.init_cache(1, 600)
    _, cache = layer(x[:, :300], cache=cache, start=0)
    for start in range(300, 600):
        output, cache = layer(x[:, start : start + 1], cache=cache, start=start)
    near(to_numpy(output)[:, 0], expected, 1e-2 * np.abs(expected).max())


def test_a_model_in_half_precision_hands_the_state_on_as_it_is(rng):
    decoder = TransformerDecoder(
        11,
        2,
        12,
        HEADS,
        attention=RetentionAttention(HEADS, decay=[1.0] * HEADS),
        dtype="mixed_bfloat16",
    )
    draw = lambda leaf: rng.normal(size=leaf.shape).astype("float32")
    cache = keras.tree.map_structure(draw, decoder.init_cache(BATCH, 5))
    # Padding neither writes nor, with a decay of 1, does its place count.
    padding = np.zeros((BATCH, 1), "int32")
    _, after = decoder.step(padding, cache, start=3, padding_mask=padding > 0)
    keras.tree.map_structure(
        np.testing.assert_array_equal, to_numpy(after), cache
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decay": [0.5]}, "decay must be num_heads=3 numbers"),
        ({"decay": [0.5, 1.5, 0.1]}, "decay must be"),
        ({"decay": [0.5, 0.0, 0.1]}, "decay must be"),
        ({"chunk_size": 6}, "chunk_size must be a power of two"),
        ({"chunk_size": 0}, "chunk_size must be a positive integer"),
        ({"num_kv_heads": 1}, "num_kv_heads"),
        ({"value_head_dim": 0}, "value_head_dim must be"),
        ({"epsilon": 0.0}, "epsilon must be positive"),
        ({"position": "sinusoidal"}, "added to embeddings"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        RetentionAttention(HEADS, **options)
