"""A sequence as a grid of `length / stride` rows, and what is seen in it.

Each method of `StridedGrid` that gives a `Tiles` covers some of the keys that
queries see, for every query, so that its scores are plain matrix products.
"""

from typing import Any, NamedTuple

from keras import ops

from keras_attention.attention.core.split import cut_axis


class Tiles(NamedTuple):
    """Some keys of all queries, as tiles of attention.

    Attributes:
        of_query, of_key: functions that give what `StridedGrid.cut` made the
            form `(batch, heads, tiles, queries or keys, head_dim)`.
        undo: function that gives what belongs to queries its first form.
        mask: boolean, broadcastable to `(batch, heads, tiles, queries,
            keys)`.
        query_positions: integers `(tiles, queries)`.
        key_positions: integers `(1, tiles, keys)`.
    """

    of_query: Any
    of_key: Any
    undo: Any
    mask: Any
    query_positions: Any
    key_positions: Any


class StridedGrid:
    """A sequence cut into rows of `stride` positions, the last one padded.

    Args:
        length: integer, number of positions.
        stride: integer, positions in a row.
        visible: the `Visibility` of the call.
    """

    def __init__(self, length, stride, visible):
        self.length, self.stride = length, stride
        self.number = -(-length // stride)
        self.padding = self.number * stride - length
        self.causal = visible.causal
        self.positions = self._rows(visible.query_positions, 0)
        key_mask = visible.padding_mask
        if key_mask is None:
            key_mask = ops.ones((1, length), dtype="bool")
        self.key_mask = self._rows(key_mask, 1)

    def cut(self, heads):
        """Cuts `(batch, length, heads, head_dim)` into rows.

        Returns:
            `(batch, heads, rows, stride, head_dim)`.
        """
        return ops.transpose(self._rows(heads, 1), (0, 3, 1, 2, 4))

    def join(self, heads):
        """Undoes `cut`."""
        rows = ops.transpose(heads, (0, 2, 3, 1, 4))
        batch, _, _, *rest = ops.shape(rows)
        rows = ops.reshape(rows, (batch, self.number * self.stride, *rest))
        return rows[:, : self.length]

    def band(self):
        """The keys less than a stride away: those of the rows beside."""
        beside = (-1, 0) if self.causal else (-1, 0, 1)
        inside = ops.arange(self.stride, dtype="int32")
        keys = ops.arange(len(beside) * self.stride, dtype="int32")
        distance = inside[:, None] - (keys - self.stride)
        near = ops.abs(distance) < self.stride
        if self.causal:
            near = ops.logical_and(near, distance >= 0)
        key_mask = _beside(self.key_mask, beside, 1)
        return Tiles(
            lambda x: x,
            lambda x: _beside(x, beside, 2),
            lambda x: x,
            ops.logical_and(near, key_mask[:, None, :, None]),
            self.positions,
            _beside(self.positions, beside, 0)[None],
        )

    def row(self):
        """The keys of the own row."""
        inside = ops.arange(self.stride, dtype="int32")
        mask = self.key_mask[:, None, :, None]
        if self.causal:
            mask = ops.logical_and(mask, inside[:, None] >= inside)
        same = lambda x: x
        places = self.positions, self.positions[None]
        return Tiles(same, same, same, mask, *places)

    def column(self):
        """The keys of the own column in other rows."""
        transpose = lambda x: ops.swapaxes(x, 2, 3)
        rows = ops.arange(self.number, dtype="int32")
        key_mask = ops.transpose(self.key_mask, (0, 2, 1))[:, None, :, None]
        positions = ops.transpose(self.positions)
        return Tiles(
            transpose,
            transpose,
            transpose,
            ops.logical_and(self._others(rows[:, None], rows), key_mask),
            positions,
            positions[None],
        )

    def ends(self, count):
        """The last keys of other rows.

        Args:
            count: integer, how many of each row.
        """
        first = self.stride - count
        number, stride = self.number, self.stride

        def of_query(x):
            return _merge(x, 2)[:, :, None]

        def undo(x):
            batch, heads, _, _, width = ops.shape(x)
            return ops.reshape(x, (batch, heads, number, stride, width))

        rows = ops.arange(number, dtype="int32")
        others = self._others(
            ops.repeat(rows, stride)[:, None], ops.repeat(rows, count)
        )
        key_mask = _merge(self.key_mask[:, :, first:], 1)
        return Tiles(
            of_query,
            lambda x: _merge(x[:, :, :, first:], 2)[:, :, None],
            undo,
            ops.logical_and(others, key_mask[:, None, None, None]),
            _merge(self.positions, 0)[None],
            _merge(self.positions[:, first:], 0)[None, None],
        )

    def _others(self, query_rows, key_rows):
        if self.causal:
            return key_rows < query_rows
        return ops.not_equal(key_rows, query_rows)

    def _rows(self, x, axis):
        return cut_axis(x, self.number, self.stride, axis)


def _beside(x, offsets, axis):
    """Puts each row beside its neighbours, zeros or False where none is."""
    before, after = max(-offsets[0], 0), max(offsets[-1], 0)
    widths = [(0, 0)] * len(x.shape)
    widths[axis] = (before, after)
    padded, number = ops.pad(x, widths), ops.shape(x)[axis]
    shifted = []
    for offset in offsets:
        start = before + offset
        index = (slice(None),) * axis + (slice(start, start + number),)
        shifted.append(padded[index])
    return ops.concatenate(shifted, axis=axis + 1)


def _merge(x, axis):
    """Makes one axis of `axis` and the one behind it."""
    shape = list(ops.shape(x))
    shape[axis : axis + 2] = [shape[axis] * shape[axis + 1]]
    return ops.reshape(x, shape)
