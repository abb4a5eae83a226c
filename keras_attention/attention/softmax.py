"""Exact softmax attention, all queries at once."""

import keras
from keras import ops

from keras_attention.attention.products import (
    query_key_products,
    swap_heads,
    weighted_values,
)
from keras_attention.positions.base import at_least_float32


def attention_scores(query, key, visible, position):
    """Computes masked, scaled scores with the position's bias.

    Args:
        query: `(batch, query_length, heads, head_dim)`.
        key: `(batch, key_length, kv_heads, head_dim)`.
        visible: the `Visibility` of these queries.
        position: a `PositionalEncoding`.

    Returns:
        `(scores, mask)`: scores `(batch, heads, query_length, key_length)`
        in float32, or float64 for such inputs; the mask that was applied,
        broadcastable to them, or None.
    """
    scaled = query * ops.cast(position.scale(query.shape[-1]), query.dtype)
    # Where keys are kept by heads, the compiler finds that the swap cancels.
    scores = query_key_products(swap_heads(scaled), swap_heads(key))
    scores = ops.cast(scores, at_least_float32(scores.dtype))
    bias = position.bias(
        query,
        key,
        visible.query_positions,
        visible.key_positions,
        visible.causal,
    )
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    mask = visible.dense()
    return add_mask(scores, mask), mask


def add_mask(scores, mask):
    """Lowers scores that do not count so far that they vanish.

    Args:
        scores: `(batch, heads, query_length, key_length)`, float32 or float64:
            float16 has no numbers so low.
        mask: boolean, broadcastable to them, True for those that count; or
            None.

    Returns:
        `(batch, heads, query_length, key_length)`.
    """
    if mask is None:
        return scores
    # Added, since the gradient of a sum is for free and that of a choice is
    # not.
    return scores - ops.cast(ops.logical_not(mask), scores.dtype) * 1e30


def attention_weights(query, key, visible, position):
    """Computes softmax weights; rows that see nothing get zeros.

    Args: as of `attention_scores`.

    Returns:
        `(batch, heads, query_length, key_length)` in the dtype of `query`.
    """
    scores, mask = attention_scores(query, key, visible, position)
    weights = softmax(scores)
    if mask is not None:
        weights = ops.where(sees_any(mask), weights, 0.0)
    return ops.cast(weights, query.dtype)


def attend(query, key, value, visible, position, dropout=0.0, seed=None):
    """Mixes all values at once: softmax(QK' / sqrt(d)) V.

    Args: as of `attention_scores`, and
        value: `(batch, key_length, kv_heads, head_dim)`.
        dropout: share of the weights that is dropped.
        seed: integer tensor `(2,)` for dropout.

    Returns:
        `(batch, query_length, heads, head_dim)`; zeros for queries that see
        nothing.
    """
    scores, mask = attention_scores(query, key, visible, position)
    weights = ops.cast(softmax(scores), query.dtype)
    if dropout:
        weights = keras.random.dropout(weights, dropout, seed=HeldSeed(seed))
    output = swap_heads(weighted_values(weights, swap_heads(value)))
    extra = position.values(
        weights, visible.query_positions, visible.key_positions
    )
    if extra is not None:
        output = output + ops.cast(extra, output.dtype)
    if mask is not None:
        # Here and not in the weights, which are so much larger.
        output = ops.where(swap_heads(sees_any(mask)), output, 0.0)
    return output


def softmax(scores):
    """Softmax over the keys, the last axis of scores of any shape."""
    if scores.shape[-1] == 1:  # Keras warns of a softmax over one number.
        return ops.ones_like(scores) + 0.0 * scores
    return ops.softmax(scores, axis=-1)


def sees_any(mask):
    """Whether a query sees any key: `(batch or 1, 1, query_length or 1, 1)`."""
    return ops.any(mask, axis=-1, keepdims=True)


class HeldSeed(keras.random.SeedGenerator):
    """A seed that is drawn already and stays the same.

    Dropout inside `keras.remat` is computed twice and must draw the same
    numbers both times, so the seed is drawn outside and handed in.

    Args:
        value: integer tensor `(2,)` from `SeedGenerator.next()`.
    """

    # No `super().__init__()`: it would create a variable.
    def __init__(self, value):
        self.value = value
        self._initial_seed = 0

    def next(self, ordered=True):
        return self.value
