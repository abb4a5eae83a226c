"""Folders beside a file or folder that is being written.

`partial-1a2b3c4d-NAME` has a marker that the writing process keeps locked.
What a killed process leaves of it is removed by the next that writes there.
"""

import contextlib
import os
import re
import shutil
import uuid

from keras_attention import locks

_PARTIAL = re.compile(r"partial-[0-9a-f]{8}-(.+)", re.DOTALL)
# Within a partial folder: what tells it from a folder of the user's own; the
# old folder, while the new one takes its place; what is moved or removed.
_MARKER = ".keras_attention-partial"
OLD, MOVING, _REMOVED = ".old", ".moving", ".removed"


@contextlib.contextmanager
def partial_folder(parent, name):
    """Makes a locked folder to write in; what others have left is removed.

    Args:
        parent: `pathlib.Path` of the folder to make it in.
        name: name of what will be written.

    Yields:
        Its `pathlib.Path`. It is removed in the end with all that is left.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left, is_dead in left_over(parent):
        if is_dead:
            _remove(left)
    partial, descriptor = _make_partial(parent, name)
    try:
        yield partial
    finally:
        _remove(partial)
        os.close(descriptor)


def is_partial(path):
    """Whether a path is a partial folder, and none of the user's own."""
    return (
        _PARTIAL.fullmatch(path.name) is not None
        and not path.is_symlink()
        and (path / _MARKER).is_file()
    )


def name_of(partial):
    """Gives the name of what is written in a partial folder."""
    return _PARTIAL.fullmatch(partial.name)[1]


def left_over(parent):
    """Yields the partial folders in a folder that no process works in.

    Yields:
        `(path, is_dead)`; `is_dead` is None where there is no telling.
    """
    for path in parent.glob("partial-*"):
        if not is_partial(path):
            continue
        try:
            descriptor = os.open(path / _MARKER, os.O_RDWR)
        except OSError:
            continue  # removed meanwhile, or another user's
        try:
            is_dead = locks.try_lock(descriptor)
            if is_dead is not False:
                yield path, is_dead
        finally:
            os.close(descriptor)


def put_back(partial):
    """Brings what was whole to its place: an old folder, or a new one."""
    place = partial.parent / name_of(partial)
    if (partial / OLD).exists() and not place.exists():
        os.rename(partial / OLD, place)
    if (partial / MOVING).exists():
        move(partial)


def move(partial, last=None):
    """Moves what is whole into the folder around; a kill only delays it."""
    moving = partial / MOVING
    for path in sorted(moving.iterdir(), key=lambda path: path.name == last):
        os.rename(path, partial.parent / path.name)


def _remove(partial):
    """Removes a partial folder but for what is to be put back."""
    put_back(partial)
    if (partial / OLD).exists():
        # What is being removed must never be taken for a whole folder.
        os.rename(partial / OLD, partial / _REMOVED)
    with contextlib.suppress(OSError):
        for path in partial.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path.name != _MARKER:
                path.unlink()
        # Last: without it the rest would never be taken for left over.
        (partial / _MARKER).unlink()
        partial.rmdir()


def _make_partial(parent, name):
    while True:
        partial = parent / f"partial-{uuid.uuid4().hex[:8]}-{name}"
        partial.mkdir()
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        descriptor = os.open(partial / _MARKER, flags, 0o644)
        if locks.try_lock(descriptor) is not False:
            if locks.is_at(descriptor, partial / _MARKER):
                return partial, descriptor
        os.close(descriptor)  # another process took it for one left over
