"""Contextual positions against x-transformers and their definition."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    BigBirdAttention,
    CoPE,
    MultiHeadAttention,
    SlidingWindowAttention,
    TransformerEncoder,
)
from keras_attention.masks import Visibility
from tests.positions.content import DIM, HEAD_DIM, HEADS, heads
from tests.tools import near, randomize, to_numpy


def make(rng, max_position=4):
    layer = CoPE(max_position=max_position)
    layer.build((None, None, HEADS, HEAD_DIM))
    return randomize(layer, rng, deviation=0.4)


def definition(layer, query, key, seen, keys):
    """The bias in float64.

    Args:
        seen: boolean `(batch, query_length, key_length)`.
        keys: integers `(key_length,)`, positions.
    """
    query, key = query.astype("float64"), key.astype("float64")
    key = np.repeat(key, HEADS // key.shape[2], axis=2)
    scores = np.einsum("bthd,bshd->bhts", query, key) / HEAD_DIM**0.5
    gates = 1 / (1 + np.exp(-scores)) * seen[:, None]
    later = keys[:, None] >= keys[None]
    places = np.einsum("bhtr,rs->bhts", gates, later)
    places = np.minimum(places, layer.max_position - 1)
    table = to_numpy(layer.table).astype("float64")
    found = np.einsum("bthd,pd->bhtp", query, table)
    numbers = np.arange(layer.max_position)
    bias = np.zeros_like(places)
    for index in np.ndindex(places.shape):
        bias[index] = np.interp(places[index], numbers, found[index[:3]])
    return bias


@pytest.mark.parametrize("max_position", [4, 30])
def test_it_is_that_of_x_transformers(rng, max_position):
    torch = pytest.importorskip("torch", reason="the oracle")
    oracles = pytest.importorskip(
        "x_transformers.x_transformers", reason="the oracle"
    )
    layer = make(rng, max_position)
    oracle = oracles.CoPE(HEAD_DIM, HEADS, max_position)
    assert not oracle.pos_emb.detach().numpy().any()
    oracle.pos_emb.data = torch.tensor(to_numpy(layer.table))
    query, key = heads(rng, 11), heads(rng, 11)
    rows = [torch.tensor(x).transpose(1, 2) for x in (query, key)]
    scores = rows[0] @ rows[1].transpose(2, 3) * HEAD_DIM**-0.5
    hidden = ~torch.ones((11, 11)).tril().bool()
    scores = scores.masked_fill(hidden, -torch.finfo(torch.float32).max)
    with torch.no_grad():
        expected = oracle(rows[0], scores).numpy()
    places = ops.arange(11, dtype="int32")
    visible = Visibility(places, places, causal=True).ordered(is_self=True)
    bias = to_numpy(layer.bias_in(query, key, visible))
    near(bias * np.tri(11), expected * np.tri(11))
    near(layer.bias(query, key, np.arange(11), np.arange(11), True), bias)


@pytest.mark.parametrize("kv_heads", [HEADS, 2])
def test_keys_that_are_not_seen_count_nothing(rng, kv_heads):
    layer = make(rng)
    query, key = heads(rng, 5), heads(rng, 11, kv_heads)
    queries, keys = np.arange(6, 11), rng.permutation(11)
    padding = rng.random((2, 11)) < 0.7
    dense = rng.random((2, 5, 11)) < 0.7
    seen = (queries[:, None] >= keys) & dense & padding[:, None]
    visible = Visibility(
        *(ops.convert_to_tensor(x) for x in (queries, keys, padding, dense)),
        causal=True,
    )
    expected = definition(layer, query, key, seen, keys)
    near(layer.bias_in(query, key, visible), expected)
    order = np.argsort(keys)
    ordered = Visibility(
        *(
            ops.convert_to_tensor(x)
            for x in (
                queries,
                keys[order],
                padding[:, order],
                dense[:, :, order],
            )
        ),
        causal=True,
    ).ordered()
    found = layer.bias_in(query, key[:, order], ordered)
    near(found, expected[..., order])


def test_a_window_counts_what_it_shows(rng):
    position = CoPE(max_position=5)
    layer = SlidingWindowAttention(
        HEADS, window_size=3, num_sinks=2, position=position
    )
    x = rng.normal(size=(2, 11, DIM)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng, deviation=0.4)
    padding = rng.random((2, 11)) < 0.8
    places = np.arange(11)
    distance = places[:, None] - places
    seen = (distance >= 0) & ((distance <= 3) | (places < 2))
    seen = seen & padding[:, None]
    dense = MultiHeadAttention(HEADS, position=CoPE(max_position=5))
    dense.build(x.shape)
    dense.set_weights(layer.get_weights())
    expected = dense(x, attention_mask=seen, use_causal_mask=True)
    near(layer(x, padding_mask=padding, use_causal_mask=True), expected)


def test_equal_gates_count_tokens(rng):
    """Gates of one half make the position half the distance, plus a half."""
    layer = make(rng, max_position=30)
    query, key = heads(rng, 7), 0.0 * heads(rng, 7)
    places = ops.arange(7, dtype="int32")
    visible = Visibility(places, places, causal=True).ordered(is_self=True)
    bias = to_numpy(layer.bias_in(query, key, visible))
    found = np.einsum("bthd,pd->bhtp", query, to_numpy(layer.table))
    near(bias[:, :, 6, 5], found[..., 6, 1])
    near(bias[:, :, 6, 6], found[..., 6, :2].mean(-1))
    near(bias[:, :, 6, 1], found[..., 6, 3])


def test_calls_that_are_not_causal_are_refused(rng):
    layer = MultiHeadAttention(HEADS, position=CoPE())
    x = rng.normal(size=(2, 5, DIM)).astype("float32")
    with pytest.raises(ValueError, match="CoPE.*use_causal_mask.*not causal"):
        layer(x)
    with pytest.raises(ValueError, match="CoPE"):
        layer.position.bias(
            heads(rng, 5), heads(rng, 5), np.arange(5), np.arange(5), False
        )
    with pytest.raises(ValueError, match="CoPE"):
        model = TransformerEncoder(23, 1, DIM, HEADS, position="cope")
        model(ops.ones((2, 5), "int32"))


def test_flavours_that_split_keys_refuse_it():
    with pytest.raises(ValueError, match="BigBirdAttention.*CoPE"):
        BigBirdAttention(HEADS, position=CoPE())


def test_config_makes_the_same_encoding():
    layer = CoPE(max_position=7, shared=True)
    again = CoPE.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.shared and again.max_position == 7
    again.build((None, None, HEADS, HEAD_DIM))
    assert tuple(again.table.shape) == (7, HEAD_DIM)
    assert not to_numpy(again.table).any()


@pytest.mark.parametrize("wrong", [1, -3, 2.5])
def test_a_number_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=f"max_position.*{wrong}"):
        CoPE(max_position=wrong)
