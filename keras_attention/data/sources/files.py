"""Parallel text in files: one sentence a line, one file a language."""

import gzip
import zlib
from pathlib import Path

from keras_attention.data.errors import DataError, MissingSplit

ALIASES = {"validation": ("validation", "val", "valid", "dev")}
LISTED = 20  # names that an error message shows at most


def load_files(folder, split, source_suffix, target_suffix):
    """Reads `folder/{split}.{suffix}`, plain or gzip, for two suffixes.

    Lines end with a newline and nothing else, so that a stray separator
    inside a sentence never shifts the lines that follow.

    Args:
        folder: Path of the folder.
        split: Split name; `"validation"` also finds `val`, `valid` and `dev`.
        source_suffix: What follows the split's name and a dot, without `.gz`.
        target_suffix: The same for the translations.

    Returns:
        Two lists of strings, one a line, blank lines included.

    Raises:
        DataError: If a file is missing, empty, damaged or not UTF-8, or the
            two files differ in length.
    """
    source_path, target_path = find_files(
        folder, split, source_suffix, target_suffix
    )
    sources, targets = read_lines(source_path), read_lines(target_path)
    if len(sources) != len(targets):
        longer = source_path if len(sources) > len(targets) else target_path
        raise DataError(
            f"{source_path.name} has {len(sources)} lines and "
            f"{target_path.name} has {len(targets)}: line "
            f"{min(len(sources), len(targets)) + 1} of {longer.name} is the "
            f"first without a partner (folder {str(source_path.parent)!r})."
        )
    return sources, targets


def find_files(folder, split, source_suffix, target_suffix):
    """Finds the files of both sides, of one name of the split.

    Args: as of `load_files`.

    Returns:
        Two of `pathlib.Path`.

    Raises:
        DataError: if there is no such folder, or a file is missing.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}.")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    found = {}
    for alias in ALIASES.get(split, (split,)):
        # Sorted, so that a plain file comes before its `.gz` and wins.
        suffixes = {}
        for name in names:
            if name.startswith(f"{alias}."):
                suffix = name[len(alias) + 1 :].removesuffix(".gz")
                suffixes.setdefault(suffix, folder / name)
        if source_suffix in suffixes and target_suffix in suffixes:
            return suffixes[source_suffix], suffixes[target_suffix]
        if suffixes:
            found[alias] = suffixes
    if not found:
        tried = " or ".join(
            f"{alias}.{source_suffix}" for alias in ALIASES.get(split, (split,))
        )
        raise MissingSplit(
            f"There is no {tried} (or the same with .gz) in {str(folder)!r}. "
            f"It holds: {listing(names)}."
        )
    here = "; ".join(
        f"{alias} has {listing(suffixes)}" for alias, suffixes in found.items()
    )
    raise DataError(
        f"The suffixes {source_suffix!r} and {target_suffix!r} are not both "
        f"there for split {split!r} in {str(folder)!r}: {here}."
    )


def listing(names):
    """Returns names as one string, the first few of many."""
    names = list(names)
    shown = ", ".join(names[:LISTED]) or "no files"
    return shown + (", ..." if len(names) > LISTED else "")


def read_lines(path):
    """Reads the lines of a UTF-8 file, plain or gzip.

    Args:
        path: `pathlib.Path` of the file; gzip if it ends in `.gz`.

    Returns:
        List of strings without their line ends and the file without its
        byte order mark.

    Raises:
        DataError: If the file is missing, empty, damaged or not UTF-8.
    """
    lines = list(iterate_lines(path))
    if not any(line.strip() for line in lines):
        raise DataError(f"{str(path)!r} is empty.")
    return lines


def iterate_lines(path):
    """Yields what `read_lines` returns, for files larger than memory.

    An empty file has no lines here.

    Args:
        path: `pathlib.Path` of the file; gzip if it ends in `.gz`.

    Yields:
        Strings.

    Raises:
        DataError: If the file is missing, damaged or not UTF-8.
    """
    start = gzip.open if path.suffix == ".gz" else open
    number = 1
    try:
        with start(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                text = line.decode("utf-8" if number > 1 else "utf-8-sig")
                yield text.removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        hint = ""
        if error.object.startswith((b"\xff\xfe", b"\xfe\xff")):
            hint = " It begins as UTF-16 does: save it as UTF-8."
        raise DataError(
            f"{str(path)!r} is not UTF-8: line {number} holds the byte "
            f"0x{byte:02x}.{hint}"
        ) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{str(path)!r} is not a complete gzip file: {error}"
        ) from error
    except OSError as error:
        raise DataError(
            f"{str(path)!r} cannot be read: {error.strerror}"
        ) from error
