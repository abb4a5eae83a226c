"""Sigmoid attention."""

import keras
from keras import ops

from keras_attention.attention.exact.base import ScoredAttention
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class SigmoidAttention(ScoredAttention):
    """Weighs each key by a sigmoid of its score: sigmoid(s - log n) V.

    s = QK' / sqrt(d), and n is the number of keys that the query may see, so
    that the weights of a new layer sum to about one. Keys do not compete:
    a query may weigh all of them high or none.

    The paper takes n to be the length of the sequence. Here keys that are
    padding, in the future, or hidden by a mask are not counted: then padding
    changes nothing, and decoding gives what training gave.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        query_block_size: `"auto"`, an integer or None; see `ScoredAttention`.
        use_bias, dropout, position, kernel_initializer, seed: see `Attention`.

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
        ValueError: for call arguments that exclude each other.

    Example:

    ```python
    import keras
    from keras_attention import SigmoidAttention

    layer = SigmoidAttention(num_heads=4, position="alibi")
    x = keras.random.normal((2, 50, 32))  # (batch, length, dim)
    layer(x).shape  # (2, 50, 32)
    ```

    Reference:
        Ramapuram et al. 2024, Theory, Analysis, and Best Practices for
        Sigmoid Self-Attention, https://arxiv.org/abs/2409.04431
    """

    paper = "Ramapuram et al. 2024"
    cost = "n²d / n²"
    cache_size = "n · num_kv_heads · 2d"

    def weigh(self, scores, mask, visible):
        if mask is None:
            count = ops.cast(ops.shape(scores)[-1], scores.dtype)
            return ops.sigmoid(scores - ops.log(count))
        count = ops.sum(ops.cast(mask, scores.dtype), axis=-1, keepdims=True)
        shift = ops.log(ops.where(count > 0, count, 1.0))
        # A choice, since a sigmoid need not reach zero on every machine.
        return ops.where(mask, ops.sigmoid(scores - shift), 0.0)
