"""Attention within the windows of a grid, shifted from layer to layer."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.split import pad_end
from keras_attention.attention.windows import grid
from keras_attention.checks import check_integer
from keras_attention.masks import Visibility
from keras_attention.positions.core.grid import check_grid, size_of
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_made_up, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class ShiftedWindowAttention(Attention):
    """Softmax attention within square windows of a grid (Swin).

    The sequence is read as the rows of a grid, which is cut into windows of
    `window_size` by `window_size` cells; each token attends to those of its
    own window. With a `shift` the borders between windows stand `shift` cells
    further down and right, so that layers without and with one, in turn, let
    neighbouring windows meet:

    ```python
    attention = [
        ShiftedWindowAttention(8, window_size=7),
        ShiftedWindowAttention(8, window_size=7, shift=3),
    ]
    ```

    Windows at the border hold fewer cells; what lies outside the grid never
    counts (Swin pads with zeros that do). Along an axis that is no longer
    than a window there is no shift.

    Args:
        num_heads, head_dim, num_kv_heads: see `Attention`.
        window_size: integer, cells on each side of a window.
        shift: integer from 0 to below `window_size`; Swin has `window_size //
            2` in every other layer.
        grid: `(height, width)`; by default the grid nearest to a square that
            holds the sequence, padding included.
        **kwargs: `use_bias`, `dropout`, `position`, `kernel_initializer`,
            `seed`: see `Attention`.

    Call arguments:
        query: `(batch, height * width, dim)`.
        padding_mask: boolean `(batch, height * width)`.

    Returns:
        `(batch, height * width, dim)`.

    Raises:
        ValueError: for sizes that make no sense, a sequence that does not
            fill a given grid, or what this flavour does not support.

    Example:

    ```python
    import keras
    from keras_attention import ShiftedWindowAttention

    layer = ShiftedWindowAttention(
        num_heads=4, window_size=4, shift=2, grid=(8, 8)
    )
    x = keras.random.normal((2, 64, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 64, 32)
    ```

    Reference:
        Liu et al. 2021, Swin Transformer, https://arxiv.org/abs/2103.14030
    """

    paper = "Liu et al. 2021"
    cost = "nw²d / nw²"
    supports_cross_attention = False
    supports_causal_mask = False
    supports_attention_mask = False
    supports_cache = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        window_size=7,
        shift=0,
        grid=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("window_size", window_size)
        check_integer("shift", shift, smallest=0)
        if shift >= window_size:
            raise ValueError(
                "shift must be less than window_size. Received: "
                f"shift={shift}, window_size={window_size}"
            )
        self.window_size = window_size
        self.shift = shift
        self.grid = check_grid(grid)

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(query):
            return query
        batch, length = ops.shape(query)[:2]
        size = size_of(length, self.grid)
        windows = _Windows(*size, self.window_size, self.shift)
        mask = grid.cells_that_count(visible, length, *size)
        allowed = windows.neighbours()
        if mask is not None:
            counted = windows.cut(mask)[:, :, None]
            allowed = counted if allowed is None else allowed & counted
        if allowed is not None:
            allowed = _repeat(allowed, batch)
        positions = ops.arange(size[0] * size[1], dtype="int32")
        positions = grid.to_grid(positions[None], *size)
        positions = _repeat(windows.cut(positions), batch)
        dropout, seed = self.draw_dropout(training)
        output = softmax.attend(
            *(
                _flat(windows.cut(grid.to_grid(x, *size)))
                for x in (query, key, value)
            ),
            Visibility(
                positions,
                positions,
                attention_mask=allowed,
                grid=size,
                grid_cells=windows.cells(),
            ),
            position,
            dropout,
            seed,
        )
        return windows.join(output, batch)[:, :length]

    def compute_weights(self, query, key, visible, position):
        length = ops.shape(query)[1]
        size = size_of(length, self.grid)
        names = _Windows(*size, self.window_size, self.shift).names()[:length]
        same = ops.equal(names[:, None], names[None, :])[None]
        visible = visible._replace(attention_mask=same, grid=size)
        scores = softmax.scores(query, key, visible, position)
        weights = softmax.weigh(scores, visible.dense())
        return ops.cast(weights, query.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "window_size": self.window_size,
            "shift": self.shift,
            "grid": self.grid,
        }


class _Windows:
    """How a grid is cut into windows.

    It is rolled up and left by the shift, so that windows start at multiples
    of their size. The windows at the end then hold cells from both ends of
    the grid, which do not see each other.
    """

    def __init__(self, height, width, window_size, shift):
        self.lengths = (height, width)
        self.sizes, self.shifts, self.counts = [], [], []
        for length in self.lengths:
            known = known_integer(length)
            if known is None:
                size = window_size
                moved = shift * ops.cast(length > window_size, "int32")
            else:
                size = max(min(window_size, known), 1)
                moved = shift if known > window_size else 0
            self.sizes.append(size)
            self.shifts.append(moved)
            self.counts.append(-(-length // size))

    def cut(self, x):
        """Gives `(batch, windows, cells, ...)` of `(batch, h, w, ...)`."""
        for axis in (0, 1):
            total = self.counts[axis] * self.sizes[axis]
            x = pad_end(x, total - ops.shape(x)[axis + 1], axis + 1)
            x = _roll(x, -self.shifts[axis], axis + 1)
        batch, _, _, *rest = ops.shape(x)
        (rows, columns), (height, width) = self.counts, self.sizes
        x = ops.reshape(x, (batch, rows, height, columns, width, *rest))
        x = ops.swapaxes(x, 2, 3)
        return ops.reshape(x, (batch, rows * columns, height * width, *rest))

    def join(self, x, batch):
        """Undoes `cut` and `_flat`; gives `(batch, h * w, ...)`."""
        (rows, columns), (height, width) = self.counts, self.sizes
        rest = ops.shape(x)[2:]
        x = ops.reshape(x, (batch, rows, columns, height, width, *rest))
        x = ops.swapaxes(x, 2, 3)
        x = ops.reshape(x, (batch, rows * height, columns * width, *rest))
        for axis in (0, 1):
            x = _roll(x, self.shifts[axis], axis + 1)
        x = x[:, : self.lengths[0], : self.lengths[1]]
        return ops.reshape(x, (batch, self.lengths[0] * self.lengths[1], *rest))

    def neighbours(self):
        """Which cells of a window are neighbours in the grid.

        Returns:
            Boolean `(1, windows, cells, cells)`, or None for all.
        """
        if all(known_integer(shift) == 0 for shift in self.shifts):
            return None
        names = self.cut(ops.reshape(self.names(), (1, *self.lengths)))
        return ops.equal(names[..., :, None], names[..., None, :])

    def cells(self):
        """Gives the cells `(cells,)` of the first window, as of any other."""
        rows, columns = (ops.arange(n, dtype="int32") for n in self.sizes)
        cells = rows[:, None] * self.lengths[1] + columns
        return ops.reshape(cells, (-1,))

    def names(self):
        """Gives every cell `(h * w,)` the number of its window, from 1."""
        numbers = []
        for axis in (0, 1):
            cells = ops.arange(self.lengths[axis], dtype="int32")
            size, shift = self.sizes[axis], self.shifts[axis]
            # Cells before the first border belong to a window of their own.
            numbers.append((cells - shift + size) // size)
        names = numbers[0][:, None] * (self.counts[1] + 1) + numbers[1]
        return ops.reshape(names + 1, (-1,))


def _roll(x, shift, axis):
    return x if known_integer(shift) == 0 else ops.roll(x, shift, axis=axis)


def _flat(x):
    """Makes windows rows of the batch."""
    batch, windows, *rest = ops.shape(x)
    return ops.reshape(x, (batch * windows, *rest))


def _repeat(x, batch):
    """Gives every row of the batch its windows, as `_flat` orders them."""
    rows, windows, *rest = ops.shape(x)
    if known_integer(rows) == 1:
        x = ops.broadcast_to(x, (batch, windows, *rest))
    return ops.reshape(x, (batch * windows, *rest))
