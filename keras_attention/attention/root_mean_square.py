"""Division by the root mean square, in float64 too."""

import keras
from keras import ops

from keras_attention.positions.base import at_least_float32


class RootMeanSquare(keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization` that keeps float64 on torch.

    There Keras computes it in float32, whatever the input.

    Args:
        width: integer, features of the last axis.
        **kwargs: as of `keras.layers.RMSNormalization`.

    Call arguments:
        x: `(..., width)`.

    Returns:
        A tensor of the same shape.
    """

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        # Without it Keras warns whenever the input carries a mask.
        self.supports_masking = True
        self.build((None, width))

    def call(self, x):
        if at_least_float32(x.dtype) != "float64":
            return super().call(x)
        # `mean`, and the product with a variable, are in float32 as well.
        mean = ops.sum(ops.square(x), axis=-1, keepdims=True) / x.shape[-1]
        scale = ops.convert_to_tensor(self.scale)
        return x * ops.rsqrt(mean + self.epsilon) * scale
