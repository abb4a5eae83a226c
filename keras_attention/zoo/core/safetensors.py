"""Files in the safetensors format, read and written tensor by tensor.

The format is a length, a header in JSON and the numbers. The package of that
name maps the whole of a file, whose pages count until it is closed, knows no
8-bit floats in NumPy, and writes only what is in memory as a whole.
"""

import json
import math
import struct
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

_DTYPES = {
    "F64": np.dtype("float64"),
    "F32": np.dtype("float32"),
    "F16": np.dtype("float16"),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F8_E4M3": np.dtype(ml_dtypes.float8_e4m3fn),
    "F8_E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "F8_E8M0": np.dtype(ml_dtypes.float8_e8m0fnu),
    "I64": np.dtype("int64"),
    "I32": np.dtype("int32"),
    "I16": np.dtype("int16"),
    "I8": np.dtype("int8"),
    "U8": np.dtype("uint8"),
    "U16": np.dtype("uint16"),
    "U32": np.dtype("uint32"),
    "U64": np.dtype("uint64"),
    "BOOL": np.dtype("bool"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_LONGEST_HEADER = 100 * 2**20  # as in the package


class Stored(NamedTuple):
    """A tensor in a file.

    Attributes:
        name: string.
        shape: tuple of integers.
        dtype: NumPy dtype.
        path: the file.
        where: what its reader finds it by.
        read: function of a `Stored` to a NumPy array.
    """

    name: str
    shape: tuple
    dtype: Any
    path: Any
    where: Any
    read: Any

    def load(self):
        """Gives the numbers as a NumPy array, to be copied and dropped."""
        return self.read(self)


def list_tensors(path):
    """Reads the header of a file.

    Args:
        path: `pathlib.Path`.

    Returns:
        A dictionary from name to `Stored`.

    Raises:
        ValueError: if the file is truncated, or no such file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LONGEST_HEADER):
            raise ValueError(
                f"{path} is truncated or no safetensors file: a header of "
                f"{length} bytes in a file of {size}."
            )
        try:
            header = json.loads(file.read(length), object_pairs_hook=_object)
            if not isinstance(header, dict):
                raise TypeError("it is no object")
            entries = _entries(path, header, 8 + length)
        except (KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} has a header that is none of a safetensors file: "
                f"{type(error).__name__} {error}"
            ) from None
    _check_places(path, entries, 8 + length, size)
    return entries


def _object(pairs):
    """Makes a dictionary, in which no key comes twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it names something twice")
    return found


def _check_places(path, entries, start, size):
    """Refuses tensors that share bytes, and bytes of no tensor."""
    for entry in sorted(entries.values(), key=lambda entry: entry.where):
        begin, end = entry.where
        if end > size:
            raise ValueError(
                f"{path} is truncated: {entry.name} ends at byte {end} of "
                f"{size}."
            )
        if begin != start:
            raise ValueError(
                f"{path} is no safetensors file: {entry.name} begins at byte "
                f"{begin}, and what comes before it ends at {start}."
            )
        start = end
    if start != size:
        raise ValueError(
            f"{path} is no safetensors file: its tensors end at byte {start} "
            f"of {size}."
        )


def _entries(path, header, start):
    """Reads what a header says of each tensor."""
    entries = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        if entry["dtype"] not in _DTYPES:
            raise ValueError(f"{name} has the unknown dtype {entry['dtype']}")
        shape, dtype = tuple(entry["shape"]), _DTYPES[entry["dtype"]]
        begin, end = entry["data_offsets"]
        sizes = (*shape, begin, end)
        if not all(type(n) is int and n >= 0 for n in sizes):
            raise ValueError(f"{name} has a size that is none")
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has not as many bytes as its shape")
        where = start + begin, start + end
        entries[name] = Stored(name, shape, dtype, path, where, _read)
    return entries


def _read(stored):
    begin, end = stored.where
    if begin == end:
        return np.zeros(stored.shape, stored.dtype)
    # The pages count as this process' own until the array is dropped.
    array = np.memmap(stored.path, np.uint8, "r", begin, (end - begin,))
    return array.view(stored.dtype).reshape(stored.shape)


def read_metadata(path):
    """Reads the strings that a file holds beside its tensors.

    Args:
        path: `pathlib.Path`.

    Returns:
        Dictionary, empty for what is no such file.
    """
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
        try:
            header = json.loads(file.read(min(length, _LONGEST_HEADER)))
            return dict(header.get("__metadata__") or {})
        except (AttributeError, RecursionError, TypeError, ValueError):
            return {}


def read(stored):
    """Reads a tensor into memory of its own, with none of the file's pages.

    Args:
        stored: a `Stored` of `list_tensors`.

    Returns:
        A NumPy array.

    Raises:
        ValueError: if the file has become shorter.
    """
    begin, end = stored.where
    content = np.fromfile(stored.path, np.uint8, end - begin, offset=begin)
    if len(content) < end - begin:
        raise ValueError(f"{stored.path} is truncated: it lacks {stored.name}")
    return content.view(stored.dtype).reshape(stored.shape)


def write(path, tensors, metadata=None):
    """Writes a file, one tensor in memory at a time.

    Args:
        path: `pathlib.Path`, a new file.
        tensors: dictionary from name to `(shape, dtype, function)`, where the
            function gives the NumPy array.
        metadata: dictionary of strings, or None.

    Raises:
        ValueError: if the format has no such dtype.
    """
    header, end = {}, 0
    if metadata:
        header["__metadata__"] = metadata
    for name, (shape, dtype, _) in tensors.items():
        dtype = np.dtype(dtype)
        if dtype not in _NAMES:
            raise ValueError(
                f"{name} is of {dtype}, which a safetensors file cannot hold."
            )
        begin, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers are aligned
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, dtype, give in tensors.values():
            array = np.ascontiguousarray(give(), dtype).reshape(-1)
            file.write(array.view(np.uint8).data)
