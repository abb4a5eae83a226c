"""Sequences as grids: rows of cells, one after the other."""

from keras import ops

from keras_attention.attention.core.split import pad_end
from keras_attention.tensors import known_integer


def to_grid(x, height, width):
    """Lays a sequence out as a grid, the cells behind its end being zero.

    Args:
        x: `(batch, length, ...)`.
        height, width: integers, at least `length` cells.

    Returns:
        `(batch, height, width, ...)`.
    """
    shape = ops.shape(x)
    x = pad_end(x, height * width - shape[1], axis=1)
    return ops.reshape(x, (shape[0], height, width, *shape[2:]))


def cells_that_count(visible, length, height, width):
    """Marks the cells of a grid that hold a key that counts.

    Args:
        visible: the `Visibility` of the call.
        length: integer, the number of keys.
        height, width: integers.

    Returns:
        Boolean `(batch or 1, height, width)`, or None where all cells do.
    """
    mask = visible.padding_mask
    known = [known_integer(n) for n in (length, height * width)]
    if mask is None:
        if None not in known and known[0] == known[1]:
            return None
        mask = ops.ones((1, length), dtype="bool")
    return to_grid(mask, height, width)
