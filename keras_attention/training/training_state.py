"""All variables that a compiled model trains with, as arrays and back."""

import re

import numpy as np
from keras import ops

from keras_attention.training.checkpoint_description import CheckpointError
from keras_attention.training.checkpoint_file import storable_dtype


def variables(model, with_metrics):
    """Lists the variables that decide how training goes on.

    Args:
        model: a compiled model.
        with_metrics: whether to include the running values of the metrics,
            which matter within an epoch only.

    Returns:
        `{group: [variable, ...]}`: "model" holds the weights and the seeds of
        random layers (which Keras' files leave out), "optimizer" its slots,
        the iteration and the loss scale.
    """
    groups = {"model": model.variables, "optimizer": model.optimizer.variables}
    if with_metrics:
        groups["metrics"] = model.metrics_variables
    # Keras lists the seed of a generator that two layers share twice.
    return {
        name: list({id(variable): variable for variable in group}.values())
        for name, group in groups.items()
    }


def capture(groups):
    """Copies variables into arrays.

    Args:
        groups: `{group: [variable, ...]}`.

    Returns:
        `(arrays, description)`: `{"group/index": array}`, and for each group
        the list of path, shape and dtype.
    """
    arrays, description = {}, {}
    for name, group in groups.items():
        description[name] = [_describe(variable) for variable in group]
        for index, variable in enumerate(group):
            arrays[f"{name}/{index}"] = ops.convert_to_numpy(variable)
    return arrays, description


def check(path, groups, shapes, description):
    """Compares a checkpoint with the variables that are to take it.

    Args:
        path: the checkpoint's file, for the message.
        groups: `{group: [variable, ...]}`.
        shapes: `{"group/index": (shape, dtype)}` of the arrays in the file.
        description: as `capture` returned it.

    Raises:
        CheckpointError: names the first variable that differs.
    """
    for name, group in groups.items():
        theirs, ours = description[name], [_describe(v) for v in group]
        for index, (their, our) in enumerate(zip(theirs, ours, strict=False)):
            if _identity(*their) != _identity(*our):
                raise CheckpointError(
                    f"{path} is of something else: {name} variable {index} is "
                    f"{_text(*their)} there and {_text(*our)} here."
                )
            expected = tuple(their[1]), storable_dtype(our[2])
            if shapes.get(f"{name}/{index}") != expected:
                raise CheckpointError(
                    f"{path} is not a complete checkpoint: {_text(*their)} is "
                    "missing. Delete it to start anew."
                )
        if len(theirs) != len(ours):
            longer = max(theirs, ours, key=len)
            raise CheckpointError(
                f"{path} is of something else: it holds {len(theirs)} {name} "
                f"variables, there are {len(ours)} here. The first without a "
                f"partner is {_text(*longer[min(len(theirs), len(ours))])}."
            )


def assign(groups, read):
    """Puts arrays into the variables, one after the other.

    Args:
        groups: `{group: [variable, ...]}`.
        read: function from `"group/index"` to the array, after `check`.
    """
    for name, group in groups.items():
        for index, variable in enumerate(group):
            array, dtype = read(f"{name}/{index}"), np.dtype(variable.dtype)
            variable.assign(array.view(dtype) if dtype.kind == "V" else array)


def _describe(variable):
    return [variable.path, list(variable.shape), variable.dtype]


def _identity(path, shape, dtype):
    # Keras numbers layers by how many a process has made, and prefixes of
    # paths depend on who built the variable: neither tells models apart.
    name = re.sub(r"_\d+(?=_|$)", "", path.split("/")[-1])
    return name, tuple(shape), dtype


def _text(path, shape, dtype):
    return f"{path} {tuple(shape)} {dtype}"
