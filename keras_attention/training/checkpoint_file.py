"""The file of a checkpoint: named arrays and a JSON description, in one."""

import json
import zipfile

import numpy as np

from keras_attention import files

_DESCRIPTION = "description.json"
_ENTRIES = {
    *("format", "backend", "data", "position"),
    *("variables", "callbacks", "random"),
}


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: truncated, or of something else."""


def write(path, arrays, description):
    """Writes a checkpoint; `path` keeps its old content until all is written.

    Args:
        path: the file, in NumPy's `.npz` format.
        arrays: `{name: array}`, of any dtype that Keras has.
        description: dictionary that JSON can hold, with the entries that
            `Checkpoint` writes.
    """
    text = json.dumps(description).encode()
    stored = {name: _storable(array) for name, array in arrays.items()}
    stored[_DESCRIPTION] = np.frombuffer(text, "uint8")
    with files.replacing(path) as partial, open(partial, "wb") as file:
        np.savez(file, **stored)


def read(path):
    """Reads a whole checkpoint, verifying every checksum.

    Args:
        path: the file.

    Returns:
        `(arrays, description)` as given to `write`; an array of a dtype that
        NumPy lacks (bfloat16) comes as unsigned integers of the same bits.

    Raises:
        CheckpointError: if the file is truncated or not a checkpoint.
    """
    try:
        # NumPy leaves a file open that it opened and cannot read.
        with (
            open(path, "rb") as opened,
            np.load(opened, allow_pickle=False) as file,
        ):
            arrays = {name: file[name] for name in file.files}
        description = json.loads(arrays.pop(_DESCRIPTION).tobytes())
        missing = _ENTRIES - description.keys()
    except (
        AttributeError,  # a lone array, or a list as description
        EOFError,
        KeyError,
        TypeError,
        ValueError,
        zipfile.BadZipFile,
    ) as error:
        raise CheckpointError(
            f"{path} is truncated or no checkpoint. Delete it to start anew."
        ) from error
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint of this version: it has no "
            f"{', '.join(sorted(missing))}. Delete it to start anew."
        )
    return arrays, description


def _storable(array):
    array = np.asarray(array)
    if array.dtype.kind == "V":  # bfloat16 and its kin
        array = array.view(f"uint{8 * array.dtype.itemsize}")
    return array
