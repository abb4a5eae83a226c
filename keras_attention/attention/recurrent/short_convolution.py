"""A causal convolution of a few positions, each feature by itself."""

import keras
from keras import ops

from keras_attention.checks import check_integer


class ShortConvolution(keras.layers.Layer):
    """Mixes each feature with its own past of `size - 1` positions, then SiLU.

    Args:
        size: integer, positions that a result sees, its own included.

    Call arguments:
        x: `(batch, length, heads, width)`.
        tail: `(batch, size - 1, heads, width)`, the positions before `x`;
            None for zeros.

    Returns:
        `(output, tail)`: `(batch, length, heads, width)` and the last
        positions of tail and `x`, in the dtype that the tail had.
    """

    def __init__(self, size, **kwargs):
        # What it takes has the dtype of states.
        super().__init__(autocast=False, **kwargs)
        self.size = size

    def build(self, input_shape):
        bound = self.size**-0.5
        self.kernel = self.add_weight(
            shape=(self.size, *input_shape[-2:]),
            initializer=keras.initializers.RandomUniform(-bound, bound),
            autocast=False,
            name="kernel",
        )

    def call(self, x, tail=None):
        batch, length, heads, width = ops.shape(x)
        if tail is None:
            tail = ops.zeros((batch, self.size - 1, heads, width), x.dtype)
        rows = ops.concatenate([ops.cast(tail, x.dtype), x], axis=1)
        kernel = ops.cast(self.kernel, x.dtype)
        output = sum(
            kernel[place] * rows[:, place : place + length]
            for place in range(self.size)
        )
        return ops.silu(output), ops.cast(rows[:, length:], tail.dtype)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def check_conv_size(size):
    """Refuses a convolution of fewer than two positions."""
    if size is not None:
        check_integer("conv_size", size, smallest=2)
