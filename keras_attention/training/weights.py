"""Files of weights: written whole or not at all, and averaged."""

import pathlib
import shutil
import warnings

import h5py
import keras
import ml_dtypes

from keras_attention.training import files


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
    return pathlib.Path(path)


def save_weights(model, path):
    """Saves a model's weights as `model.save_weights` does, but safely.

    A kill at any moment leaves the previous or the new file, whole. The
    optimizer's state, which Keras would add (twice the size with Adam), is
    left out. Load it with `load_weights`, or with `model.load_weights`, which
    warns of the missing optimizer if the model is compiled.

    Args:
        model: a built model.
        path: the file, ending in `.weights.h5`; missing folders are made.

    Raises:
        ValueError: if `path` does not end in `.weights.h5`.
    """
    path = check_path(path)
    with files.replacing(path) as partial:
        whole = partial.with_name(f"partial-whole-{path.name}")
        try:
            model.save_weights(whole)
            with h5py.File(whole) as source, h5py.File(partial, "w") as target:
                target.attrs.update(source.attrs)
                for name in source:
                    if name != "optimizer":
                        source.copy(name, target)
        finally:
            whole.unlink(missing_ok=True)


def load_weights(model, path):
    """Loads a file of weights, leaving the optimizer as it is.

    Args:
        model: a built model.
        path: a file that `save_weights` or `average_weights` wrote.

    Raises:
        ValueError: if the file holds the weights of another model.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Skipping variable loading for optimizer"
        )
        model.load_weights(path)


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
    path, paths = check_path(path), [pathlib.Path(p) for p in paths]
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
