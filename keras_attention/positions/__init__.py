"""Positional encodings: one layer each, plugged in by hooks."""

from keras_attention import registry
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.cope import CoPE
from keras_attention.positions.disentangled import DisentangledRelative
from keras_attention.positions.learned import LearnedEncoding
from keras_attention.positions.rotary import RotaryEmbedding
from keras_attention.positions.shaw import ShawRelative
from keras_attention.positions.sinusoidal import SinusoidalEncoding
from keras_attention.positions.transformer_xl import TransformerXLRelative

_CLASSES = {
    "none": PositionalEncoding,
    "sinusoidal": SinusoidalEncoding,
    "learned": LearnedEncoding,
    "rotary": RotaryEmbedding,
    "shaw": ShawRelative,
    "transformer_xl": TransformerXLRelative,
    "disentangled": DisentangledRelative,
    "cope": CoPE,
}


def get(name_config_or_layer, **defaults):
    """Makes a new, unbuilt positional encoding.

    Args:
        name_config_or_layer: a name from `names()`, a configuration, a
            `PositionalEncoding` that serves as the template, or None for no
            encoding.
        **defaults: constructor arguments for what is left open.

    Returns:
        A `PositionalEncoding`.

    Raises:
        ValueError: for an unknown name or a layer of another kind.
    """
    if name_config_or_layer is None:
        name_config_or_layer = "none"
    layer = registry.resolve(
        name_config_or_layer, _CLASSES, "positional encoding", defaults
    )
    if not isinstance(layer, PositionalEncoding):
        raise ValueError(
            "Expected a PositionalEncoding as position. "
            f"Received: {type(layer).__name__}"
        )
    return layer


def names():
    """Lists the registered names of positional encodings."""
    return sorted(_CLASSES)
