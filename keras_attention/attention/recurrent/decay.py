"""Sums of the past that decay: linear attention with gates, in chunks.

A state S of keys and values is followed through the sequence,

    S_t = exp(g_t) * S_{t-1} + k_t v_t'        o_t = S_t' q_t,

where g_t <= 0 is one number of a head or one for each feature of the key.
Within a chunk that is a product of matrices, between chunks a short
recurrence. No exponent here is ever above zero, so that no decay, however
strong, overflows.
"""

import numpy as np
from keras import ops

from keras_attention.attention.recurrent.scan import (
    chunk_length,
    from_chunks,
    states_between,
    to_chunks,
)
from keras_attention.tensors import known_integer


def mix(query, key, value, decay, state, own, chunk_size):
    """Mixes the values of a span of a sequence and follows the state.

    Args:
        query, key: `(batch, length, heads, d_k)`, float32 or float64.
        value: `(batch, length, heads, d_v)`.
        decay: the logarithms g, `(batch or 1, length, heads, 1 or d_k)`.
        state: the state before the span, `(batch, heads, d_k, d_v)`, or
            None for zeros.
        own: whether a query reads what its own position wrote; if not, the
            decay of that position still counts.
        chunk_size: integer, a power of two.

    Returns:
        `(output, state)`: `(batch, length, heads, d_v)` and the state behind
        the span.
    """
    if state is not None and known_integer(query.shape[1]) == 1:
        return step(query, key, value, decay, state)
    length = ops.shape(query)[1]
    size = chunk_length(query.shape[1], chunk_size)
    query, key, value, decay = (
        to_chunks(x, size) for x in (query, key, value, decay)
    )
    total = ops.cumsum(decay, axis=3)
    products = decayed_products(query, key, total, own)
    whole = total[:, :, :, -1:]
    update = keys_by_values(key * ops.exp(whole - total), value)
    before, state = states_between(
        ops.swapaxes(ops.exp(whole), 3, 4), update, state
    )
    output = rows_by_columns(products, value)
    output = output + rows_by_columns(query * ops.exp(total), before)
    return from_chunks(output, length), state


def step(query, key, value, decay, state, beta=None):
    """Goes on by one position.

    Args: as of `mix`, with a length of 1, and
        beta: `(batch, 1, heads, 1)`; if given, the state writes not the
            value but its difference from what it holds for the key, times
            this: the delta rule.

    Returns:
        `(output, state)`.
    """
    query, key, value, decay = (x[:, 0] for x in (query, key, value, decay))
    state = state * ops.expand_dims(ops.exp(decay), -1)
    if beta is not None:
        value = beta[:, 0] * (value - _read(key, state))
    state = state + ops.expand_dims(key, -1) * ops.expand_dims(value, -2)
    return ops.expand_dims(_read(query, state), 1), state


def decayed_products(query, key, total, own):
    """Multiplies the queries of each chunk with its keys before them.

    Args:
        query, key: `(batch, heads, chunks, size, d_k)`.
        total: the sums of g up to each position of a chunk, `(batch or 1,
            heads, chunks, size, 1 or d_k)`.
        own: whether a query meets the key of its own position.

    Returns:
        `(batch, heads, chunks, size, size)`, zeros above the diagonal: the
        sums over features of `q_t k_s exp(total_t - total_s)`.
    """
    if total.shape[-1] == 1:
        size = query.shape[3]
        seen = np.tri(size, k=0 if own else -1, dtype="bool")
        difference = total - ops.swapaxes(total, 3, 4)
        decay = ops.exp(ops.where(seen, difference, -1e30))
        return rows_by_rows(query, key) * decay
    return _products_by_feature(query, key, total, own)


def _products_by_feature(query, key, total, own):
    """The products of decays that differ from feature to feature.

    A decay from s to t is one from s to a place between them and one from
    there to t, each at most 1, and so a part of the key and one of the query.
    Cutting at the middle of the chunk serves all pairs with t in the second
    half and s in the first; cutting at the quarters the pairs within a half;
    and so on down to neighbours.
    """
    size = query.shape[3]
    dtype = query.dtype
    own_products = ops.sum(query * key, axis=-1, keepdims=True)
    products = own_products * ops.eye(size, dtype=dtype) * float(own)
    half = size // 2
    while half:
        late = np.arange(size) // half % 2 == 1
        pairs = pairs_across(size, half)
        sign = ops.cast(np.where(late, 1, -1)[:, None], dtype)
        decay = ops.exp(sign * (total - _middles(total, half)))
        found = rows_by_rows(query * decay, key * decay)
        products = products + found * ops.cast(pairs, dtype)
        half //= 2
    return products


def pairs_across(size, half):
    """Marks the pairs that cross the middle of a block of `2 * half` rows.

    Returns:
        Boolean `(size, size)`, True where the row is in the second half of a
        block and the column in the first half of the same.
    """
    place = np.arange(size)
    late = place // half % 2 == 1
    same = place[:, None] // (2 * half) == place // (2 * half)
    return same & late[:, None] & ~late


def _middles(total, half):
    """Gives each row the last row of its block's first half."""
    shape = ops.shape(total)
    batch, heads, chunks, size, width = shape
    blocks = (batch, heads, chunks, size // (2 * half), 2 * half, width)
    middle = ops.reshape(total, blocks)[:, :, :, :, half - 1 : half]
    return ops.reshape(ops.broadcast_to(middle, blocks), shape)


def dense_products(query, key, decay, own):
    """Multiplies all queries with all keys before them.

    Args: as of `mix`.

    Returns:
        `(batch, heads, length, length)`.

    Raises:
        ValueError: if the length is not known.
    """
    length = known_integer(query.shape[1])
    if length is None:
        raise ValueError("Dense weights need a length that is known.")
    size = chunk_length(length, 2**31)
    query, key, decay = (to_chunks(x, size) for x in (query, key, decay))
    products = decayed_products(query, key, ops.cumsum(decay, axis=3), own)
    return products[:, :, 0, :length, :length]


def rows_by_rows(a, b):
    """`(..., t, d)` and `(..., s, d)` to `(..., t, s)`; five axes each."""
    # `matmul` on torch gives float32 for float64.
    return ops.einsum("bhntd,bhnsd->bhnts", a, b)


def rows_by_columns(a, b):
    """`(..., t, s)` and `(..., s, d)` to `(..., t, d)`; five axes each."""
    return ops.einsum("bhnts,bhnsd->bhntd", a, b)


def keys_by_values(key, value):
    """`(..., s, d)` and `(..., s, e)` to `(..., d, e)`; five axes each."""
    return ops.einsum("bhnsd,bhnse->bhnde", key, value)


def _read(key, state):
    return ops.einsum("bhd,bhde->bhe", key, state)
