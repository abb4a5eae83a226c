"""A cache of all keys and values, kept by heads."""

from keras import ops

from keras_attention.attention.core.einsum import swap_heads
from keras_attention.tensors import known_integer


def empty(batch_size, num_kv_heads, max_length, head_dim, dtype):
    """Makes an empty cache.

    Returns:
        `{"key", "value"}` of `(batch, num_kv_heads, max_length, head_dim)`,
        as every step multiplies them, and `{"mask"}` of `(batch,
        max_length)`.
    """
    shape = (batch_size, num_kv_heads, max_length, head_dim)
    return {
        "key": ops.zeros(shape, dtype=dtype),
        "value": ops.zeros(shape, dtype=dtype),
        "mask": ops.zeros((batch_size, max_length), dtype="bool"),
    }


def extend(cache, key, value, visible, start):
    """Writes keys and values, and gives all that the cache then holds.

    Args:
        cache: dictionary from `empty`.
        key, value: `(batch, length, num_kv_heads, head_dim)`.
        visible: the `Visibility` of this call's own keys.
        start: integer, the position of the first key.

    Returns:
        `(cache, key, value, visible)` with all `max_length` keys and values.

    Raises:
        ValueError: if they do not fit into the cache.
    """
    mask, visible = extend_mask(cache["mask"], key, visible, start)
    cache = {
        "key": write(cache["key"], swap_heads(key), start, axis=2),
        "value": write(cache["value"], swap_heads(value), start, axis=2),
        "mask": mask,
    }
    key, value = swap_heads(cache["key"]), swap_heads(cache["value"])
    return cache, key, value, visible


def extend_mask(buffer, key, visible, start):
    """Writes which of the keys of a call count.

    Args:
        buffer: boolean `(batch, max_length)`, the mask of the cache.
        key: `(batch, length, ...)`, the keys of this call.
        visible: the `Visibility` of this call's own keys.
        start: integer, the position of the first key.

    Returns:
        `(mask, visible)` of all `max_length` keys.

    Raises:
        ValueError: if the keys do not fit into the cache.
    """
    max_length = ops.shape(buffer)[1]
    check_room(start, key.shape[1], max_length)
    mask = visible.padding_mask
    if mask is None:
        mask = ops.ones(ops.shape(key)[:2], dtype="bool")
    mask = write(buffer, mask, start, axis=1)
    visible = visible._replace(
        key_positions=ops.arange(max_length, dtype="int32"), padding_mask=mask
    )
    return mask, visible.ordered()


def check_room(start, length, max_length):
    """Refuses positions outside the cache, where all three are known."""
    known = [known_integer(n) for n in (start, length, max_length)]
    if known[0] is not None and known[0] < 0:
        raise ValueError(f"start must be 0 or more. Received: {known[0]}")
    if None not in known and known[0] + known[1] > known[2]:
        raise ValueError(
            f"The cache holds max_length={max_length} positions. "
            f"Received: start={known[0]}, length={known[1]}"
        )


def write(buffer, piece, start, axis):
    """Replaces what stands from `start` on along an axis."""
    index = [0] * len(buffer.shape)
    index[axis] = start
    return ops.slice_update(buffer, index, ops.cast(piece, buffer.dtype))
