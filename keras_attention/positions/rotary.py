"""Rotary position embedding."""

import keras
from keras import ops

from keras_attention.positions.angles import inverse_wavelengths, sine_cosine
from keras_attention.positions.base import PositionalEncoding, at_least_float32
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class RotaryEmbedding(PositionalEncoding):
    """Turns pairs of query and key features by angles that grow with position.

    A pair `(a, b)` at position `p` becomes `(a cos - b sin, b cos + a sin)`
    of the angle `p * base ** (-i / pairs)`, so that the product of a query
    and a key depends on their distance alone. Angles are exact to 1e-6 up to
    position two million, whatever the dtype policy.

    Args:
        base: the longest wavelength over two pi; `rope_theta` elsewhere.
        fraction: share of the features that is turned, from the first on.
        interleaved: whether a pair is two neighbours (GPT-J) or one feature
            of each half (GPT-NeoX, Llama).

    Raises:
        ValueError: if the turned features are not an even, positive number.

    Reference:
        Su et al. 2021, RoFormer, https://arxiv.org/abs/2104.09864
    """

    paper = "Su et al. 2021"

    def __init__(
        self, base=10_000.0, fraction=1.0, interleaved=False, **kwargs
    ):
        super().__init__(**kwargs)
        if not 0.0 < fraction <= 1.0:
            raise ValueError(
                f"fraction must lie in (0, 1]. Received: {fraction}"
            )
        self.base = base
        self.fraction = fraction
        self.interleaved = interleaved

    def build(self, input_shape):
        head_dim = input_shape[-1]
        turned = int(head_dim * self.fraction)
        if turned % 2 or turned == 0:
            raise ValueError(
                "RotaryEmbedding turns pairs: head_dim * fraction must be "
                f"even and positive. Received: head_dim={head_dim}, "
                f"fraction={self.fraction}"
            )

    def rotate(self, x, positions, role):
        turned = int(x.shape[-1] * self.fraction)
        frequencies = inverse_wavelengths(turned // 2, self.base)
        # One axis for the heads, which stand behind the length.
        sine, cosine = sine_cosine(ops.expand_dims(positions, -1), frequencies)
        kept = x[..., turned:]
        dtype = at_least_float32(x.dtype)
        sine, cosine = ops.cast(sine, dtype), ops.cast(cosine, dtype)
        head = ops.cast(x[..., :turned], dtype)
        if self.interleaved:
            first, second = head[..., ::2], head[..., 1::2]
        else:
            first, second = ops.split(head, 2, axis=-1)
        pair = (
            first * cosine - second * sine,
            second * cosine + first * sine,
        )
        if self.interleaved:
            rotated = ops.reshape(ops.stack(pair, axis=-1), ops.shape(head))
        else:
            rotated = ops.concatenate(pair, axis=-1)
        rotated = ops.cast(rotated, x.dtype)
        if turned == x.shape[-1]:
            return rotated
        return ops.concatenate([rotated, kept], axis=-1)

    def get_config(self):
        return {
            **super().get_config(),
            "base": self.base,
            "fraction": self.fraction,
            "interleaved": self.interleaved,
        }
