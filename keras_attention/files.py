"""Writing files and folders so that a kill at any moment leaves whole ones.

What is written is first written into a folder of its own beside its place,
from `partial_folders`, and then renamed.
"""

import contextlib
import ctypes
import errno
import os
import stat
import sys
from pathlib import Path

from keras_attention import locks, partial_folders
from keras_attention.partial_folders import MOVING, OLD, partial_folder

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
        path: the file to write or replace; missing folders are made. A link
            to a file is replaced, and not what it names, which may be
            somebody else's.

    Yields:
        A `pathlib.Path` of the same name in another folder, to write to.

    Raises:
        ValueError: if there is something other than a file.
    """
    path = Path(path)
    _check_kind(path, "file")
    with partial_folder(path.parent, path.name) as partial:
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
    # An empty folder stays what it is: it may be mounted, or the current one.
    fills = folder.exists() and _is_empty(folder)
    parent = folder if fills else folder.parent
    with partial_folder(parent, folder.name) as partial:
        new = partial / folder.name
        new.mkdir()
        yield new
        for path in [*new.rglob("*"), new]:
            _sync(path)
        if fills:
            os.rename(new, partial / MOVING)
            partial_folders.move(partial, last=marker)
        elif folder.exists():
            _swap(new, folder, partial)
        else:
            os.rename(new, folder)
        _sync(folder.parent)


def check_folder(folder, marker):
    """Refuses what `replacing_folder` would not replace.

    Args: as of `replacing_folder`.

    Returns:
        The `pathlib.Path` of the folder, or where it would be; links are
        followed, and what a kill has left under another name is put back.

    Raises:
        ValueError: as of `replacing_folder`.
    """
    folder = Path(folder)
    _check_kind(folder, "folder")
    folder = folder.resolve()
    recover(folder)
    is_other = folder.exists() and not (folder / marker).exists()
    if is_other and not _is_empty(folder):
        raise ValueError(
            f"{folder} holds something else (it has no {marker}) and is not "
            "replaced. Name a new or an empty folder."
        )
    return folder


def check_links(folder):
    """Refuses a folder with links to what lies outside of it.

    Who writes into a stranger's folder would write there.

    Args:
        folder: path of the folder, which may be a link itself.

    Raises:
        ValueError: names the first such link.
    """
    folder = Path(folder).resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(folder):
            raise ValueError(
                f"{path} is a link to {os.readlink(path)}, outside of the "
                "folder, and would be written to. Put a copy in its place."
            )


def recover(folder):
    """Puts back what a kill has left of a folder under another name.

    Only where folders cannot be exchanged at once is there a moment without
    either the old or the new one. Call it before reading such a folder.

    Args:
        folder: path of the folder.
    """
    folder = Path(folder).resolve()
    for parent in (folder, folder.parent):
        if parent.is_dir():
            for partial, _ in partial_folders.left_over(parent):
                if partial_folders.name_of(partial) == folder.name:
                    partial_folders.put_back(partial)


def _check_kind(path, expected):
    """Refuses what is there and of another kind; links are followed."""
    try:
        # Not of the resolved path: that of an open pipe names nothing.
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ValueError(f"{path} is a link to itself.") from None
    kind = _KINDS.get(stat.S_IFMT(mode), "special file")
    if kind != expected:
        raise ValueError(
            f"{path} is a {kind}, not a {expected}, and is not replaced. "
            "Name another path."
        )


def _is_empty(folder):
    """Whether a folder holds nothing, but for locks and partial folders."""
    return all(
        path.name == locks.NAME or partial_folders.is_partial(path)
        for path in folder.iterdir()
    )


def _swap(new, folder, partial):
    """Puts the new folder in the place of the old one."""
    try:
        _exchange(new, folder)
    except OSError:
        os.rename(folder, partial / OLD)
        try:
            os.rename(new, folder)
        except BaseException:
            os.rename(partial / OLD, folder)
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
