"""Blocks of queries that attend to lists of blocks of keys."""

import keras
from keras import ops

from keras_attention.attention.core.dropout import DrawnSeed
from keras_attention.attention.core.grouped_scores import (
    tile_outputs,
    tile_scores,
)
from keras_attention.attention.core.recompute import Recomputation
from keras_attention.attention.core.softmax import PLAIN, add_mask
from keras_attention.attention.core.split import (
    block_seed,
    count_blocks,
    cut_axis,
    pad_end,
)
from keras_attention.attention.sparse.key_blocks import KeyBlocks
from keras_attention.masks import causal_mask
from keras_attention.tensors import known_integer

# Scores of a group of blocks, and the most groups. Their number is bounded
# because each of them adds to the gradients of all keys.
_GROUP, _MOST_GROUPS = 2**18, 8


def attend_to_blocks(
    query,
    key,
    value,
    visible,
    position,
    lists,
    block_size,
    start=0,
    rows=None,
    dropout=0.0,
    seed=None,
    scoring=PLAIN,
):
    """Mixes the values of the blocks of keys that each block of queries lists.

    The blocks of keys of a list are gathered side by side, so that a block of
    queries is two matrix products. Groups of blocks are processed one after
    the other and computed again in the backward pass.

    Args: as of `softmax.attend`, and
        lists: function from the numbers of blocks of queries `(rows,)` to
            those of the keys they see, `(num_heads or 1, rows, width)`: each
            at most once; those outside the sequence stand for none.
        block_size: integer, positions in a block.
        start: integer, the place of the first query among the keys.
        rows: integers, the blocks of queries that are wanted, counted from
            the first; by default all of them. Not where `start` is no
            multiple of `block_size`.

    Returns:
        `(batch, query_length, heads, head_dim)`; with `rows`, `(batch,
        len(rows) * block_size, heads, head_dim)`.
    """
    rule = Placement(ops.shape(query)[1], block_size, start)
    blocks = {
        "query": rule.split(query),
        "positions": rule.split(visible.query_positions, axis=0),
    }
    if visible.attention_mask is not None:
        blocks["mask"] = rule.split(visible.attention_mask)
    wanted = rule.rows
    if rows is not None:
        blocks = {name: ops.take(x, rows, 0) for name, x in blocks.items()}
        wanted = ops.take(wanted, rows, 0)
    found = lists(wanted)
    if rule.size == 1:
        # One query does not pay for cutting all keys into blocks.
        found, block_size = _positions_of(found, block_size), 1
    blocks["lists"] = swap_first(found)
    keys = KeyBlocks.cut(key, value, visible, block_size)
    how = (visible, position, dropout, seed, scoring)
    outputs = _attend_in_groups(blocks, keys, *how)
    return rule.join(outputs) if rows is None else merge(outputs)


def _positions_of(lists, block_size):
    """Lists the keys of listed blocks one by one."""
    *shape, width = ops.shape(lists)
    places = ops.arange(block_size, dtype="int32")
    places = lists[..., None] * block_size + places
    return ops.reshape(places, (*shape, width * block_size))


class Placement:
    """Where the queries of a call stand among the blocks of the layout.

    Args:
        length: integer, number of queries.
        block_size: integer, positions in a block.
        start: integer, the place of the first query.

    Attributes:
        rows: integers, the blocks of queries.
        size: integer, how many queries of a block are there.
    """

    def __init__(self, length, block_size, start):
        self.length, self.size, self.offset = length, block_size, None
        known = known_integer(start)
        if known_integer(length) == 1:
            self.size, number = 1, 1
        elif known is not None and known % block_size == 0:
            number = count_blocks(length, block_size)
        else:
            # The first block may lack some queries at its front.
            number = (length + 2 * block_size - 2) // block_size
            self.offset = start % block_size
        self.number = number
        self.rows = start // block_size + ops.arange(number, dtype="int32")

    def split(self, x, axis=1):
        """Cuts an axis of queries into blocks, which come first."""
        if self.offset is not None:
            places = ops.arange(self.number * self.size, dtype="int32")
            places = ops.clip(places - self.offset, 0, self.length - 1)
            x = ops.take(x, places, axis=axis)
        return ops.moveaxis(cut_axis(x, self.number, self.size, axis), axis, 0)

    def join(self, blocks):
        """Undoes `split` along the second axis."""
        x = merge(blocks)
        if self.offset is not None:
            places = self.offset + ops.arange(self.length, dtype="int32")
            return ops.take(x, places, axis=1)
        return x[:, : self.length]


