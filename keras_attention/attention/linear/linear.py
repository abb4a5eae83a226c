"""Linear attention: a feature map in place of the softmax."""

import keras
from keras import ops

from keras_attention.attention.core import softmax
from keras_attention.attention.linear.base import KernelAttention
from keras_attention.checks import did_you_mean
from keras_attention.registry import PACKAGE

_FEATURE_MAPS = {
    "elu": lambda x: ops.elu(x) + 1.0,
    "relu": ops.relu,
    "softmax": softmax.softmax,
}


@keras.saving.register_keras_serializable(package=PACKAGE)
class LinearAttention(KernelAttention):
    """Linear attention with a feature map: phi(Q)(phi(K)'V) / phi(Q)sum phi(K).

    A key is weighed by phi(q) . phi(k), so that the sums over all keys serve
    every query and time grows with the length. Causal attention is a
    recurrent network: a state of one matrix and one vector a head, to which
    every key adds. As in the paper, queries are not divided by sqrt(d): no
    exponential follows that large products would saturate.

    A position that rotates queries and keys, such as `RotaryEmbedding`, does so
    before the feature map; weights then depend on more than the distance.
    With `"relu"` a query whose features are all zero where those of the keys
    are not weighs nothing and gives zeros.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        feature_map: `"elu"` (elu(x) + 1), `"softmax"` (over the features of
            each query and each key), `"relu"`, or a function from `(...,
            head_dim)` in float32 to as many features, none of them negative:
            one of `keras.ops` or `keras.activations`, or registered with
            `@keras.saving.register_keras_serializable()`.
        chunk_size: integer, queries in a chunk of the causal form. It changes
            the speed, not the numbers.
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
        use_causal_mask, cache, memory, start, training: see `Attention`.

    Returns:
        `(batch, query_length, dim)`; with a cache, `(output, cache)`.

    Raises:
        ValueError: for an unknown feature map, and as `Attention` does.

    Example:

    ```python
    import keras
    from keras_attention import LinearAttention

    layer = LinearAttention(num_heads=4, feature_map="elu")
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 1000, 32)
    cache = layer.init_cache(batch_size=2, max_length=1000)
    cache["state"].shape  # (2, 4, 8, 8)
    ```

    Reference:
        Katharopoulos et al. 2020, Transformers are RNNs: Fast Autoregressive
        Transformers with Linear Attention, https://arxiv.org/abs/2006.16236
    """

    paper = "Katharopoulos et al. 2020"
    cost = "nd² / d²"
    cache_size = "num_kv_heads · (d² + d)"

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        feature_map="elu",
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        if isinstance(feature_map, dict):
            feature_map = keras.saving.deserialize_keras_object(feature_map)
        _check_feature_map(feature_map)
        self.feature_map = feature_map

    def make_features(self, position):
        function = _FEATURE_MAPS.get(self.feature_map, self.feature_map)
        return lambda x, role, positions: (function(x), None)

    def get_config(self):
        feature_map = self.feature_map
        if callable(feature_map):
            feature_map = keras.saving.serialize_keras_object(feature_map)
        return {**super().get_config(), "feature_map": feature_map}


def _check_feature_map(feature_map):
    if isinstance(feature_map, str) and feature_map in _FEATURE_MAPS:
        return
    known = ", ".join(f'"{name}"' for name in _FEATURE_MAPS)
    if not callable(feature_map) or isinstance(feature_map, keras.layers.Layer):
        raise ValueError(
            f"feature_map must be one of {known} or a function without "
            f"weights. Received: {feature_map!r}."
            f"{did_you_mean(feature_map, _FEATURE_MAPS)}"
        )
    name = keras.saving.get_registered_name(feature_map)
    module = str(getattr(feature_map, "__module__", None))
    if (
        keras.saving.get_registered_object(name) is not feature_map
        and module.partition(".")[0] != "keras"
    ):
        raise ValueError(
            f"feature_map must be one of {known}, or a function registered "
            "with @keras.saving.register_keras_serializable(), so that a "
            f"configuration can name it. Received: {feature_map!r}"
        )
