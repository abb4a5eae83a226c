"""Base of the linear flavours: weights are products of positive features."""

from keras import ops

from keras_attention.attention.base import Attention
from keras_attention.attention.linear.passes import KernelPasses, present
from keras_attention.attention.linear.sums import (
    LOWEST,
    as_cache,
    divide,
    from_cache,
    product,
)
from keras_attention.checks import check_integer
from keras_attention.tensors import at_least_float32, known_integer


class KernelAttention(KernelPasses, Attention):
    """Base of flavours that weigh a key by phi(q) . phi(k), phi positive.

    Without a causal mask all queries ask the same sums over the keys. With
    one, a chunk of keys is weighed at once and the sums stand for what lies
    before it; decoding carries the sums on. Features and sums have at least
    float32. A flavour overrides `make_features` and `feature_dim`.

    Args: as of `Attention`, and
        chunk_size: integer, queries in a chunk of the causal form. It changes
            the speed, not the numbers.
    """

    supports_attention_mask = False
    supports_bias = False
    rotates_relatively = False

    features_have_log = False
    """Whether features come with logarithms for the keys."""

    def __init__(
        self,
        num_heads,
        head_dim=None,
        num_kv_heads=None,
        *,
        chunk_size=64,
        **kwargs,
    ):
        super().__init__(num_heads, head_dim, num_kv_heads, **kwargs)
        check_integer("chunk_size", chunk_size)
        self.chunk_size = chunk_size

    def make_features(self, position):
        """Gives the function that maps heads to positive features.

        Weights are read here and not in the function, since TensorFlow does
        not read them in a loop that is computed again.

        Args:
            position: the encoding of `attend`.

        Returns:
            A function of `x` `(..., length, head_dim)` in float32 or float64,
            of `role`, `"query"` or `"key"`, and of `positions`, integers that
            broadcast to `(..., length)`. It gives the features `(..., length,
            num_features)`, and the logarithms `(..., length, 1)` of factors
            that keys still need, where `features_have_log`; else None.
        """
        raise self._not_implemented_error(self.make_features)

    @property
    def feature_dim(self):
        """The number of features of a head, once built."""
        return self.head_dim

    def init_cache(self, batch_size, max_length):
        """Makes empty sums; the cache does not grow with `max_length`.

        Returns:
            `{"state"}` of `(batch, num_kv_heads, features, head_dim)`,
            `{"sum"}` of `(batch, num_kv_heads, features)`, and where features
            have logarithms `{"log"}` of `(batch, num_kv_heads)`.
        """
        self._check_cache(max_length)
        dtype = at_least_float32(self.compute_dtype)
        return as_cache(*present(self._no_sums(batch_size, dtype)))

    def attend_with_cache(
        self, query, key, value, visible, position, cache, start, training=None
    ):
        features = self._features(position)
        output, sums = self._attend_in_order(
            query, key, value, visible, features, from_cache(cache)
        )
        return self.drop(output, training), as_cache(*sums)

    def attend(self, query, key, value, visible, position, training=None):
        parts = (query, key, value, visible, self._features(position))
        if visible.causal:
            if visible.is_self:
                dtype = at_least_float32(query.dtype)
                sums = self._no_sums(ops.shape(query)[0], dtype)
            else:
                *parts, sums = self._line_up(*parts)
            output, _ = self._attend_in_order(*parts, present(sums))
        elif self._are_few(query) and not self._is_large(key):
            output = self._weigh_all(*parts)
        else:
            output = self._attend_to_sums(*parts)
        return self.drop(output, training)

    def compute_weights(self, query, key, visible, position):
        dtype, mask = query.dtype, visible.dense()
        shape = [ops.shape(query)[i] for i in (0, 2, 1)]
        query, key, log = self._all_features(
            query, key, visible, self._features(position)
        )
        weights = product(query, key, transpose_y=True)
        weights = ops.reshape(weights, (*shape, ops.shape(key)[2]))
        if log is not None:
            log = ops.swapaxes(log, -1, -2)
            log = ops.repeat(log, self._repeats, axis=1)
            if mask is not None:
                log = ops.where(mask, log, LOWEST)
            top = ops.max(log, axis=-1, keepdims=True)
            weights = weights * ops.exp(log - top)
        if mask is not None:
            weights = ops.where(mask, weights, 0.0)
        weights = divide(weights, ops.sum(weights, axis=-1, keepdims=True))
        return ops.cast(weights, dtype)

    def _features(self, position):
        """The `make_features`, for heads of any precision."""
        function = self.make_features(position)
        return lambda x, role, positions: function(
            ops.cast(x, at_least_float32(x.dtype)), role, positions
        )

    def _are_few(self, query):
        """Whether weights are less work than the sums over the keys."""
        length = known_integer(query.shape[1])
        wide, width = self.feature_dim, self.head_dim
        return length is not None and length * (wide + width) <= wide * width

    def get_config(self):
        return {**super().get_config(), "chunk_size": self.chunk_size}
