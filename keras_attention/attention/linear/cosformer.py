"""cosFormer: linear attention that prefers what is near."""

import math

import keras
from keras import ops

from keras_attention.attention.linear.base import KernelAttention
from keras_attention.checks import check_integer
from keras_attention.registry import PACKAGE
from keras_attention.tensors import known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class CosformerAttention(KernelAttention):
    """cosFormer: relu(Q) relu(K)' * cos(pi/2 (i - j) / M), normalised, times V.

    The cosine weighs near keys more than far ones. As cos(a - b) = cos a cos b
    + sin a sin b it parts into features of the query, relu(q) cos and relu(q)
    sin, and as many of the key, and time grows with the length.

    M is `max_length`, where the authors' code takes the length of the call:
    only a fixed M gives the same weights in decoding as in training. Positions
    lie in [0, M): farther ones would get negative weights, and are refused
    where they are known while the call is traced. In cross-attention each
    sequence counts from its own start. A query whose features are all zero
    where those of the keys are not weighs nothing and gives zeros.

    Args:
        num_heads: integer, number of query heads.
        head_dim: integer, width of a head; `dim // num_heads` by default.
        num_kv_heads: integer, number of key and value heads, a divisor of
            `num_heads`; `num_heads` by default.
        max_length: integer, M: the weights fall from 1 for the same position
            to 0 at this distance, which no sequence may exceed.
        chunk_size: integer, queries in a chunk of the causal form. It changes
            the speed, not the numbers.
        use_bias: boolean, or a list of the projections that have biases.
        dropout: float, share of the mixed values dropped in training (there
            are no weights to drop).
        position: None: the cosine takes the place of an encoding, though a
            model may add one to its embeddings.
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
        ValueError: for positions beyond `max_length`, and as `Attention`
            does.

    Example:

    ```python
    import keras
    from keras_attention import CosformerAttention

    layer = CosformerAttention(num_heads=4, max_length=1024)
    x = keras.random.normal((2, 1000, 32))  # (batch, length, dim)
    layer(x, use_causal_mask=True).shape  # (2, 1000, 32)
    ```

    Reference:
        Qin et al. 2022, cosFormer: Rethinking Softmax in Attention,
        https://arxiv.org/abs/2202.08791
    """

    paper = "Qin et al. 2022"
    cost = "nd² / d²"
    cache_size = "num_kv_heads · (2d² + 2d)"
    supports_rotation = False

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        max_length=4096,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("max_length", max_length)
        self.max_length = max_length

    @property
    def feature_dim(self):
        return 2 * self.head_dim

    def init_cache(self, batch_size, max_length):
        self._check_length(max_length)
        return super().init_cache(batch_size, max_length)

    def run(self, query, value, key, *, memory=None, start=0, **arguments):
        if not (value is None and key is None and memory is None):
            # Within one sequence distances count, across two the places.
            self._check_length(query.shape[1], start)
        return super().run(
            query, value, key, memory=memory, start=start, **arguments
        )

    def attend(self, query, key, value, visible, position, training=None):
        self._check_length(query.shape[1])
        self._check_length(key.shape[1])
        return super().attend(query, key, value, visible, position, training)

    def compute_weights(self, query, key, visible, position):
        self._check_length(query.shape[1])
        self._check_length(key.shape[1])
        return super().compute_weights(query, key, visible, position)

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, training=None
    ):
        self._check_length(query.shape[1], start)
        return super().attend_with_cache(
            query,
            key,
            value,
            visible,
            position,
            cache,
            start,
            training=training,
        )

    def make_features(self, position):
        def features(x, role, positions):
            angles = ops.cast(positions, x.dtype)
            angles = (angles * (math.pi / 2 / self.max_length))[..., None]
            x = ops.relu(x)
            both = (x * ops.cos(angles), x * ops.sin(angles))
            return ops.concatenate(both, axis=-1), None

        return features

    def get_config(self):
        return {**super().get_config(), "max_length": self.max_length}

    def _check_length(self, length, start=0):
        length, start = known_integer(length), known_integer(start)
        if None in (length, start) or 0 <= start <= self.max_length - length:
            return
        raise ValueError(
            "CosformerAttention weighs positions from 0 up to max_length="
            f"{self.max_length}; make it with a larger max_length. Received: "
            f"start={start}, length={length}"
        )
