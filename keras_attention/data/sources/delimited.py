"""Rows of values with commas, semicolons or tabs between them."""

import csv
import sys
import warnings

from keras_attention.data.errors import DataError

SEPARATORS = ",;\t"  # of CSV; the first of them that its first line has


def read_delimited(path, lines):
    """Cuts the lines of a CSV or TSV file into rows of fields.

    Fields may be quoted as RFC 4180 says: a separator or a line end within
    quotes belongs to the field, and two quotes stand for one. A TSV file in
    which quotes do not pair up so is one without quoting, and a warning says
    that.

    Args:
        path: string, the file, which messages name. It ends in `.csv` or
            `.tsv`, with or without `.gz`.
        lines: list of strings, without their line ends.

    Returns:
        List of lists of strings, all of one length. A blank line is a row of
        empty fields.

    Raises:
        DataError: for a row of another length, or for quotes that do not
            pair up, with the number of the line.
    """
    if path.lower().removesuffix(".gz").endswith(".csv"):
        separator = next((x for x in SEPARATORS if x in lines[0]), ",")
        return _checked(path, _quoted(path, lines, separator))
    if not any('"' in line for line in lines):
        return cut_at_tabs(path, lines)
    try:
        rows = _quoted(path, lines, "\t")
    except DataError:
        rows = cut_at_tabs(path, lines)
    else:
        try:
            return _checked(path, rows)
        except DataError as error:
            rows = _cut_or_raise(path, lines, error)
    warnings.warn(
        f"Quotes in {path!r} do not pair up as those around fields do; they "
        "are read as part of the text.",
        stacklevel=2,
    )
    return rows


def _cut_or_raise(path, lines, error):
    try:
        return cut_at_tabs(path, lines)
    except DataError:
        raise error from None


def cut_at_tabs(path, lines):
    """Cuts lines at tabs; quotes mean nothing.

    Args, returns, raises: as of `read_delimited`.
    """
    rows = enumerate(lines, start=1)
    return _checked(path, [(number, row.split("\t")) for number, row in rows])


def _quoted(path, lines, separator):
    """Lists the number of the first line of each row, and its fields."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        reader = csv.reader(
            (f"{line}\n" for line in lines), delimiter=separator, strict=True
        )
        rows, number = [], 1
        try:
            for row in reader:
                rows.append((number, row))
                number = reader.line_num + 1
        except csv.Error as error:
            raise DataError(
                f"Line {number} of {path!r} cannot be cut into fields: "
                f"{error}. A quote within a quoted field is written twice."
            ) from error
        return rows
    finally:
        csv.field_size_limit(limit)


def _checked(path, rows):
    """Gives the fields of rows, all of as many as the first one has."""
    width = len(rows[0][1])
    found = []
    for number, row in rows:
        if len(row) < 2 and not any(x.strip() for x in row):
            row = [""] * width  # a blank line
        if len(row) != width:
            raise DataError(
                f"Line {number} of {path!r} has {len(row)} "
                f"field{'s' * (len(row) != 1)} where the first line has "
                f"{width}."
            )
        found.append(row)
    return found
