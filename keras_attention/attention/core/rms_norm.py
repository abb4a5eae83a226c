"""Division by the root mean square, in float64 too."""

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
