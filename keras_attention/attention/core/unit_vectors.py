"""Vectors divided by their length."""

from keras import ops

from keras_attention.tensors import at_least_float32


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
