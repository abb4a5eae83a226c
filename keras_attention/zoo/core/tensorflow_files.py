"""Weights that the TensorFlow models of Hugging Face have saved.

Their HDF5 files name tensors by layers of Keras 2, and keep the kernels of
dense layers transposed. Here they get the names and shapes of PyTorch's.
"""

import re

import numpy as np

from keras_attention.zoo.core.safetensors import Stored

_LAST = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "embeddings": "weight",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
# Scopes of their own hold these, once or twice: `model.shared/model.shared`.
_ALONE = ("shared.weight", "final_logits_bias")


def list_tensors(path, arrays):
    """Lists the tensors of a file under PyTorch's names.

    Args:
        path: `pathlib.Path`, for messages.
        arrays: dictionary from the path of a data set in the file to it.

    Returns:
        A dictionary from name to `Stored`, which is read while the file is
        open.
    """
    entries = {}
    for where, array in arrays.items():
        name, is_kernel = _name(where)
        shape = tuple(array.shape)
        transposed = is_kernel and len(shape) == 2
        if name.endswith(".bias") and len(shape) == 2 and shape[0] == 1:
            shape = shape[1:]  # of a Conv1D
        shape = shape[::-1] if transposed else shape
        read = _read_transposed if transposed else _read
        dtype = np.dtype(array.dtype)
        entries[name] = Stored(name, shape, dtype, path, array, read)
    return entries


def _name(where):
    """PyTorch's name of a data set, and whether it is a dense kernel."""
    # `group/tf_bert_model/bert/encoder/layer_._0/.../kernel:0`: the first
    # parts name the group of the file and the model.
    parts = where.removesuffix(":0").split("/")
    parts = [re.sub(r"_\._", ".", part) for part in parts]
    if len(parts) > 2 and parts[1].startswith("tf_"):
        parts = parts[2:]
    last = parts[-1]
    parts[-1] = _LAST.get(last, last)
    name = ".".join(parts)
    return next(filter(name.endswith, _ALONE), name), last == "kernel"


def _read(stored):
    return np.asarray(stored.where[()]).reshape(stored.shape)


def _read_transposed(stored):
    return np.asarray(stored.where[()]).T
