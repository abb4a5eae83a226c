"""The cache of the fixed sparse pattern: the own block and all summaries."""

from keras import ops

from keras_attention.attention.core.kv_cache import check_room
from keras_attention.attention.core.softmax import swap_heads

_NAMES = ("key", "value", "mask")


def empty(batch_size, num_kv_heads, max_length, head_dim, dtype, stride, count):
    """Makes an empty cache.

    Args:
        batch_size, num_kv_heads, max_length, head_dim, dtype: as of
            `key_value_cache.empty`.
        stride: integer, positions in a block.
        count: integer, how many at the end of each are kept.

    Returns:
        `{"block_key", "block_value"}` of `(batch, num_kv_heads, stride,
        head_dim)`, `{"block_mask"}` of `(batch, stride)`, and the same of
        `count` positions a block as `"summary_key"` and so on.
    """
    summaries = -(-max_length // stride) * count
    cache = {}
    for part, number in (("block", stride), ("summary", summaries)):
        shape = (batch_size, num_kv_heads, number, head_dim)
        cache[f"{part}_key"] = ops.zeros(shape, dtype=dtype)
        cache[f"{part}_value"] = ops.zeros(shape, dtype=dtype)
        cache[f"{part}_mask"] = ops.zeros((batch_size, number), dtype="bool")
    return cache


def extend(cache, key, value, visible, start, count):
    """Writes the keys of a call, those that somebody may still see.

    Args:
        cache: dictionary from `empty`.
        key, value: `(batch, length, num_kv_heads, head_dim)`.
        visible: the `Visibility` of this call's own keys.
        start: integer, the position of the first key.
        count: integer, how many at the end of each block are kept.

    Returns:
        `(cache, recent)`: what `listed_keys` reads besides, the block before
        and the keys of this call, side by side.

    Raises:
        ValueError: if they do not fit into the cache.
    """
    length = ops.shape(key)[1]
    stride = cache["block_mask"].shape[1]
    summaries = ops.shape(cache["summary_mask"])[1]
    check_room(start, length, summaries // count * stride)
    mask = visible.padding_mask
    if mask is None:
        mask = ops.ones(ops.shape(key)[:2], dtype="bool")
    new = {"key": swap_heads(key), "value": swap_heads(value), "mask": mask}
    last = (start + length - 1) // stride * stride
    slots = ops.arange(summaries, dtype="int32")
    places = {
        "block": last + ops.arange(stride, dtype="int32"),
        "summary": _end_positions(slots, stride, count),
    }
    written, recent = {}, {}
    for name in _NAMES:
        new[name] = ops.cast(new[name], cache[f"block_{name}"].dtype)
        axis = len(new[name].shape) - (1 if name == "mask" else 2)
        old = cache[f"block_{name}"]
        recent[name] = ops.concatenate([old, new[name]], axis=axis)
        for part, positions in places.items():
            written[f"{part}_{name}"] = _write(
                cache[f"{part}_{name}"],
                new[name],
                positions - start,
                length,
                axis,
            )
    return {name: written[name] for name in cache}, recent


def listed_keys(cache, recent, place, start, count):
    """Gives the keys that one query sees.

    Args:
        cache, recent: what `extend` gave.
        place: integer, the position of the query.
        start: integer, the position of the first key of the call.
        count: integer, how many at the end of each block are kept.

    Returns:
        `(key, value, mask, positions)`: `(batch, num_kv_heads, keys,
        head_dim)` twice, `(batch, keys)` and `(keys,)`; first `stride` keys
        near by, then the others.
    """
    stride = cache["block_mask"].shape[1]
    first = place // stride * stride
    own = first + ops.arange(stride, dtype="int32")
    # The block before stands in front of the keys of this call.
    index = ops.where(own < start, own % stride, stride + own - start)
    index = ops.clip(index, 0, ops.shape(recent["mask"])[1] - 1)
    slots = ops.arange(ops.shape(cache["summary_mask"])[1], dtype="int32")
    ends = _end_positions(slots, stride, count)
    joined = {}
    for name in _NAMES:
        axis = 1 if name == "mask" else 2
        near = ops.take(recent[name], index, axis=axis)
        far = cache[f"summary_{name}"]
        if name == "mask":
            near = ops.logical_and(near, own <= place)
            far = ops.logical_and(far, ends < first)
        joined[name] = ops.concatenate([near, far], axis=axis)
    return (
        joined["key"],
        joined["value"],
        joined["mask"],
        ops.concatenate([own, ends]),
    )


def _end_positions(slots, stride, count):
    """The positions that the slots of the summary stand for."""
    return slots // count * stride + stride - count + slots % count


def _write(old, new, index, length, axis):
    """Takes what the new rows have, and the old ones elsewhere."""
    inside = ops.logical_and(index >= 0, index < length)
    found = ops.take(new, ops.clip(index, 0, length - 1), axis=axis)
    inside = inside if axis == 1 else inside[:, None]
    return ops.where(inside, found, old)
