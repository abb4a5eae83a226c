"""LSH attention of the Reformer: hash, sort, attend in chunks."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core.normalization import unit_vectors
from keras_attention.attention.core.softmax import swap_heads
from keras_attention.attention.core.split import pad_end
from keras_attention.attention.sparse.hashing import check_buckets, num_columns
from keras_attention.attention.sparse.sorted_chunks import SortedChunks
from keras_attention.checks import check_integer
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE
from keras_attention.tensors import is_made_up, known_integer


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

    Example:

    ```python
    import keras
    from keras_attention import LSHAttention

    layer = LSHAttention(num_heads=4, num_hashes=2, chunk_size=32)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

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
        query, scaled, key, value = (
            swap_heads(pad_end(x, rows, axis=1))
            for x in (query, scaled, unit_vectors(key), value)
        )
        key_mask = pad_end(mask, rows, axis=1)
        output = self._chunks(query, key_mask, known_integer(length)).attend(
            scaled,
            key,
            value,
            visible.causal,
            lambda weights: self.drop(weights, training),
        )
        output = swap_heads(output)[:, :length]
        return ops.where(mask[:, :, None, None], output, 0.0)

    def _chunks(self, query, key_mask, known_length):
        rotations = ops.convert_to_tensor(self.rotations)
        neighbours = self.num_chunks_before, self.num_chunks_after
        if known_length is not None and known_length <= self.chunk_size:
            # All rounds are the same and all neighbours the chunk itself.
            rotations, neighbours = rotations[:, :1], (0, 0)
        return SortedChunks(
            query,
            key_mask,
            rotations,
            self._factors,
            self.chunk_size,
            *neighbours,
        )

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
