"""Blocks of a model, by configuration or template."""

from keras_attention.layers.block import TransformerBlock
from keras_attention.layers.norm_first import refuse_norm_first
from keras_attention.registry import arguments_of, describe, resolve

_CLASSES = {"transformer": TransformerBlock}
# What a model gives every block; the parts are its to make.
_OF_MODEL = ("attention", "feed_forward", "cross_attention", "memory_dim")


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt block.

    Args:
        name_config_or_layer: a configuration, or an instance of a subclass of
            `TransformerBlock` that serves as the template and leaves its
            parts open; None for a `TransformerBlock`.
        **defaults: constructor arguments for what is left open.

    Returns:
        A `TransformerBlock`.

    Raises:
        ValueError: for a layer of another kind, one with parts of its own,
            or one whose constructor does not take what a model gives it.
    """
    if name_config_or_layer is None:
        name_config_or_layer = "transformer"
    description = describe(name_config_or_layer)
    config = {}
    if isinstance(description, dict):
        config = description.get("config", {})
    for name in _OF_MODEL:
        if config.get(name) is not None:
            raise ValueError(
                f"The {name} of blocks is made by the model; give it to the "
                "model, and a block without it."
            )
    refuse_norm_first(config)
    layer = resolve(name_config_or_layer, _CLASSES, "block", defaults)
    if not isinstance(layer, TransformerBlock):
        raise ValueError(
            "Expected a TransformerBlock as block. "
            f"Received: {type(layer).__name__}"
        )
    taken = arguments_of(type(layer))
    missing = [name for name in defaults if name not in taken]
    if missing:
        raise ValueError(
            f"The constructor of {type(layer).__name__} must take what a "
            f"model gives its blocks, {', '.join(missing)}: by **kwargs, "
            "which it hands to TransformerBlock."
        )
    return layer
