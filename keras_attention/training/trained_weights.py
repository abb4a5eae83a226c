"""Files of the weights that are trained, of a model that is adapted by LoRA.

Keras folds adapters into the weights that it saves, and sets them to zero when
it loads. What is to be averaged, or saved as an adapter, needs both factors.
"""

from pathlib import Path

from keras import ops

from keras_attention import hdf5
from keras_attention.models.saving import weights


def save_trained(model, path):
    """Saves the trainable weights of a model, adapters as they are.

    A kill or a full disk at any moment leaves the previous or the new file.

    Args:
        model: a built model.
        path: the file, ending in `.weights.h5`; missing folders are made.

    Raises:
        OSError: if the file cannot be written.
        ValueError: if `path` does not end in `.weights.h5`, or the model is
            not built.
    """
    path = weights.check_path(path)
    weights.check_built(model, path)
    with hdf5.writing(path) as file:
        for name, weight in _named(model).items():
            array = ops.convert_to_numpy(ops.cast(weight, _kept(weight)))
            file.create_dataset(name, data=array)


def load_trained(model, path):
    """Sets the trainable weights of a model to those of `save_trained`.

    A file that is refused leaves the model as it was.

    Args:
        model: a built model, adapted and frozen as it was when saved.
        path: the file.

    Raises:
        ValueError: if the file is missing, damaged, or of another model.
    """
    path, named = Path(path), _named(model)
    weights.check_built(model, path)
    if not path.is_file():
        raise ValueError(f"No weights at {path}.")
    try:
        with hdf5.reading(path) as (_, arrays):
            found = {name: array[...] for name, array in arrays.items()}
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} holds no weights: {error}") from None
    for name in sorted(found.keys() | named.keys()):
        shapes = [
            tuple(group[name].shape) if name in group else "missing"
            for group in (found, named)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(
                f"{path} is of another model: {name} is {shapes[0]} there and "
                f"{shapes[1]} here."
            )
    for name, weight in named.items():
        weight.assign(found[name])


def _named(model):
    """The trainable weights by their places and names."""
    return {
        f"{place:05}_{weight.name}": weight
        for place, weight in enumerate(model.trainable_weights)
    }


def _kept(weight):
    # HDF5 has no bfloat16, of which float32 holds every number.
    return "float32" if weight.dtype == "bfloat16" else weight.dtype
