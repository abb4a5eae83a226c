"""Pooling a sequence by learned queries."""

import keras
from keras import ops

from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE


class LearnedQueries(ScoredAttention):
    """Base of layers whose queries are learned, unless the caller has some.

    A flavour gives `num_queries` and, where it is not the input's,
    `query_dim`.
    """

    kind = "pooling"
    supports_causal_mask = False
    supports_rotation = False
    supports_bias = False
    supports_cache = False

    num_queries = 1
    query_dim = None

    def build(self, query_shape, value_shape=None, key_shape=None):
        dim = query_shape[-1] if self.query_dim is None else self.query_dim
        self.queries = self.add_weight(
            shape=(self.num_queries, dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            name="queries",
        )
        if value_shape is None and key_shape is None:
            value_shape = query_shape
            query_shape = (query_shape[0], self.num_queries, dim)
        super().build(query_shape, value_shape, key_shape)

    def run(self, query, value, key, *, memory=None, **arguments):
        query, value = self.with_queries(query, value, key, memory)
        return super().run(query, value, key, memory=memory, **arguments)

    def attention_weights(
        self, query, value=None, key=None, *, memory=None, **arguments
    ):
        if not self.built:
            sources = (query, value, key)
            self.build(
                *(None if x is None else tuple(x.shape) for x in sources)
            )
        query, value = self.with_queries(query, value, key, memory)
        return super().attention_weights(
            query, value, key, memory=memory, **arguments
        )

    def with_queries(self, query, value, key, memory):
        if not (value is None and key is None and memory is None):
            return query, value
        queries = ops.cast(ops.convert_to_tensor(self.queries), query.dtype)
        shape = (ops.shape(query)[0], *queries.shape)
        return ops.broadcast_to(queries[None], shape), query

    def compute_mask(self, inputs, previous_mask=None):
        return None  # that of the input is none of the output's


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionPooling(LearnedQueries):
    """Pools a sequence: learned seed vectors attend to it.

    `MultiHead(S, X)` with seeds S, the attention of the Set Transformer's
    PMA. With one seed it is a weighted mean whose weights are learned. The
    order of the sequence does not matter.

    Args:
        num_heads, head_dim, num_kv_heads: see `Attention`.
        num_seeds: integer, number of outputs.
        **kwargs: `use_bias`, `dropout`, `kernel_initializer`, `seed`: see
            `Attention`; `query_block_size`: see `MultiHeadAttention`.

    Call arguments:
        query: `(batch, length, dim)`, what is pooled. With a `value` it
            takes the place of the seeds.
        padding_mask: boolean `(batch, length)`.

    Returns:
        `(batch, num_seeds, dim)`, without a mask; zeros before the output
        projection for a sequence without tokens.

    Raises:
        ValueError: for sizes that make no sense or what this flavour does not
            support: a causal mask, a position, a cache.

    Example:

    ```python
    import keras
    from keras_attention import AttentionPooling

    layer = AttentionPooling(num_heads=4, num_seeds=1)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1, 32)
    ```

    Reference:
        Lee et al. 2019, Set Transformer, https://arxiv.org/abs/1810.00825.
        Scores are divided by the root of the head's width; the paper's own
        code divides by that of all heads together.
    """

    paper = "Lee et al. 2019"
    cost = "nmd / nm"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        num_seeds=1,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("num_seeds", num_seeds)
        self.num_seeds = num_seeds

    @property
    def num_queries(self):
        """Number of learned queries."""
        return self.num_seeds

    def get_config(self):
        return {**super().get_config(), "num_seeds": self.num_seeds}
