"""Base of the block-sparse flavours: queries see lists of blocks of keys."""

from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import softmax
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.core.split import count_blocks
from keras_attention.attention.sparse.gathered_blocks import attend_to_blocks
from keras_attention.checks import check_integer
from keras_attention.masks import combine_masks
from keras_attention.tensors import is_made_up


class BlockAttention(SoftmaxOptions, Attention):
    """Base of flavours that cut a sequence into blocks and list what is seen.

    A flavour overrides `list_blocks`. Blocks lie at multiples of
    `block_size`, in decoding as in training; the last one may be short.

    Args: as of `Attention`, and
        block_size: integer, positions in a block.
    """

    supports_counting = False
    counts_from_start = True

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        block_size=64,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("block_size", block_size)
        self.block_size = block_size

    def list_blocks(self, rows, num_blocks, causal):
        """Lists the blocks of keys that blocks of queries attend to.

        Args:
            rows: integer tensor `(rows,)`, the blocks of queries.
            num_blocks: integer, how many blocks the keys have.
            causal: whether queries see only the past. The past blocks of a
                list must then not depend on `num_blocks`, which grows as a
                sequence is decoded.

        Returns:
            Integers `(num_heads or 1, rows, width)`, each block at most once
            in a list; those outside the sequence stand for none.
        """
        raise self._not_implemented_error(self.list_blocks)

    def block_mask(self, rows, num_blocks, causal):
        """Marks what `list_blocks` lists.

        Returns:
            Boolean `(num_heads or 1, rows, num_blocks)`.
        """
        lists = self.list_blocks(rows, num_blocks, causal)
        blocks = ops.arange(num_blocks, dtype="int32")
        return ops.any(ops.equal(lists[..., None], blocks), axis=-2)

    def _run(self, *args, start, options=None, **kwargs):
        # The number, which a graph no longer knows once it is a tensor.
        options = {**(options or {}), "place": start}
        return super()._run(*args, start=start, options=options, **kwargs)

    def attend(
        self,
        query,
        key,
        value,
        visible,
        position,
        training=None,
        place=None,
    ):
        if is_made_up(query):
            return query
        dropout, seed = self.draw_dropout(training)
        return self.attend_by_lists(
            query,
            key,
            value,
            visible,
            position,
            first_place(visible, place),
            dropout,
            seed,
        )

    def attend_by_lists(
        self, query, key, value, visible, position, start, dropout, seed
    ):
        """Attends to listed blocks.

        Args: as of `attend`, and
            start: integer, the place of the first query among the keys.
            dropout: share of the weights that is dropped.
            seed: integer tensor `(2,)` for dropout.

        Returns:
            `(batch, query_length, num_heads, head_dim)`.
        """
        num_blocks = self.count_blocks(key)
        return attend_to_blocks(
            query,
            key,
            value,
            visible,
            position,
            lambda rows: self.list_blocks(rows, num_blocks, visible.causal),
            self.block_size,
            start,
            dropout=dropout,
            seed=seed,
            scoring=self.scoring,
        )

    def compute_weights(self, query, key, visible, position, place=None):
        places = first_place(visible, place) + ops.arange(
            ops.shape(query)[1], dtype="int32"
        )
        mask = self.block_mask(
            places // self.block_size, self.count_blocks(key), visible.causal
        )
        mask = ops.repeat(mask, self.block_size, axis=-1)
        mask = mask[None, ..., : ops.shape(key)[1]]
        mask, scoring = combine_masks(mask, visible.dense()), self.scoring
        scores = softmax.scores(query, key, visible, position, scoring)
        weights = softmax.weigh(scores, mask, scoring)
        return ops.cast(weights, query.dtype)

    def count_blocks(self, rows):
        """How many blocks `(batch, length, ...)` has, the last one short."""
        return count_blocks(ops.shape(rows)[1], self.block_size)

    def get_config(self):
        return {**super().get_config(), "block_size": self.block_size}


def first_place(visible, place):
    """The place of the first query among the keys of a call.

    Args:
        visible: the `Visibility` of the call.
        place: integer, the position of the first query if it is known.

    Returns:
        Integer.
    """
    if visible.is_self:
        return 0
    return visible.query_positions[0] if place is None else place
