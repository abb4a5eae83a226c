"""The mean of several files of weights."""

import contextlib
from pathlib import Path

import h5py
import keras
import ml_dtypes

from keras_attention import hdf5
from keras_attention.models.saving.weights import check_path


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
        OSError: if the average cannot be written.
        ValueError: if there are no files, or one is missing, truncated, holds
            other weights than the last one or refers to other files.

    Reference:
        Vaswani et al., 2017, Attention Is All You Need, section 6.1,
        https://arxiv.org/abs/1706.03762
    """
    path, paths = check_path(path), [Path(p) for p in paths]
    if not paths:
        raise ValueError("`paths` must name at least one file of weights.")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(_reading(other)) for other in paths]
        last, averaged = opened[-1]
        for other, (_, arrays) in zip(paths, opened, strict=True):
            _check_same(other, arrays, paths[-1], averaged)
        with hdf5.writing(path) as target:
            _copy_names(last, target)
            for name, array in averaged.items():
                same = [arrays[name] for _, arrays in opened]
                copy = target.create_dataset(name, data=_mean(same))
                _copy_attribute("dtype", array, copy)
    return path


@contextlib.contextmanager
def _reading(path):
    """Opens a file of weights of which no array claims more than is there."""
    if not path.is_file():
        raise ValueError(f"No weights at {path}.")
    with contextlib.ExitStack() as stack:
        try:
            file, arrays = stack.enter_context(hdf5.reading(path))
            for name, array in arrays.items():
                if array.id.get_storage_size() < array.nbytes:
                    raise ValueError(
                        f"{name} claims {array.nbytes} bytes, and "
                        f"{array.id.get_storage_size()} are stored"
                    )
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{path} is truncated or holds no weights: {error}"
            ) from None
        yield file, arrays


def _mean(datasets):
    """Averages arrays; the last of them where they are not floats."""
    values = _values(datasets[-1])
    dtype = values.dtype
    if keras.backend.is_float_dtype(dtype.name):
        total = values.astype("float64")
        for dataset in datasets[:-1]:
            total += _values(dataset)
        values = (total / len(datasets)).astype(dtype)
    return values


def _values(dataset):
    # HDF5 has no bfloat16; Keras stores its bits and says so beside them.
    values = dataset[...]
    if dataset.attrs.get("dtype") == "bfloat16":
        values = values.view(ml_dtypes.bfloat16)
    return values


def _copy_names(source, target):
    """Makes the groups of a file, with the names that Keras gives them."""

    def visit(path, item):
        if isinstance(item, h5py.Group):
            _copy_attribute("name", item, target.create_group(path))

    source.visititems(visit)


def _copy_attribute(name, source, target):
    value = source.attrs.get(name)
    if isinstance(value, str):
        target.attrs[name] = value


def _check_same(path, datasets, reference_path, reference):
    for name in sorted(datasets.keys() | reference.keys()):
        shapes = [
            tuple(file[name].shape) if name in file else "missing"
            for file in (datasets, reference)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{path} and {reference_path} are not of the same model: "
                f"{name} is {shapes[0]} in the first and {shapes[1]} in the "
                "second."
            )
