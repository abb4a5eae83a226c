"""Attention by positive features, in NumPy and float64, and ways to call it."""

import numpy as np
from keras import ops

from keras_attention.attention.linear import passes
from keras_attention.masks import Visibility
from tests.tools import to_numpy


def weigh(query, key, mask):
    """Weights of features `(batch, length, heads, features)`.

    Args:
        query, key: float64; the key may have fewer heads.
        mask: boolean `(batch, query_length, key_length)`.

    Returns:
        `(batch, heads, query_length, key_length)`; zero rows where all
        weights are zero.
    """
    key = np.repeat(key, query.shape[2] // key.shape[2], axis=2)
    weights = np.einsum("bthr,bshr->bhts", query, key) * mask[:, None]
    total = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(total > 0, total, 1.0)


def mix(weights, value):
    """Mixes values `(batch, length, kv_heads, head_dim)` by weights."""
    value = np.repeat(value, weights.shape[1] // value.shape[2], axis=2)
    return np.einsum("bhts,bshd->bthd", weights, value.astype("float64"))


def softmax(x, axis):
    raised = np.exp(x - x.max(axis=axis, keepdims=True))
    return raised / raised.sum(axis=axis, keepdims=True)


def heads(rng, layer, length, key_length=None, deviation=1.0):
    """Random query, key and value heads for two rows of a batch."""
    keys = key_length or length
    shapes = (
        (2, length, layer.num_heads, layer.head_dim),
        (2, keys, layer.num_kv_heads, layer.head_dim),
        (2, keys, layer.num_kv_heads, layer.head_dim),
    )
    return [
        (deviation * rng.normal(size=shape)).astype("float32")
        for shape in shapes
    ]


def padding(rng, length):
    """A mask with holes; the second row starts with three of them."""
    mask = rng.random((2, length)) < 0.7
    mask[1, :3] = False
    return mask


def mask_of(padding_mask, length, causal, start=0):
    mask = np.repeat(padding_mask[:, None], length, axis=1)
    if causal:
        places = start + np.arange(length)
        mask = mask & (np.arange(mask.shape[2]) <= places[:, None])
    return mask


def attend(layer, query, key, value, padding_mask, causal, start=0):
    """Calls `attend` as the layer does between its projections."""
    places = start + ops.arange(query.shape[1], dtype="int32")
    keys = places
    if key.shape[1] != query.shape[1] or start:
        keys = ops.arange(key.shape[1], dtype="int32")
    mask = ops.convert_to_tensor(padding_mask)
    visible = Visibility(places, keys, mask, None, causal)
    if keys is places:
        visible = visible.ordered(is_self=True)
    parts = [ops.convert_to_tensor(x) for x in (query, key, value)]
    return layer.attend(*parts, visible, layer.position)


def make_all_large(monkeypatch):
    """Lets every call go through the loops that compute features again."""
    monkeypatch.setattr(passes, "_LARGE", 0)
    monkeypatch.setattr(passes, "_KEYS", 16)


def check_split(rng, layer, length, borders, deviation=1.0):
    """Compares one causal pass over padded heads with any pieces of it."""
    parts = heads(rng, layer, length, deviation=deviation)
    mask = padding(rng, length)
    whole = to_numpy(attend(layer, *parts, mask, True))
    cache, outputs = layer.init_cache(2, length), []
    for start, stop in zip(borders, borders[1:], strict=False):
        places = ops.arange(start, stop, dtype="int32")
        piece = ops.convert_to_tensor(mask[:, start:stop])
        output, cache = layer.attend_with_cache(
            *(ops.convert_to_tensor(x[:, start:stop]) for x in parts),
            Visibility(places, places, piece, None, True),
            layer.position,
            cache,
            start,
        )
        outputs.append(to_numpy(output))
    size = np.abs(whole).max()
    error = np.abs(np.concatenate(outputs, axis=1) - whole).max()
    assert np.isfinite(size) and error < 1e-5 * max(size, 1.0)
