"""Sums over keys that make attention linear in the length.

Weights that are products of positive features, phi(q) . phi(k), need no
scores: a query asks the sums of phi(k) v' and of phi(k) over the keys it sees.
Features that grow like exponentials come divided by their largest; its
logarithm travels beside them and cancels in the end.
"""

from typing import Any, NamedTuple

import keras
from keras import ops

# The logarithm of nothing, and the least sum of weights that counts. The
# first is the same number in every precision: it is taken from itself.
LOWEST, _LEAST = -(2.0**100), 1e-30


class Sums(NamedTuple):
    """What some keys leave behind for the queries after them.

    Attributes:
        state: `(..., features, head_dim)`, the sum of phi(k) v'.
        sum: `(..., features, 1)`, the sum of phi(k).
        log: `(..., 1, 1)`, the logarithm of a factor that both still need;
            None where there is none.
    """

    state: Any
    sum: Any
    log: Any = None


def product(x, y, transpose_x=False, transpose_y=False):
    """Multiplies matrices, the last two axes; the others broadcast.

    Args:
        x: `(..., rows, inner)`, with `transpose_x` `(..., inner, rows)`.
        y: `(..., inner, columns)`, with `transpose_y` `(..., columns, inner)`.
        transpose_x, transpose_y: whether to swap the last two axes.

    Returns:
        `(..., rows, columns)` in the dtype of both.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        # The gradient of its `einsum` transposes the large tensors.
        return tf.matmul(x, y, transpose_a=transpose_x, transpose_b=transpose_y)
    rows = "st" if transpose_x else "ts"
    columns = "us" if transpose_y else "su"
    return ops.einsum(f"...{rows},...{columns}->...tu", x, y)


def no_sums(batch, heads, num_features, head_dim, dtype, with_log=False):
    """Gives what no keys leave behind, `(batch, heads, ...)`."""
    shape = (batch, heads, num_features, head_dim)
    log = None
    if with_log:
        log = ops.full((batch, heads, 1, 1), LOWEST, dtype=dtype)
    zeros = ops.zeros((*shape[:3], 1), dtype=dtype)
    return Sums(ops.zeros(shape, dtype=dtype), zeros, log)


def as_cache(state, total, log=None):
    """Lays the sums of one sequence a row out as a cache, without idle axes."""
    cache = {"state": state, "sum": total[..., 0]}
    return cache if log is None else {**cache, "log": log[..., 0, 0]}


def from_cache(cache):
    """Undoes `as_cache`; a list of two or three tensors."""
    sums = [cache["state"], cache["sum"][..., None]]
    return [*sums, cache["log"][..., None, None]] if "log" in cache else sums


def sum_keys(key, log, value, mask):
    """Sums over keys, the axis before the last.

    Args:
        key: features `(..., keys, features)`.
        log: `(..., keys, 1)`, logarithms of their factors, or None.
        value: `(..., keys, head_dim)`.
        mask: boolean, broadcastable to `(..., keys, 1)`, or None.

    Returns:
        `Sums` with the leading axes.
    """
    weights, top = key_weights(log, mask, value.dtype)
    if weights is None:
        # A product, since the gradient of a sum would be one more pass.
        weights = ops.ones_like(value[..., :1])
    else:
        value = value * weights
        # A product once more: XLA cannot differentiate a broadcast to a shape
        # that it does not know.
        weights = weights * ops.ones_like(value[..., :1])
    return Sums(
        product(key, value, transpose_x=True),
        product(key, weights, transpose_x=True),
        top,
    )


def key_weights(log, mask, dtype):
    """Gives factors of keys, at most 1, and the logarithm taken out of them.

    Args: as of `sum_keys`, and
        dtype: of the factors.

    Returns:
        `(factors (..., keys, 1), log (..., 1, 1))`; each may be None.
    """
    if log is None:
        return None if mask is None else ops.cast(mask, dtype), None
    if mask is not None:
        log = ops.where(mask, log, LOWEST)
    top = ops.max(log, axis=-2, keepdims=True)
    weights = ops.exp(log - top)
    return weights if mask is None else ops.where(mask, weights, 0.0), top


def merge(sums, axis):
    """Adds up sums of separate keys along an axis."""
    state, total, log = sums
    if log is not None:
        top = ops.max(log, axis=axis, keepdims=True)
        factor = ops.exp(log - top)
        state, total = state * factor, total * factor
        log = ops.squeeze(top, axis)
    return Sums(ops.sum(state, axis=axis), ops.sum(total, axis=axis), log)


def sums_before(sums, first):
    """Adds up, for every chunk, what stands before it.

    Args:
        sums: `Sums` of each chunk, `(..., chunks, features, head_dim)`.
        first: `Sums` of what stands before all, without the axis of chunks.

    Returns:
        `Sums` of the shapes of `sums`.
    """
    first = [None if x is None else x[..., None, :, :] for x in first]
    first = Sums(*first)
    if sums.state.shape[-3] == 1:
        return first
    place = ops.arange(ops.shape(sums.state)[-3])
    earlier = ops.less(place[None], place[:, None])
    factor, top = 1.0, None
    if sums.log is None:
        weights = ops.cast(earlier, sums.state.dtype)
    else:
        log = ops.swapaxes(sums.log[..., 0], -1, -2)
        log = ops.where(earlier, log, LOWEST)
        top = ops.max(log, axis=-1, keepdims=True)[..., None]
        top = ops.maximum(top, first.log)
        weights = ops.where(earlier, ops.exp(log - top[..., 0]), 0.0)
        factor = ops.exp(first.log - top)
    return Sums(
        _mix(weights, sums.state) + first.state * factor,
        _mix(weights, sums.sum) + first.sum * factor,
        top,
    )


def sums_after(own, before):
    """Adds up what the last chunk and all before it leave behind.

    Args:
        own: `Sums` of each chunk, `(..., chunks, features, head_dim)`.
        before: what `sums_before` made of them.

    Returns:
        `Sums` without the axis of chunks.
    """
    last = [
        None if x is None else ops.stack([x[..., -1, :, :], y[..., -1, :, :]])
        for x, y in zip(own, before, strict=True)
    ]
    return merge(Sums(*last), axis=0)


def _mix(weights, matrices):
    """Multiplies `(..., chunks, chunks)` with `(..., chunks, r, d)`."""
    shape = ops.shape(matrices)
    rows = ops.reshape(matrices, (*shape[:-2], shape[-2] * shape[-1]))
    return ops.reshape(product(weights, rows), shape)


def read(query, sums):
    """Gives weighted values and the sum of the weights, both undivided.

    Args:
        query: features `(..., queries, features)`.
        sums: `Sums` of what each of them sees.

    Returns:
        `(..., queries, head_dim)` and `(..., queries, 1)`.
    """
    return product(query, sums.state), product(query, sums.sum)


def read_chunks(query, key, log, value, mask, sums, repeats):
    """Lets every query see what stands before it, chunk by chunk.

    Args: as of `sum_keys` with an axis `(..., chunks, keys, ...)`, and
        query: features `(..., chunks, rows, features)`; the rows are those
            of the keys, or several times as many, head after head.
        sums: `Sums` of what stands before each chunk.
        repeats: integer, rows of the query for each key of the chunk.

    Returns:
        As of `read`.
    """
    place = ops.arange(ops.shape(key)[-2])
    seen = ops.less_equal(place[None], place[:, None])
    if mask is not None:
        seen = ops.logical_and(seen, ops.swapaxes(mask, -1, -2))
    if log is None:
        factors, carried = ops.cast(seen, value.dtype), None
    else:
        # Of each row its own: a larger key behind it must not matter.
        log = ops.where(seen, ops.swapaxes(log, -1, -2), LOWEST)
        top = ops.max(log, axis=-1, keepdims=True)
        top = ops.maximum(top, sums.log)
        factors = ops.where(seen, ops.exp(log - top), 0.0)
        carried = _repeat(ops.exp(sums.log - top), repeats)
    weights = product(query, key, transpose_y=True)
    weights = weights * _repeat(factors, repeats)
    total = ops.sum(weights, axis=-1, keepdims=True)
    output, before = product(weights, value), read(query, sums)
    if carried is not None:
        before = [x * carried for x in before]
    return output + before[0], total + before[1]


def read_keys(query, key, log, value, mask):
    """Lets every query see all keys by way of their weights.

    For few queries that is less work than the sums over the keys.

    Args: as of `sum_keys`, and
        query: features `(..., queries, features)`.

    Returns:
        As of `read`.
    """
    weights = product(query, key, transpose_y=True)
    factors, _ = key_weights(log, mask, value.dtype)
    if factors is not None:
        weights = weights * ops.swapaxes(factors, -1, -2)
    return product(weights, value), ops.sum(weights, axis=-1, keepdims=True)


def _repeat(rows, times):
    """Repeats the rows for every head that shares the keys."""
    return rows if times == 1 else ops.concatenate([rows] * times, axis=-2)


def divide(output, total):
    """Divides by the sum of the weights; zeros where there are none.

    Args:
        output: `(..., queries, head_dim)`.
        total: `(..., queries, 1)`.

    Returns:
        `(..., queries, head_dim)`.
    """
    has_weight = ops.greater(total, _LEAST)
    total = ops.where(has_weight, total, 1.0)
    # A gradient of 1 / x squares x, which must not vanish: x is near 1 here.
    scale = ops.stop_gradient(1.0 / total)
    return output * ops.where(has_weight, scale / (total * scale), 0.0)
