"""Efficient attention: two softmaxes instead of one."""

import keras
from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.core.softmax import softmax
from keras_attention.attention.linear.chunks import lay_out
from keras_attention.attention.linear.sums import LOWEST, divide, product
from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class EfficientAttention(Attention):
    """Efficient attention: softmax(Q) (softmax(K)' V).

    The first softmax is over the features of a query, the second over the
    positions of the keys: each feature is a map over the keys, and a query
    mixes what the maps collect. Rows of weights sum to one. Since the maps
    take all positions together, there is no causal form.

    As in the paper's code, products are not divided by sqrt(d). A position
    that rotates queries and keys, such as `RotaryEmbedding`, does so before
    both softmaxes.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of the mixed values dropped in training (there
            are no weights to drop).
        position: a positional encoding that rotates queries and keys, or None.
        kernel_initializer: initializer of the projections.
        seed: integer for dropout; drawn by default.

    Call arguments:
        query: `(batch, query_length, dim)`.
        value: `(batch, key_length, dim)`; by default `query`.
        key: `(batch, key_length, dim)`; by default `value`.
        padding_mask: boolean `(batch, key_length)`.
        memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`.

    Raises:
        ValueError: for a causal or dense mask or a cache, and as `Attention`
            does.

    Example:

    ```python
    import keras
    from keras_attention import EfficientAttention

    layer = EfficientAttention(num_heads=4)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 1000, 32)
    ```

    Reference:
        Shen et al. 2018, Efficient Attention: Attention with Linear
        Complexities, https://arxiv.org/abs/1812.01243
    """

    paper = "Shen et al. 2018"
    cost = "nd² / d²"
    supports_causal_mask = False
    supports_attention_mask = False
    supports_bias = False
    supports_cache = False

    def attend(self, query, key, value, visible, position, training=None):
        features, maps, total = self._maps(query, key, visible)
        value = ops.cast(ops.swapaxes(value, 1, 2), maps.dtype)
        shape, length = ops.shape(query), known_integer(query.shape[1])
        if length is not None and 2 * length <= self.head_dim:
            # For few queries the weights are less work than the sums.
            features = divide(features, total)
            weights = product(features, maps, transpose_y=True)
            output = product(weights, value)
        else:
            sums = product(maps, value, transpose_x=True)
            sums = divide(sums, ops.swapaxes(total, -1, -2))
            output = product(features, sums)
        output = lay_out(shape[1]).join(output[None, :, :, None], shape[2])
        return self.drop(ops.cast(output, query.dtype), training)

    def compute_weights(self, query, key, visible, position):
        features, maps, total = self._maps(query, key, visible)
        features = divide(features, total)
        weights = product(features, maps, transpose_y=True)
        shape = [ops.shape(query)[i] for i in (0, 2, 1)]
        shape = (*shape, ops.shape(key)[1])
        return ops.cast(ops.reshape(weights, shape), query.dtype)

    def _maps(self, query, key, visible):
        """Gives both softmaxes, that over the positions undivided.

        Returns:
            Features of the queries `(batch, kv_heads, rows, head_dim)`, the
            rows of heads that share a key following each other; maps over
            the keys `(batch, kv_heads, keys, head_dim)`, zero for hidden
            ones; and their sums `(batch, kv_heads, 1, head_dim)`.
        """
        dtype = at_least_float32(query.dtype)
        query = lay_out(ops.shape(query)[1]).cut(query, self.num_kv_heads)
        features = softmax(ops.cast(query[0, :, :, 0], dtype))
        key = ops.cast(ops.swapaxes(key, 1, 2), dtype)
        mask = visible.padding_mask
        if mask is not None:
            key = ops.where(mask[:, None, :, None], key, LOWEST)
        top = ops.stop_gradient(ops.max(key, axis=2, keepdims=True))
        # Where all is hidden, nothing is left of any key.
        top = ops.maximum(top, 0.1 * LOWEST)
        maps = ops.exp(key - top)
        ones = ops.ones_like(maps[..., :1])
        return features, maps, product(ones, maps, transpose_x=True)
