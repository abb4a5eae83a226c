"""Tables in Parquet files, read by Arrow."""

import json

import numpy as np

from keras_attention import optional
from keras_attention.data.errors import DataError
from keras_attention.data.sources.columns import Table


def open_parquet(path):
    """Opens a Parquet file; columns are read when they are asked for.

    pyarrow reads the few columns that are wanted and nothing else, and
    pandas, which needs it for this anyway, would only turn integers with gaps
    into floats.

    Args:
        path: `pathlib.Path`; gzip if it ends in `.gz`.

    Returns:
        A `Table`. Those of structs are `outer/inner`. Class labels that the
        `datasets` library has written are their names.

    Raises:
        DataError: if it is no Parquet file.
    """
    pyarrow, parquet = (
        optional.load(name, "Reading Parquet")
        for name in ("pyarrow", "pyarrow.parquet")
    )
    try:
        if path.suffix == ".gz":
            with pyarrow.input_stream(path, compression="gzip") as stream:
                file = parquet.ParquetFile(pyarrow.BufferReader(stream.read()))
        else:
            file = parquet.ParquetFile(path)
        schema = file.schema_arrow
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(
            f"{str(path)!r} is not a complete Parquet file: {_line(error)}"
        ) from error
    where = repr(str(path))
    classes = _class_names(schema)

    def read(columns):
        try:
            # Leaves of structs go by names with dots.
            wanted = [column.replace("/", ".") for column in columns]
            rows = file.read(columns=wanted)
        except (OSError, pyarrow.ArrowException) as error:
            raise DataError(f"{where} is damaged: {_line(error)}") from error
        found = []
        for column in columns:
            values = _inner(rows, column)
            names = classes.get(column)
            found.append(
                [as_string(where, column, value, names) for value in values]
            )
        return found

    return Table(where, list(_names(pyarrow, schema)), read)


def as_string(where, column, value, class_names=None):
    """Makes a string of a value as Python has it.

    Args:
        where: string, the table, which messages name.
        column: string.
        value: string, number, boolean or None.
        class_names: list of strings that integers stand for, or None.

    Raises:
        DataError: for any other value.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return str(value).lower()  # as JSON writes it
    if class_names and isinstance(value, int | np.integer):
        return class_names[value] if value >= 0 else ""
    if isinstance(value, int | float | np.number):
        return "" if value != value else str(value)
    raise DataError(
        f"{where} has a {type(value).__name__} in the column {column!r}, "
        "where text or a number is expected."
    )


def _names(pyarrow, fields, prefix=""):
    for field in fields:
        yield f"{prefix}{field.name}"
        if pyarrow.types.is_struct(field.type):
            yield from _names(pyarrow, field.type, f"{prefix}{field.name}/")


def _inner(rows, column):
    outer, *parts = (
        [column] if column in rows.column_names else (column.split("/"))
    )
    values = rows.column(outer).to_pylist()
    for part in parts:
        values = [None if value is None else value[part] for value in values]
    return values


def _class_names(schema):
    """Names of classes, by column, that `datasets` leaves in its files."""
    stored = (schema.metadata or {}).get(b"huggingface")
    try:
        features = json.loads(stored)["info"]["features"] if stored else {}
    except (ValueError, LookupError, TypeError):
        return {}
    return {
        name: feature["names"]
        for name, feature in features.items()
        if isinstance(feature, dict) and feature.get("names")
    }


def _line(error):
    return " ".join(str(error).split())[:200]
