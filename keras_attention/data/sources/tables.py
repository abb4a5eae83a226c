"""Tables in files: CSV, TSV, JSON lines, text and Parquet."""

import json
from pathlib import Path

from keras_attention.checks import did_you_mean
from keras_attention.data.errors import DataError, MissingSplit
from keras_attention.data.sources.columns import Table
from keras_attention.data.sources.delimited import cut_at_tabs, read_delimited
from keras_attention.data.sources.files import ALIASES, listing, read_lines
from keras_attention.data.sources.parquet import open_parquet
from keras_attention.json_files import parse_json

# A folder's first one of them is read.
ENDINGS = (".tsv", ".jsonl", ".json", ".csv", ".parquet", ".txt")


def is_table(name):
    """Whether a file's name ends as those of tables do."""
    return name.lower().removesuffix(".gz").endswith(ENDINGS)


def find_table(folder, split):
    """Finds `folder/{split}.csv` or another table, plain or gzip.

    Args:
        folder: path of the folder.
        split: split name; `"validation"` also finds `val`, `valid` and `dev`.

    Returns:
        `pathlib.Path` of the file.

    Raises:
        MissingSplit: if there is none.
        DataError: if there is no such folder.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise DataError(f"There is no folder {str(folder)!r}.")
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    aliases = ALIASES.get(split, (split,))
    for alias in aliases:
        for ending in ENDINGS:
            for candidate in (f"{alias}{ending}", f"{alias}{ending}.gz"):
                if candidate in names:
                    return folder / candidate
    tried = " or ".join(f"{alias}{ENDINGS[0]}" for alias in aliases)
    raise MissingSplit(
        f"There is no {tried} or the same with {', '.join(ENDINGS[1:])}, plain "
        f"or .gz, in {str(folder)!r}. It holds: {listing(names)}."
    )


def open_table(path, columns):
    """Opens a table by the ending of its name.

    `.json` holds one object a line, as `.jsonl` does. `.txt` has one column,
    `text`, a line each; with numbers for columns it is cut at tabs.

    Args:
        path: path of the file.
        columns: the names that will be asked for. With a number among them,
            counted from `"1"`, the first line of CSV, TSV and text is a row,
            and all columns go by number.

    Returns:
        A `Table`. Of JSON and Parquet, what is a number, `true` or `false`
        is a string as JSON writes it, and null an empty one.

    Raises:
        DataError: if the file is missing or damaged, or a row is not like
            the others.
    """
    path = Path(path).expanduser()
    _check_there(path)
    name = path.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return open_parquet(path)
    lines = read_lines(path)
    while len(lines) > 1 and not lines[-1].strip(" \r"):
        lines.pop()  # blank ones at the end, which editors leave
    if name.endswith((".jsonl", ".json")):
        return _json_table(path, lines)
    numbered = any(column.isdecimal() for column in columns)
    if name.endswith(".txt"):
        if not numbered:
            return Table(repr(str(path)), ["text"], lambda _: [lines])
        rows = cut_at_tabs(str(path), lines)
    else:
        rows = read_delimited(str(path), lines)
    if numbered:
        names = [str(number + 1) for number in range(len(rows[0]))]
    else:
        names = [field.strip() for field in rows.pop(0)]

    def read(columns):
        places = [names.index(column) for column in columns]
        return [[row[place] for row in rows] for place in places]

    return Table(repr(str(path)), names, read)


def _check_there(path):
    if path.is_file():
        return
    folder = path.absolute().parent
    names = [x.name for x in folder.iterdir()] if folder.is_dir() else []
    raise DataError(
        f"There is no file {str(path)!r}."
        f"{did_you_mean(path.name, filter(is_table, names))}"
    )


def _json_table(path, lines):
    """Reads lines of objects; values within others are `outer/inner`."""
    rows = []
    for number, line in enumerate(lines, start=1):
        where = f"Line {number} of {str(path)!r}"
        if line.strip(" \r\t"):
            rows.append((where, _json_object(line, where)))
        else:
            rows.append((where, None))

    def read(columns):
        found = [
            [""] * len(columns)
            if row is None
            else [_json_value(where, row, column) for column in columns]
            for where, row in rows
        ]
        return [list(column) for column in zip(*found, strict=True)]

    where, first = next(row for row in rows if row[1] is not None)
    return Table(where, list(_paths(first)), read)


def _paths(row, prefix=""):
    for name, value in row.items():
        yield f"{prefix}{name}"
        if isinstance(value, dict):
            yield from _paths(value, f"{prefix}{name}/")


def _json_object(line, where):
    try:
        # A NaN in a column that nobody asks for spoils no row.
        row = parse_json(line, where, allow_nan=True, as_written=True)
    except ValueError as error:
        raise DataError(str(error)) from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where} is not a JSON object: there must be one on each line."
        )
    return row


def _json_value(where, row, column):
    value = row
    parts = [column] if column in row else column.split("/")
    for part in parts:
        if not isinstance(value, dict) or part not in value:
            raise DataError(
                f"{where} has no column {column!r}; it has: {listing(row)}."
            )
        value = value[part]
    return _as_text(where, column, value)


def _as_text(where, column, value):
    """Makes a string of a value as JSON has it.

    Args:
        where: string, the row, which messages name.
        column: string.
        value: string, number, boolean or None.

    Raises:
        DataError: for a list or an object, a float that is not finite, or
            half of a character.
    """
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
