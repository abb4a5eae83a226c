"""Normalizations of the last axis, and how they are found by their names."""

import keras
from keras import ops

from keras_attention.registry import PACKAGE, resolve
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


@keras.saving.register_keras_serializable(package=PACKAGE)
class LayerNormalization(keras.layers.LayerNormalization):
    """`keras.layers.LayerNormalization` that torch can export to ONNX.

    The kernel that Keras takes there needs a width that is a constant of the
    graph, and Keras hands it one that the graph computes.

    Call arguments:
        x: `(..., width)`.

    Returns:
        A tensor of the same shape.

    Reference:
        Ba et al. 2016, Layer Normalization,
        https://arxiv.org/abs/1607.06450
    """

    # Elsewhere the call is that of Keras, with nothing in between.
    if keras.backend.backend() == "torch":

        def call(self, x):
            last = self.axis in ([-1], [len(x.shape) - 1])
            if not (last and is_traced_by_torch()):
                return super().call(x)
            dtype = at_least_float32(x.dtype)
            x = ops.cast(x, dtype)
            x = x - _mean(x)
            x = x * ops.rsqrt(_mean(ops.square(x)) + self.epsilon)
            if self.scale:
                x = x * ops.cast(ops.convert_to_tensor(self.gamma), dtype)
            if self.center:
                x = x + ops.cast(ops.convert_to_tensor(self.beta), dtype)
            return ops.cast(x, self.compute_dtype)


def _mean(x):
    # That of Keras on torch is in float32 always.
    return ops.sum(x, axis=-1, keepdims=True) / x.shape[-1]


_CLASSES = {
    "layer_norm": LayerNormalization,
    "rms_norm": RMSNormalization,
}
# Keras' own 1e-3 for layer normalization is far from what models use.
_EPSILON = {"layer_norm": 1e-5, "rms_norm": 1e-6}


def get(name_config_or_layer, kind="normalization", **defaults):
    """Makes a new, unbuilt normalization layer.

    Args:
        name_config_or_layer: `"layer_norm"` (Ba et al. 2016,
            https://arxiv.org/abs/1607.06450; epsilon 1e-5), `"rms_norm"`
            (Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467; epsilon
            1e-6), a configuration, or a layer that serves as the template.
        kind: what the part is called in error messages.
        **defaults: constructor arguments for what is left open.

    Returns:
        A layer that maps `(batch, length, dim)` to the same shape.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name_config_or_layer, str):
        defaults["epsilon"] = _EPSILON.get(name_config_or_layer)
    return resolve(name_config_or_layer, _CLASSES, kind, defaults)
