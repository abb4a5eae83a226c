"""The file of a checkpoint: named arrays and a JSON description, in one."""

import contextlib
import json
import math
import zipfile

import numpy as np

from keras_attention import files
from keras_attention.json_files import parse_json
from keras_attention.training import checkpoint_description
from keras_attention.training.checkpoint_description import CheckpointError

_DESCRIPTION = "description.json"
_BLOCK = 2**20  # bytes
# What a file that is cut off, damaged or of something else runs into.
_DAMAGES = (
    EOFError,
    KeyError,
    MemoryError,
    OverflowError,
    RuntimeError,  # too deeply nested, encrypted
    ValueError,
    zipfile.BadZipFile,
)


def write(path, arrays, description):
    """Writes a checkpoint; `path` keeps its old content until all is written.

    Args:
        path: the file, in NumPy's `.npz` format.
        arrays: `{name: array}`, of any dtype that Keras has.
        description: dictionary that JSON can hold, with the entries that
            `Checkpoint` writes.

    Raises:
        OSError: if the file cannot be written.
    """
    text = json.dumps(description).encode()
    stored = {name: _storable(array) for name, array in arrays.items()}
    stored[_DESCRIPTION] = np.frombuffer(text, "uint8")
    try:
        with files.replacing(path) as partial, open(partial, "wb") as file:
            np.savez(file, **stored)
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}"
        ) from error


@contextlib.contextmanager
def reading(path):
    """Opens a checkpoint, verifying every checksum and what it claims.

    No array is read, and none can be larger than the file is.

    Args:
        path: the file.

    Yields:
        A `CheckpointFile`.

    Raises:
        CheckpointError: if the file is truncated or not a checkpoint.
    """
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(open(path, "rb"))
            archive = stack.enter_context(zipfile.ZipFile(opened))
            file = CheckpointFile(archive)
        except _DAMAGES as error:
            raise CheckpointError(
                f"{path} is truncated or no checkpoint ({error}). Delete it "
                "to start anew."
            ) from error
        checkpoint_description.check(path, file.description)
        yield file


class CheckpointFile:
    """The arrays and the description in the file of a checkpoint.

    Args:
        archive: `zipfile.ZipFile`.

    Attributes:
        shapes: `{name: (shape, dtype)}` of the arrays.
        description: what JSON gives, as yet unchecked.
    """

    def __init__(self, archive):
        self._archive = archive
        entries = archive.infolist()
        self.shapes = {}
        for entry in entries:
            self._verify(entry)
            name = entry.filename.removesuffix(".npy")
            self.shapes[name] = self._read_shape(entry)
        if len(self.shapes) < len(entries):
            raise ValueError("two arrays have one name")
        text = self.read(_DESCRIPTION).tobytes()
        del self.shapes[_DESCRIPTION]
        # Losses of a run that diverged are NaN.
        self.description = parse_json(text, _DESCRIPTION, allow_nan=True)

    def read(self, name):
        """Reads one array.

        Args:
            name: string.

        Returns:
            The array as given to `write`, but unsigned integers of the same
            bits if its dtype is one that NumPy lacks (bfloat16).
        """
        with self._archive.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False)

    def _verify(self, entry):
        # NumPy does not compress them: they are as large as they claim.
        if entry.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{entry.filename} is compressed")
        with self._archive.open(entry) as file:
            while file.read(_BLOCK):
                pass

    def _read_shape(self, entry):
        with self._archive.open(entry) as file:
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(file)
            else:
                header = np.lib.format.read_array_header_2_0(file)
            shape, _, dtype = header
            size = math.prod(shape) * dtype.itemsize
            if dtype.hasobject or size != entry.file_size - file.tell():
                raise ValueError(
                    f"{entry.filename} claims {dtype} of the shape {shape} "
                    f"and has {entry.file_size - file.tell()} bytes"
                )
        return shape, dtype


def storable_dtype(dtype):
    """Gives the dtype of which an array is written.

    Args:
        dtype: name of a dtype that Keras has.

    Returns:
        `numpy.dtype`: unsigned integers for one that NumPy lacks.
    """
    dtype = np.dtype(dtype)
    if dtype.kind == "V":  # bfloat16 and its kin
        dtype = np.dtype(f"uint{8 * dtype.itemsize}")
    return dtype


def _storable(array):
    array = np.asarray(array)
    return array.view(storable_dtype(array.dtype))
