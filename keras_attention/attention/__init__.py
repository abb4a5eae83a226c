"""Attention layers: one contract, one file a flavour."""

import inspect

from keras_attention import registry
from keras_attention.attention.additive import AdditiveAttention
from keras_attention.attention.base import Attention
from keras_attention.attention.content import ContentAttention
from keras_attention.attention.luong import LuongAttention
from keras_attention.attention.multi_head import MultiHeadAttention

_CLASSES = {
    "additive": AdditiveAttention,
    "content": ContentAttention,
    "luong": LuongAttention,
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


def describe():
    """Describes the registered attention layers.

    Returns:
        A dictionary from name to a dictionary of `class_name`, `summary` (the
        first line of its documentation), `kind`, `paper`, `cost` (time /
        memory), `cache_size`, and what it honours: `cross_attention`,
        `causal_mask`, `attention_mask`, `rotation`, `bias`, `cache`,
        `exact_causal` and `weights` (whether `attention_weights` has any).
    """
    return {
        name: {
            "class_name": cls.__name__,
            "summary": inspect.getdoc(cls).splitlines()[0],
            "kind": cls.kind,
            "paper": cls.paper,
            "cost": cls.cost,
            "cache_size": cls.cache_size,
            "cross_attention": cls.supports_cross_attention,
            "causal_mask": cls.supports_causal_mask,
            "attention_mask": cls.supports_attention_mask,
            "rotation": cls.supports_rotation,
            "bias": cls.supports_bias,
            "cache": cls.supports_cache,
            "exact_causal": cls.exact_causal,
            "weights": cls.compute_weights is not Attention.compute_weights,
        }
        for name, cls in sorted(_CLASSES.items())
    }
