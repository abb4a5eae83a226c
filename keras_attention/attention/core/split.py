"""Cutting the queries of a call into blocks, and joining them again."""

import keras
from keras import ops

from keras_attention.tensors import known_integer

# How many rows a batch is taken to have where a graph does not know it.
UNKNOWN_BATCH = 16


def cut(visible, block_size, first_block):
    """Cuts what belongs to the queries, but for their features, into blocks.

    Args:
        visible: the `Visibility` of all queries.
        block_size: integer, queries in a block.
        first_block: integer, the number of the first block.

    Returns:
        A dictionary of tensors whose first axis are the blocks: their numbers
        `"index"`, `"positions"` `(blocks, block_size)`, and `"mask"` `(blocks,
        batch or 1, block_size, key_length)` where there is a dense one.
    """
    positions = split(visible.query_positions, block_size, axis=0)
    num_blocks = ops.shape(positions)[0]
    blocks = {
        "index": first_block + ops.arange(num_blocks, dtype="int32"),
        "positions": positions,
    }
    if visible.attention_mask is not None:
        blocks["mask"] = split(visible.attention_mask, block_size)
    return blocks


def seen_by(block, visible):
    """Gives the `Visibility` of one block as `cut` made them."""
    return visible._replace(
        query_positions=block["positions"],
        attention_mask=block.get("mask"),
        is_ordered=visible.is_ordered,
    )


def without_eager_masks(visible):
    """Gives the same `Visibility`, safe to be captured by a loop.

    TensorFlow cannot differentiate a loop inside a function that captures an
    eager tensor of booleans.
    """
    if visible.padding_mask is None:
        return visible
    return visible._replace(padding_mask=ops.copy(visible.padding_mask))


def count_blocks(length, block_size):
    """How many blocks a length has, the last one short.

    One at least where a graph of TensorFlow learns the length later: a loop
    of no steps knows no shape, and there is nothing to gather from no block.
    """
    num_blocks = -(-length // block_size)
    is_known = known_integer(num_blocks) is not None
    if is_known or keras.backend.backend() != "tensorflow":
        return num_blocks
    return ops.maximum(num_blocks, 1)


def split(x, block_size, axis=1):
    """Cuts an axis into blocks, the last one padded with zeros.

    Args:
        x: tensor with `length` rows along `axis`.
        block_size: integer, rows in a block.
        axis: integer.

    Returns:
        `(blocks, ..., block_size, ...)`: the blocks come first.
    """
    num_blocks = count_blocks(ops.shape(x)[axis], block_size)
    return ops.moveaxis(cut_axis(x, num_blocks, block_size, axis), axis, 0)


def cut_axis(x, number, size, axis):
    """Makes two axes, `(number, size)`, of one that is padded with zeros."""
    shape = list(ops.shape(x))
    x = pad_end(x, number * size - shape[axis], axis)
    shape[axis : axis + 1] = [number, size]
    return ops.reshape(x, shape)


def pad_end(x, rows, axis):
    """Adds zeros, or False, behind the end of an axis."""
    if known_integer(rows) == 0:
        return x
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = (0, rows)
    return ops.pad(x, widths)


def join(blocks, length, axis=1):
    """Undoes `split`.

    Args:
        blocks: `(blocks, ..., block_size, ...)`.
        length: integer, rows that `axis` had.
        axis: integer.

    Returns:
        A tensor with `length` rows along `axis`.
    """
    num_blocks, *shape = ops.shape(blocks)
    shape[axis] = num_blocks * shape[axis]
    rows = ops.reshape(ops.moveaxis(blocks, 0, axis), shape)
    return rows[(slice(None),) * axis + (slice(length),)]


def block_seed(seed, index):
    """Gives a block a seed of its own.

    Args:
        seed: integer tensor `(2,)`, or None.
        index: integer tensor, the number of the block.

    Returns:
        Integer tensor `(2,)`; None where there is no seed.
    """
    if seed is None:
        return None
    # Torch adds the two numbers of a seed, so steps of one would draw block
    # 1 of this call again as block 0 of the next.
    step = ops.cast(index % 1000 + 1, seed.dtype) * 1_000_003
    return seed + ops.stack([step, ops.zeros_like(step)])
