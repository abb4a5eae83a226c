"""LSH attention of the Reformer: hash, sort, attend in chunks."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.checks import check_integer
from keras_attention.attention.hashing import (
    check_buckets,
    hash_vectors,
    num_columns,
    sort_by_bucket,
)
from keras_attention.attention.permuting import permute, take_rows
from keras_attention.attention.products import swap_heads
from keras_attention.attention.softmax import add_mask
from keras_attention.masks import hide
from keras_attention.positions.base import (
    at_least_float32,
    is_made_up,
    known_integer,
)
from keras_attention.registry import PACKAGE

# So low that a token counts itself where it sees nothing else.
_SELF_SCORE = -1e5


@keras.saving.register_keras_serializable(package=PACKAGE)
class LSHAttention(Attention):
    """Softmax attention among vectors that fall into the same bucket.

    Queries are keys as well: `k = q / |q|`. In each of `num_hashes` rounds
    every vector gets the bucket of the random direction nearest to it; tokens
    are sorted by bucket and then by place, and cut into chunks. A token
    attends to its own chunk and to neighbours of it. A token counts itself
    only where it sees no other. The rounds are mixed by the sums of their
    exponentials, so that a round which found larger scores counts more:
    `o = Σ exp(z_r) o_r / Σ exp(z_r)` with `z_r` the logsumexp of round r.

    The first chunk of a round comes after the last one of the round before,
    as in the authors' code; a key may therefore count twice there. Up to
    `chunk_size` tokens it is exact attention with shared queries and keys.

    Tokens of padding are sorted to the end and take part in nothing, their
    output is zero before the output projection, and the number of buckets and
    chunks of a row follows from its own tokens: padding changes nothing. The
    random directions are drawn once and saved with the weights, so that
    inference is the same every time.

    With the causal mask no token sees a later one, but the chunks depend on
    the whole sequence; so it has no cache.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_hashes: integer, rounds of hashing.
        num_buckets: even integer; or a list of even integers, whose product
            is the number, hashed one by one, which is cheaper for many; or
            None: two equal factors, the smallest that give every chunk two
            buckets, by the length of each row.
        chunk_size: integer, tokens of a chunk.
        num_chunks_before: integer, earlier chunks that one attends to.
        num_chunks_after: integer, later ones.
        use_bias, dropout, position, kernel_initializer: see `Attention`.
            Positions that rotate do so before the hashing.
        seed: integer for the random directions and dropout; drawn by
            default.

    Call arguments:
        query: `(batch, length, dim)`; it attends to itself alone.
        padding_mask: boolean `(batch, length)`.
        use_causal_mask, start, training: see `Attention`.

    Returns:
        `(batch, length, dim)`.

    Raises:
        ValueError: for cross-attention, a dense mask or a cache.

    Reference:
        Kitaev et al. 2020, Reformer: The Efficient Transformer,
        https://arxiv.org/abs/2001.04451
    """

    paper = "Kitaev et al. 2020"
    cost = "nd log n / nd"
    supports_cross_attention = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False
    exact_causal = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        *,
        num_hashes=4,
        num_buckets=None,
        chunk_size=64,
        num_chunks_before=1,
        num_chunks_after=0,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, **kwargs)
        if self.num_kv_heads != num_heads:
            raise ValueError(
                "num_kv_heads must be num_heads, since the keys are the "
                f"queries. Received: num_kv_heads={self.num_kv_heads}, "
                f"num_heads={num_heads}"
            )
        check_integer("num_hashes", num_hashes)
        check_integer("chunk_size", chunk_size)
        check_integer("num_chunks_before", num_chunks_before, 0)
        check_integer("num_chunks_after", num_chunks_after, 0)
        self._factors = check_buckets(num_buckets)
        self.num_hashes = num_hashes
        self.num_buckets = num_buckets
        self.chunk_size = chunk_size
        self.num_chunks_before = num_chunks_before
        self.num_chunks_after = num_chunks_after

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        columns = num_columns(self._factors)
        self.rotations = self.add_weight(
            name="rotations",
            shape=(self.head_dim, self.num_hashes, columns),
            initializer=keras.initializers.RandomNormal(0.0, 1.0, self.seed),
            dtype="float32",
            trainable=False,
            autocast=False,
        )

    def _split_dense(self, name, heads):
        return None if name == "key" else super()._split_dense(name, heads)

    def project_source(self, key, value):
        return None, self.value_dense(value)

    def attend(self, query, key, value, visible, position, training=None):
        if is_made_up(query):
            return query  # Nothing is sorted where nothing has a value.
        length, mask = ops.shape(query)[1], visible.padding_mask
        if mask is None:
            mask = ops.ones((ops.shape(query)[0], length), dtype="bool")
        else:
            query = hide(query, mask)
        scaled = query * ops.cast(position.scale(query.shape[-1]), query.dtype)
        rows = -(-length // self.chunk_size) * self.chunk_size - length
        widths = [(0, 0), (0, rows), (0, 0), (0, 0)]
        query, scaled, key, value = (
            swap_heads(ops.pad(x, widths))
            for x in (query, scaled, _unit(key), value)
        )
        counts = ops.pad(mask, widths[:2])
        chunks = _Chunks(self, query, counts, known_integer(length))
        output = chunks.attend(
            *(scaled, key, value, visible.causal),
            lambda weights: self.drop(weights, training),
        )
        output = swap_heads(output)[:, :length]
        return ops.where(mask[:, :, None, None], output, 0.0)

    def compute_weights(self, query, key, visible, position):
        # What mixes the rows of the identity are the weights themselves.
        batch, length, heads, _ = ops.shape(key)
        value = ops.eye(length, dtype=query.dtype)[None, :, None]
        value = ops.broadcast_to(value, (batch, length, heads, length))
        return swap_heads(self.attend(query, key, value, visible, position))

    def get_config(self):
        return {
            **super().get_config(),
            "num_hashes": self.num_hashes,
            "num_buckets": self.num_buckets,
            "chunk_size": self.chunk_size,
            "num_chunks_before": self.num_chunks_before,
            "num_chunks_after": self.num_chunks_after,
        }


class _Chunks:
    """The sorted sequence of one call, cut into chunks of all rounds.

    Args:
        layer: the `LSHAttention`.
        query: `(batch, heads, length, head_dim)`, whole chunks.
        counts: boolean `(batch, length)`, True for tokens that count.
        known_length: integer before it was filled up to whole chunks, or
            None.
    """

    def __init__(self, layer, query, counts, known_length):
        self.size = layer.chunk_size
        rotations = ops.convert_to_tensor(layer.rotations)
        before, after = layer.num_chunks_before, layer.num_chunks_after
        if known_length is not None and known_length <= self.size:
            # All rounds are the same and all neighbours the chunk itself.
            rotations, before, after = rotations[:, :1], 0, 0
        # The first of these are different chunks, however few there are.
        back, forth = range(-1, -before - 1, -1), range(1, after + 1)
        self.offsets = [0, *back, *forth]
        self.rounds = rotations.shape[1]
        self.length = ops.shape(query)[2]
        self.number = self.length // self.size
        tokens = ops.sum(ops.cast(counts, "int32"), axis=1, keepdims=True)
        # Chunks with a token that counts; the others come last.
        self.filled = -(-tokens // self.size)
        buckets, number = hash_vectors(
            ops.stop_gradient(query),
            *(rotations, layer._factors, self.filled[..., None, None]),
        )
        order, inverse = sort_by_bucket(buckets, number, counts)
        round_start = self.length * ops.arange(self.rounds, dtype="int32")
        flat = (*ops.shape(order)[:2], self.rounds * self.length)
        self.order = ops.reshape(order, flat)
        self.rank = ops.reshape(inverse + round_start[:, None], flat)
        in_round = order + round_start[:, None]
        self.place_in_round = ops.reshape(in_round, flat)
        ranks = ops.tile(ops.arange(self.length, dtype="int32"), self.rounds)
        self.counts = self._cut(ranks < tokens)

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
        weights = ops.cast(drop(weights), value.dtype)
        mixed = ops.einsum("bhgqk,bhgkd->bhgqd", weights, value)
        sums = ops.concatenate([total, highest], axis=-1)
        total, highest = ops.split(self._unsort(sums), 2, axis=-1)
        # One softmax over the keys of all rounds.
        highest = ops.stop_gradient(highest)
        share = ops.exp(highest - ops.max(highest, axis=2, keepdims=True))
        mixed = ops.sum(share * ops.cast(self._unsort(mixed), dtype), axis=2)
        total = ops.sum(share * total, axis=2)
        return ops.cast(mixed / total, value.dtype)

    def _mask(self, scores, causal):
        """Hides keys, and lowers the score of a token with itself."""
        places = self._cut(self.order)
        query_places = places[..., None]
        key_places = self._beside(places[..., None])[..., None, :, 0]
        counts = ops.cast(self.counts[..., None], "int32")
        seen = self._beside(counts)[..., None, :, 0] > 0
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


def _unit(key):
    """Keys of length one; zeros stay zeros."""
    wide = ops.cast(key, at_least_float32(key.dtype))
    squares = ops.sum(wide * wide, axis=-1, keepdims=True)
    squares = ops.where(squares > 0, squares, 1.0)
    return ops.cast(wide * ops.rsqrt(squares), key.dtype)
