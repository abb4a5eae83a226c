"""Attention along the axes of a grid."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.windows import grid
from keras_attention.checks import did_you_mean
from keras_attention.masks import Visibility
from keras_attention.positions.core.grid import check_grid, size_of
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_made_up

_AXES = ("both", "row", "column")


@keras.saving.register_keras_serializable(package=PACKAGE)
class AxialAttention(Attention):
    """Softmax attention along the rows and columns of a grid.

    The sequence is read as the rows of a grid. With `axis="row"` a token
    attends to the tokens of its row, with `"column"` to those of its column:
    two such layers, one after the other, let every token reach every other,
    which is how the paper stacks them,

    ```python
    attention = [
        AxialAttention(8, axis="row"),
        AxialAttention(8, axis="column"),
    ]
    ```

    With `"both"` one layer does both and gives the mean of the two.

    Args:
        num_heads, head_dim, num_kv_heads: see `Attention`.
        axis: `"both"`, `"row"` or `"column"`.
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
    from keras_attention import AxialAttention

    layer = AxialAttention(num_heads=4, grid=(5, 10))
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Ho et al. 2019, Axial Attention in Multidimensional Transformers,
        https://arxiv.org/abs/1912.12180. Its masked layers for drawing images
        are left out: a row of the grid would have to know the width.
    """

    paper = "Ho et al. 2019"
    cost = "n^1.5 d / n^1.5"
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
        axis="both",
        grid=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if axis not in _AXES:
            raise ValueError(
                f"axis must be one of {', '.join(_AXES)}. Received: {axis!r}."
                f"{did_you_mean(axis, _AXES)}"
            )
        self.axis = axis
        self.grid = check_grid(grid)

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(query):
            return query
        length = ops.shape(query)[1]
        size = size_of(length, self.grid)
        mask = grid.cells_that_count(visible, length, *size)
        positions = ops.arange(size[0] * size[1], dtype="int32")[None]
        cells = [grid.to_grid(x, *size) for x in (query, key, value)]
        cells += [grid.to_grid(positions, *size), mask]
        outputs = []
        if self.axis != "column":
            outputs.append(self._attend_rows(cells, size, position, training))
        if self.axis != "row":
            columns = [None if x is None else _transpose(x) for x in cells]
            output = self._attend_rows(columns, size, position, training)
            outputs.append(_transpose(output))
        output = sum(outputs) / len(outputs)
        shape = (ops.shape(query)[0], size[0] * size[1], *query.shape[2:])
        output = ops.reshape(output, shape)
        return output[:, :length]

    def _attend_rows(self, cells, size, position, training):
        """Attends along the third axis of `(batch, rows, columns, ...)`.

        Args:
            cells: list of heads, positions and mask.
            size: `(height, width)` of the grid before any transposition.
            position, training: as of `attend`.

        Returns:
            `(batch, rows, columns, num_heads, head_dim)`.
        """
        *heads, positions, mask = cells
        batch, rows, columns = ops.shape(heads[0])[:3]

        def flat(x):
            x = ops.broadcast_to(x, (batch, *ops.shape(x)[1:]))
            return ops.reshape(x, (batch * rows, columns, *ops.shape(x)[3:]))

        cells_of_row = positions[0, 0]
        positions = flat(positions)
        visible = Visibility(
            positions,
            positions,
            None if mask is None else flat(mask),
            grid=size,
            grid_cells=cells_of_row,
        )
        dropout, seed = self.draw_dropout(training)
        output = softmax.attend(
            *map(flat, heads),
            visible,
            position,
            dropout,
            seed,
        )
        return ops.reshape(output, ops.shape(heads[0]))

    def compute_weights(self, query, key, visible, position):
        length = ops.shape(query)[1]
        size = size_of(length, self.grid)
        cells = ops.arange(length, dtype="int32")
        places = {"row": cells // size[1], "column": cells % size[1]}
        visible = visible._replace(grid=size)
        scores = softmax.scores(query, key, visible, position)
        found = []
        for axis, place in places.items():
            if self.axis in (axis, "both"):
                same = ops.equal(place[:, None], place[None, :])[None]
                seen = visible._replace(attention_mask=same)
                found.append(softmax.weigh(scores, seen.dense()))
        return ops.cast(sum(found) / len(found), query.dtype)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis, "grid": self.grid}


def _transpose(x):
    return ops.swapaxes(x, 1, 2)
