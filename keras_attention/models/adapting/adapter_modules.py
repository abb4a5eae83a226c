"""Modules of an adapter's file, and the projections of a model they are."""

from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_attention.models.adapting.lora import (
    factors_of,
    projections_of,
    sides_of,
    variable_of,
)
from keras_attention.models.adapting.parts import named_layers, own_weights
from keras_attention.models.published import writing
from keras_attention.zoo.core.tensors import same


class Module(NamedTuple):
    """A linear module of a file, or an embedding.

    Attributes:
        name: string.
        layers: list of projections whose outputs are its, one behind another.
    """

    name: str
    layers: list

    @property
    def is_embedding(self):
        """Whether it looks vectors up."""
        return isinstance(self.layers[0], keras.layers.Embedding)

    @property
    def shape(self):
        """How many inputs and outputs it has."""
        sides = [sides_of(layer) for layer in self.layers]
        return sides[0][0], sum(outputs for _, outputs in sides)

    def adapt(self, a, b, scale):
        """Gives its projections the adapters of a file.

        Args:
            a: array `(rank, inputs)`.
            b: array `(outputs, rank)`.
            scale: float, factor of their product.
        """
        rank, place = a.shape[0], 0
        for layer in self.layers:
            _, outputs = sides_of(layer)
            part = b[place : place + outputs]
            place += outputs
            layer.enable_lora(rank, lora_alpha=scale * rank)
            for factor, array in zip(
                factors_of(layer), (a.T, part.T), strict=True
            ):
                factor.assign(array.reshape(factor.shape))

    def adapters(self):
        """Gives the adapters of its projections as those of one module.

        Where these differ in what they read, it has the ranks of all of them.

        Returns:
            `(a, b, alpha)` as of `adapt`, with alpha the scale times the
            rank.
        """
        found = [_arrays(layer) for layer in self.layers]
        ranks = [a.shape[1] for a, _, _ in found]
        scales = [scale for _, b, scale in found if b.any()]
        scale = scales[0] if scales else 1.0
        first = found[0][0]
        if all(np.array_equal(a, first) for a, _, _ in found):
            b = np.concatenate([b * (s / scale) for _, b, s in found], axis=1)
            return first.T, b.T, scale * ranks[0]
        whole = np.zeros((sum(ranks), self.shape[1]), "float32")
        row = column = 0
        for _, b, own in found:
            rows, columns = row + b.shape[0], column + b.shape[1]
            whole[row:rows, column:columns] = b * (own / scale)
            row, column = rows, columns
        a = np.concatenate([a for a, _, _ in found], axis=1)
        return a.T, whole.T, scale * sum(ranks)


def _arrays(layer):
    """The two factors of a projection as matrices, and their scale."""
    inputs, outputs = sides_of(layer)
    if not layer.lora_enabled:
        empty = np.zeros((inputs, 0), "float32")
        return empty, np.zeros((0, outputs), "float32"), 1.0
    a, b = map(ops.convert_to_numpy, factors_of(layer))
    rank = layer.lora_rank
    return (
        a.reshape(inputs, rank),
        b.reshape(rank, outputs),
        layer.lora_alpha / rank,
    )


def bindings_of(model):
    """Pairs all weights of a model with the tensors of a file.

    Args:
        model: a Keras model; of a published family, the names are those of
            `transformers`, otherwise the paths of the model.

    Returns:
        Dictionary from name to `zoo.core.tensors.Binding`.
    """
    if writing.family_of(model) is not None:
        return {x.name: x for x in writing.bindings(model)}
    found = {}
    for path, layer in {"": model, **named_layers(model)}.items():
        for weight in own_weights(layer):
            name = f"{path}.{weight.name}".removeprefix(".")
            found[name] = same(weight, name)
    return found


def modules_of(model):
    """Lists the linear modules of a model's files.

    Args:
        model: as of `bindings_of`.

    Returns:
        Dictionary from name to `Module`.
    """
    layers = projections_of(model)
    if writing.family_of(model) is None:
        return {path: Module(path, [layer]) for path, layer in layers.items()}
    by_matrix = {id(variable_of(x)): x for x in layers.values()}
    found = {}
    for name, binding in bindings_of(model).items():
        parts = [by_matrix.get(id(weight)) for weight in binding.weights]
        if None not in parts and isinstance(parts[0], keras.layers.Layer):
            name = name.removesuffix(".weight")
            found[name] = Module(name, parts)
    return found


def known_as(name, known, model):
    """Finds a name of a file, with or without the prefix of its family.

    Args:
        name: string.
        known: the names of a model.
        model: the model.

    Returns:
        One of `known`, or None.
    """
    names = [name]
    if (found := writing.family_of(model)) is not None:
        prefix = f"{found[0].prefix}."
        names += [prefix + name, name.removeprefix(prefix)]
    return next((x for x in names if x in known), None)
