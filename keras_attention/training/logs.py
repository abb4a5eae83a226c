"""Records of training that neither lose nor repeat an epoch on resuming.

Keras' `TensorBoard` needs no help: it flushes at the end of an epoch, and an
epoch that is run again overwrites its points with the same values. Only its
values of single batches (`update_freq`) count from 0 again in every `fit`.
"""

import csv
import importlib.util
import os
import warnings
from pathlib import Path

import keras

from keras_attention.training.callback_state import check_numbers, check_state


def tensorboard(folder):
    """Makes Keras' `TensorBoard`, if TensorFlow is there to write its files.

    Args:
        folder: path, as of `keras.callbacks.TensorBoard`.

    Returns:
        A list of the callback, or of none.
    """
    if importlib.util.find_spec("tensorflow") is None:
        return []
    return [keras.callbacks.TensorBoard(folder)]


class RunHistory(keras.callbacks.History):
    """Keras' `History`, going on with the epochs before a restart."""

    def __init__(self):
        super().__init__()
        self._earlier = []

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        self.epoch = list(self._earlier)

    def get_state(self):
        """Returns the epochs and their logs."""
        return {
            "epoch": self.epoch,
            "history": {
                name: [float(value) for value in values]
                for name, values in self.history.items()
            },
        }

    def set_state(self, state):
        """Takes up what `get_state` returned.

        Args:
            state: the dictionary.

        Raises:
            ValueError: if it is of something else.
        """
        check_state(state, epoch=list, history=dict)
        for name, values in {
            **state["history"],
            "epoch": state["epoch"],
        }.items():
            check_numbers(name, values)
        self._earlier, self.history = state["epoch"], state["history"]


class CSVLog(keras.callbacks.CSVLogger):
    """Keras' `CSVLogger` with each epoch in one row, whatever was killed.

    Rows behind the checkpoint's position belong to epochs that will be run
    again and are cut off; without a checkpoint the file begins anew. A damaged
    file is renamed, with a warning, and a new one begun.

    Args:
        path: the file. Missing folders are made.
    """

    def __init__(self, path):
        super().__init__(path, append=True)
        self._size = 0

    def on_train_begin(self, logs=None):
        os.makedirs(os.path.dirname(self.filename) or ".", exist_ok=True)
        with open(self.filename, "ab") as file:
            file.truncate(min(os.path.getsize(self.filename), self._size))
        try:
            columns, _ = read_csv_log(self.filename)
        except ValueError as error:
            aside = _set_aside(self.filename)
            warnings.warn(f"{error} It is kept as {aside}.", stacklevel=2)
            columns = []
        super().on_train_begin(logs)
        if columns:
            self.keys = columns[1:]

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        self._size = os.path.getsize(self.filename)

    def get_state(self):
        """Returns the size of the file up to the last finished epoch."""
        return {"size": self._size}

    def set_state(self, state):
        """Takes up what `get_state` returned.

        Args:
            state: the dictionary.

        Raises:
            ValueError: if it is of something else.
        """
        check_state(state, size=int)
        self._size = state["size"]


def read_csv_log(path):
    """Reads what `CSVLog` wrote.

    Args:
        path: the file.

    Returns:
        `(columns, rows)`: the list of their names, empty for an empty file,
        and for each epoch a dictionary of floats, NaN where there is none or
        something else.

    Raises:
        ValueError: for a file that is damaged or of something else; it names
            the line.
    """
    columns, rows = [], []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            for values in reader:
                if columns:
                    rows.append(_read_row(columns, values))
                elif values[:1] != ["epoch"]:
                    raise ValueError("its first column is not the epoch")
                else:
                    columns = values
    except (ValueError, csv.Error) as error:
        line = max(reader.line_num, 1)
        raise ValueError(
            f"{path} is damaged in line {line}: {error}."
        ) from None
    return columns, rows


def _read_row(columns, values):
    if len(values) != len(columns):
        raise ValueError(f"{len(values)} values for {len(columns)} columns")
    int(values[0])
    return {
        name: _number(value)
        for name, value in zip(columns, values, strict=True)
    }


def _number(value):
    try:
        return float(value)
    except ValueError:  # "NA", or what a callback of the user's logs
        return float("nan")


def _set_aside(path):
    """Renames a file, to a name that nothing has, and gives the name."""
    count, aside = 1, Path(f"{path}.damaged")
    while aside.exists():
        count += 1
        aside = Path(f"{path}.damaged-{count}")
    os.rename(path, aside)
    return aside
