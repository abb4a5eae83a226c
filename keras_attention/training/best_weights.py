"""The best weights of a run, on disk, and stopping when they stay the best."""

import sys

import keras

from keras_attention.models.saving import weights
from keras_attention.training.callback_state import NUMBER, check_state


class BestWeights(keras.callbacks.EarlyStopping):
    """Keeps the best epoch's weights in a file and stops without patience.

    Keras' `EarlyStopping` keeps them in memory and forgets, on a restart, what
    was best and how long it has waited. This one is in the checkpoint.

    Args:
        path: the file, ending in `.weights.h5`.
        monitor: the logged quantity to watch. A callback that computes it
            must come before this one.
        mode: `"min"`, `"max"`, or `"auto"` for losses and Keras' own metrics.
        patience: epochs without improvement after which training stops; None
            never stops it.
        min_delta: what counts as an improvement.
        verbose: 1 to say when training is stopped.
        save: function of a model and a path that writes the file;
            `save_trained` for a model adapted by LoRA.

    Raises:
        ValueError: if `path` does not end in `.weights.h5`.
    """

    def __init__(
        self,
        path,
        monitor="val_loss",
        mode="auto",
        patience=None,
        min_delta=0,
        verbose=0,
        save=weights.save_weights,
    ):
        super().__init__(
            monitor=monitor,
            mode=mode,
            patience=sys.maxsize if patience is None else patience,
            min_delta=min_delta,
            verbose=verbose,
        )
        self.path = weights.check_path(path)
        self.save = save
        self._state = None

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self._state is not None:
            self.best = self._state["best"]
            self.best_epoch = self._state["best_epoch"]
            self.wait = self._state["wait"]
            self._state = None

    def on_epoch_end(self, epoch, logs=None):
        before = self.best
        super().on_epoch_end(epoch, logs)
        if self.best is not None and self.best is not before:
            self.best = float(self.best)
            self.save(self.model, self.path)

    def get_state(self):
        """Returns the best value, its epoch, and the epochs since."""
        return {
            "best": self.best,
            "best_epoch": self.best_epoch,
            "wait": self.wait,
        }

    def set_state(self, state):
        """Takes up what `get_state` returned.

        Args:
            state: the dictionary.

        Raises:
            ValueError: if it is of something else.
        """
        check_state(state, best=(*NUMBER, type(None)), best_epoch=int, wait=int)
        self._state = dict(state)
