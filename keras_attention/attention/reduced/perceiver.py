"""Latents that read an input of any length."""

import keras

from keras_attention.attention.reduced.pooling import LearnedQueries
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class PerceiverAttention(LearnedQueries):
    """Cross-attention of learned latents to an input (Perceiver).

    `MultiHead(LN(Z), LN(X))` with latents Z: a long input X becomes a few
    vectors at a cost that grows with its length alone. Latents that have
    been worked on read the input again as `layer(latents, inputs)`; the
    residual around the attention is the caller's.

    Args:
        num_heads, head_dim, num_kv_heads: see `Attention`.
        num_latents: integer, number of latents.
        latent_dim: integer, width of the latents; the input's by default.
        **kwargs: `use_bias`, `dropout`, `kernel_initializer`, `seed`: see
            `Attention`; `query_block_size`: see `MultiHeadAttention`.

    Call arguments:
        query: `(batch, length, dim)`, what is read; or with a `value`, the
            latents, `(batch, num_latents, latent_dim)`.
        value: `(batch, length, dim)`; None for the learned latents.
        padding_mask: boolean `(batch, length)`.

    Returns:
        `(batch, num_latents, latent_dim)`, without a mask; zeros before the
        output projection for an input without tokens.

    Raises:
        ValueError: for sizes that make no sense or what this flavour does not
            support: a causal mask, a position, a cache.

    Example:

    ```python
    import keras
    from keras_attention import PerceiverAttention

    layer = PerceiverAttention(num_heads=4, num_latents=8)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 8, 32)
    ```

    Reference:
        Jaegle et al. 2021, Perceiver: General Perception with Iterative
        Attention, https://arxiv.org/abs/2103.03206
    """

    paper = "Jaegle et al. 2021"
    cost = "nmd / nm"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        num_latents=32,
        latent_dim=None,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("num_latents", num_latents)
        if latent_dim is not None:
            check_integer("latent_dim", latent_dim)
        self.num_latents = num_latents
        self.latent_dim = latent_dim

    @property
    def num_queries(self):
        """Number of learned queries."""
        return self.num_latents

    @property
    def query_dim(self):
        """Width of the learned queries; None for the input's."""
        return self.latent_dim

    def build(self, query_shape, value_shape=None, key_shape=None):
        latent_dim = query_shape[-1]
        if value_shape is None:
            latent_dim = self.latent_dim or latent_dim
        self.latent_norm = self._norm("latent_norm")
        self.input_norm = self._norm("input_norm")
        super().build(query_shape, value_shape, key_shape)
        self.latent_norm.build((None, None, latent_dim))
        self.input_norm.build(value_shape or query_shape)

    def _norm(self, name):
        return keras.layers.LayerNormalization(
            epsilon=1e-5, name=name, dtype=self.dtype_policy
        )

    def project_query(self, query):
        return self.query_dense(self.latent_norm(query))

    def project_source(self, key, value):
        if key is not value:
            raise ValueError(
                "PerceiverAttention reads keys and values from one input. "
                "Received: a key beside the value; use MultiHeadAttention"
            )
        value = self.input_norm(value)
        return self.key_dense(value), self.value_dense(value)

    def get_config(self):
        return {
            **super().get_config(),
            "num_latents": self.num_latents,
            "latent_dim": self.latent_dim,
        }
