"""Rows in files: tab-separated values, or one JSON object a line."""

import json
from pathlib import Path

from keras_attention.data.errors import DataError
from keras_attention.data.sources.files import ALIASES, listing, read_lines
from keras_attention.json_files import parse_json

ENDINGS = (".tsv", ".jsonl", ".json")  # a folder's first one of them is read


def load_table(folder, split, columns):
    """Reads columns of `folder/{split}.tsv`, `.jsonl` or `.json`.

    Each file may be plain or gzip. `.json` also holds one object a line.

    Args:
        folder: Path of the folder.
        split: Split name; `"validation"` also finds `val`, `valid` and `dev`.
        columns: List of strings. Of JSON they are keys. Of tab-separated
            values they are names in the first line, or numbers counted from
            `"1"`, which say that the file has no such line.

    Returns:
        List with a list of strings for each column. What JSON has as numbers,
        `true` or `false` stands as in the file, `null` as an empty string.

    Raises:
        DataError: If there is no such file or column, or a row is not like
            the others.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}.")
    path = _find(folder, split)
    lines = read_lines(path)
    while len(lines) > 1 and not lines[-1].strip(" \r"):
        lines.pop()  # blank ones at the end, which editors leave
    if path.name.removesuffix(".gz").endswith(".tsv"):
        return _tab_separated(path, lines, columns)
    rows = [
        _json_row(path, number, line, columns)
        for number, line in enumerate(lines, start=1)
    ]
    return [list(column) for column in zip(*rows, strict=True)]


def _find(folder, split):
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    tried = [
        f"{alias}{ending}"
        for alias in ALIASES.get(split, (split,))
        for ending in ENDINGS
    ]
    for name in tried:
        for candidate in (name, f"{name}.gz"):
            if candidate in names:
                return folder / candidate
    raise DataError(
        f"There is no {' or '.join(tried)} (or the same with .gz) in "
        f"{str(folder)!r}. It holds: {listing(names)}."
    )


def _tab_separated(path, lines, columns):
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise DataError(
                f"Line {number} of {str(path)!r} has {len(row)} fields where "
                f"the first line has {len(rows[0])}."
            )
    if any(column.isdecimal() for column in columns):
        names = [str(number + 1) for number in range(len(rows[0]))]
    else:
        names = rows.pop(0)
    for column in columns:
        if names.count(column) != 1:
            wrong = "several columns" if column in names else "no column"
            raise DataError(
                f"{str(path)!r} has {wrong} {column!r}; it has: "
                f"{listing(names)}."
            )
    places = [names.index(column) for column in columns]
    return [[row[place] for row in rows] for place in places]


def _json_row(path, number, line, columns):
    where = f"Line {number} of {str(path)!r}"
    try:
        # A NaN in a column that nobody asks for spoils no row.
        row = parse_json(line, where, allow_nan=True, as_written=True)
    except ValueError as error:
        raise DataError(str(error)) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where} is not a JSON object: there must be one on each line."
        )
    return [_json_value(where, row, column) for column in columns]


def _json_value(where, row, column):
    if column not in row:
        raise DataError(
            f"{where} has no column {column!r}; it has: {listing(row)}."
        )
    value = row[column]
    if isinstance(value, list | dict):
        kind = "a list" if isinstance(value, list) else "an object"
        raise DataError(f"{where} has {kind} in the column {column!r}.")
    if isinstance(value, float):
        raise DataError(
            f"{where} has {value} in the column {column!r}, which is no "
            "number of JSON; use null where there is no value."
        )
    if not isinstance(value, str):
        return "" if value is None else json.dumps(value)
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:  # half of a pair of surrogates
        raise DataError(
            f"{where} has a character in the column {column!r} that is none: "
            f"{value[error.start]!r}."
        ) from error
    return value
