"""What flavours share that weigh every key by a score."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import query_blocks, softmax
from keras_attention.attention.core.checks import check_integer
from keras_attention.attention.core.einsum import swap_heads, weighted_values
from keras_attention.attention.core.split import UNKNOWN_BATCH
from keras_attention.tensors import known_integer

# Scores, of four bytes each: what is worked off in blocks, a block, and what
# is kept for the backward pass rather than computed again.
_LARGE, _BLOCK, _KEPT = 2**26, 2**24, 2**27
_BLOCK_SIZES = (64, 1024)


class ScoredAttention(Attention):
    """Base of flavours that compare every query with every key.

    A flavour overrides `scores`, `weigh`, or both; weights that it adds in
    `build` are known to the query blocks.

    Args: as of `Attention`, and
        query_block_size: `"auto"` (once the scores of a call exceed 256 MiB,
            blocks of as many queries as have 64 MiB of them, from 64 to
            1,024; a batch of unknown size is taken for one of 16; where the
            lengths are known while the call is traced: a TensorFlow graph for
            any length stays dense), an integer (always blocks of that
            many queries), or None (never).
    """

    masks_scores = True

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        query_block_size="auto",
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if query_block_size not in ("auto", None):
            try:
                check_integer("query_block_size", query_block_size)
            except ValueError:
                raise ValueError(
                    'query_block_size must be "auto", None or a positive '
                    f"integer. Received: {query_block_size!r}"
                ) from None
        self.query_block_size = query_block_size

    def scores(self, query, key, visible, position):
        """Compares queries with keys, before any mask.

        Args: as of `attend`.

        Returns:
            `(batch, heads, query_length, key_length)` in float32, or float64
            for such inputs.
        """
        return softmax.scores(query, key, visible, position)

    def weigh(self, scores, mask, visible):
        """Turns scores into weights; keys that do not count get zeros.

        Args:
            scores: what `scores` returned.
            mask: boolean, broadcastable to them, or None.
            visible: the `Visibility` of these queries.

        Returns:
            `(batch, heads, query_length, key_length)`.
        """
        return softmax.weigh(scores, mask)

    def attend(self, query, key, value, visible, position, training=None):
        dropout = self.dropout if training else 0.0
        seed = self.seed_generator.next() if dropout else None
        arguments = (query, key, value, visible, position, dropout, seed)
        attend = self._attend_at_once
        if self._is_plain():
            attend = softmax.attend
        block_size, keep = self.query_block_size, 0
        if block_size == "auto":
            block_size, keep = self._choose_block_size(query, key), _KEPT
        if block_size is None:
            return attend(*arguments)
        return query_blocks.attend_in_blocks(
            *arguments,
            block_size=block_size,
            keep=keep,
            attend=attend,
            # The frozen ones too: the scope of a block hides the model's own.
            variables=[
                *self._trainable_variables,
                *self._non_trainable_variables,
            ],
        )

    def compute_weights(self, query, key, visible, position):
        scores = self.scores(query, key, visible, position)
        weights = self.weigh(scores, visible.dense(), visible)
        return ops.cast(weights, query.dtype)

    def numbers_per_score(self, query):
        """How many numbers one query and one key need on the way."""
        return query.shape[2]

    def _attend_at_once(
        self, query, key, value, visible, position, dropout, seed
    ):
        weights = self.compute_weights(query, key, visible, position)
        if dropout:
            seed = softmax.HeldSeed(seed)
            weights = keras.random.dropout(weights, dropout, seed=seed)
        output = swap_heads(weighted_values(weights, swap_heads(value)))
        return softmax.add_values(output, weights, visible, position)

    def _is_plain(self):
        """Whether this is the softmax of scaled products and no more.

        A flavour whose options decide asks them.
        """
        return self._weighs_like(ScoredAttention)

    def _weighs_like(self, cls):
        """Whether the methods that make weights are those of a class."""
        methods = ("scores", "weigh", "compute_weights")
        return all(
            getattr(type(self), name) is getattr(cls, name) for name in methods
        )

    def _choose_block_size(self, query, key):
        """Gives the number of queries in a block, or None for all at once."""
        batch, length = map(known_integer, query.shape[:2])
        key_length = known_integer(key.shape[1])
        if length in (None, 1) or key_length is None:
            return None
        of_query = (
            (batch or UNKNOWN_BATCH)
            * self.numbers_per_score(query)
            * key_length
        )
        if length * of_query <= _LARGE:
            return None
        smallest, largest = _BLOCK_SIZES
        return min(max(_BLOCK // of_query, smallest), largest)

    def get_config(self):
        return {
            **super().get_config(),
            "query_block_size": self.query_block_size,
        }
