"""Models of published families, from their names or the files of others."""

import math
from pathlib import Path

import numpy as np

from keras_attention import zoo
from keras_attention.checks import check_labels, did_you_mean
from keras_attention.json_files import read_json
from keras_attention.memory import without_limit
from keras_attention.models.published import generation_config
from keras_attention.models.published.assembling import (
    base_of,
    kind_of,
    make_model,
)
from keras_attention.zoo.core import fresh, labels
from keras_attention.zoo.core.reading import check_layers, fill
from keras_attention.zoo.core.sharing import settle

CONFIG = "config.json"
# Arguments that leave a model what its config.json says.
_HARMLESS = {"dropout", "dtype", "name", "trainable"}


def is_published(folder):
    """Whether a folder holds a model as Hugging Face saves it.

    Args:
        folder: path.

    Returns:
        Boolean, False for a folder of this package as well.
    """
    path = Path(folder) / CONFIG
    if not path.is_file():
        return False
    content = read_json(path, allow_nan=True)
    return isinstance(content, dict) and "model_type" in content


def read(cls, folder, **arguments):
    """Makes a model from a folder of Hugging Face.

    Args:
        cls: class of the model.
        folder: path.
        **arguments: further arguments of the model, such as `dtype`; those
            that a model with a head does not take are for its parts.

    Returns:
        A model of this class.

    Raises:
        ValueError: if the family is unknown or has no such model, the
            configuration asks for what no part can do, or the tensors do not
            fit.
    """
    folder = Path(folder)
    family, config, entries, arguments = _configure(cls, folder, arguments)
    check_layers(family, config, kind_of(cls, family), folder)
    with fresh.without_numbers() as variables:
        model, kind = make_model(cls, family, config, arguments)
    base = base_of(model, kind, family)
    _check_layers(base, family, config)
    fill(model, base, variables, family, config, kind, folder)
    _remember(model, entries, arguments, folder)
    return model


def imitate(cls, folder, **arguments):
    """Makes a model as `read` does, but with fresh weights."""
    folder = Path(folder)
    family, config, entries, arguments = _configure(
        cls, folder, arguments, has_weights=False
    )
    model, _ = make_model(cls, family, config, arguments)
    _remember(model, entries, arguments, folder)
    return model


def make(cls, name, **arguments):
    """Makes a model of a published size with fresh weights.

    Args:
        cls: class of the model.
        name: of the size, such as `"bert_base"`.
        **arguments: as of `read`.

    Returns:
        A model of this class.
    """
    family = find_size(name)
    entries = family.entries(name)
    changes, arguments = _split(cls, family, entries, arguments)
    entries = {**entries, **changes}
    config = family.configuration(name, family.entries(name), changes)
    entries = labels.without_gone(entries)
    model, _ = make_model(cls, family, config, arguments)
    if family.model_types:
        _remember(model, entries, arguments)
    return model


def count(cls, name):
    """Counts the weights of a published size, without making room for them.

    Args:
        cls: class of the model.
        name: of the size.

    Returns:
        Integer.
    """
    family = find_size(name)
    entries = family.entries(name)
    with without_limit(), fresh.without_numbers():
        config = family.configuration(name, entries)
        model, _ = make_model(cls, family, config, {})
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def find_size(name):
    """Finds the family that has a size of some name."""
    known = zoo.sizes()
    if name not in known:
        raise ValueError(
            f"{name!r} is neither a folder nor a published size. Known sizes: "
            f"{', '.join(sorted(known))}.{did_you_mean(name, known)} Weights "
            'come from a folder, or from "hf://owner/name" of the Hugging '
            "Face hub."
        )
    return known[name]


def _check_layers(base, family, config):
    """Refuses a model of more or fewer layers than its configuration has."""
    counts = family.counts(config)
    if not isinstance(counts, dict):
        counts = {"": counts}
    for name, count in counts.items():
        side = getattr(base, name, None) if name else base
        if side is not None and len(side.blocks) != count:
            raise ValueError(
                f"{config.name} has {count} layers, the model "
                f"{len(side.blocks)}. Weights are read for as many; pass "
                "load_weights=False for fresh ones."
            )


def _configure(cls, folder, arguments, has_weights=True):
    """Reads the configuration of a folder, with what arguments change in it.

    Args:
        cls: class of the model.
        folder: `pathlib.Path`.
        arguments: dictionary, those of `from_preset`.
        has_weights: whether the weights of the folder are read as well.

    Returns:
        `(family, configuration, entries, arguments)`: the entries with the
        changes, and the arguments without them.
    """
    path = folder / CONFIG
    entries = read_json(path, allow_nan=True)
    family = zoo.find_family(entries["model_type"], path)
    if has_weights:
        entries = settle(family, entries, folder)
    changes, arguments = _split(cls, family, entries, arguments)
    config = family.configuration(str(path), entries, changes)
    entries = {**entries, **changes}
    entries = labels.without_gone(entries)
    return family, config, entries, arguments


def _split(cls, family, entries, arguments):
    """Parts entries of a configuration from arguments of a model."""
    # NumPy's numbers are not what a file can hold.
    arguments = {
        n: x.item() if isinstance(x, np.generic) else x
        for n, x in arguments.items()
    }
    for name in ("encoder", "decoder"):
        if name in arguments:
            raise ValueError(
                f"from_preset makes the {name} by itself; it takes arguments "
                f"of it. Received: {name}={arguments[name]!r}"
            )
    changes = {n: x for n, x in arguments.items() if n in family.changeable}
    rest = {n: x for n, x in arguments.items() if n not in changes}
    kind = kind_of(cls, family)
    if kind in ("Classifier", "SequenceTagger"):
        changes |= _split_classes(entries, rest)
    if kind == "SpanPredictor" and labels.number(entries) != 2:
        changes |= labels.changes(entries, 2, None)
    return changes, rest


def _split_classes(entries, arguments):
    """Takes number and names of classes out of the arguments of a model.

    Args:
        entries: dictionary, the content of `config.json`.
        arguments: dictionary, from which they are removed.

    Returns:
        Dictionary of changed entries.
    """
    known, names = labels.number(entries), arguments.pop("labels", None)
    is_named = isinstance(names, (list, tuple))
    number = arguments.pop("num_classes", None)
    if number is None:
        number = len(names) if is_named else known
    if names is None and number == known:
        names = labels.names(entries)
    return labels.changes(entries, number, check_labels(names, number))


def _remember(model, entries, arguments, folder=None):
    """Keeps how a model generates, and what it can be written with."""
    if hasattr(model, "step"):
        model.generation = generation_config.read(folder, entries)
    if _HARMLESS.issuperset(arguments):
        model.published = entries
