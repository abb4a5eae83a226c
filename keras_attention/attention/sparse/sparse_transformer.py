"""Sparse Transformer attention: strided and fixed patterns."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import kv_cache, softmax
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.split import block_seed
from keras_attention.attention.sparse import summary_cache
from keras_attention.attention.sparse.online_softmax import (
    join_partials,
    partial_softmax,
)
from keras_attention.attention.sparse.strided_grid import StridedGrid
from keras_attention.checks import check_integer, did_you_mean
from keras_attention.masks import combine_masks
from keras_attention.registry import PACKAGE
from keras_attention.tensors import known_integer

_PATTERNS = ("strided", "fixed")


@keras.saving.register_keras_serializable(package=PACKAGE)
class SparseTransformerAttention(Attention):
    """Softmax attention to near keys and to summaries of the far ones.

    With the stride `l`, query `i` attends to the keys `j` at or before it
    where

    - `"strided"`: `i - j < l` or `(i - j) mod l = 0`,
    - `"fixed"`: `j // l = i // l` or `j mod l >= l - num_summary`.

    Without a causal mask, as the paper has none, strided is `|i - j| < l` or
    `(i - j) mod l = 0`, and fixed is as above, for all keys.

    The paper gives these two halves of a pattern to separate heads, to
    alternating layers, or merges them. Here each head sees both, in one
    softmax in which no key counts twice (the paper's merged form). Near keys
    are multiplied block by block, those of one column of the grid `(length /
    l, l)` or the summaries all at once, so that nothing is gathered.

    A query sees `l + n / l` keys (fixed: `l + num_summary * n / l`), least
    where `l` is near the square root of the length: that makes `n√n`. The
    stride is a number of its own all the same, since a model must see the
    same keys in decoding, where the length grows, as in training.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads.
        pattern: `"strided"` (for images and music, whose rows or bars are
            aligned) or `"fixed"` (for text).
        stride: integer, `l`; near the square root of the usual length.
        num_summary: integer, `c`: how many positions at the end of a block
            are seen from everywhere in the fixed pattern.
        use_bias, dropout, position, kernel_initializer, seed: see
            `Attention`.

    Call arguments: as of `Attention`, without those of cross-attention and
        without `attention_mask`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`. The
        strided cache holds all keys and values, the fixed one those of the
        own block and of all summaries.

    Raises:
        ValueError: if the pattern is unknown or the numbers do not fit.

    Example:

    ```python
    import keras
    from keras_attention import SparseTransformerAttention

    layer = SparseTransformerAttention(
        num_heads=4, pattern="fixed", stride=32
    )
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 1000, 32)
    ```

    Reference:
        Child et al. 2019, Generating Long Sequences with Sparse Transformers,
        https://arxiv.org/abs/1904.10509
    """

    paper = "Child et al. 2019"
    cost = "n√n · d / n√n"
    cache_size = "n · num_kv_heads · 2d; fixed: (l + cn/l) · num_kv_heads · 2d"
    supports_cross_attention = False
    supports_attention_mask = False
    supports_counting = False
    counts_from_start = True

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        pattern="strided",
        stride=64,
        num_summary=8,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if pattern not in _PATTERNS:
            raise ValueError(
                'pattern must be "strided" or "fixed". Received: '
                f"{pattern!r}.{did_you_mean(pattern, _PATTERNS)}"
            )
        check_integer("stride", stride)
        check_integer("num_summary", num_summary)
        if pattern == "fixed" and num_summary > stride:
            raise ValueError(
                "num_summary must be at most stride. Received: "
                f"num_summary={num_summary}, stride={stride}"
            )
        self.pattern = pattern
        self.stride = stride
        self.num_summary = num_summary

    def attend(self, query, key, value, visible, position, training=None):
        grid = StridedGrid(ops.shape(query)[1], self.stride, visible)
        if self.pattern == "strided":
            parts = [grid.band(), grid.column()]
        else:
            parts = [grid.row(), grid.ends(self.num_summary)]
        heads = [grid.cut(x) for x in (query, key, value)]
        partials = []
        for part in parts:
            dropout, seed = self.draw_dropout(training)
            partial = partial_softmax(
                part.of_query(heads[0]),
                part.of_key(heads[1]),
                part.of_key(heads[2]),
                part.mask,
                position,
                part.query_positions,
                part.key_positions,
                visible.causal,
                dropout,
                seed,
            )
            partials.append(partial.map(part.undo))
        output = join_partials(partials)
        return grid.join(ops.cast(output, query.dtype))

    def attend_with_cache(
        self,
        query,
        key,
        value,
        visible,
        position,
        cache,
        start,
        training=None,
    ):
        cache, listed = self._extend(cache, key, value, visible, start)
        if known_integer(start) == 0 and known_integer(query.shape[1]) != 1:
            output = self.attend(query, key, value, visible, position, training)
            return output, cache
        dropout, seed = self.draw_dropout(training)

        def attend_one(query, place, seed):
            keys = listed(place[0])
            parts = slice(None, self.stride), slice(self.stride, None)
            partials = []
            # Near and far keys apart, so that numbers are rounded as above.
            for index, part in enumerate(parts):
                key, value = (x[:, :, None, part] for x in keys[:2])
                partial = partial_softmax(
                    swap_heads(query)[:, :, None],
                    key,
                    value,
                    keys[2][:, None, None, None, part],
                    position,
                    place[None],
                    keys[3][None, None, part],
                    True,
                    dropout,
                    block_seed(seed, index),
                )
                partials.append(partial)
            output = join_partials(partials)[:, :, 0]
            return swap_heads(ops.cast(output, query.dtype))

        places = visible.query_positions
        if known_integer(query.shape[1]) == 1:
            return attend_one(query, places, seed), cache

        def run(token):
            own_seed = block_seed(seed, 2 + token["place"])
            place = token["place"][None]
            return attend_one(token["query"][:, None], place, own_seed)[:, 0]

        tokens = {"query": ops.swapaxes(query, 0, 1), "place": places}
        return ops.swapaxes(ops.map(run, tokens), 0, 1), cache

    def _extend(self, cache, key, value, visible, start):
        """Writes keys and values.

        Returns:
            `(cache, listed)`: a function from the position of one query to
            the keys that it sees, as of `fixed_cache.listed_keys`.
        """
        if self.pattern == "fixed":
            count = self.num_summary
            cache, recent = summary_cache.extend(
                cache, key, value, visible, start, count
            )
            return cache, lambda place: summary_cache.listed_keys(
                cache, recent, place, start, count
            )
        cache, *_ = kv_cache.extend(cache, key, value, visible, start)
        return cache, lambda place: _strided_keys(cache, place, self.stride)

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache for at most `max_length` positions.

        Returns:
            For `"strided"` as of `Attention`; for `"fixed"` the own block
            and the summaries, as of `fixed_cache.empty`.
        """
        if self.pattern == "strided":
            return super().init_cache(batch_size, max_length)
        self._check_cache(max_length)
        return summary_cache.empty(
            batch_size,
            self.num_kv_heads,
            max_length,
            self.head_dim,
            self.compute_dtype,
            self.stride,
            self.num_summary,
        )

    def compute_weights(self, query, key, visible, position):
        places = ops.arange(ops.shape(query)[1], dtype="int32")
        query_places, key_places = places[:, None], places
        distance = query_places - key_places
        if self.pattern == "strided":
            near = ops.abs(distance) < self.stride
            far = ops.equal(distance % self.stride, 0)
        else:
            near = query_places // self.stride
            near = ops.equal(near, key_places // self.stride)
            far = key_places % self.stride >= self.stride - self.num_summary
        mask = ops.logical_or(near, far)[None, None]
        scores = softmax.scores(query, key, visible, position)
        weights = softmax.weigh(scores, combine_masks(mask, visible.dense()))
        return ops.cast(weights, query.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "pattern": self.pattern,
            "stride": self.stride,
            "num_summary": self.num_summary,
        }


def _strided_keys(cache, place, stride):
    """Gives the keys that one query sees, out of all; see `_extend`."""
    length = ops.shape(cache["mask"])[1]
    near = ops.arange(stride, dtype="int32")
    far = stride * (1 + ops.arange(-(-length // stride), dtype="int32"))
    places = place - ops.concatenate([near, far])
    index = ops.clip(places, 0, length - 1)
    mask = ops.logical_and(ops.take(cache["mask"], index, 1), places >= 0)
    key = ops.take(cache["key"], index, axis=2)
    value = ops.take(cache["value"], index, axis=2)
    return key, value, mask, ops.maximum(places, 0)
