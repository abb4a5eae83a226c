"""Base of the exact flavours: every key is weighed by a score."""

from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core import query_blocks, softmax
from keras_attention.attention.core.split import UNKNOWN_BATCH
from keras_attention.checks import check_integer
from keras_attention.tensors import known_integer

# Scores, of four bytes each: from where on blocks are used, those of a block,
# and those kept for the backward pass rather than computed again.
_LARGE, _BLOCK, _KEPT = 2**26, 2**24, 2**27
_BLOCK_SIZES = (64, 1024)
# Sublayers besides projections that neither scores nor weights read.
_OTHERS = ("query_norm", "key_norm", "position")


class ScoredAttention(Attention):
    """Base of flavours that compare every query with every key.

    A flavour overrides `scores`, `weigh`, or both, and may use weights and
    sublayers of its own there: they get their gradients in query blocks too.

    Args: as of `Attention`, and
        query_block_size: `"auto"` (once the scores of a call exceed 256 MiB,
            blocks of as many queries as have 64 MiB of them, from 64 to
            1,024; a batch of unknown size is taken for one of 16; where the
            lengths are known while the call is traced: a TensorFlow graph for
            any length stays dense), an integer (always blocks of that
            many queries), or None (never).
    """

    masks_scores = True
    scoring = softmax.PLAIN

    is_softmax = True
    """Whether weights are what `scoring` makes of products and a bias.

    The backward pass of query blocks is then written out where that is
    quicker. A class that overrides one of the methods below says so itself,
    or it is False.
    """

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        changes = {"scores", "weigh", "weigh_pairs"}.intersection(own)
        if changes and "is_softmax" not in own:
            cls.is_softmax = False

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
        return softmax.scores(query, key, visible, position, self.scoring)

    def weigh(self, scores, mask, visible):
        """Makes scores weights; keys that do not count get zeros.

        What a query gets that may attend to nothing does not matter, as long
        as it is finite: it is hidden afterwards.

        Args:
            scores: what `scores` returned.
            mask: boolean, broadcastable to them, or None.
            visible: the `Visibility` of these queries.

        Returns:
            `(batch, heads, query_length, key_length)`.
        """
        return self.scoring.weigh(softmax.add_mask(scores, mask))

    def weigh_pairs(self, query, key, visible, position):
        """Weighs each key for each query.

        Args: as of `attend`.

        Returns:
            `(weights, mask)`: what `weigh` returns, and the mask that it was
            given, boolean and broadcastable to the weights, or None.
        """
        scores = self.scores(query, key, visible, position)
        mask = visible.dense()
        return self.weigh(scores, mask, visible), mask

    def attend(self, query, key, value, visible, position, training=None):
        dropout, seed = self.draw_dropout(training)
        arguments = (query, key, value, visible, position, dropout, seed)
        block_size, keep = self.query_block_size, 0
        if block_size == "auto":
            block_size, keep = self._choose_block_size(query, key), _KEPT
        if block_size is None:
            return self._attend_at_once(*arguments)
        blocks = {"block_size": block_size, "keep": keep}
        if self.is_softmax:
            blocks["scoring"] = self.scoring
        else:
            blocks["attend"] = self._attend_at_once
            blocks["variables"] = self._variables_of_weights()
        return query_blocks.attend_in_blocks(*arguments, **blocks)

    def _variables_of_weights(self):
        """Lists what `scores` and `weigh` may read, frozen variables too.

        The usual projections are left out, since an argument costs a gradient
        in each block. Where a flavour reads one there after all, the blocks
        find out.
        """
        names = ("query", "key", "value", "output", "gate")
        known = set()
        for name in (*(f"{name}_dense" for name in names), *_OTHERS):
            layer = getattr(self, name, None)
            if layer is not None:
                known.update(id(variable) for variable in layer.variables)
        return [v for v in self.variables if id(v) not in known]

    def compute_weights(self, query, key, visible, position):
        weights, mask = self.weigh_pairs(query, key, visible, position)
        return ops.cast(softmax.hide_unseen(weights, mask), query.dtype)

    def numbers_per_score(self, query):
        """How many numbers one query and one key need on the way."""
        return query.shape[2]

    def _attend_at_once(
        self, query, key, value, visible, position, dropout, seed
    ):
        weights, mask = self.weigh_pairs(query, key, visible, position)
        weights = ops.cast(weights, query.dtype)
        return softmax.mix(
            weights, value, mask, visible, position, dropout, seed
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
