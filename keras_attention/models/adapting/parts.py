"""Names of the parts of a model, which are the attributes that lead to them."""

import re

import keras

from keras_attention.checks import did_you_mean

HEAD = "head"
# The part of a model that is no head.
_BASES = ("encoder", "decoder")
_RANGE = re.compile(r"(\d+)-(\d+)")
_MOST_NAMES = 12  # that an error lists


def named_layers(model):
    """Lists the layers in a model, each once and before those in it.

    Args:
        model: a Keras model or layer.

    Returns:
        Dictionary from path to layer: `"blocks.0.attention.query_dense"`.
    """
    return dict(_walk(model, "", {id(model)}))


def _walk(layer, prefix, seen):
    for name, child in _children(layer):
        if id(child) not in seen:
            seen.add(id(child))
            yield prefix + name, child
            yield from _walk(child, f"{prefix}{name}.", seen)


def _children(layer):
    parts = vars(layer)
    parts = {**parts, **parts.get("_modules", {})}  # torch keeps them apart
    for name, part in parts.items():
        if name.startswith("_"):
            continue
        if isinstance(part, keras.layers.Layer):
            yield name, part
        elif isinstance(part, (list, tuple)):
            for index, item in enumerate(part):
                if isinstance(item, keras.layers.Layer):
                    yield f"{name}.{index}", item


def own_weights(layer):
    """Lists the weights of a layer that are not those of layers in it."""
    inner = {
        id(weight)
        for part in layer._flatten_layers(include_self=False, recursive=False)
        for weight in part.weights
    }
    return [weight for weight in layer.weights if id(weight) not in inner]


def as_list(names):
    """The names that a caller gave, of which one may stand alone."""
    return list(names) if isinstance(names, (list, tuple)) else [names]


def release(model):
    """Makes all of a model trainable, whatever was frozen before."""
    # TensorFlow passes over an attribute that is set to what it is.
    model.trainable = False
    model.trainable = True


def find_parts(model, names):
    """Finds parts of a model by their names.

    Args:
        model: a Keras model.
        names: string or list of strings: a path, or the end of some paths,
            where `0-5` stands for the places 0 to 5 of a list; `"blocks"` for
            all of a list; `"head"` for what stands behind an encoder or
            decoder.

    Returns:
        List of layers.

    Raises:
        ValueError: for a name of no part, with the nearest that is known.
    """
    layers = named_layers(model)
    found = []
    for name in as_list(names):
        if not isinstance(name, str):
            raise ValueError(f"Expected the name of a part. Received: {name!r}")
        if name == HEAD:
            chosen = _head(model, layers)
        else:
            # Of a range both ends have to be there.
            for end in (r"\1", r"\2"):
                one = _RANGE.sub(end, name)
                if not _matching(layers, one):
                    raise ValueError(_unknown(model, one, layers))
            chosen = _matching(layers, name)
        if not chosen:
            raise ValueError(_unknown(model, name, layers))
        found += chosen
    return found


def _matching(layers, name):
    pattern = _pattern(name)
    return [layer for path, layer in layers.items() if pattern.match(path)]


def _pattern(name):
    """Matches paths that end in a name, or in an item of a list of it."""
    steps = []
    for step in name.split("."):
        found = _RANGE.fullmatch(step)
        if found:
            first, last = map(int, found.groups())
            step = f"(?:{'|'.join(map(str, range(first, last + 1)))})"
        else:
            step = re.escape(step)
        steps.append(step)
    path = r"\.".join(steps)
    return re.compile(rf"(?:.*\.)?{path}(?:\.\d+)?$")


def _head(model, layers):
    """The layers of a model beside its encoder and its decoder."""
    if not any(name in layers for name in _BASES):
        return []
    return [
        layer
        for path, layer in layers.items()
        if path.split(".")[0] not in _BASES and layer.weights
    ]


def _unknown(model, name, layers):
    short = [path for path in layers if not re.search(r"\.[1-9]", path)]
    known = sorted({re.sub(r"\.\d+", "", path) for path in short}, key=len)
    if _head(model, layers):
        known.insert(0, HEAD)
    ends = {*known, *(path.split(".")[-1] for path in known), *layers}
    return (
        f"This {type(model).__name__} has no part {name!r}. Parts are "
        f"{', '.join(known[:_MOST_NAMES])}, one block such as 'blocks.0', some "
        f"such as 'blocks.0-5', and what lies inside.{did_you_mean(name, ends)}"
    )
