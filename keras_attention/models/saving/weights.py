"""Files of weights: written whole or not at all, read whole or not at all."""

from collections import Counter
from pathlib import Path

import keras

# Keras opens files by their names alone, and without care for a full disk.
from keras.src.saving import saving_lib

from keras_attention import hdf5
from keras_attention.models.saving.large_weights import assigned_by_rows


def check_path(path):
    """Checks that Keras will take a file's name for weights.

    Args:
        path: the file.

    Returns:
        The path as a `pathlib.Path`.

    Raises:
        ValueError: if it does not end in `.weights.h5`.
    """
    if not str(path).endswith(".weights.h5"):
        raise ValueError(
            f"`path` must end in `.weights.h5`. Received: {str(path)!r}"
        )
    return Path(path)


def save_weights(model, path):
    """Saves a model's weights as `model.save_weights` does, but safely.

    A kill or a full disk at any moment leaves the previous or the new file,
    whole. The optimizer's state, which Keras would add (twice the size with
    Adam), is left out. Load it with `load_weights`, or with
    `model.load_weights`, which warns of the missing optimizer if the model is
    compiled.

    Args:
        model: a built model.
        path: the file, ending in `.weights.h5`; missing folders are made.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if `path` does not end in `.weights.h5`, or the model is
            not built.
    """
    path = check_path(path)
    check_built(model, path)
    with hdf5.writing(path) as file:
        saving_lib._save_state(
            model,
            weights_store=_Store(file),
            assets_store=None,
            inner_path="",
            visited_saveables={id(x) for x in _left_out(model)},
        )


def load_weights(model, path):
    """Loads a file of weights, leaving the optimizer as it is.

    A file that is refused leaves the model as it was; an interrupt leaves it
    as it was or with all of the new weights. Beside the model, little more
    than its largest weight is in memory.

    Args:
        model: a built model.
        path: a file that `save_weights` or `model.save_weights` wrote.

    Raises:
        ValueError: if the file is missing, truncated, holds the weights of
            another model, or refers to other files; or if the model is not
            built.
    """
    path = Path(path)
    check_built(model, path)

    def check():
        with hdf5.reading(path) as (_, arrays):
            shapes = {name: array.shape for name, array in arrays.items()}
        _check_room(shapes, model)

    set_safely(model, path, check, lambda: _load(model, path))


def check_built(model, path):
    """Refuses a model that has no weights yet, to be saved or loaded."""
    if not model.built:
        raise ValueError(
            f"`model` must be built before its weights are those in {path}."
        )


def set_safely(model, path, check, load):
    """Sets all weights of a model from a file, or none.

    Args:
        model: a built model.
        path: `pathlib.Path` of the file.
        check: function that refuses, before any is read, a file that does
            not fit.
        load: function that sets the weights.

    Raises:
        ValueError: if the file is missing or refused; the model is then as
            it was.
    """
    if not path.is_file():
        raise ValueError(f"No weights at {path}.")
    try:
        check()
        with _Rehearsal() as rehearsal:
            load()
        rehearsal.check_all_set(model)
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path} is truncated or holds no weights of this model: {error}"
        ) from None
    try:
        load()
    except BaseException:
        # What has been set is of this file: no way back, so to the end.
        load()
        raise


def _load(model, path):
    left_out = _left_out(model)
    arguments = {"objects_to_skip": left_out} if left_out else {}
    with assigned_by_rows(model):
        model.load_weights(path, **arguments)


def _left_out(model):
    """Lists the optimizers, those of models within the model too."""
    optimizers = [
        getattr(layer, "optimizer", None) for layer in model._flatten_layers()
    ]
    return [found for found in optimizers if found is not None]


def _check_room(shapes, model):
    """Refuses, before any is read, arrays that no weight is as large as."""
    room = Counter(tuple(weight.shape) for weight in model.weights)
    for name, shape in shapes.items():
        if "optimizer" in name.split("/"):
            continue
        if not room[shape]:
            raise ValueError(
                f"the model has no place for {name} of the shape {shape}, "
                "which could not be loaded"
            )
        room[shape] -= 1


class _Store(saving_lib.H5IOStore):
    """What Keras writes weights to, on a file that is open already."""

    def __init__(self, file):
        self._file = file
        super().__init__(file.name, mode="w")

    def _get_h5_file(self, path_or_io, mode=None):
        return self._file


class _Rehearsal(keras.StatelessScope):
    """Has Keras read and check all of a file without setting a variable.

    Keras goes through the layers, whose own methods know which arrays are
    theirs, and finds a layer that does not fit when others have been set.
    """

    def __init__(self):
        super().__init__()
        self._set = set()

    def add_update(self, update):
        variable, _ = update
        self._set.add(id(variable))

    def check_all_set(self, model):
        """Refuses a file without a value for each weight."""
        for weight in model.weights:
            if id(weight) not in self._set:
                raise ValueError(f"it has nothing for {weight.path}")
