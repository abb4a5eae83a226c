"""Tokens per second, in Keras' progress bar and logs."""

import time

import keras

from keras_attention.training.callback_state import NUMBER, check_state


class TokensPerSecond(keras.callbacks.Callback):
    """Adds `tokens_per_second` to the logs of every batch and epoch.

    Place it before the callbacks that write logs; Keras' progress bar always
    comes later. The model must be compiled with
    `weighted_metrics=[TokenCount()]`. The first batch of an epoch is left out
    of the rate where there are more, since compiling falls on it; validation
    always is.

    Args:
        metric: name of the metric that counts the tokens of an epoch, or
            whatever else is counted.
        name: name of the rate in the logs.
    """

    def __init__(self, metric="tokens", name="tokens_per_second"):
        super().__init__()
        self.metric = metric
        self.name = name
        self._tokens = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter(), self._tokens
        self._rate = None

    def on_train_batch_end(self, batch, logs=None):
        if not logs or self.metric not in logs:
            return
        now, self._tokens = time.perf_counter(), float(logs[self.metric])
        seconds = max(now - self._start[0], 1e-9)
        rate = round((self._tokens - self._start[1]) / seconds, 1)
        if self._rate is None:
            self._start = now, self._tokens
        self._rate = logs[self.name] = rate

    def on_epoch_end(self, epoch, logs=None):
        if logs is not None and self._rate is not None:
            logs[self.name] = self._rate
        self._tokens = 0.0

    def get_state(self):
        """Returns the tokens of the epoch so far."""
        return {"tokens": self._tokens}

    def set_state(self, state):
        """Takes up what `get_state` returned.

        Args:
            state: the dictionary.

        Raises:
            ValueError: if it is of something else.
        """
        check_state(state, tokens=NUMBER)
        self._tokens = state["tokens"]
