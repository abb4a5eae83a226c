"""Attention within chunks of a sequence that is sorted by hashes."""

import keras
from keras import ops

from keras_attention.attention.core.softmax import add_mask
from keras_attention.attention.sparse.hashing import (
    hash_vectors,
    sort_by_bucket,
)
from keras_attention.tensors import at_least_float32

# So low that a token counts itself where it sees nothing else.
_SELF_SCORE = -1e5


class SortedChunks:
    """A sequence sorted by buckets in rounds, cut into chunks that attend.

    Args:
        query: `(batch, heads, length, head_dim)`, whole chunks.
        key_mask: boolean `(batch, length)`, True for tokens that count.
        rotations: `(head_dim, rounds, columns)`.
        factors: the factors of the buckets, as of `hash_vectors`.
        size: integer, tokens in a chunk.
        before, after: integers, neighbours that a chunk attends to.
    """

    def __init__(
        self, query, key_mask, rotations, factors, size, before, after
    ):
        self.size, self.rounds = size, rotations.shape[1]
        # The first of these are different chunks, however few there are.
        self.offsets = [0, *range(-1, -before - 1, -1), *range(1, after + 1)]
        self.length = ops.shape(query)[2]
        self.number = self.length // self.size
        tokens = ops.sum(ops.cast(key_mask, "int32"), axis=1, keepdims=True)
        # Chunks with a token that counts; the others come last.
        self.filled = -(-tokens // self.size)
        buckets, number = hash_vectors(
            ops.stop_gradient(query),
            rotations,
            factors,
            self.filled[..., None, None],
        )
        order, inverse = sort_by_bucket(buckets, number, key_mask)
        round_start = self.length * ops.arange(self.rounds, dtype="int32")
        flat = (*ops.shape(order)[:2], self.rounds * self.length)
        self.order = ops.reshape(order, flat)
        self.rank = ops.reshape(inverse + round_start[:, None], flat)
        in_round = order + round_start[:, None]
        self.place_in_round = ops.reshape(in_round, flat)
        ranks = ops.tile(ops.arange(self.length, dtype="int32"), self.rounds)
        self.key_mask = self._cut(ranks < tokens)

    def attend(self, query, key, value, causal, drop):
        """Mixes `(batch, heads, length, width)` values; the same comes back.

        Args:
            query, key, value: `(batch, heads, length, width)`.
            causal: whether a token sees only earlier ones and itself.
            drop: function that applies dropout to weights.
        """
        dtype = at_least_float32(query.dtype)
        query, key, value = (
            self._cut(permute(x, self.order, self.rank))
            for x in (query, key, value)
        )
        key, value = self._beside(key), self._beside(value)
        scores = ops.einsum("bhgqd,bhgkd->bhgqk", query, key)
        scores = self._mask(ops.cast(scores, dtype), causal)
        highest = ops.stop_gradient(ops.max(scores, axis=-1, keepdims=True))
        weights = ops.exp(scores - highest)
        total = ops.sum(weights, axis=-1, keepdims=True)
        # Divided here, since the sums may be too large for half precision.
        weights = ops.cast(drop(weights) / total, value.dtype)
        mixed = ops.einsum("bhgqk,bhgkd->bhgqd", weights, value)
        sums = ops.concatenate([total, highest], axis=-1)
        total, highest = ops.split(self._unsort(sums), 2, axis=-1)
        # One softmax over the keys of all rounds.
        highest = ops.stop_gradient(highest)
        share = ops.exp(highest - ops.max(highest, axis=2, keepdims=True))
        share = share * total
        mixed = ops.sum(share * ops.cast(self._unsort(mixed), dtype), axis=2)
        return ops.cast(mixed / ops.sum(share, axis=2), value.dtype)

    def _mask(self, scores, causal):
        """Hides keys, and lowers the score of a token with itself."""
        places = self._cut(self.order)
        query_places = places[..., None]
        key_places = self._beside(places[..., None])[..., None, :, 0]
        key_mask = ops.cast(self.key_mask[..., None], "int32")
        seen = self._beside(key_mask)[..., None, :, 0] > 0
        if len(self.offsets) > 1:
            seen = ops.logical_and(seen, self._once())
        if causal:
            seen = ops.logical_and(seen, key_places <= query_places)
        itself = ops.equal(key_places, query_places)
        return add_mask(ops.where(itself, _SELF_SCORE, scores), seen)

    def _once(self):
        """Whether a neighbour is another chunk than those before in line.

        Returns:
            Boolean `(batch, 1, 1, 1, neighbours * size)`.
        """
        index = ops.repeat(
            ops.arange(len(self.offsets), dtype="int32"), self.size
        )
        return (index < self.rounds * self.filled)[:, None, None, None]

    def _cut(self, x):
        """Cuts `(..., rounds * length, ...)`, the third axis, into chunks."""
        if len(x.shape) == 2:
            x = x[:, None]
        shape = ops.shape(x)
        number = self.rounds * self.number
        return ops.reshape(x, (*shape[:2], number, self.size, *shape[3:]))

    def _beside(self, x):
        """Puts the neighbours behind each chunk.

        Args:
            x: `(batch, heads or 1, rounds * chunks, size, width)`.

        Returns:
            `(batch, heads or 1, rounds * chunks, neighbours * size, width)`.
        """
        if len(self.offsets) == 1:
            return x
        shape = ops.shape(x)
        flat = ops.reshape(x, (*shape[:3], self.size * shape[4]))
        parts = [x]
        for offset in self.offsets[1:]:
            order, inverse = (
                ops.broadcast_to(self._ring(step)[:, None], shape[:3])
                for step in (offset, -offset)
            )
            if keras.backend.is_float_dtype(x.dtype):
                moved = permute(flat, order, inverse)
            else:
                moved = take_rows(flat, order)
            parts.append(ops.reshape(moved, shape))
        return ops.concatenate(parts, axis=3)

    def _ring(self, step):
        """Which chunk stands `step` further among those of all rounds.

        Chunks without a token that counts stand in no line.

        Returns:
            Integers `(batch, rounds * chunks)`.
        """
        number, filled = self.number, ops.maximum(self.filled, 1)
        index = ops.arange(self.rounds * number, dtype="int32")[None]
        in_line = index // number * filled + index % number
        moved = (in_line + step) % (self.rounds * filled)
        moved = moved // filled * number + moved % filled
        return ops.where(index % number < filled, moved, index)

    def _unsort(self, x):
        """Gives `(batch, heads, rounds, length, width)` in the first order."""
        batch, heads, _, _, width = ops.shape(x)
        flat = (batch, heads, self.rounds * self.length, width)
        x = permute(ops.reshape(x, flat), self.rank, self.place_in_round)
        return ops.reshape(x, (batch, heads, self.rounds, self.length, width))


def take_rows(x, index):
    """Takes rows of the axis before the last.

    Args:
        x: `(batch, heads, rows, width)`.
        index: integers `(batch, heads, taken)`.

    Returns:
        `(batch, heads, taken, width)`.
    """
    batch, heads, rows, width = ops.shape(x)
    first = rows * ops.arange(batch * heads, dtype=index.dtype)
    index = index + ops.reshape(first, (batch, heads, 1))
    # Row by row from two axes: an index for every number would be as large
    # as the result.
    return ops.take(ops.reshape(x, (batch * heads * rows, width)), index, 0)


def permute(x, order, inverse):
    """Takes every row of `x` equally often, in the order given.

    The gradient of a row is the sum of those of its copies, which are taken
    by their places: adding up by index is slow, and in a TensorFlow graph of
    unknown length Keras' own way warns.

    Args:
        x: `(batch, heads, rows, width)`.
        order: integers `(batch, heads, copies * rows)`.
        inverse: integers of the same shape: where the first copies of all
            rows stand in the result, then the second ones, and so on.

    Returns:
        `(batch, heads, copies * rows, width)`.
    """

    # The integers are captured, not passed: they have no gradient.
    @ops.custom_gradient
    def forward(x):
        def backward(*inputs, upstream=None):
            if upstream is None:
                (upstream,) = inputs
            batch, heads, rows, width = ops.shape(x)
            shape = (batch, heads, -1, rows, width)
            return ops.sum(ops.reshape(take_rows(upstream, inverse), shape), 2)

        return take_rows(x, order), backward

    return forward(x)
