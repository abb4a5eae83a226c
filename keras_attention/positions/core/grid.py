"""Height and width of sequences that are grids, read by rows."""

import math

from keras import ops

from keras_attention.tensors import known_integer


def check_grid(grid):
    """Refuses what is no `(height, width)`, and gives it as a tuple.

    Args:
        grid: pair of positive integers, or None.

    Raises:
        ValueError: for anything else.
    """
    if grid is None:
        return None
    numbers = tuple(grid) if isinstance(grid, (list, tuple)) else ()
    sizes = [known_integer(number) or 0 for number in numbers]
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(
            "grid must be (height, width), two positive integers, or None "
            f"for the nearest to square. Received: {grid!r}"
        )
    return tuple(sizes)


def size_of(length, grid=None):
    """Gives height and width of the grid that holds a sequence.

    Args:
        length: integer, or integer tensor where a graph computes it.
        grid: pair of integers, or None for the grid nearest to a square: the
            smallest height that is no less than the width, its last cells
            empty where the length does not fill it.

    Returns:
        `(height, width)`.

    Raises:
        ValueError: if a given grid has another number of cells.
    """
    known = known_integer(length)
    if grid is not None:
        if known is not None and known != grid[0] * grid[1]:
            raise ValueError(
                f"grid={tuple(grid)} has {grid[0] * grid[1]} cells. Received: "
                f"a sequence of {known}"
            )
        return grid
    if known is not None:
        height = math.isqrt(known - 1) + 1 if known else 1
        return height, -(-known // height)
    root = ops.cast(ops.sqrt(ops.cast(length, "float32")), "int32")
    # The root of a large number may be rounded to its neighbour.
    height = root - 1
    for _ in range(2):
        height = height + ops.cast(height * height < length, "int32")
    height = ops.maximum(height, 1)
    return height, -(-length // height)
