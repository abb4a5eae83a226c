"""Locality-sensitive hashing of vectors, and the order it gives."""

from keras import ops

from keras_attention.tensors import known_integer

_LARGEST_HALF = 32


def check_buckets(num_buckets):
    """Gives the even factors of a number of buckets, None for automatic.

    Args:
        num_buckets: None, an even integer, or a list of even integers whose
            product is the number.
    """
    if num_buckets is None:
        return None
    factors = num_buckets
    if not isinstance(num_buckets, (list, tuple)):
        factors = [num_buckets]
    for factor in factors or [0]:
        valid = isinstance(factor, int) and not isinstance(factor, bool)
        if not valid or factor < 2 or factor % 2:
            raise ValueError(
                "num_buckets must be an even integer of 2 or more, a list of "
                "such (whose product is the number), or None to choose it by "
                f"the length. Received: {num_buckets!r}"
            )
    return list(factors)


def num_columns(factors):
    """How many random directions a round of hashing needs."""
    return 2 * _LARGEST_HALF if factors is None else sum(factors) // 2


def hash_vectors(vectors, rotations, factors, num_chunks):
    """Gives every vector a bucket in each round.

    A factor of the buckets is the direction, of its own random ones and
    their opposites, to which a vector is nearest.

    Args:
        vectors: `(batch, heads, length, head_dim)`.
        rotations: `(head_dim, rounds, num_columns(factors))`.
        factors: list of even integers; None for two equal ones, the smallest
            whose product is at least twice the number of chunks (at most 64
            each).
        num_chunks: integers `(batch or 1, 1, 1, 1)`.

    Returns:
        `(buckets, number)`: integers `(batch, heads, rounds, length)`, and
        how many there are at most, an integer.
    """
    rotated = ops.einsum(
        "bhnd,drc->bhrnc", ops.cast(vectors, rotations.dtype), rotations
    )
    if factors is None:
        half = _half_by_length(num_chunks)
        parts = ops.split(rotated, 2, axis=-1)
        columns = ops.arange(_LARGEST_HALF, dtype="int32")
        within = columns < half[..., None]
        first, second = (_nearest(part, half, within) for part in parts)
        return first + 2 * half * second, (2 * _LARGEST_HALF) ** 2
    buckets, number, start = 0, 1, 0
    for factor in factors:
        half = factor // 2
        part = rotated[..., start : start + half]
        buckets = buckets + number * _nearest(part, half)
        number, start = number * factor, start + half
    return buckets, number


def _half_by_length(num_chunks):
    """The smallest h with `(2h)² >= 2 * num_chunks`, up to the largest."""
    candidates = ops.arange(1, _LARGEST_HALF, dtype="int32")
    too_small = 2 * candidates**2 < num_chunks
    return 1 + ops.sum(ops.cast(too_small, "int32"), axis=-1, keepdims=True)


def _nearest(rotated, half, within=None):
    """Which of `half` directions and their opposites is the nearest."""
    width = rotated.shape[-1]
    both = [rotated, -rotated]
    if within is not None:
        both = [ops.where(within, side, -1e30) for side in both]
    index = ops.argmax(ops.concatenate(both, axis=-1), axis=-1)
    index = ops.cast(index, "int32")
    return ops.where(index < width, index, index - width + half)


def sort_by_bucket(buckets, number, key_mask):
    """Orders tokens by bucket and place, those that do not count last.

    Args:
        buckets: integers `(batch, heads, rounds, length)`.
        number: integer, more than any bucket.
        key_mask: boolean `(batch, length)`, True for tokens that count.

    Returns:
        `(order, inverse)`, integers `(batch, heads, rounds, length)`: which
        place comes at which rank, and which rank a place has.

    Raises:
        ValueError: if places times buckets exceed the integers.
    """
    length = ops.shape(buckets)[-1]
    known = known_integer(length)
    if known is not None and (number + 1) * known >= 2**31:
        raise ValueError(
            "num_buckets times the length must stay below 2**31. Received: "
            f"num_buckets={number}, length={known}"
        )
    buckets = ops.where(key_mask[:, None, None], buckets, number)
    places = ops.arange(length, dtype="int32")
    # With the place inside, any sort is a stable one.
    order = ops.sort(buckets * length + places, axis=-1) % length
    inverse = ops.argsort(order, axis=-1)
    return order, ops.cast(inverse, "int32")
