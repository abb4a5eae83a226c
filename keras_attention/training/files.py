"""Writing files so that a kill at any moment leaves a whole one."""

import contextlib
import os
import pathlib


@contextlib.contextmanager
def replacing(path):
    """Lets a file be written beside `path` and then take its place at once.

    Until the block ends without an error, `path` keeps what it had. A name
    that is left over after a kill starts with `partial-` and is written over
    by the next attempt.

    Args:
        path: the file to write or replace; missing folders are made.

    Yields:
        A `pathlib.Path` in the same folder, to write to.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    try:
        yield partial
        with open(partial, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
        _sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def _sync_folder(folder):
    # The new name is on the disk only once the folder is. Windows cannot open
    # folders and does not need it.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
