"""Sequences of ids, end to end in one array."""

from itertools import chain

import numpy as np

ROWS_AT_ONCE = 10_000  # which are checked in one go


def as_integers(name, values):
    """Makes an int32 array and refuses what would not be the same in it.

    Args:
        name: what the values are called in the error message.
        values: sequence or array of integers; of a float dtype they will do.

    Returns:
        int32 array.

    Raises:
        ValueError: for fractions, NaN, and what int32 does not hold.
    """
    values = np.asarray(values)
    if values.dtype.kind not in "iubf" and values.size:
        raise ValueError(
            f"{name} must be integers. Received: {values.dtype} values"
        )
    with np.errstate(invalid="ignore"):
        found = values.astype("int32")
    wrong = values[found != values]
    if wrong.size:
        raise ValueError(
            f"{name} must be integers that int32 holds. Received: {wrong[0]}"
        )
    return found


class PackedRows:
    """Holds ragged sequences and cuts padded blocks out of them.

    One flat array takes a fraction of the memory of a list per sequence.

    Args:
        sequences: List of sequences of integers.
        limit: Integer; the ids of a sequence beyond so many are left out.
        before: Tuple of ids that go before each sequence.
        after: Tuple of ids that go after each sequence.

    Attributes:
        lengths: Integer array of shape `(rows,)`, `before` and `after`
            included.
        truncated: Number of sequences that were longer than `limit`.

    Raises:
        ValueError: if an id is no integer, or none that int32 holds.
    """

    def __init__(self, sequences, limit, before=(), after=()):
        lengths = np.array([len(ids) for ids in sequences], dtype="int64")
        self.truncated = int((lengths > limit).sum())
        self.lengths = np.minimum(lengths, limit) + len(before) + len(after)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._values = np.empty(int(self.lengths.sum()), "int32")
        filled = 0
        for first in range(0, len(sequences), ROWS_AT_ONCE):
            some = np.fromiter(
                chain.from_iterable(
                    chain(before, ids[:limit], after)
                    for ids in sequences[first : first + ROWS_AT_ONCE]
                ),
                dtype="float64",  # which keeps fractions, to refuse them
            )
            self._values[filled : filled + len(some)] = as_integers(
                "token ids", some
            )
            filled += len(some)

    def update(self, digest):
        """Feeds what it holds to a `hashlib` object."""
        digest.update(self.lengths.tobytes())
        digest.update(self._values.tobytes())

    def block(self, rows, shape, padding_id, first=0, less=0):
        """Cuts out rows, padded at the end and filled up with empty rows.

        Args:
            rows: Integer array of indices, at most `shape[0]` of them.
            shape: Tuple `(block_rows, block_length)`.
            padding_id: Integer in every other cell.
            first: Number of ids left out at the start of each row.
            less: Number of ids left out of each row in all.

        Returns:
            Two arrays of shape `shape`: the ids, int32, and whether a cell
            holds one, boolean.
        """
        columns = np.arange(shape[1])
        filled = np.zeros(shape, "bool")
        filled[: len(rows)] = columns < (self.lengths[rows] - less)[:, None]
        cells = (self._starts[rows] + first)[:, None] + columns
        ids = np.full(shape, padding_id, "int32")
        ids[filled] = self._values[cells[filled[: len(rows)]]]
        return ids, filled
