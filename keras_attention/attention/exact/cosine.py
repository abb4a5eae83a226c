"""Cosine attention with a learned temperature."""

import math

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.core.normalization import unit_vectors
from keras_attention.attention.core.softmax import (
    query_key_products,
    swap_heads,
)
from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.checks import check_number
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class CosineAttention(ScoredAttention):
    """Softmax of cosines times a learned factor: softmax(s cos(q, k) + b) V.

    Scores cannot grow with the length of the vectors, which keeps the
    training of large models stable. Each head learns the logarithm of its
    factor `s`, an inverse temperature that never exceeds `max_scale`; the
    factor of the position, `1 / sqrt(head_dim)` for most, is not used. A
    vector of zeros has the cosine 0 with every other.

    Keys are cached as unit vectors.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        initial_scale: number, the factor that each head starts with.
        max_scale: number, the largest factor.
        **kwargs: `use_bias`, `dropout`, `position`, `kernel_initializer`,
            `seed`: see `Attention`; `query_block_size`: see
            `MultiHeadAttention`.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        attention_mask: boolean `(batch, query_length, key_length)`.
        padding_mask: boolean `(batch, key_length)`.
        use_causal_mask, cache, memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: if the widths and head counts do not fit, for factors that
            are not positive, or for call arguments that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import CosineAttention

    layer = CosineAttention(num_heads=4)
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Liu et al. 2022, Swin Transformer V2: Scaling Up Capacity and
        Resolution, section 3.2, https://arxiv.org/abs/2111.09883. There the
        projection of the keys has no bias, and attention is within windows.
    """

    paper = "Liu et al. 2022"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"
    supports_scale = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        initial_scale=10.0,
        max_scale=100.0,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        self.max_scale = check_number("max_scale", max_scale)
        self.initial_scale = check_number(
            "initial_scale", initial_scale, most=max_scale
        )

    def build(self, query_shape, value_shape=None, key_shape=None):
        super().build(query_shape, value_shape, key_shape)
        self.logit_scale = self.add_weight(
            shape=(self.num_heads, 1, 1),
            initializer=keras.initializers.Constant(
                math.log(self.initial_scale)
            ),
            name="logit_scale",
            autocast=False,
        )

    def project_query(self, query):
        heads = super().project_query(query)
        return unit_vectors(heads)

    def project_source(self, key, value):
        key, value = super().project_source(key, value)
        return unit_vectors(key), value

    def scores(self, query, key, visible, position):
        cosines = query_key_products(swap_heads(query), swap_heads(key))
        # Cast first: the weight has the dtype of the policy, scores at least
        # float32.
        logit_scale = ops.cast(self.logit_scale, cosines.dtype)
        # A Python number would pass through float32, as would float64 in the
        # `minimum` of Keras on torch.
        most = ops.convert_to_tensor(
            math.log(self.max_scale), dtype=cosines.dtype
        )
        scale = ops.exp(ops.where(logit_scale < most, logit_scale, most))
        return softmax.add_bias(scale * cosines, query, key, visible, position)

    def get_config(self):
        return {
            **super().get_config(),
            "initial_scale": self.initial_scale,
            "max_scale": self.max_scale,
        }
