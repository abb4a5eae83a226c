"""Keys and values in blocks, of which lists are gathered."""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.split import count_blocks, pad_end
from keras_attention.tensors import known_integer


class KeyBlocks(NamedTuple):
    """Keys and values cut into blocks of which lists are gathered.

    Attributes:
        positions: integers `(blocks, block_size)`.
        mask: boolean `(batch or 1, blocks, block_size)`, False for keys that
            no query sees; None where there are none.
        shape: `(kv_heads, blocks, block_size, head_dim)`.
        key, value: `(batch, kv_heads * blocks, block_size * head_dim)`.
    """

    positions: Any
    mask: Any
    shape: Any
    key: Any
    value: Any

    @classmethod
    def cut(cls, key, value, visible, block_size):
        length, kv_heads, head_dim = ops.shape(key)[1:]
        number = count_blocks(length, block_size)
        padding = number * block_size - length
        mask = visible.padding_mask
        if mask is None and known_integer(padding) != 0:
            mask = ops.ones((1, length), dtype="bool")
        if mask is not None:
            mask = pad_end(mask, padding, 1)
            mask = ops.reshape(mask, (ops.shape(mask)[0], number, block_size))
        positions = pad_end(visible.key_positions, padding, 0)

        def rows(x):
            x = swap_heads(pad_end(x, padding, 1))
            width = block_size * head_dim
            return ops.reshape(x, (ops.shape(x)[0], kv_heads * number, width))

        return cls(
            ops.reshape(positions, (number, block_size)),
            mask,
            (kv_heads, number, block_size, head_dim),
            rows(key),
            rows(value),
        )

    def gather(self, rows, lists):
        """Lays the listed blocks of keys or values side by side.

        Args:
            rows: `key` or `value`.
            lists: integers `(num_heads or 1, tiles, width)`.

        Returns:
            `(batch, num_heads or kv_heads, tiles, width * block_size,
            head_dim)`.
        """
        kv_heads, number, block_size, head_dim = self.shape
        lists = ops.clip(lists, 0, number - 1)
        tables, tiles, width = ops.shape(lists)
        heads = kv_heads if tables == 1 else tables
        # Each head has rows of its own, behind one another.
        first = np.arange(heads) // (heads // kv_heads)
        first = ops.convert_to_tensor(first, "int32") * number
        found = ops.take(rows, lists + first[:, None, None], axis=1)
        shape = (-1, heads, tiles, width * block_size, head_dim)
        return ops.reshape(found, shape)

    def gather_positions(self, lists):
        """The positions of listed keys `(tables, tiles, width * size)`."""
        number, block_size = self.shape[1:3]
        found = ops.take(self.positions, ops.clip(lists, 0, number - 1), axis=0)
        tables, tiles, width = ops.shape(lists)
        return ops.reshape(found, (tables, tiles, width * block_size))

    def gather_mask(self, lists):
        """Whether listed keys count.

        Returns:
            Boolean `(batch or 1, tables, tiles, 1, width * block_size)`.
        """
        number, block_size = self.shape[1:3]
        tables, tiles, width = ops.shape(lists)
        exists = ops.logical_and(lists >= 0, lists < number)[None, ..., None]
        if self.mask is None:
            found = ops.repeat(exists, block_size, axis=-1)
        else:
            places = ops.clip(lists, 0, number - 1)
            found = ops.take(self.mask, places, axis=1)
            found = ops.logical_and(found, exists)
        shape = (-1, tables, tiles, 1, width * block_size)
        return ops.reshape(found, shape)

    def gather_dense(self, rows, lists):
        """What a dense mask says of listed keys.

        Args:
            rows: boolean `(tiles, batch or 1, queries, key_length)`.
            lists: integers `(tables, tiles, width)`.

        Returns:
            Boolean `(batch or 1, tables, tiles, queries, width *
            block_size)`.
        """
        number, block_size = self.shape[1:3]
        tiles, batch, queries, length = ops.shape(rows)
        rows = pad_end(rows, number * block_size - length, 3)
        rows = ops.reshape(rows, (tiles, batch, queries, number, block_size))
        rows = ops.transpose(rows, (1, 0, 3, 2, 4))
        rows = ops.reshape(rows, (batch, tiles * number, queries, block_size))
        places = ops.clip(lists, 0, number - 1)
        first = ops.arange(tiles, dtype="int32") * number
        found = ops.take(rows, places + first[:, None], axis=1)
        found = ops.swapaxes(found, 3, 4)
        shape = ops.shape(found)
        return ops.reshape(found, (*shape[:4], shape[4] * block_size))
