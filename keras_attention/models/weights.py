"""Files of weights: written whole or not at all, read whole or not at all."""

import warnings
from pathlib import Path

import h5py

from keras_attention import files


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
                for name in _groups(source):
                    source.copy(name, target)
        finally:
            whole.unlink(missing_ok=True)


def load_weights(model, path):
    """Loads a file of weights, leaving the optimizer as it is.

    A file that is refused leaves the model as it was.

    Args:
        model: a built model.
        path: a file that `save_weights` or `model.save_weights` wrote.

    Raises:
        ValueError: if the file is missing, truncated, or holds the weights of
            another model.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"No weights at {path}.")
    before = model.get_weights()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="Skipping variable loading for optimizer"
            )
            model.load_weights(path)
        with h5py.File(path) as file:
            stored = sum(_count_arrays(file[name]) for name in _groups(file))
        # Keras passes over what the model has no place for.
        if stored != len(before):
            raise ValueError(
                f"it holds {stored} arrays, the model has {len(before)}"
            )
    except BaseException as error:
        model.set_weights(before)
        if not isinstance(error, (OSError, KeyError, ValueError)):
            raise
        raise ValueError(
            f"{path} is truncated or holds no weights of this model: {error}"
        ) from None


def _groups(file):
    return [name for name in file if name != "optimizer"]


def _count_arrays(item):
    if isinstance(item, h5py.Dataset):
        return 1
    return sum(map(_count_arrays, item.values()))
