"""Relative sinusoids that queries are compared with."""

import keras
from keras import ops

from keras_attention.checks import check_number
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.core.angles import (
    inverse_wavelengths,
    sine_cosine,
)
from keras_attention.positions.core.distances import as_positions, stretch
from keras_attention.positions.core.relative_shift import skew
from keras_attention.positions.relative.distance_products import (
    products,
    widened,
)
from keras_attention.registry import PACKAGE

_FEW_HEADS = 4


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerXLRelative(PositionalEncoding):
    """Compares queries with projected sinusoids of their distance to a key.

    The score of query i and key j is `((q_i + u) k_j + (q_i + v) W r[i - j])
    / sqrt(d)`, where `r[n]` are sines, then cosines of n as in
    `SinusoidalEncoding`, as wide as all heads together. W is drawn from a
    normal distribution of deviation 0.02, as by the authors; u and v, one a
    head, start at zero.

    Where positions are in no order, or heads are four or fewer, the same
    numbers come from the addition theorem: sine and cosine of `i - j` are sums
    of products of those of i and of j.

    Args:
        base: the longest wavelength over two pi.
        shared: whether the blocks of a model use the same W, u and v; by
            default each has its own. (The authors' code ties u and v alone.)

    Raises:
        ValueError: if `num_heads * head_dim` is odd.

    Example:

    ```python
    import keras
    from keras_attention import TransformerDecoder, TransformerXLRelative

    model = TransformerDecoder(
        100, 2, 32, 4, position=TransformerXLRelative(), segment_memory=50
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Dai et al. 2019, Transformer-XL, https://arxiv.org/abs/1901.02860
    """

    paper = "Dai et al. 2019"

    def __init__(self, base=10_000.0, shared=False, **kwargs):
        super().__init__(**kwargs)
        self.base = check_number("base", base, above=1.0)
        self.shared = shared

    def build(self, input_shape):
        heads, head_dim = input_shape[-2:]
        if heads * head_dim % 2:
            raise ValueError(
                "TransformerXLRelative needs an even num_heads * head_dim. "
                f"Received: num_heads={heads}, head_dim={head_dim}"
            )
        self.kernel = self.add_weight(
            name="kernel",
            shape=(heads * head_dim, heads, head_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
            autocast=False,
        )
        options = {
            "shape": (heads, head_dim),
            "initializer": "zeros",
            "autocast": False,
        }
        self.content_bias = self.add_weight(name="content_bias", **options)
        self.position_bias = self.add_weight(name="position_bias", **options)

    def bias_in(self, query, key, visible):
        # The theorem needs `heads` products where skewing needs two, but no
        # copies of what is larger than the scores.
        if not visible.is_ordered or query.shape[2] <= _FEW_HEADS:
            return super().bias_in(query, key, visible)
        query, key = widened(query), widened(key)
        vectors = ops.concatenate(self._waves(stretch(visible)), axis=-1)
        vectors = ops.einsum(
            "rw,whd->rhd", ops.cast(vectors, query.dtype), self._kernel(query)
        )
        found = skew(products(self._asking(query), vectors), ops.shape(key)[1])
        return found + self._of_content(query, key)

    def bias(self, query, key, query_positions, key_positions, causal):
        query, key = widened(query), widened(key)
        of_query = ops.einsum(
            "bthd,whd->bhtw", self._asking(query), self._kernel(query)
        )
        of_sine, of_cosine = ops.split(of_query, 2, axis=-1)
        sine, cosine = self._waves(query_positions, query.dtype)
        if len(sine.shape) == 3:
            sine, cosine = sine[:, None], cosine[:, None]
        rotated = ops.concatenate(
            [
                of_cosine * cosine + of_sine * sine,
                of_cosine * sine - of_sine * cosine,
            ],
            axis=-1,
        )
        sine, cosine = self._waves(key_positions, query.dtype)
        waves = ops.concatenate([cosine, sine], axis=-1)
        if len(waves.shape) == 2:
            found = ops.einsum("bhtw,sw->bhts", rotated, waves)
        else:
            found = ops.einsum("bhtw,bsw->bhts", rotated, waves)
        return found + self._of_content(query, key)

    def _waves(self, positions, dtype="float32"):
        """Sines and cosines `(..., length, width / 2)`, also of below 0."""
        positions = as_positions(positions)
        frequencies = inverse_wavelengths(self.kernel.shape[0] // 2, self.base)
        sine, cosine = sine_cosine(ops.abs(positions), frequencies)
        sign = ops.cast(ops.sign(positions), "float32")[..., None]
        return ops.cast(sign * sine, dtype), ops.cast(cosine, dtype)

    def _asking(self, query):
        """What meets positions, in the scale of scores."""
        bias = ops.cast(self.position_bias, query.dtype)
        return (query + bias) * self.scale(query.shape[-1])

    def _kernel(self, query):
        return ops.cast(self.kernel, query.dtype)

    def _of_content(self, query, key):
        """What keys get whatever the query, `(batch, heads, 1, key_length)`."""
        bias = ops.cast(self.content_bias, query.dtype)
        batch, length, kv_heads, head_dim = ops.shape(key)
        bias = ops.reshape(bias, (kv_heads, -1, head_dim))
        found = ops.einsum("bsnd,ngd->bngs", key, bias)
        found = found * self.scale(head_dim)
        return ops.reshape(found, (batch, query.shape[2], 1, length))

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "shared": self.shared,
        }
