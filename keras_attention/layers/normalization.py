"""Normalization layers by name."""

import keras

from keras_attention.attention.root_mean_square import RMSNormalization
from keras_attention.registry import resolve

_CLASSES = {
    "layer_norm": keras.layers.LayerNormalization,
    "rms_norm": RMSNormalization,
}
# Keras' own 1e-3 for layer normalization is far from what models use.
_EPSILON = {"layer_norm": 1e-5, "rms_norm": 1e-6}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt normalization layer.

    Args:
        name_config_or_layer: `"layer_norm"` (Ba et al. 2016,
            https://arxiv.org/abs/1607.06450; epsilon 1e-5), `"rms_norm"`
            (Zhang, Sennrich 2019, https://arxiv.org/abs/1910.07467; epsilon
            1e-6), a configuration, or a layer that serves as the template.
        **defaults: constructor arguments for what is left open.

    Returns:
        A layer that maps `(batch, length, dim)` to the same shape.

    Raises:
        ValueError: for an unknown name.
    """
    if isinstance(name_config_or_layer, str):
        defaults["epsilon"] = _EPSILON.get(name_config_or_layer)
    return resolve(name_config_or_layer, _CLASSES, "normalization", defaults)
