"""Attention in NumPy and float64, and a position that uses every hook."""

import keras
import numpy as np
from keras import ops

from keras_attention import PositionalEncoding

MOST = 64  # positions apart that get a bias of their own


@keras.saving.register_keras_serializable(package="tests")
class EveryHook(PositionalEncoding):
    """Turns, biases, adds to the output and scales, each with a weight."""

    def build(self, input_shape):
        heads, head_dim = input_shape[-2:]
        options = {"initializer": "random_normal", "autocast": False}
        self.slopes = self.add_weight(shape=(heads,), name="slopes", **options)
        self.vectors = self.add_weight(
            shape=(2 * MOST + 1, head_dim), name="vectors", **options
        )

    def rotate(self, x, positions, role):
        sign = 1.0 if role == "query" else -1.0
        growth = 1 + sign * 0.01 * ops.cast(positions, "float32")
        return x * ops.cast(growth[..., None, None], x.dtype)

    def bias(self, query, key, query_positions, key_positions, causal):
        distance = _distance(query_positions, key_positions)
        sign = -1.0 if causal else 1.0
        slopes = ops.convert_to_tensor(self.slopes)[:, None, None]
        bias = slopes * ops.cast(distance, "float32")[..., None, :, :]
        return sign * (bias if len(bias.shape) == 4 else bias[None])

    def values(self, weights, query_positions, key_positions):
        distance = _distance(query_positions, key_positions)
        vectors = ops.take(self.vectors, distance + MOST, axis=0)
        vectors = ops.cast(vectors, weights.dtype)
        if len(vectors.shape) == 3:
            return ops.einsum("bhts,tsd->bthd", weights, vectors)
        return ops.einsum("bhts,btsd->bthd", weights, vectors)

    def scale(self, head_dim):
        return 0.7 / head_dim


@keras.saving.register_keras_serializable(package="tests")
class Biased(EveryHook):
    """Turns, biases and scales, but adds nothing to the output."""

    values = PositionalEncoding.values


def _distance(query_positions, key_positions):
    return query_positions[..., :, None] - key_positions[..., None, :]


def attention(query, key, value, mask, position=None, causal=False):
    """Attends in float64.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key, value: `(batch, key_length, kv_heads, head_dim)`.
        mask: boolean `(batch, query_length, key_length)`.
        position: a built `EveryHook`, or None.

    Returns:
        `(output, weights)`.
    """
    query, key, value = (x.astype("float64") for x in (query, key, value))
    groups = query.shape[2] // key.shape[2]
    key, value = (np.repeat(x, groups, axis=2) for x in (key, value))
    rows, columns = np.arange(query.shape[1]), np.arange(key.shape[1])
    scale, bias, extra = query.shape[-1] ** -0.5, 0.0, None
    if position is not None:
        scale = 0.7 / query.shape[-1]
        query = query * (1 + 0.01 * rows)[:, None, None]
        key = key * (1 - 0.01 * columns)[:, None, None]
        distance = _distance(rows, columns)
        slopes = np.asarray(position.get_weights()[0], "float64")
        bias = slopes[:, None, None] * distance * (-1 if causal else 1)
        extra = np.asarray(position.get_weights()[1], "float64")
        extra = extra[distance + MOST]
    scores = np.einsum("bthd,bshd->bhts", query, key) * scale + bias
    if causal:
        mask = mask & (columns[None] <= rows[:, None])
    allowed = np.broadcast_to(mask[:, None], scores.shape)
    raised = np.exp(scores - scores.max(axis=-1, keepdims=True)) * allowed
    total = raised.sum(axis=-1, keepdims=True)
    weights = raised / np.where(total > 0, total, 1.0)
    output = np.einsum("bhts,bshd->bthd", weights, value)
    if extra is not None:
        output = output + np.einsum("bhts,tsd->bthd", weights, extra)
    return output, weights
