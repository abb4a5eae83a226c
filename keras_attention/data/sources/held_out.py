"""Rows that validate and test, held out of those of training."""

import hashlib

import numpy as np

from keras_attention.data.errors import DataError

PARTS = ("train", "validation", "test")


def hold_out(inputs, validation_share, test_share, labels=None):
    """Divides rows by a hash of their inputs.

    So a row is in the same part each time, whatever the others are, equal
    inputs are in one part, and another `validation_share` leaves the rows of
    the test as they are. The shares are met on the average.

    Args:
        inputs: list of strings, or array of images, one a row. White space
            makes no difference between texts.
        validation_share: number from 0 to 1.
        test_share: number from 0 to 1; both together are below 1.
        labels: list of strings, the classes of the rows, or None. Of a class
            that would have no row for training, one input with all its rows
            is moved there.

    Returns:
        Dictionary from `"train"`, `"validation"` and `"test"` to lists of
        indices.

    Raises:
        DataError: if a part that has a share, or training, has no row.
    """
    keys = [_key(given) for given in inputs]
    places = np.array([int(key[:13], 16) / 16**13 for key in keys])
    held = np.where(places < test_share + validation_share, 1, 0)
    held[places < test_share] = 2
    if labels is not None:
        _give_training_each_class(held, keys, labels)
    rows = {
        part: np.flatnonzero(held == index).tolist()
        for index, part in enumerate(PARTS)
    }
    shares = {
        "train": 1 - validation_share - test_share,
        "validation": validation_share,
        "test": test_share,
    }
    for part, share in shares.items():
        if share and not rows[part]:
            raise DataError(
                f"Shares of {validation_share:g} for validation and "
                f"{test_share:g} for the test leave none of {len(keys)} rows "
                f"for {part}: take others, or more rows."
            )
    return rows


def take(values, rows):
    """Takes rows of an array or a list; None stays None."""
    if values is None:
        return None
    if isinstance(values, np.ndarray):
        return values[rows]
    return [values[row] for row in rows]


def _key(given):
    if isinstance(given, np.ndarray):
        content = repr(given.shape).encode() + given.tobytes()
    else:
        content = " ".join(str(given).split()).encode()
    return hashlib.sha256(content).hexdigest()


def _give_training_each_class(held, keys, labels):
    known = {
        label for label, part in zip(labels, held, strict=True) if not part
    }
    missing = {}
    for key, label in zip(keys, labels, strict=True):
        if label not in known:
            missing[label] = max(missing.get(label, ""), key)
    moved = set(missing.values())
    for row, key in enumerate(keys):
        if key in moved:
            held[row] = 0
