"""One softmax over keys that lie in several sets."""

import functools
from typing import Any, NamedTuple

import keras
from keras import ops

from keras_attention.attention.core.dropout import DrawnSeed
from keras_attention.attention.core.grouped_scores import (
    tile_outputs,
    tile_scores,
)
from keras_attention.attention.core.softmax import add_mask


class Partial(NamedTuple):
    """What some of the keys add to a softmax.

    Attributes:
        top: `(..., queries, 1)`, the highest score; a constant.
        total: `(..., queries, 1)`, the sum of exp(score - top).
        mixed: `(..., queries, head_dim)`, the sum of exp(score - top) value.
    """

    top: Any
    total: Any
    mixed: Any

    def map(self, function):
        """Moves the axes of all three alike."""
        return Partial(*map(function, self))


def partial_softmax(
    query,
    key,
    value,
    mask,
    position,
    query_positions,
    key_positions,
    causal,
    dropout=0.0,
    seed=None,
):
    """Attends to some of the keys.

    Args: as of `tile_scores`, and
        value: `(batch, kv_heads, tiles, keys, head_dim)`.
        mask: boolean, broadcastable to `(batch, heads, tiles, queries,
            keys)`: the keys that count.
        dropout: share of the weights that is dropped.
        seed: integer tensor `(2,)` for dropout.

    Returns:
        A `Partial` of `(batch, heads, tiles, queries, ...)`.
    """
    places = query_positions, key_positions
    scores = tile_scores(query, key, position, *places, causal)
    scores = add_mask(scores, mask)
    # A constant: what it is cancels in the end.
    top = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
    raised = ops.exp(scores - top)
    total = ops.sum(raised, axis=-1, keepdims=True)
    raised = ops.cast(raised, query.dtype)
    if dropout:
        raised = keras.random.dropout(raised, dropout, seed=DrawnSeed(seed))
    mixed = tile_outputs(raised, value, position, *places)
    return Partial(top, total, ops.cast(mixed, total.dtype))


def join_partials(partials):
    """Joins what several sets of keys add to one softmax.

    Args:
        partials: list of `Partial` of one shape.

    Returns:
        `(..., queries, head_dim)`; zeros for queries that see nothing.
    """
    top = functools.reduce(ops.maximum, [part.top for part in partials])
    total = mixed = 0.0
    for part in partials:
        share = ops.exp(part.top - top)
        total = total + share * part.total
        mixed = mixed + share * part.mixed
    # Of the highest score there is one at least, so the total is no less
    # than one. Where no key counts, all scores are as low as the mask.
    return ops.where(top > -1e29, mixed / total, 0.0)
