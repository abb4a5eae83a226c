"""Attention weights with the tokens that they belong to."""

from typing import Any, NamedTuple

import numpy as np

from keras_attention.checks import did_you_mean


class Row(NamedTuple):
    """One row of a batch in one layer, without padding.

    Attributes:
        weights: float32 `(heads, query_length, key_length)`.
        query_tokens, key_tokens: lists of strings; numbers from 1 where
            tokens are not known.
    """

    weights: Any
    query_tokens: list
    key_tokens: list


class AttentionMaps(dict):
    """`{layer: (batch, heads, query_length, key_length)}` in float32.

    Attributes:
        query_tokens, key_tokens: dictionaries from a layer to a list of
            strings for each row, or to None. A leading space begins a word.
        query_masks, key_masks: dictionaries from a layer to booleans `(batch,
            length)`, False for padding, or to None.
        across: list of the layers that attend to another sequence.
        skipped: dictionary from a layer without weights to the reason.
    """

    def __init__(self):
        super().__init__()
        self.query_tokens, self.key_tokens = {}, {}
        self.query_masks, self.key_masks = {}, {}
        self.across = []
        self.skipped = {}

    @property
    def batch_size(self):
        """Number of rows."""
        return len(next(iter(self.values())))

    def row(self, layer, index):
        """Gives one row of a layer without its padding.

        Args:
            layer: string, a key of this dictionary.
            index: integer, the row.

        Returns:
            A `Row`.

        Raises:
            ValueError: if there is no such layer or row.
        """
        if layer not in self:
            raise ValueError(
                f"layer must be one of {', '.join(self)}. Received: "
                f"{layer!r}.{did_you_mean(layer, self)}"
            )
        self.check_row(index)
        weights = self[layer][index]
        queries, query_tokens = _side(
            self.query_tokens[layer], self.query_masks[layer], index, weights, 1
        )
        keys, key_tokens = _side(
            self.key_tokens[layer], self.key_masks[layer], index, weights, 2
        )
        weights = weights[:, queries][:, :, keys]
        return Row(weights, query_tokens, key_tokens)

    def check_row(self, index):
        """Raises ValueError for a row that there is not."""
        if not is_integer(index) or not 0 <= index < self.batch_size:
            raise ValueError(
                f"row must be an integer from 0 to {self.batch_size - 1}. "
                f"Received: {index!r}"
            )

    def __repr__(self):
        lines = [f"  {name}: {value.shape}" for name, value in self.items()]
        lines += [f"  {name}: {why}" for name, why in self.skipped.items()]
        return "\n".join(["AttentionMaps(", *lines, ")"])


def is_integer(number):
    """Whether something is one, Python's or NumPy's, and no boolean."""
    kinds = (int, np.integer)
    return isinstance(number, kinds) and not isinstance(number, bool)


def entropy(weights):
    """Tells how widely a head looks, on average over its queries.

    Args:
        weights: `(heads, query_length, key_length)`. Where they are no
            distribution, their sizes divided by the sum of these are taken.

    Returns:
        `(heads,)` in bits: 0 for one key alone, `log2(key_length)` for all
        alike. Queries that look at nothing do not count.
    """
    sizes = np.abs(weights).astype("float64")
    sums = sizes.sum(axis=-1, keepdims=True)
    shares = sizes / np.where(sums > 0, sums, 1)
    logs = np.log2(np.where(shares > 0, shares, 1))
    found = -(shares * logs).sum(axis=-1)
    looks = sums[..., 0] > 0
    counts = np.maximum(looks.sum(axis=-1), 1)
    return np.where(looks, found, 0).sum(axis=-1) / counts


def _side(tokens, mask, index, weights, axis):
    """What is no padding: its places and its tokens."""
    length = weights.shape[axis]
    keep = np.ones(length, bool) if mask is None else mask[index]
    places = np.flatnonzero(keep)
    if tokens is None:
        return places, [str(place + 1) for place in places]
    return places, [tokens[index][place] for place in places]
