"""Gated linear attention against its definition and against `fla`."""

import numpy as np
import pytest
from keras import ops

from keras_attention import GatedLinearAttention
from tests.attention.recurrent.recurrences import (
    from_fla,
    joined,
    padding,
    pieces,
    project,
    run_torch,
    sigmoid,
)
from tests.tools import gradients, near, randomize, to_numpy

BATCH, LENGTH, DIM, HEADS = 2, 29, 13, 3


def make(rng, **options):
    options = {"gate_rank": 3, **options}
    layer = GatedLinearAttention(HEADS, 5, **options)
    layer.build((BATCH, LENGTH, DIM))
    return randomize(layer, rng)


@pytest.fixture
def x(rng):
    return rng.normal(size=(BATCH, LENGTH, DIM)).astype("float32")


def parts(layer, x, mask):
    """Query, key, value and the logarithm of the gates, in float64."""
    x = x.astype("float64")
    query, key, value = (
        project(dense, x)
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    logits = project(layer.decay_dense, project(layer.decay_reduction, x))
    decay = -np.logaddexp(0, -logits) / layer.gate_temperature
    hide = lambda y: np.where(mask[..., None, None], y, 0)
    return query, hide(key), hide(value), hide(decay)


def dense_weights(layer, x, mask, causal):
    """Products of the gates between a key and a query, pair by pair."""
    query, key, _, decay = parts(layer, x, mask)
    length = x.shape[1]
    weights = np.zeros((len(x), HEADS, length, length))
    for t in range(length):
        for s in range(t + 1 if causal else length):
            # Those from behind the key on to the query, its own included.
            between = decay[:, s + 1 : t + 1] if s <= t else decay[:, t:s]
            left = np.exp(between.sum(axis=1))
            product = query[:, t] * key[:, s] * left
            weights[:, :, t, s] = product.sum(axis=-1)
    return weights / np.sqrt(query.shape[-1])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 8, 64])
def test_definition(rng, x, causal, chunk_size):
    layer = make(
        rng, chunk_size=chunk_size, value_head_dim=7, gate_temperature=0.5
    )
    mask = padding(rng, x.shape[:2])
    weights = dense_weights(layer, x, mask, causal)
    arguments = {"padding_mask": mask, "use_causal_mask": causal}
    near(layer.attention_weights(x, **arguments), weights)
    value = parts(layer, x, mask)[2]
    expected = joined(layer, np.einsum("bhts,bshd->bthd", weights, value), x)
    near(layer(x, **arguments), expected)


@pytest.mark.parametrize("shape", [(2, 29), (1, 101)])
def test_the_bare_recurrence_agrees_with_fla(rng, shape):
    layer = make(rng, norm=False, gate=False, chunk_size=16)
    x = rng.normal(size=(*shape, DIM)).astype("float32")
    naive = from_fla("gla/naive.py").naive_recurrent_gla
    mask = padding(rng, shape)
    expected, state = run_torch(
        naive, *parts(layer, x, mask), output_final_state=True
    )
    expected = joined(layer, expected, x)
    output = layer(x, padding_mask=mask, use_causal_mask=True)
    near(output, expected)
    output, cache = pieces(layer, x, [0, 17, 18, shape[1]], mask)
    near(output, expected)
    near(cache["state"], state)


@pytest.mark.parametrize("bias", [-1e4, -60.0, 60.0])
def test_strong_gates_neither_overflow_nor_lose_digits(rng, x, bias):
    layer = make(rng, gate_temperature=0.1, norm=False)
    # Some features forget all at each step (their gate is 1e-43429 or, in a
    # chunk of 29, the product 1e-7500) beside others that keep all.
    values = rng.choice([bias, 0.0, 20.0], size=(HEADS, 5))
    layer.decay_dense.bias.assign(values)
    weights = dense_weights(layer, x, np.ones(x.shape[:2], bool), True)
    found = layer.attention_weights(x, use_causal_mask=True)
    near(found, weights)
    _, found = gradients(
        lambda x: ops.sum(layer(x, use_causal_mask=True) ** 2), x, layer=layer
    )
    assert all(np.isfinite(gradient).all() for gradient in found)
    assert np.abs(found[0]).max() > 1e-3


def test_padding_decays_nothing(rng, x):
    layer = make(rng, gate_temperature=0.5)
    mask = np.ones((BATCH, LENGTH), bool)
    mask[:, 4:11] = False
    for causal in (False, True):
        output = layer(x, padding_mask=mask, use_causal_mask=causal)
        expected = layer(x[:, mask[0]], use_causal_mask=causal)
        near(to_numpy(output)[:, mask[0]], expected)


def test_gates_at_the_start_are_the_papers(rng, x):
    layer = GatedLinearAttention(HEADS, 5)
    layer.build(x.shape)
    assert layer.decay_reduction.units == 16
    logits = layer.side_inputs(0.0 * x, None, None)["logits"]
    near(sigmoid(to_numpy(logits)) ** (1 / layer.gate_temperature), 0.95760328)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gate_rank": 0}, "gate_rank must be a positive integer"),
        ({"gate_temperature": 0}, "gate_temperature must be positive"),
        ({"chunk_size": 48}, "chunk_size must be a power of two"),
        ({"num_kv_heads": 1}, "num_kv_heads"),
        ({"value_head_dim": 1.5}, "value_head_dim must be"),
    ],
)
def test_wrong_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        GatedLinearAttention(HEADS, **options)
