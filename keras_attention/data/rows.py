"""Sequences of ids, end to end in one array."""

from itertools import chain

import numpy as np


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
    """

    def __init__(self, sequences, limit, before=(), after=()):
        lengths = np.array([len(ids) for ids in sequences], dtype="int64")
        self.truncated = int((lengths > limit).sum())
        self.lengths = np.minimum(lengths, limit) + len(before) + len(after)
        self._starts = np.cumsum(self.lengths) - self.lengths
        self._values = np.fromiter(
            chain.from_iterable(
                chain(before, ids[:limit], after) for ids in sequences
            ),
            dtype="int32",
            count=int(self.lengths.sum()),
        )

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