def merge(blocks):
    """Joins `(blocks, batch, size, ...)` to `(batch, blocks * size, ...)`."""
    number, batch, size, *rest = ops.shape(blocks)
    return ops.reshape(swap_first(blocks), (batch, number * size, *rest))


def swap_first(x):
    """Swaps the first two axes."""
    return ops.swapaxes(x, 0, 1)


def _attend_in_groups(blocks, keys, visible, position, dropout, seed, scoring):
    """Attends with all blocks, in as many groups as memory asks for."""
    number = ops.shape(blocks["query"])[0]
    groups = _num_groups(blocks, keys)
    if groups == 1:
        group = {**blocks, "index": 0}
        return _attend_group(
            group, keys, visible, position, dropout, seed, scoring
        )
    size = ops.maximum(-(-number // groups), 1)
    if known_integer(number) is not None:
        size = -(-number // groups)
    blocks = {
        name: ops.reshape(
            pad_end(x, groups * size - number, 0),
            (groups, size, *ops.shape(x)[1:]),
        )
        for name, x in blocks.items()
    }
    blocks["index"] = ops.arange(groups, dtype="int32")
    recomputation = Recomputation([*position.weights, *scoring.learned])
    if keys.mask is not None:
        keys = keys._replace(mask=ops.copy(keys.mask))

    def run(group):
        def attend(query, key, value):
            return _attend_group(
                {**group, "query": query},
                keys._replace(key=key, value=value),
                visible,
                position,
                dropout,
                seed,
                scoring,
            )

        return recomputation(attend, group["query"], keys.key, keys.value)

    outputs = ops.map(run, blocks)
    shape = ops.shape(outputs)
    outputs = ops.reshape(outputs, (groups * size, *shape[2:]))
    return outputs[:number]


def _num_groups(blocks, keys):
    number, batch, size, heads, _ = ops.shape(blocks["query"])
    width = ops.shape(blocks["lists"])[2]
    scores = 1
    for factor in (number, batch, size, heads, width, keys.shape[2]):
        known = known_integer(factor)
        if known is None:
            return _MOST_GROUPS
        scores *= known
    return max(min(scores // _GROUP, _MOST_GROUPS, known_integer(number)), 1)


def _attend_group(group, keys, visible, position, dropout, seed, scoring):
    """Attends with a group of blocks, each of which is a tile.

    Args:
        group: dictionary of `"query"` `(tiles, batch, queries, heads,
            head_dim)`, `"positions"` `(tiles, queries)`, `"lists"` `(tiles,
            tables, width)`, `"index"`, and perhaps `"mask"` `(tiles, batch
            or 1, queries, key_length)`.

    Returns:
        `(tiles, batch, queries, heads, head_dim)`.
    """
    lists = swap_first(group["lists"])
    query = ops.transpose(group["query"], (1, 3, 0, 2, 4))
    places = group["positions"], keys.gather_positions(lists)
    key, value = keys.gather(keys.key, lists), keys.gather(keys.value, lists)
    scores = tile_scores(query, key, position, *places, visible.causal, scoring)
    mask = keys.gather_mask(lists)
    if visible.causal:
        mask = ops.logical_and(mask, causal_mask(*places))
    if "mask" in group:
        dense = keys.gather_dense(group["mask"], lists)
        mask = ops.logical_and(mask, dense)
    weights = ops.cast(scoring.weigh(add_mask(scores, mask)), query.dtype)
    if dropout:
        own_seed = DrawnSeed(block_seed(seed, group["index"]))
        weights = keras.random.dropout(weights, dropout, seed=own_seed)
    output = tile_outputs(weights, value, position, *places)
    output = ops.where(ops.any(mask, axis=-1, keepdims=True), output, 0.0)
    return ops.transpose(output, (2, 0, 3, 1, 4))
