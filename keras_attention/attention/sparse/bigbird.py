"""BigBird: window, global and random blocks."""

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.core.split import block_seed
from keras_attention.attention.sparse.base import BlockAttention
from keras_attention.attention.sparse.layouts import distinct
from keras_attention.attention.sparse.random_blocks import add_random_blocks
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class BigBirdAttention(BlockAttention):
    """Softmax attention to neighbouring, global and random blocks.

    A block of queries sees itself and its neighbours (`num_window_blocks`
    together), the global blocks, and `num_random_blocks` others, which each
    head and each block draws for itself. The queries of the global blocks see
    every key. No key counts twice, and short sequences, where everything is
    near, are attended to in full. (The paper's ITC; its ETC adds tokens,
    which is for a model to do.)

    The random blocks come from a hash of seed, head and block, so they are
    the same in training, at inference and on every backend. Layers with one
    seed draw the same; a model given a list of these with seeds of their own
    cycles over them.

    With a causal mask, which the paper has not, a block sees of the window
    and of the global blocks those before it, and draws from the past. Global
    blocks counted from the end are left out, since decoding does not know
    the end, and none sees more than the others.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads. Each query head
            draws its own blocks, so fewer of them save no time.
        block_size: integer, positions in a block.
        num_window_blocks: odd integer, blocks in the window.
        num_random_blocks: integer, 0 or more.
        global_blocks: integers, the blocks that see and are seen by all;
            negative ones count from the end.
        seed: integer for the random blocks and for dropout. None draws
            dropout anew and the blocks as seed 0 does.
        use_bias, dropout, position, kernel_initializer: see `Attention`.
        scale, qk_norm, qk_norm_over, logit_softcap, gate, sink_logits,
            off_by_one: see `MultiHeadAttention`.

    Call arguments: as of `Attention`, without those of cross-attention.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`. The
        cache holds all keys and values, since any may be drawn later.

    Raises:
        ValueError: if a number of blocks makes no sense.

    Example:

    ```python
    import keras
    from keras_attention import BigBirdAttention

    layer = BigBirdAttention(
        num_heads=4, block_size=16, num_random_blocks=2
    )
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Zaheer et al. 2020, Big Bird: Transformers for Longer Sequences,
        https://arxiv.org/abs/2007.14062
    """

    paper = "Zaheer et al. 2020"
    cost = "n(w + g + r)bd / n(w + g + r)b"
    cache_size = "n · num_kv_heads · 2d"
    supports_cross_attention = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        num_window_blocks=3,
        num_random_blocks=3,
        global_blocks=(0, -1),
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("num_window_blocks", num_window_blocks)
        if num_window_blocks % 2 == 0:
            raise ValueError(
                "num_window_blocks must be odd, as many before a block as "
                f"behind it. Received: {num_window_blocks}"
            )
        check_integer("num_random_blocks", num_random_blocks, smallest=0)
        try:
            for block in global_blocks:
                check_integer("global_blocks", abs(block), smallest=0)
        except TypeError:
            raise ValueError(
                "global_blocks must be integers, negative ones from the end. "
                f"Received: {global_blocks!r}"
            ) from None
        self.num_window_blocks = num_window_blocks
        self.num_random_blocks = num_random_blocks
        self.global_blocks = tuple(int(block) for block in global_blocks)

    def list_blocks(self, rows, num_blocks, causal):
        before = self.num_window_blocks // 2
        after = 0 if causal else before
        near = rows[:, None] + ops.arange(-before, after + 1, dtype="int32")
        common = self._number_globals(num_blocks, causal)
        common = ops.zeros_like(rows)[:, None] + common
        lists = ops.concatenate([near, common], axis=-1)
        stop = rows + 1 if causal else ops.zeros_like(rows) + num_blocks
        return add_random_blocks(
            distinct(lists, num_blocks),
            rows,
            stop,
            self.num_random_blocks,
            self.num_heads,
            self.seed or 0,
        )

    def block_mask(self, rows, num_blocks, causal):
        mask = super().block_mask(rows, num_blocks, causal)
        if causal or not self.global_blocks:
            return mask
        common = self._number_globals(num_blocks, causal)
        sees_all = ops.any(ops.equal(rows[:, None], common), axis=-1)
        return ops.logical_or(mask, sees_all[:, None])

    def attend_by_lists(
        self, query, key, value, visible, position, start, dropout, seed
    ):
        output = super().attend_by_lists(
            query, key, value, visible, position, start, dropout, seed
        )
        if visible.causal or not self.global_blocks:
            return output
        length, size = ops.shape(query)[1], self.block_size
        common = self._number_globals(self.count_blocks(key), False)
        inside = ops.arange(size, dtype="int32")
        places = ops.reshape(common[:, None] * size + inside, (-1,))
        # A graph for any length may meet none, of which none can be taken.
        places = ops.clip(places, 0, length - 1)[: length * places.shape[0]]
        seen_by_all = softmax.attend(
            ops.take(query, places, axis=1),
            key,
            value,
            _take_queries(visible, places),
            position,
            dropout,
            # Beside what the other blocks draw.
            block_seed(seed, 999),
            self.scoring,
        )
        # Each position takes its row from one of the two.
        place = ops.arange(length, dtype="int32")
        for index in range(len(self.global_blocks)):
            block = ops.arange(length, dtype="int32") // size
            own = length + index * size + ops.arange(length) % size
            place = ops.where(ops.equal(block, common[index]), own, place)
        joined = ops.concatenate([output, seen_by_all], axis=1)
        return ops.take(joined, place, axis=1)

    def _number_globals(self, num_blocks, causal):
        """Numbers the global blocks from the first on; `(global_blocks,)`."""
        blocks = [b for b in self.global_blocks if b >= 0 or not causal]
        blocks = ops.convert_to_tensor(blocks, dtype="int32")
        return ops.where(blocks < 0, blocks + num_blocks, blocks)

    def get_config(self):
        return {
            **super().get_config(),
            "num_window_blocks": self.num_window_blocks,
            "num_random_blocks": self.num_random_blocks,
            "global_blocks": list(self.global_blocks),
        }


def _take_queries(visible, places):
    mask = visible.attention_mask
    return visible._replace(
        query_positions=ops.take(visible.query_positions, places, axis=0),
        attention_mask=None if mask is None else ops.take(mask, places, axis=1),
    )
