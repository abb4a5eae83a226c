"""Vectors of distances against Hugging Face's and their definition."""

import numpy as np
import pytest
from keras import ops

from keras_attention import (
    DifferentialAttention,
    LatentAttention,
    MultiHeadAttention,
    ShawRelative,
)
from keras_attention.masks import Visibility
from tests.positions.content import DIM, HEAD_DIM, HEADS, heads, softmax_of
from tests.tools import near, randomize, to_numpy


def vectors_of(layer, table, queries, keys):
    """The vector of every pair, in float64."""
    most = layer.max_distance
    rows = np.clip(keys[None] - queries[:, None], -most, most) + most
    return to_numpy(table).astype("float64")[rows]


def test_scores_are_those_of_wav2vec2_bert(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers.models.wav2vec2_bert import modeling_wav2vec2_bert as hf

    from tests.attention.hugging_face import copy

    config = hf.Wav2Vec2BertConfig(
        hidden_size=DIM,
        num_attention_heads=HEADS,
        position_embeddings_type="relative_key",
        left_max_position_embeddings=3,
        right_max_position_embeddings=3,
        attention_dropout=0.0,
    )
    config._attn_implementation = "eager"
    oracle = hf.Wav2Vec2BertSelfAttention(config).eval()
    for parameter in oracle.parameters():
        drawn = 0.3 * rng.normal(size=parameter.shape)
        parameter.data = torch.tensor(drawn.astype("float32"))
    position = ShawRelative(max_distance=3, use_values=False)
    layer = MultiHeadAttention(HEADS, position=position)
    layer.build((2, 11, DIM))
    copy(layer.query_dense, oracle.linear_q)
    copy(layer.key_dense, oracle.linear_k)
    copy(layer.value_dense, oracle.linear_v)
    copy(layer.output_dense, oracle.linear_out)
    position.of_keys.assign(oracle.distance_embedding.weight.detach().numpy())
    x = rng.normal(size=(2, 11, DIM)).astype("float32")
    for causal in (False, True):
        mask = np.where(np.tri(11) > 0, 0.0, -1e30) if causal else np.zeros(11)
        mask = torch.tensor(mask.astype("float32"))
        with torch.no_grad():
            expected = oracle(torch.tensor(x), attention_mask=mask)[0].numpy()
        near(layer(x, use_causal_mask=causal), expected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_kv_heads", [HEADS, 2])
@pytest.mark.parametrize("ordered", [True, False])
def test_keys_and_values_are_moved_by_vectors(
    rng, causal, num_kv_heads, ordered, monkeypatch
):
    if not ordered:  # as where positions are the caller's own
        monkeypatch.setattr(Visibility, "is_ordered", False)
    position = ShawRelative(max_distance=2)
    layer = MultiHeadAttention(
        HEADS, num_kv_heads=num_kv_heads, position=position
    )
    x = rng.normal(size=(2, 7, DIM)).astype("float32")
    layer.build(x.shape)
    randomize(layer, rng, deviation=0.4)
    padding = rng.random((2, 7)) < 0.7
    query, key, value = (
        to_numpy(dense(x)).astype("float64")
        for dense in (layer.query_dense, layer.key_dense, layer.value_dense)
    )
    group = HEADS // num_kv_heads
    key, value = (np.repeat(x, group, axis=2) for x in (key, value))
    places = np.arange(7)
    of_key, of_value = (
        vectors_of(position, table, places, places)
        for table in (position.of_keys, position.of_values)
    )
    key = key[:, None] + of_key[None, :, :, None]
    scores = np.einsum("bthd,btshd->bhts", query, key) / HEAD_DIM**0.5
    seen = padding[:, None, None] & (np.tri(7) > 0 if causal else True)
    weights = softmax_of(scores, seen)
    value = value[:, None] + of_value[None, :, :, None]
    mixed = np.einsum("bhts,btshd->bthd", weights, value)
    expected = layer.output_dense(ops.convert_to_tensor(mixed.astype("f")))
    found = layer(x, padding_mask=padding, use_causal_mask=causal)
    near(found, expected)


def test_values_of_any_positions_are_looked_up(rng):
    layer = ShawRelative(max_distance=3)
    layer.build((None, None, HEADS, HEAD_DIM))
    randomize(layer, rng)
    weights = rng.random((2, HEADS, 5, 7)).astype("float32")
    queries, keys = rng.integers(-4, 9, 5), rng.integers(-4, 9, 7)
    table = vectors_of(layer, layer.of_values, queries, keys)
    expected = np.einsum("bhts,tsd->bthd", weights, table)
    near(layer.values(ops.convert_to_tensor(weights), queries, keys), expected)
    rows = np.stack([queries, queries + 1])
    expected = np.stack(
        [
            np.einsum(
                "hts,tsd->thd",
                weights[row],
                vectors_of(layer, layer.of_values, rows[row], keys),
            )
            for row in range(2)
        ]
    )
    near(layer.values(ops.convert_to_tensor(weights), rows, keys), expected)


def test_heads_share_the_vectors():
    layer = ShawRelative(max_distance=5)
    layer.build((None, None, HEADS, HEAD_DIM))
    assert [tuple(w.shape) for w in layer.weights] == [(11, HEAD_DIM)] * 2


def test_without_values_it_goes_where_none_are_supported(rng):
    for cls in (DifferentialAttention, LatentAttention):
        with pytest.raises(ValueError, match="ShawRelative adds to the values"):
            cls(HEADS, position=ShawRelative())
    position = ShawRelative(use_values=False)
    assert position.overrides("bias") and not position.overrides("values")
    assert position.acts_on_scores and position.acts_in_attention
    layer = DifferentialAttention(HEADS, position=position)
    x = rng.normal(size=(2, 7, DIM)).astype("float32")
    before = to_numpy(layer(x))
    position.of_keys.assign(0.0 * to_numpy(position.of_keys))
    assert np.abs(to_numpy(layer(x)) - before).max() > 1e-3
    assert len(position.weights) == 1
    weights = heads(rng, 7)
    assert position.values(weights, np.arange(7), np.arange(7)) is None


def test_config_makes_the_same_encoding():
    layer = ShawRelative(max_distance=5, use_values=False, shared=True)
    again = ShawRelative.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.shared and not again.use_values


@pytest.mark.parametrize("wrong", [0, -3, 2.5, True])
def test_a_distance_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=f"max_distance.*{wrong}"):
        ShawRelative(max_distance=wrong)
