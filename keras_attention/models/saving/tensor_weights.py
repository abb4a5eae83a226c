"""The weights of a model as a safetensors file."""

from collections.abc import Mapping

import keras
import numpy as np

from keras_attention.checks import did_you_mean
from keras_attention.models.saving.large_weights import assigned_by_rows
from keras_attention.models.saving.tensor_names import name_weights
from keras_attention.models.saving.weights import check_built, set_safely
from keras_attention.zoo.core import safetensors

WEIGHTS = "model.safetensors"
FORMAT = {"format": "keras_attention"}
_MOST_NAMES = 5  # that an error lists


def write_tensors(model, path):
    """Writes all that Keras keeps of a model, one tensor in memory at a time.

    The optimizer's state and the seeds are left out, and what LoRA has
    learned is merged.

    Args:
        model: a built model.
        path: `pathlib.Path`, a new file.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if the model is not built, or has what the format cannot
            hold.
    """
    check_built(model, path)
    _, entries = name_weights(model)
    tensors = {
        name: (entry.shape, entry.dtype, lambda entry=entry: _numbers(entry))
        for name, entry in entries.items()
    }
    safetensors.write(path, tensors, FORMAT)


def load_tensors(model, path):
    """Loads what `write_tensors` wrote, or leaves the model as it was.

    Beside the model, little more than its largest weight is in memory.

    Args:
        model: a built model.
        path: `pathlib.Path` of the file.

    Raises:
        ValueError: if the file is missing or truncated, or lacks a tensor,
            has one too many or one of another shape; or if the model is not
            built.
    """
    check_built(model, path)
    places, entries = name_weights(model)
    stored = {}

    def check():
        stored.update(safetensors.list_tensors(path))
        _check_names(entries, stored)
        for name, entry in entries.items():
            _check_kind(entry, stored[name])

    def load():
        with assigned_by_rows(model):
            for layer, names in places:
                layer.load_own_variables(_State(stored, names))

    set_safely(model, path, check, load)


class _State(Mapping):
    """What a layer has in a file, read when it asks."""

    def __init__(self, stored, names):
        self._stored, self._names = stored, names

    def __getitem__(self, key):
        return safetensors.read(self._stored[self._names[key]])

    def __iter__(self):
        return iter(self._names)

    def __len__(self):
        return len(self._names)


def _numbers(entry):
    value = entry.place.value(entry.key)
    return np.asarray(keras.ops.convert_to_numpy(value))


def _check_names(entries, stored):
    missing = [name for name in entries if name not in stored]
    surplus = [name for name in stored if name not in entries]
    if missing:
        hint = did_you_mean(missing[0], surplus)
        raise ValueError(f"it lacks {_list(missing)}.{hint}".rstrip("."))
    if surplus:
        raise ValueError(f"the model has no place for {_list(surplus)}")


def _list(names):
    more = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown


def _check_kind(entry, stored):
    """Refuses another shape, and numbers that would become others."""
    if stored.shape != entry.shape:
        raise ValueError(
            f"{stored.name} has the shape {stored.shape}; by config.json it "
            f"has {entry.shape}"
        )
    floats = [
        keras.backend.is_float_dtype(dtype)
        for dtype in (stored.dtype.name, entry.dtype)
    ]
    # Floats of another width are as good as the model takes them.
    if stored.dtype.name != entry.dtype and not all(floats):
        raise ValueError(
            f"{stored.name} is of {stored.dtype.name}; by config.json it is "
            f"of {entry.dtype}"
        )
