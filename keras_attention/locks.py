"""Locks that end with the process that holds them, however it ends."""

import contextlib
import json
import os
import socket
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


class LockedError(ValueError):
    """What another process is writing to."""


@contextlib.contextmanager
def one_process(folder, what):
    """Keeps other processes from writing to a folder, which may not exist yet.

    The lock is a hidden file beside the folder. The operating system takes it
    from a process that ends, so that a kill leaves nothing to clear away.
    Where the file system knows no locks (and on Windows) nothing is kept.

    Args:
        folder: path of the folder.
        what: what is being done there, for the message to another process.

    Yields:
        Nothing.

    Raises:
        LockedError: if another process holds the lock; it is named.
    """
    folder, path = _lock_of(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _acquire(path, folder)
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
    """
    folder, path = _lock_of(folder)
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return
    try:
        if try_lock(descriptor) is False:
            raise LockedError(_message(descriptor, folder))
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


def _lock_of(folder):
    folder = Path(folder).resolve()
    return folder, folder.with_name(f".{folder.name}.lock")


def _acquire(path, folder):
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if try_lock(descriptor) is False:
                raise LockedError(_message(descriptor, folder))
            # Whoever held the lock removes the file: then this is none.
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _message(descriptor, folder):
    try:
        holder = json.loads(os.read(descriptor, 4096))
        who = f"process {holder['pid']} on {holder['host']}"
        what = holder["what"]
    except (KeyError, TypeError, ValueError):  # it is just being written
        who, what = "another process", "writing"
    return (
        f"{folder} is in use: {who} is {what} there. Wait for it to end, or "
        "name another folder."
    )
