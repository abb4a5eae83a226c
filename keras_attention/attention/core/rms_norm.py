"""Vectors divided by their root mean square, or by their length."""

import keras
from keras import ops

from keras_attention.registry import PACKAGE
from keras_attention.tensors import at_least_float32, is_traced_by_torch


@keras.saving.register_keras_serializable(package=PACKAGE)
class RMSNormalization(keras.layers.RMSNormalization):
    """`keras.layers.RMSNormalization` for float64 and ONNX on torch too.

    The kernel that Keras takes there computes in float32, whatever the input,
    and has no form in ONNX.

    Call arguments:
        x: `(..., width)`.

    Returns:
        A tensor of the same shape.

    Reference:
        Zhang, Sennrich 2019, Root Mean Square Layer Normalization,
        https://arxiv.org/abs/1910.07467
    """

    def call(self, x):
        dtype = keras.backend.standardize_dtype(x.dtype)
        compute_dtype = at_least_float32(dtype)
        if compute_dtype != "float64" and not is_traced_by_torch():
            return super().call(x)
        x = ops.cast(x, compute_dtype)
        # `mean`, and the product with a variable, are in float32 as well.
        mean = ops.sum(ops.square(x), axis=-1, keepdims=True) / x.shape[-1]
        scale = ops.cast(ops.convert_to_tensor(self.scale), compute_dtype)
        return ops.cast(x * ops.rsqrt(mean + self.epsilon) * scale, dtype)


class RootMeanSquare(RMSNormalization):
    """`RMSNormalization` of a known width, which is built at construction.

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


def unit_vectors(x, shortest=0.0):
    """Divides vectors by their length.

    Args:
        x: `(..., dim)`.
        shortest: float; vectors that are no longer become zero.

    Returns:
        A tensor of the shape and dtype of `x`.
    """
    wide = ops.cast(x, at_least_float32(x.dtype))
    square = ops.sum(ops.square(wide), axis=-1, keepdims=True)
    has_length = square > shortest**2
    # The denominator first: else the gradient of 0 / 0 is NaN.
    square = ops.where(has_length, square, 1.0)
    found = ops.where(has_length, wide * ops.rsqrt(square), 0.0)
    return ops.cast(found, x.dtype)
