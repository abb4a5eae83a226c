"""A learned bias for each difference of rows and columns on a grid."""

import keras
from keras import initializers, ops

from keras_attention.checks import check_integer
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.distances import (
    heads_second,
    pair_distances,
)
from keras_attention.positions.core.grid import check_grid
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class WindowRelativeBias(PositionalEncoding):
    """Adds a learned number for each head and step between cells (Swin).

    Positions are the cells of a grid, row by row. A query and a key get the
    number of the difference of their rows and that of their columns, each
    counted from `1 - window_size` to `window_size - 1`; cells farther apart
    share the numbers at the edge of the table.

    Flavours on a grid, `ShiftedWindowAttention` and `AxialAttention`, say how
    wide it is. For any other, exact attention over an image for example,
    `grid` says so:

    ```python
    MultiHeadAttention(8, position=WindowRelativeBias(14, grid=(14, 14)))
    ```

    Args:
        window_size: integer, cells on each side of a window, or a pair for
            its height and width.
        grid: `(height, width)` of the grid; None for that of the flavour.
        shared: whether the blocks of a model use one table. Swin has one a
            block, which is the default.
        initializer: of the table `((2 * height - 1) * (2 * width - 1),
            num_heads)`; by default normal with a deviation of 0.02, as in
            the authors' code.

    Raises:
        ValueError: for sizes that make no sense, without a grid, or with two
            of different widths.

    Example:

    ```python
    import keras
    from keras_attention import ShiftedWindowAttention, WindowRelativeBias

    layer = ShiftedWindowAttention(
        num_heads=4, window_size=4, position=WindowRelativeBias(window_size=4)
    )
    x = keras.random.normal((2, 64, 32))  # 8 x 8 cells
    layer(x).shape  # (2, 64, 32)
    ```

    Reference:
        Liu et al. 2021, Swin Transformer, https://arxiv.org/abs/2103.14030
    """

    paper = "Liu et al. 2021"

    def __init__(
        self,
        window_size=7,
        grid=None,
        *,
        shared=False,
        initializer="truncated_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.window_size = _check_sides(window_size)
        self.grid = check_grid(grid)
        if self.grid is not None:
            self.max_length = self.grid[0] * self.grid[1]
        self.shared = shared
        if initializer == "truncated_normal":
            initializer = initializers.TruncatedNormal(stddev=0.02)
        self.initializer = initializers.get(initializer)

    @property
    def grid_of_attention(self):
        """Whether it goes by the grid of its attention, having none."""
        return self.grid is None

    @property
    def _sides(self):
        size = self.window_size
        return size if isinstance(size, tuple) else (size, size)

    def build(self, input_shape):
        height, width = self._sides
        self.table = self.add_weight(
            name="table",
            shape=((2 * height - 1) * (2 * width - 1), input_shape[-2]),
            initializer=self.initializer,
            autocast=False,
        )

    def bias(self, query, key, query_positions, key_positions, causal):
        width = self._width(None)
        return self._look_up(query_positions, key_positions, width)

    def bias_in(self, query, key, visible):
        places = visible.query_positions, visible.key_positions
        if visible.grid_cells is not None:
            places = visible.grid_cells, visible.grid_cells
        return self._look_up(*places, self._width(visible.grid))

    def _width(self, given):
        """Chooses between the grid of the flavour and that of its own."""
        grid = self.grid or given
        if grid is None:
            raise ValueError(
                "WindowRelativeBias needs to know the grid: give it "
                "grid=(height, width), or use it in a flavour on a grid as "
                "ShiftedWindowAttention. Received: grid=None"
            )
        known = [known_integer(size) for size in given or ()]
        if self.grid and None not in known and known not in ([], [*self.grid]):
            raise ValueError(
                "grid of WindowRelativeBias must be that of the attention, "
                f"or None. Received: grid={self.grid}, and a grid of "
                f"{tuple(known)}"
            )
        return grid[1]

    def _look_up(self, query_positions, key_positions, width):
        positions = [
            ops.cast(x, "int32") for x in (query_positions, key_positions)
        ]
        height_of, width_of = self._sides
        rows = pair_distances(*(x // width for x in positions))
        columns = pair_distances(*(x % width for x in positions))
        rows = ops.clip(rows, 1 - height_of, height_of - 1) + height_of - 1
        columns = ops.clip(columns, 1 - width_of, width_of - 1) + width_of - 1
        places = rows * (2 * width_of - 1) + columns
        table = ops.cast(self.table, at_least_float32(self.compute_dtype))
        numbers = ops.take(table, places, axis=0)
        return heads_second(ops.moveaxis(numbers, -1, 0))

    def get_config(self):
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "grid": self.grid,
            "shared": self.shared,
            "initializer": initializers.serialize(self.initializer),
        }


def _check_sides(window_size):
    """Reads an integer, or a pair of them as a tuple."""
    if not isinstance(window_size, (list, tuple)):
        return check_integer("window_size", window_size)
    if len(window_size) != 2:
        raise ValueError(
            "window_size must be an integer, or (height, width). Received: "
            f"{window_size!r}"
        )
    return tuple(check_integer("window_size", size) for size in window_size)
