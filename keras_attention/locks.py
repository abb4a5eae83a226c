"""Locks that end with the process that holds them, however it ends."""

import contextlib
import errno
import json
import os
import socket
import stat
from pathlib import Path

from keras_attention.json_files import parse_json

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"  # of the file in a folder that is locked


class LockedError(ValueError):
    """What another process is writing to."""


@contextlib.contextmanager
def one_process(folder, what):
    """Keeps other processes from writing to a folder.

    The lock is a hidden file in the folder. The operating system takes it
    from a process that ends, so that a kill leaves nothing to clear away.
    Where the file system knows no locks (and on Windows) nothing is kept.

    Args:
        folder: path of the folder; made when missing.
        what: what is being done there, for the message to another process.

    Yields:
        Nothing.

    Raises:
        LockedError: if another process holds the lock; it is named.
        ValueError: if something else has the name of the lock.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = _acquire(path)
    holder = {"pid": os.getpid(), "host": socket.gethostname(), "what": what}
    os.ftruncate(descriptor, 0)
    os.write(descriptor, json.dumps(holder).encode())
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # an open file, on Windows
            path.unlink()
        os.close(descriptor)


def check_free(folder):
    """Refuses a folder that another process holds, and takes no lock.

    Args:
        folder: path of the folder.

    Raises:
        LockedError: as of `one_process`.
        ValueError: as of `one_process`.
    """
    path = Path(folder).resolve() / NAME
    try:
        descriptor = _open(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return
    try:
        _lock(descriptor, path)
    finally:
        os.close(descriptor)


def try_lock(descriptor):
    """Locks an open file or folder, unless another process has done so.

    Args:
        descriptor: of the file or folder; closing it unlocks.

    Returns:
        True; False if another process holds the lock; None where there are no
        locks.
    """
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a network file system without locks
        return None
    return True


def is_at(descriptor, path):
    """Whether an open file or folder is still what a path names."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _acquire(path):
    while True:
        descriptor = _open(path, os.O_RDWR | os.O_CREAT)
        try:
            _lock(descriptor, path)
            # Whoever held the lock removes the file: then this is none.
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _open(path, flags):
    """Opens a lock; never what a link names, which may be anything."""
    if fcntl is not None:
        # Without waiting for who may write to a pipe.
        flags |= os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise ValueError(f"{path} is no file, and so no lock.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path} is no file, and so no lock.")
    return descriptor


def _lock(descriptor, path):
    if try_lock(descriptor) is not False:
        return
    try:
        holder = parse_json(os.read(descriptor, 4096), path)
        who = f"process {holder['pid']} on {holder['host']}"
        what = holder["what"]
    except (KeyError, TypeError, ValueError):  # it is just being written
        who, what = "another process", "writing"
    raise LockedError(
        f"{path.parent} is in use: {who} is {what} there. Wait for it to end, "
        "or name another folder."
    )
