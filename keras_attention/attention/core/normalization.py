"""Layer normalization, and normalizations by name."""

import keras
from keras import ops

from keras_attention.attention.core.rms_norm import RMSNormalization
from keras_attention.registry import PACKAGE, resolve
from keras_attention.tensors import at_least_float32, is_traced_by_torch


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
