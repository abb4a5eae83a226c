"""Which tensor of a checkpoint is which weight, in both directions.

A family maps layers, named by the attributes that lead to them, to modules of
the published implementation: `"blocks.{i}.attention.query_dense":
"layer.{i}.attention.self.query"`. What its weights are called there, and how
they lie, follows from the kind of layer.
"""

import math
from typing import Any, NamedTuple

import keras
import numpy as np

# Names of the weights of layers here, and of PyTorch's modules.
_OF_NORMS = {"gamma": "weight", "scale": "weight", "beta": "bias"}


class Fused(NamedTuple):
    """A module that holds what several layers here hold, one behind another.

    Attributes:
        module: its name.
        layers: tuple of paths of dense layers, in their order.
        transposed: whether its weight is `(in, out)`, as of a Conv1D.
    """

    module: str
    layers: tuple
    transposed: bool = False


class Transposed(NamedTuple):
    """A module that keeps its weight the other way round than is usual.

    That is `(in, out)` for a dense layer, as of the Conv1D of GPT-2. A single
    weight lies here the other way round than the tensor of this name.
    """

    module: str


class Binding(NamedTuple):
    """One tensor of a checkpoint, and the weights that it becomes.

    Attributes:
        name: of the tensor.
        shape: tuple of integers, of the tensor.
        weights: list of variables.
        split: function from the tensor to a list of arrays, each of as many
            numbers as its weight, in its order.
        join: function from a list of arrays to the tensor.
    """

    name: str
    shape: tuple
    weights: list
    split: Any
    join: Any


class Batched(NamedTuple):
    """A tensor with an axis of one in front, which the weight here lacks.

    Attributes:
        name: of the tensor.
    """

    name: str

    def bind(self, weight):
        """Pairs it with a weight."""
        binding = same(weight, self.name)
        return [binding._replace(shape=(1, *binding.shape))]


def bind(model, table, count):
    """Pairs the weights of a model with the tensors of a checkpoint.

    Args:
        model: what the paths begin at.
        table: dictionary from path to the name of a module (of a tensor, if
            the path leads to a weight), `Transposed`, something with a method
            `bind` from what the path leads to to bindings, or, with any key,
            a `Fused`. `{i}` counts layers.
        count: integer, or a dictionary from the first name of a path to one,
            how many layers there are.

    Returns:
        List of `Binding`.
    """
    bindings = []
    for path, module in table.items():
        text = path + str(module)
        number = 1
        if "{i}" in text:
            first = path.split(".")[0]
            number = count[first] if isinstance(count, dict) else count
        for index in range(number):
            bindings += _bind(model, path, module, index)
    return bindings


def _bind(model, path, module, index):
    if isinstance(module, Fused):
        layers = [find(model, p.format(i=index)) for p in module.layers]
        name = module.module.format(i=index)
        return _dense(layers, name, module.transposed)
    part = find(model, path.format(i=index))
    if part is None:
        return []
    if hasattr(module, "bind"):
        return module.bind(part)
    transposed = isinstance(module, Transposed)
    name = (module.module if transposed else module).format(i=index)
    if isinstance(part, keras.Variable):
        return [_swapped(part, name) if transposed else same(part, name)]
    if isinstance(part, (keras.layers.Dense, keras.layers.EinsumDense)):
        return _dense([part], name, transposed)
    if isinstance(part, keras.layers.Embedding):
        return [same(part._embeddings, f"{name}.weight")]
    return [
        same(weight, f"{name}.{_OF_NORMS[weight.name]}")
        for weight in part.weights
    ]


def find(model, path):
    """Follows attributes from a model to a part of it.

    Args:
        model: where the path begins.
        path: names with dots; a number is a place in a list, and a name that
            a block lacks is one of its normalizations.

    Returns:
        A layer or a weight; None for a part that the model does without.
    """
    part = model
    for name in path.split("."):
        if part is None:
            return None
        if name.isdigit():
            part = part[int(name)]
        elif hasattr(part, name):
            part = getattr(part, name)
        elif hasattr(part, "residual"):
            part = part.residual.norm(name)
        else:
            return None
    return part


def same(weight, name):
    """Binds a weight that lies as the tensor does, but for axes of one.

    Args:
        weight: a variable.
        name: of the tensor.

    Returns:
        A `Binding`.
    """
    shape = tuple(weight.shape)
    return Binding(
        name,
        shape,
        [weight],
        lambda tensor: [tensor.reshape(shape)],
        lambda arrays: arrays[0],
    )


def _swapped(weight, name):
    """A weight whose two axes are those of the tensor, swapped."""
    return Binding(
        name,
        tuple(weight.shape)[::-1],
        [weight],
        lambda tensor: [tensor.T],
        lambda arrays: arrays[0].T,
    )


def _dense(layers, name, transposed):
    """The kernels, and the biases, of dense layers as one module."""
    kernels = [layer._kernel for layer in layers]
    rows = [_rows(layer) for layer in layers]  # inputs of each
    columns = [
        math.prod(kernel.shape) // count
        for kernel, count in zip(kernels, rows, strict=True)
    ]
    places = np.cumsum(columns)[:-1]

    def split(tensor):
        tensor = tensor if transposed else tensor.T
        return np.split(tensor, places, axis=1)

    def join(arrays):
        arrays = [
            array.reshape(count, -1)
            for array, count in zip(arrays, rows, strict=True)
        ]
        whole = arrays[0] if len(arrays) == 1 else np.concatenate(arrays, 1)
        return whole if transposed else whole.T

    shape = (rows[0], sum(columns))
    bindings = [
        Binding(
            f"{name}.weight",
            shape if transposed else shape[::-1],
            kernels,
            split,
            join,
        )
    ]
    biases = [layer.bias for layer in layers]
    if any(bias is not None for bias in biases):
        bindings.append(
            Binding(
                f"{name}.bias",
                (sum(columns),),
                biases,
                lambda tensor: [
                    part.reshape(bias.shape)
                    for part, bias in zip(
                        np.split(tensor, places), biases, strict=True
                    )
                ],
                lambda arrays: np.concatenate([a.reshape(-1) for a in arrays]),
            )
        )
    return bindings


def _rows(layer):
    """How many inputs a dense layer has."""
    kernel = layer._kernel
    if not isinstance(layer, keras.layers.EinsumDense):
        return kernel.shape[0]
    _, right = layer.equation.split("->")
    letters = layer.equation.split(",")[1].split("->")[0]
    return math.prod(
        size
        for letter, size in zip(letters, kernel.shape, strict=True)
        if letter not in right
    )
