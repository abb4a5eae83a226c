"""Writing folders so that a failure or a kill leaves no half of one."""

import contextlib
import os
import shutil
import uuid
from pathlib import Path


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
    folder = Path(folder)
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
            os.rename(partial, folder)
            shutil.rmtree(old)
        else:
            os.rename(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
