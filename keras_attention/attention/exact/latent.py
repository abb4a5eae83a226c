"""Multi-head latent attention."""

import keras
from keras import ops

from keras_attention.attention.core import kv_cache
from keras_attention.attention.core.normalization import RootMeanSquare
from keras_attention.attention.core.softmax_options import SoftmaxOptions
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.attention.exact.latent_decoding import (
    attend_to_compressed,
    is_cheaper,
)
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class LatentAttention(SoftmaxOptions, ScoredAttention):
    """Softmax attention whose keys and values come from one short vector.

    Every position is compressed to c = RMS(Wx) of `kv_rank` numbers, from
    which each head makes its own key and value. A position cannot rotate such
    keys, so each head's query and key have `rope_dim` features more; of the
    key these come from x itself, are the same for all heads, and they alone
    are rotated. Scores are divided by the root of `head_dim + rope_dim`.

    A cache holds c and the rotated key, not keys and values. A step of few
    tokens does not expand them: what makes keys of c multiplies the query
    instead, and what makes values the output, with the same numbers. Longer
    calls, and positions with a bias, expand what the cache holds.

    The models of the paper rotate neighbours: give
    `position=RotaryEmbedding(interleaved=True)`. Without a position the
    shared key is not rotated.

    Args:
        num_heads: integer, number of heads.
        head_dim: integer, width of a head's query and key without the rotated
            part; `dim // num_heads` by default.
        kv_rank: integer, width of the compressed vector; `4 * head_dim` by
            default, as in the paper.
        rope_dim: integer, width of the rotated part; half of `head_dim` by
            default (rounded to an even number), as in the paper.
        value_dim: integer, width of a head's value; `head_dim` by default.
        query_rank: integer, width to which queries are compressed before they
            are projected; None for one projection, without this step.
        use_bias: whether the projections of the input, and that of the
            output, have biases, or a list of those that do, of "query",
            "query_compress", "compress", "rope", "output" and "gate"; what
            expands c has none.
        query_block_size: `"auto"`, an integer or None; see `ScoredAttention`.
        dropout, position, kernel_initializer, seed: see `Attention`.
        scale, logit_softcap, gate, sink_logits, off_by_one: see
            `MultiHeadAttention`.

    Call arguments:
        query: `(batch, length, dim)`.
        attention_mask: boolean `(batch, length, length)`.
        padding_mask: boolean `(batch, length)`.
        use_causal_mask, cache, start, training: see `Attention`.

    Returns:
        `(batch, length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: for a source to attend to: its key and value would need
            one input; for `num_kv_heads`, and for a position that adds to the
            values (whose width is not that of queries).

    Example:

    ```python
    import keras
    from keras_attention import LatentAttention

    layer = LatentAttention(
        num_heads=4, kv_rank=16, rope_dim=4, position="rotary"
    )
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 50, 32)
    cache = layer.init_cache(batch_size=2, max_length=50)
    cache["compressed"].shape  # (2, 50, 16)
    ```

    Reference:
        DeepSeek-AI 2024, DeepSeek-V2, https://arxiv.org/abs/2405.04434
    """

    paper = "DeepSeek-AI 2024"
    cost = "n²d / n²"
    cache_size = "n · (kv_rank + rope_dim)"
    supports_cross_attention = False
    supports_values = False
    supports_qk_norm = False
    projections = tuple(
        "query_compress query compress rope output gate".split()
    )

    def __init__(
        self,
        num_heads,
        head_dim=None,
        *,
        kv_rank=None,
        rope_dim=None,
        value_dim=None,
        query_rank=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, **kwargs)
        if self.num_kv_heads != num_heads:
            raise ValueError(
                "All heads make their keys and values of one compressed "
                "vector; set kv_rank, its width, instead of num_kv_heads. "
                f"Received: num_kv_heads={self.num_kv_heads}"
            )
        sizes = {
            "kv_rank": kv_rank,
            "rope_dim": rope_dim,
            "value_dim": value_dim,
            "query_rank": query_rank,
        }
        for name, size in sizes.items():
            check_integer(name, 1 if size is None else size)
            setattr(self, name, size)

    def build(self, query_shape, value_shape=None, key_shape=None):
        *rows, dim = query_shape
        self._choose_head_dim(dim)
        self._settle_widths()
        heads, query_dim = self.num_heads, self.head_dim + self.rope_dim
        query_input = query_shape
        if self.query_rank is not None:
            self.query_compress_dense = self._narrow_dense(
                "query_compress", self.query_rank, query_shape
            )
            self.query_norm = RootMeanSquare(
                self.query_rank, name="query_norm", dtype=self.dtype_policy
            )
            query_input = (*rows, self.query_rank)
        self.query_dense = self._split_dense("query", heads, query_dim)
        self.query_dense.build(query_input)
        self.compress_dense = self._narrow_dense(
            "compress", self.kv_rank, query_shape
        )
        self.compress_norm = RootMeanSquare(
            self.kv_rank, name="compress_norm", dtype=self.dtype_policy
        )
        self.rope_dense = self._narrow_dense("rope", self.rope_dim, query_shape)
        self.key_dense = self._expand_dense("key", self.head_dim)
        self.value_dense = self._expand_dense("value", self.value_dim)
        self.output_dense = self._dense(
            "attention_output", "bthd,hdm->btm", (None, dim), "m"
        )
        self.output_dense.build((*rows, heads, self.value_dim))
        if not self.position.built:
            width = self.rope_dim if _rotates(self.position) else query_dim
            self.position.build((*rows, heads, width))
        self.build_options(query_shape, self.value_dim)

    def _settle_widths(self):
        if self.kv_rank is None:
            self.kv_rank = 4 * self.head_dim
        if self.rope_dim is None:
            self.rope_dim = max(self.head_dim // 4 * 2, 2)
        if self.value_dim is None:
            self.value_dim = self.head_dim

    def _narrow_dense(self, name, width, input_shape):
        dense = self._dense(name, "btm,mr->btr", (None, width), "r")
        dense.build(input_shape)
        return dense

    def _expand_dense(self, name, width):
        """What makes keys or values; a bias would not pass into a query."""
        shape = (None, self.num_heads, width)
        dense = self._dense(name, "btr,rhd->bthd", shape, None)
        dense.build((None, None, self.kv_rank))
        return dense

    def project_query(self, query):
        if self.query_rank is not None:
            query = self.query_norm(self.query_compress_dense(query))
        return self.query_dense(query)

    def project_source(self, key, value):
        """Compresses `(batch, length, dim)`.

        Returns:
            `(batch, length, 1, kv_rank + rope_dim)`, the compressed vector
            and the key to be rotated, and `(batch, length, 1, kv_rank)`, the
            vector alone.
        """
        compressed = self.compress_norm(self.compress_dense(value))
        joined = ops.concatenate([compressed, self.rope_dense(key)], axis=-1)
        return joined[:, :, None], compressed[:, :, None]

    def rotate(self, heads, position, positions, role):
        if not _rotates(position):
            return heads
        kept = heads.shape[-1] - self.rope_dim
        rotated = position.rotate(heads[..., kept:], positions, role)
        return ops.concatenate([heads[..., :kept], rotated], axis=-1)

    def expand_key(self, key):
        """Makes each head's key of what `project_source` gave.

        Args:
            key: `(batch, length, 1, kv_rank + rope_dim)`.

        Returns:
            `(batch, length, num_heads, head_dim + rope_dim)`.
        """
        heads = self.key_dense(key[:, :, 0, : self.kv_rank])
        shape = (*ops.shape(heads)[:3], self.rope_dim)
        rotated = ops.broadcast_to(key[..., self.kv_rank :], shape)
        return ops.concatenate([heads, rotated], axis=-1)

    def attend(self, query, key, value, visible, position, training=None):
        key, value = self.expand_key(key), self.value_dense(value[:, :, 0])
        return super().attend(query, key, value, visible, position, training)

    def compute_weights(self, query, key, visible, position):
        key = self.expand_key(key)
        return super().compute_weights(query, key, visible, position)

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache for at most `max_length` positions.

        Returns:
            `{"compressed"}` of `(batch, max_length, kv_rank)`, `{"rope"}` of
            `(batch, max_length, rope_dim)`, the rotated key, and `{"mask"}`
            of `(batch, max_length)`.
        """
        self._check_cache(max_length)
        shape, dtype = (batch_size, max_length), self.compute_dtype
        return {
            "compressed": ops.zeros((*shape, self.kv_rank), dtype=dtype),
            "rope": ops.zeros((*shape, self.rope_dim), dtype=dtype),
            "mask": ops.zeros(shape, dtype="bool"),
        }

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, training=None
    ):
        mask, visible = kv_cache.extend_mask(cache["mask"], key, visible, start)
        write, rotated = kv_cache.write, key[:, :, 0, self.kv_rank :]
        compressed = write(cache["compressed"], value[:, :, 0], start, axis=1)
        rotated = write(cache["rope"], rotated, start, axis=1)
        cache = {"compressed": compressed, "rope": rotated, "mask": mask}
        drops = self.dropout and training
        if not (drops or position.acts_on_scores) and is_cheaper(self, query):
            output = attend_to_compressed(
                query,
                compressed,
                rotated,
                visible,
                position,
                self.key_dense.kernel,
                self.value_dense.kernel,
                self.scoring,
            )
            return output, cache
        key = ops.concatenate([compressed, rotated], axis=-1)[:, :, None]
        value = compressed[:, :, None]
        output = self.attend(query, key, value, visible, position, training)
        return output, cache

    def get_config(self):
        return {
            **super().get_config(),
            "kv_rank": self.kv_rank,
            "rope_dim": self.rope_dim,
            "value_dim": self.value_dim,
            "query_rank": self.query_rank,
        }


def _rotates(position):
    return position.overrides("rotate")
