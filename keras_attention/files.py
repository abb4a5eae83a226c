"""Writing files and folders so that a kill at any moment leaves whole ones."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path


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
    path = Path(path)
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


@contextlib.contextmanager
def replacing_folder(folder, marker):
    """Lets a folder be written beside its place and then take it at once.

    Args:
        folder: path of the folder to write or replace; missing parents are
            made.
        marker: name of a file that such a folder holds. A folder that is not
            empty and has no such file is somebody else's and not replaced.

    Yields:
        The `pathlib.Path` of an empty folder to write to.

    Raises:
        ValueError: if there is a folder with other content, or a file.
    """
    folder = Path(folder).resolve()  # what a link names is replaced, not it
    _recover(folder)
    is_other = folder.is_file() or (
        folder.is_dir()
        and any(folder.iterdir())
        and not (folder / marker).exists()
    )
    if is_other:
        raise ValueError(
            f"{folder} holds something else (it has no {marker}) and is not "
            "replaced. Name a new or an empty folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    mark = uuid.uuid4().hex[:8]
    partial = folder.with_name(f"partial-{mark}-{folder.name}")
    partial.mkdir()
    try:
        yield partial
        if folder.exists():
            old = folder.with_name(f"old-{mark}-{folder.name}")
            os.rename(folder, old)
            try:
                os.rename(partial, folder)
            except BaseException:
                os.rename(old, folder)
                raise
            shutil.rmtree(old)
        else:
            os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _sync_folder(folder):
    # The new name is on the disk only once the folder is. Windows cannot open
    # folders and does not need it.
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _recover(folder):
    # A kill between the two renames leaves the old folder under its other
    # name.
    if not folder.exists():
        for old in folder.parent.glob(f"old-????????-{folder.name}"):
            os.rename(old, folder)
            return
