"""HDF5 files that hold all that they show, and a disk that fills up."""

import contextlib

import h5py

from keras_attention import files


@contextlib.contextmanager
def reading(path):
    """Opens an HDF5 file that may be a stranger's.

    HDF5 can show what other files hold: by links, by arrays stored outside of
    the file, and by virtual ones, which are put together from other files. A
    group can also hold itself. None of that is opened, nor is what is no
    array of numbers. No array is read.

    Args:
        path: the file.

    Yields:
        `(file, arrays)`: the `h5py.File` and `{name: h5py.Dataset}` of all
        arrays in it.

    Raises:
        OSError: if it is no HDF5 file, or truncated.
        ValueError: if it holds something else than groups and arrays of
            numbers, each of them its own and in one place.
    """
    with h5py.File(path, "r") as file:
        try:
            arrays = _find_arrays(file)
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        yield file, arrays


@contextlib.contextmanager
def writing(path):
    """Writes an HDF5 file; `path` keeps its old content until all is written.

    HDF5 cannot close a file that it fails to write, as on a full disk: it
    keeps trying, and ends the process when that exits. So it is told of the
    first failure alone.

    Args:
        path: the file; missing folders are made.

    Yields:
        The `h5py.File`.

    Raises:
        OSError: if the file cannot be written.
    """
    try:
        with (
            files.replacing(path) as partial,
            open(partial, "wb+", buffering=0) as opened,
        ):
            output = _Output(opened)
            with h5py.File(output, "w") as file:
                try:
                    yield file
                finally:
                    output.is_closing = True
            if output.error is not None:
                raise output.error
    except OSError as error:
        raise OSError(
            f"{path} cannot be written: {error.strerror or error}"
        ) from error


class _Output:
    """A file that raises the first failure to write and hides the others.

    It has the methods that h5py asks of an object to write to.
    """

    def __init__(self, file):
        self._file = file
        self.seek, self.tell = file.seek, file.tell
        self.read, self.readinto = file.read, file.readinto
        self.flush = file.flush
        self.error = None
        self.is_closing = False

    def write(self, data):
        def write_all():
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]

        self._try(write_all)
        return len(data)

    def truncate(self, size):
        self._try(lambda: self._file.truncate(size))
        return size

    def _try(self, function):
        if self.error is not None:
            return
        try:
            function()
        except OSError as error:
            self.error = error
            if not self.is_closing:
                raise


def _find_arrays(file):
    arrays, groups, seen = {}, [file], {_address(file)}
    while groups:  # nested to any depth
        group = groups.pop()
        for name in group:
            path = f"{group.name.rstrip('/')}/{name}"[1:]
            if group.get(name, getclass=True, getlink=True) != h5py.HardLink:
                raise ValueError(f"{path} is a link to something else")
            item = group[name]
            if _address(item) in seen:
                raise ValueError(f"{path} is in the file in two places")
            seen.add(_address(item))
            if isinstance(item, h5py.Group):
                groups.append(item)
            else:
                _check_array(path, item)
                arrays[path] = item
    return arrays


def _check_array(path, item):
    if not isinstance(item, h5py.Dataset):
        raise ValueError(f"{path} is neither a group nor an array")
    if item.external or item.is_virtual:
        raise ValueError(f"{path} holds what is stored in other files")
    dtype = item.dtype
    # Opaque bytes are what Keras stores of bfloat16.
    is_plain = dtype.names is None and dtype.subdtype is None
    if item.shape is None or dtype.kind not in "biufV" or not is_plain:
        raise ValueError(f"{path} is no array of numbers, but of {dtype}")


def _address(item):
    return h5py.h5o.get_info(item.id).addr
