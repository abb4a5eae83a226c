"""Names by which a reader finds an attention layer in a model."""

import keras

from keras_attention.attention.base import Attention


def attention_layers(model):
    """Finds the attention layers of a model, each once.

    Args:
        model: a Keras layer or model.

    Returns:
        `{path: layer}`. A path is made of the attributes that hold a layer,
        or of its name where a list does: `"encoder/block_0/attention"`.
    """
    found = {}
    for path, layer in _walk(model, "", set()):
        if isinstance(layer, Attention):
            found[unique(path or layer.name, found)] = layer
    return found


def all_layers(model):
    """Gives a model and all layers in it."""
    return [layer for _, layer in _walk(model, "", set())]


def unique(name, taken):
    """The name itself, or with the first number that makes it another."""
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"{name}_{number}"
    return made


def _walk(layer, path, seen):
    seen.add(id(layer))
    yield path, layer
    names = _attributes(layer)
    for child in _children(layer):
        if id(child) not in seen:
            name = names.get(id(child), child.name)
            yield from _walk(child, f"{path}/{name}" if path else name, seen)


def _children(layer):
    if isinstance(layer, keras.Sequential):
        return layer.layers  # and not the functional model that it hides
    return layer._flatten_layers(include_self=False, recursive=False)


def _attributes(layer):
    """The public attributes that hold layers, by the identity of these."""
    parts = vars(layer)
    parts = {**parts, **parts.get("_modules", {})}  # torch keeps them apart
    return {
        id(part): name
        for name, part in parts.items()
        if isinstance(part, keras.layers.Layer) and not name.startswith("_")
    }
