"""Attention layers: one contract, one file a flavour."""

from keras_attention import registry
from keras_attention.attention.base import Attention
from keras_attention.attention.multi_head import MultiHeadAttention

_CLASSES = {
    "multi_head": MultiHeadAttention,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt attention layer.

    Args:
        name_config_or_layer: a name from `names()`, a configuration, or an
            `Attention` layer that serves as the template.
        **defaults: constructor arguments (`num_heads`, `head_dim`,
            `dropout`, `position`, ...) for what is left open. Those that the
            flavour does not take are passed over.

    Returns:
        An `Attention` layer.

    Raises:
        ValueError: for an unknown name, a layer of another kind, or a
            template whose `num_heads` disagrees with the default.
    """
    layer = registry.resolve(
        name_config_or_layer, _CLASSES, "attention", defaults
    )
    if not isinstance(layer, Attention):
        raise ValueError(
            "Expected an Attention layer as attention. "
            f"Received: {type(layer).__name__}"
        )
    wanted = defaults.get("num_heads")
    if wanted is not None and getattr(layer, "num_heads", wanted) != wanted:
        raise ValueError(
            f"The {type(layer).__name__} given as attention has num_heads="
            f"{layer.num_heads}, the model num_heads={wanted}."
        )
    return layer


def names():
    """Lists the registered names of attention layers."""
    return sorted(_CLASSES)
