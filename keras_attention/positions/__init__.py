"""Positional encodings: one layer each, plugged in by hooks."""

import inspect

from keras_attention import registry
from keras_attention.positions.absolute.learned import LearnedEncoding
from keras_attention.positions.absolute.sinusoidal import SinusoidalEncoding
from keras_attention.positions.base import PositionalEncoding
from keras_attention.positions.bias.alibi import ALiBi
from keras_attention.positions.bias.fire import FIRE
from keras_attention.positions.bias.kerple import Kerple
from keras_attention.positions.bias.t5_relative import T5RelativeBias
from keras_attention.positions.bias.window_relative import WindowRelativeBias
from keras_attention.positions.relative.cope import CoPE
from keras_attention.positions.relative.disentangled import DisentangledRelative
from keras_attention.positions.relative.shaw import ShawRelative
from keras_attention.positions.relative.transformer_xl import (
    TransformerXLRelative,
)
from keras_attention.positions.rotary.rotary import RotaryEmbedding
from keras_attention.positions.rotary.xpos import XPos

_CLASSES = {
    "none": PositionalEncoding,
    "sinusoidal": SinusoidalEncoding,
    "learned": LearnedEncoding,
    "rotary": RotaryEmbedding,
    "xpos": XPos,
    "alibi": ALiBi,
    "t5_relative": T5RelativeBias,
    "kerple": Kerple,
    "fire": FIRE,
    "window_relative": WindowRelativeBias,
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


def describe():
    """Describes the registered positional encodings.

    Returns:
        A dictionary from name to a dictionary of `class_name`, `summary` (the
        first line of its documentation), `paper`, `hooks` (those of `"embed"`,
        `"rotate"`, `"bias"`, `"values"` and `"scale"` that it uses) and
        `causal_only` (whether it is for causal attention alone).
    """
    hooks = ("embed", "rotate", "bias", "values", "scale")
    return {
        name: {
            "class_name": cls.__name__,
            "summary": inspect.getdoc(cls).splitlines()[0],
            "paper": cls.paper,
            "hooks": [
                hook
                for hook in hooks
                if getattr(cls, hook) is not getattr(PositionalEncoding, hook)
            ],
            "causal_only": cls.causal_only,
        }
        for name, cls in sorted(_CLASSES.items())
    }
