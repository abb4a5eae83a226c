"""What the weights of a model are called in a file."""

import collections
from typing import Any, NamedTuple

import keras
import numpy as np
from keras.src.saving import saving_lib
from keras.src.saving.keras_saveable import KerasSaveable


class Place(NamedTuple):
    """Where a file has the state of a layer.

    Attributes:
        layer: the layer.
        names: dictionary from the keys of `layer.save_own_variables` to names.
    """

    layer: Any
    names: dict

    def value(self, key):
        """What the layer saves under a key: a variable, tensor or array.

        Weights adapted by LoRA are merged for this, so it is asked for one
        at a time.
        """
        return own_state(self.layer)[key]


class Entry(NamedTuple):
    """A tensor of a file.

    Attributes:
        shape: tuple of integers.
        dtype: string.
        place: the `Place` of the layer that it belongs to.
        key: string, of this layer.
    """

    shape: tuple
    dtype: str
    place: Any
    key: str


def name_weights(model):
    """Names all that Keras keeps of a model, but for the optimizer's state.

    A name is the way through the attributes of the code, such as
    `decoder.blocks.1.attention.query_dense.kernel`. Names of layers and
    variables say nothing, since Keras counts them through a session.

    Args:
        model: a built model.

    Returns:
        `(places, entries)`: list of `Place`, and a dictionary from name to
        `Entry`, in which a variable of several layers comes once.

    Raises:
        ValueError: if a layer with weights is in no attribute.
    """
    places, entries, shared, seen = [], {}, {}, {}
    for path, layer in _walk(model, "", seen):
        state = own_state(layer)
        place = Place(layer, {})
        for key, own in zip(state, _own_names(layer, state), strict=True):
            name = f"{path}.{own}" if path else own
            if isinstance(state[key], keras.Variable):
                name = shared.setdefault(id(state[key]), name)
            place.names[key] = name
            if name not in entries:
                shape, dtype = _shape_and_dtype(state[key])
                entries[name] = Entry(shape, dtype, place, key)
        if state:
            places.append(place)
    for layer in model._flatten_layers():
        if id(layer) not in seen and own_state(layer):
            raise ValueError(
                f"The weights of {layer.name} cannot be saved: no attribute "
                "leads to the layer. Keep it in one of its owner."
            )
    return places, entries


def own_state(layer):
    """Gives what a layer saves itself, as a dictionary."""
    state = {}
    if hasattr(layer, "save_own_variables"):
        layer.save_own_variables(state)
    return state


def _walk(saveable, path, seen):
    """Yields paths and layers, each once, in the order of Keras.

    `seen`, by `id`, keeps what it names, so that no other gets the same.
    """
    if id(saveable) in seen:
        return
    seen[id(saveable)] = saveable
    yield path, saveable
    for name, child in saving_lib._walk_saveable(saveable):
        # What is computed from attributes has a name there already, unless
        # it is the list of layers of a functional model.
        is_property = isinstance(getattr(type(saveable), name, None), property)
        if not is_property or saveable._obj_type() != "Layer":
            way = f"{path}.{name}" if path else name
            yield from _walk_child(child, way, seen)


def _walk_child(child, path, seen):
    if isinstance(child, KerasSaveable):
        # They come and go with `compile`.
        if not isinstance(child, (keras.optimizers.Optimizer, keras.Metric)):
            yield from _walk(child, path, seen)
    elif isinstance(child, (dict, list, tuple)) and id(child) not in seen:
        seen[id(child)] = child
        is_dict = isinstance(child, dict)
        for key, item in child.items() if is_dict else enumerate(child):
            yield from _walk_child(item, f"{path}.{key}", seen)


def _own_names(layer, state):
    """Names what a layer saves: after its attributes, or else by the keys."""
    # Layers that can be quantized tell; what LoRA has changed is no attribute.
    told = getattr(layer, "variable_serialization_spec", {})
    names = [
        name
        for name in told.get(getattr(layer, "quantization_mode", None), ())
        if getattr(layer, name, None) is not None
    ]
    if len(names) == len(state):
        return names
    attributes = {
        id(value): name.lstrip("_")
        for name, value in sorted(vars(layer).items(), reverse=True)
        if isinstance(value, keras.Variable)
    }
    names = [attributes.get(id(x), key) for key, x in state.items()]
    counts = collections.Counter(names)
    return [
        name if counts[name] == 1 else key
        for key, name in zip(state, names, strict=True)
    ]


def _shape_and_dtype(value):
    if not hasattr(value, "shape"):
        value = np.asarray(value)
    return tuple(value.shape), keras.backend.standardize_dtype(value.dtype)
