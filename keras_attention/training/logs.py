"""Records of training that neither lose nor repeat an epoch on resuming.

Keras' `TensorBoard` needs no help: it flushes at the end of an epoch, and an
epoch that is run again overwrites its points with the same values. Only its
values of single batches (`update_freq`) count from 0 again in every `fit`.
"""

import csv
import os

import keras


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
        """
        self._earlier, self.history = state["epoch"], state["history"]


class CSVLog(keras.callbacks.CSVLogger):
    """Keras' `CSVLogger` with each epoch in one row, whatever was killed.

    Rows behind the checkpoint's position belong to epochs that will be run
    again and are cut off; without a checkpoint the file begins anew.

    Args:
        path: the file. Missing folders are made.
    """

    def __init__(self, path):
        super().__init__(path, append=True)
        self._size = 0

    def on_train_begin(self, logs=None):
        os.makedirs(os.path.dirname(self.filename) or ".", exist_ok=True)
        with open(self.filename, "a+", newline="") as file:
            size = os.path.getsize(self.filename)
            file.truncate(min(size, self._size))
            file.seek(0)
            header = next(csv.reader(file), None)
        super().on_train_begin(logs)
        if header:
            self.keys = header[1:]

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
        """
        self._size = state["size"]
