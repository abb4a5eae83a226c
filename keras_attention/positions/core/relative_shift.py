"""Shifting rows of distances to rows of keys, and back.

Where queries and keys each stand one behind the other, all that depends on
their distance needs only one number a distance: row t of the scores is a
stretch of these, and the row below it the same stretch, one further. Shifted
like that by reshaping (Huang et al. 2018, Music Transformer,
https://arxiv.org/abs/1809.04281), no tensor holds a vector for each pair.
"""

from keras import ops


def distances(query_positions, key_positions, causal=False):
    """Lists the distances from queries back to keys that occur, falling.

    Args:
        query_positions: integers `(query_length,)`, each one more than the
            one before.
        key_positions: integers `(key_length,)`, likewise.
        causal: whether later keys are hidden, so that distances below 0 do
            not matter. The last query must not stand behind the last key.

    Returns:
        Integers `(stretch,)`, as `skew` takes them: `query_length +
        key_length` of them, or when causal `key_length + 1`. The first is
        that of the last query and the first key.
    """
    queries, keys = ops.shape(query_positions)[0], ops.shape(key_positions)[0]
    stretch = keys + 1 if causal else queries + keys
    farthest = query_positions[0] + (queries - 1) - key_positions[0]
    return farthest - ops.arange(stretch, dtype="int32")


def skew(x, key_length):
    """Picks from numbers by distance those of each key.

    Args:
        x: `(..., query_length, stretch)`, for each query numbers by distance
            as `distances` orders them.
        key_length: integer, less than the stretch.

    Returns:
        `(..., query_length, key_length)`. Of a causal stretch, keys behind
        the query have finite numbers without a meaning.
    """
    *rest, rows, stretch = ops.shape(x)
    x = ops.reshape(x, (*rest, rows * stretch))
    # Row t starts at t * stretch + (rows - 1 - t), which grows by one less
    # than a stretch from row to row.
    x = x[..., rows - 1 : rows - 1 + rows * (stretch - 1)]
    x = ops.reshape(x, (*rest, rows, stretch - 1))
    return x[..., :key_length]


def spread(x, query_length, key_length):
    """Lays numbers by distance out as a matrix of pairs.

    Args:
        x: `(..., stretch)`, by distance as `distances` orders them.
        query_length, key_length: integers.

    Returns:
        `(..., query_length, key_length)`.
    """
    *rest, stretch = ops.shape(x)
    x = ops.broadcast_to(ops.expand_dims(x, -2), (*rest, query_length, stretch))
    return skew(x, key_length)
