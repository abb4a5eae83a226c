"""Writing files and folders so that a kill at any moment leaves whole ones.

What is written is first written into a folder of its own beside its place,
`partial-1a2b3c4d-NAME`, which the writing process keeps locked. What a killed
process leaves of it is removed by the next that writes in the same place.
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
import stat
import sys
import uuid
from pathlib import Path

from keras_attention import locks

_PARTIAL = re.compile(r"partial-[0-9a-f]{8}-(.+)", re.DOTALL)
_OLD, _REMOVED = ".old", ".removed"  # within a partial folder
_KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


@contextlib.contextmanager
def replacing(path):
    """Lets a file be written beside `path` and then take its place at once.

    Until the block ends without an error, `path` keeps what it had.

    Args:
        path: the file to write or replace; missing folders are made. Of a
            link, what it names is replaced.

    Yields:
        A `pathlib.Path` of the same name in another folder, to write to.

    Raises:
        ValueError: if there is something other than a file.
    """
    path = _target(path, "file")
    with _partial_folder(path) as partial:
        yield partial / path.name
        _sync(partial / path.name)
        os.replace(partial / path.name, path)
        _sync(path.parent)


@contextlib.contextmanager
def replacing_folder(folder, marker):
    """Lets a folder be written beside its place and then take it at once.

    Args:
        folder: path of the folder to write or replace; missing parents are
            made. Of a link, what it names is replaced.
        marker: name of a file that such a folder holds. A folder that is not
            empty and has no such file is somebody else's and not replaced.

    Yields:
        The `pathlib.Path` of an empty folder to write to.

    Raises:
        ValueError: if there is a folder with other content, or something
            other than a folder.
    """
    folder = check_folder(folder, marker)
    with _partial_folder(folder) as partial:
        new = partial / folder.name
        new.mkdir()
        yield new
        for path in [*new.rglob("*"), new]:
            _sync(path)
        if folder.exists():
            _swap(new, folder, partial)
        else:
            os.rename(new, folder)
        _sync(folder.parent)


def check_folder(folder, marker):
    """Refuses what `replacing_folder` would not replace.

    Args: as of `replacing_folder`.

    Returns:
        The `pathlib.Path` of the folder, or where it would be; links are
        followed, and an earlier folder put back that a kill took away.

    Raises:
        ValueError: as of `replacing_folder`.
    """
    folder = _target(folder, "folder")
    recover(folder)
    if (
        folder.exists()
        and any(folder.iterdir())
        and not (folder / marker).exists()
    ):
        raise ValueError(
            f"{folder} holds something else (it has no {marker}) and is not "
            "replaced. Name a new or an empty folder."
        )
    return folder


def recover(folder):
    """Puts a folder back that a kill has left under its temporary name.

    Only where folders cannot be exchanged at once is there a moment without
    either the old or the new one. Call it before reading such a folder.

    Args:
        folder: path of the folder.
    """
    folder = Path(folder)
    if not folder.exists() and folder.parent.is_dir():
        for partial in _left_over(folder.parent):
            if _place_of(partial) == folder:
                _remove(partial)


def _target(path, expected):
    """Follows links to what would be replaced, and refuses other kinds."""
    path = Path(path)
    try:
        # Not of the resolved path: that of an open pipe names nothing.
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        mode = None
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(f"{path} is a link to itself.") from None
    if mode is not None:
        kind = _KINDS.get(stat.S_IFMT(mode), "special file")
        if kind != expected:
            raise ValueError(
                f"{path} is a {kind}, not a {expected}, and is not replaced. "
                "Name another path."
            )
    return path.resolve()


@contextlib.contextmanager
def _partial_folder(path):
    """Makes a locked folder beside a path; what others left is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _left_over(path.parent):
        _remove(left)
    partial, descriptor = _make_partial(path)
    try:
        yield partial
    finally:
        _remove(partial)
        if descriptor is not None:
            os.close(descriptor)


def _make_partial(path):
    while True:
        mark = uuid.uuid4().hex[:8]
        partial = path.with_name(f"partial-{mark}-{path.name}")
        partial.mkdir()
        if os.name != "posix":
            return partial, None
        try:
            descriptor = os.open(partial, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another process took it for one left over
        if locks.try_lock(descriptor) is not False:
            if locks.is_at(descriptor, partial):
                return partial, descriptor
        os.close(descriptor)


def _left_over(parent):
    """Yields the partial folders in a folder that no process works in."""
    if os.name != "posix":
        return  # no telling which
    for path in parent.glob("partial-*"):
        if not _PARTIAL.fullmatch(path.name):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue  # a file, or removed meanwhile
        try:
            if locks.try_lock(descriptor):
                yield path
        finally:
            os.close(descriptor)


def _place_of(partial):
    return partial.with_name(_PARTIAL.fullmatch(partial.name)[1])


def _swap(new, folder, partial):
    """Puts the new folder in the place of the old one."""
    try:
        _exchange(new, folder)
    except OSError:
        os.rename(folder, partial / _OLD)
        try:
            os.rename(new, folder)
        except BaseException:
            os.rename(partial / _OLD, folder)
            raise


def _exchange(first, second):
    """Exchanges two paths at once, where the system can.

    Raises:
        OSError: where it cannot.
    """
    call = None
    if sys.platform == "linux":
        call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    if call(here, os.fsencode(first), here, os.fsencode(second), exchange):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _remove(partial):
    """Removes a partial folder, and puts back an old one that has no other."""
    old = partial / _OLD
    if old.exists():
        if not _place_of(partial).exists():
            os.rename(old, _place_of(partial))
        else:
            # What is being removed must never be taken for a whole folder.
            os.rename(old, partial / _REMOVED)
    shutil.rmtree(partial, ignore_errors=True)


def _sync(path):
    # A name is on the disk only once its folder is. Windows cannot open
    # folders and does not need it.
    if os.name != "posix" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
