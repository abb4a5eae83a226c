"""A band in blocks of queries, each with the keys around it."""

import functools

from keras import ops

from keras_attention.attention.core.query_blocks import in_plain_graph
from keras_attention.attention.core.recompute import Recomputation
from keras_attention.attention.core.split import (
    UNKNOWN_BATCH,
    block_seed,
    join,
    split,
)
from keras_attention.attention.windows.band_blocks_tf import attend_by_hand
from keras_attention.attention.windows.band_call import (
    attend_to_all,
    block_mask,
    key_mask_of,
)
from keras_attention.masks import Visibility, causal_mask
from keras_attention.tensors import known_integer

# Scores, of four bytes each, in a group of blocks.
_GROUP = 2**26


def attend_in_blocks(call, mixing):
    """Pads to whole blocks of queries, and processes them in groups."""
    length = ops.shape(call.query)[1]
    block_size = mixing.block_size
    if known_integer(length) is not None:
        block_size = min(block_size, length)
    mixing = mixing._replace(block_size=block_size)
    hooks = mixing.position.acts_on_scores
    if in_plain_graph() and not hooks:
        return attend_by_hand(_padded(call, block_size), mixing)[:, :length]
    num_blocks = 1 if hooks else _blocks_in_group(call, block_size)
    rows = num_blocks * block_size
    call = _padded(call, rows)
    blocks = _cut(call, rows, hooks)
    recomputation = Recomputation(
        [*mixing.position.weights, *mixing.scoring.learned]
    )
    run = functools.partial(_attend_in_group, call, mixing, recomputation)
    if known_integer(length) is not None and length <= rows:
        output = run({name: x[0] for name, x in blocks.items()}, once=True)
        return output[:, :length]
    return join(ops.map(run, blocks), length)


def _blocks_in_group(call, block_size):
    """How many blocks are processed at once."""
    batch, length, heads = map(known_integer, call.query.shape[:3])
    if length is None:
        return 1
    keys = block_size + call.window_size + call.after
    if call.extra is not None:
        keys = keys + (known_integer(call.extra.key.shape[1]) or 0)
    most = max(
        _GROUP // ((batch or UNKNOWN_BATCH) * heads * block_size * keys), 1
    )
    num_blocks = -(-length // block_size)
    return -(-num_blocks // -(-num_blocks // most))


def _padded(call, rows):
    """Pads queries to a multiple of `rows`, and keys by their windows."""
    length = ops.shape(call.query)[1]
    missing = -length % rows
    left = call.window_size - call.before
    right = missing + call.after

    def pad(x, left, right):
        width = [(0, 0)] * len(x.shape)
        width[1] = (left, right)
        return ops.pad(x, width)

    visible = call.visible
    positions = visible.query_positions
    if len(positions.shape) == 1:
        positions = positions[None]
    places = ops.arange(-left, ops.shape(call.key)[1] + right, dtype="int32")
    if visible.is_ordered:
        key_positions = visible.key_positions[0] + places
    else:
        places = ops.clip(places, 0, ops.shape(visible.key_positions)[0] - 1)
        key_positions = ops.take(visible.key_positions, places)
    padded = visible._replace(
        query_positions=pad(positions, 0, missing),
        key_positions=key_positions,
        padding_mask=pad(key_mask_of(call), left, right),
        is_ordered=visible.is_ordered,
    )
    return call._replace(
        query=pad(call.query, 0, missing),
        key=pad(call.key, left, right),
        value=pad(call.value, left, right),
        visible=padded,
    )


def _cut(call, rows, hooks):
    """Cuts a padded call into groups, which come first in every tensor."""
    visible = call.visible
    reach = (rows, call.window_size, call.after)
    blocks = {
        "query": split(call.query, rows),
        "key": windows(call.key, *reach),
        "value": windows(call.value, *reach),
        "key_mask": windows(visible.padding_mask, *reach),
    }
    blocks["index"] = ops.arange(ops.shape(blocks["query"])[0], dtype="int32")
    blocks["positions"] = split(visible.query_positions, rows)
    if hooks:
        blocks["key_positions"] = windows(visible.key_positions[None], *reach)
    return blocks


def _attend_in_group(call, mixing, recomputation, group, once=False):
    """Attends in a group of blocks, to be computed again backwards.

    Args:
        call: the padded `Call`.
        mixing: a `Mixing`.
        recomputation: a `Recomputation` of what is learned in a block.
        group: dictionary from `_cut`, without the axis of groups.
        once: whether this is the only group, so that nothing is saved by
            computing it twice.

    Returns:
        `(batch, rows, heads, head_dim)`.
    """
    extra = call.extra
    seed = block_seed(mixing.seed, group["index"])
    mixing = mixing._replace(seed=seed)
    heads = [group["query"], group["key"], group["value"]]
    if extra is not None:
        heads += [extra.key, extra.value]

    def run(query, key, value, *extra_heads):
        own = extra
        if extra is not None:
            own = extra._replace(key=extra_heads[0], value=extra_heads[1])
        part = {**group, "query": query, "key": key, "value": value}
        return _attend_in_part(call, part, own, mixing)

    return recomputation(run, *heads, recompute=not once)


def _attend_in_part(call, part, extra, mixing):
    """Folds the blocks of a group into the batch, and attends in all."""
    batch, rows = ops.shape(part["query"])[:2]
    size = mixing.block_size
    reach = (size, call.window_size, call.after)
    count = rows // size

    def fold(blocks):
        blocks = ops.broadcast_to(
            blocks, (count, batch, *ops.shape(blocks)[2:])
        )
        return ops.reshape(blocks, (count * batch, *ops.shape(blocks)[2:]))

    query = fold(split(part["query"], size))
    key, value, key_mask = (
        fold(windows(part[name], *reach))
        for name in ("key", "value", "key_mask")
    )
    seen = None
    if extra is not None:
        if call.visible.causal:
            positions = fold(split(part["positions"], size))
            seen = causal_mask(positions, extra.positions)
        extra = extra._replace(
            key=fold(extra.key[None]),
            value=fold(extra.value[None]),
            padding_mask=fold(extra.padding_mask[None]),
        )
    # Masks say all that is hidden; the rest is for the hooks of a position.
    visible = Visibility(None, None, key_mask, block_mask(call, size))
    if "key_positions" in part:
        visible = visible._replace(
            query_positions=part["positions"][0],
            key_positions=part["key_positions"][0],
            causal=call.visible.causal,
            is_ordered=call.visible.is_ordered,
        )
    output = attend_to_all(query, key, value, visible, extra, seen, mixing)
    output = ops.reshape(output, (count, batch, *ops.shape(output)[1:]))
    return join(output, rows)


def windows(x, rows, before, after):
    """Cuts out the keys around each block of queries.

    Args:
        x: `(batch, before + blocks * rows + after, ...)`.
        rows: integer, queries in a block.
        before, after: integers, keys on each side of a block.

    Returns:
        `(blocks, batch, before + rows + after, ...)`.
    """
    left, right = -(-before // rows), -(-after // rows)
    width = [(0, 0)] * len(x.shape)
    width[1] = (left * rows - before, right * rows - after)
    # Slices of whole blocks rather than a gather, whose gradient is slow.
    blocks = split(ops.pad(x, width), rows)
    num_blocks = ops.shape(blocks)[0] - left - right
    parts = [
        blocks[place : place + num_blocks] for place in range(left + right + 1)
    ]
    if left:
        parts[0] = parts[0][:, :, left * rows - before :]
    if right:
        parts[-1] = parts[-1][:, :, : rows - (right * rows - after)]
    return ops.concatenate(parts, axis=2)
