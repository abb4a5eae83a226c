"""Weights that the TensorFlow models of Hugging Face have saved.

Their HDF5 files name tensors by layers of Keras 2, and keep the kernels of
dense layers transposed, and those of convolutions with the places before the
channels. Here they get the names and shapes of PyTorch's.
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
        if name.endswith(".bias") and len(shape) == 2 and shape[0] == 1:
            shape = shape[1:]  # of a Conv1D
        read = _read
        if is_kernel and len(shape) >= 2:
            shape = tuple(shape[axis] for axis in _order(shape))
            read = _read_kernel
        dtype = np.dtype(array.dtype)
        entries[name] = Stored(name, shape, dtype, path, array, read)
    return entries


def _name(where):
    """PyTorch's name of a data set, and whether it is a dense kernel."""
    # `bert/tf_bert_model/bert/encoder/layer_._0/output/dense/kernel:0`: the
    # group of the file and the model come first. `_._` parts names, and what
    # stands before `___` is left out.
    parts = where.removesuffix(":0").split("/")
    parts = [re.sub(r".*___", "", part) for part in parts]
    last = parts[-1]
    parts[-1] = _LAST.get(last, last)
    whole = ".".join(parts).replace("_._", ".")
    for name in _ALONE:
        if whole.endswith(name):
            return name, False
    kept = parts[2:] if len(parts) > 2 else parts[1:]
    return ".".join(kept).replace("_._", "."), last == "kernel"


def _read(stored):
    return np.asarray(stored.where[()]).reshape(stored.shape)


def _read_kernel(stored):
    return np.asarray(stored.where[()]).transpose(_order(stored.shape))


def _order(shape):
    """The axes of a kernel in PyTorch's order: out, in, and then places."""
    last = len(shape) - 1
    return (last, last - 1, *range(last - 1))
