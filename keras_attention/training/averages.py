"""The mean of several files of weights."""

import shutil
from pathlib import Path

import h5py
import keras
import ml_dtypes

from keras_attention import files
from keras_attention.models.weights import check_path


def average_weights(paths, path):
    """Averages files of weights, in float64, into one.

    Averaging the last few checkpoints is what Vaswani et al. report their
    results with. Values that are not floating-point come from the last file.

    Args:
        paths: files as `save_weights` writes them, all of one model.
        path: the file to write, ending in `.weights.h5`.

    Returns:
        `path`, as a `pathlib.Path`.

    Raises:
        ValueError: if there are no files, or one holds other weights than
            the last one.

    Reference:
        Vaswani et al., 2017, Attention Is All You Need, section 6.1,
        https://arxiv.org/abs/1706.03762
    """
    path, paths = check_path(path), [Path(p) for p in paths]
    if not paths:
        raise ValueError("`paths` must name at least one file of weights.")
    with files.replacing(path) as partial:
        shutil.copyfile(paths[-1], partial)
        with h5py.File(partial, "r+") as target:
            averaged = _datasets(target)
            sums = {
                name: _values(dataset).astype("float64")
                for name, dataset in averaged.items()
                if keras.backend.is_float_dtype(_values(dataset).dtype.name)
            }
            for other in paths[:-1]:
                with h5py.File(other) as source:
                    datasets = _datasets(source)
                    _check_same(other, datasets, paths[-1], averaged)
                    for name in sums:
                        sums[name] += _values(datasets[name])
            for name, total in sums.items():
                dataset = averaged[name]
                mean = (total / len(paths)).astype(_values(dataset).dtype)
                dataset[...] = mean.view(dataset.dtype)
    return path


def _datasets(file):
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(visit)
    return found


def _values(dataset):
    # HDF5 has no bfloat16; Keras stores its bits and says so beside them.
    values = dataset[...]
    if dataset.attrs.get("dtype") == "bfloat16":
        values = values.view(ml_dtypes.bfloat16)
    return values


def _check_same(path, datasets, reference_path, reference):
    for name in sorted(datasets.keys() | reference.keys()):
        shapes = [
            tuple(held[name].shape) if name in held else "missing"
            for held in (datasets, reference)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{path} and {reference_path} are not of the same model: "
                f"{name} is {shapes[0]} in the first and {shapes[1]} in the "
                "second."
            )
