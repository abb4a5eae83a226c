"""Checkpoints from which a killed run goes on as if nothing had happened."""

import pathlib
import sys
from collections import Counter
from typing import NamedTuple

import keras

from keras_attention.training import (
    checkpoint_file,
    random_state,
    training_state,
)
from keras_attention.training.checkpoint_description import CheckpointError


class Position(NamedTuple):
    """Where training goes on: the epoch and batch, from 0, to run next."""

    epoch: int = 0
    batch: int = 0
    stopped: bool = False  # by a callback: nothing is left to run


class Checkpoint(keras.callbacks.Callback):
    """Saves, in one file, all that is needed to go on exactly.

    That is the weights, the seeds of random layers, the optimizer (with its
    iteration and loss scale), within an epoch the running metrics, the
    process-wide random generators, the position in the data, and the state of
    the other callbacks. Keras' own files and `BackupAndRestore` leave out the
    seeds, the metrics, the position within an epoch and the callbacks.

    The file is written under another name, synced and renamed, so a kill at
    any moment leaves the previous or the new one, whole.

    A callback has a part in it by two methods: `get_state()` returns a
    dictionary that JSON can hold, and `set_state(state)`, called before `fit`,
    takes it; `on_train_begin` must then keep it. States are matched by class
    and by order within the class.

    The data must be a `keras.utils.PyDataset` that orders its batches itself,
    the same way for the same epoch, and has `start_at(epoch, batch)`: after
    it, index 0 is that batch of that epoch and the length is what is left of
    the epoch. `fit` needs `shuffle=False`, or Keras shuffles the batches once
    more, with Python's generator. `resume_fit` does all of this. Data that has
    a string `fingerprint` is resumed with data of the same one alone.

    Args:
        path: the file. Missing folders are made.
        every_steps: save within epochs too, each time that many batches of
            an epoch are done, and before the last one; None for at the end of
            epochs only.

    Raises:
        ValueError: if `every_steps` is not a positive integer.
    """

    def __init__(self, path, *, every_steps=None):
        super().__init__()
        if every_steps is not None and not (
            isinstance(every_steps, int) and every_steps > 0
        ):
            raise ValueError(
                "`every_steps` must be a positive integer or None. "
                f"Received: {every_steps!r}"
            )
        self.path = pathlib.Path(path)
        self.every_steps = every_steps
        self.interruption = None  # an `Interruption` while `resume_fit` runs
        self._position = Position()
        self._data = None
        self._companions = []
        self._metrics = self._random = None

    def restore(self, model, data, callbacks=()):
        """Puts model, data and callbacks where the checkpoint stands.

        Nothing is changed but the data's position if there is no file. Call
        it before `fit`, and give `fit` the epoch and this callback, last.

        Args:
            model: a compiled model.
            data: the training data, with `start_at(epoch, batch)`.
            callbacks: the other callbacks of this `fit`.

        Returns:
            The `Position` to go on from.

        Raises:
            CheckpointError: if the file is truncated, or of another model,
                optimizer, backend or data; the model is as it was then.
            ValueError: if the data has no `start_at`.
        """
        if not hasattr(data, "start_at"):
            raise ValueError(
                "`data` must be a `keras.utils.PyDataset` with a method "
                "`start_at(epoch, batch)`. "
                f"Received: {type(data).__name__}"
            )
        self._data, self._companions = data, list(callbacks)
        self._position, self._metrics, self._random = Position(), None, None
        if not self.path.exists():
            data.start_at(0, 0)
            return self._position
        if not self.path.is_file():
            raise CheckpointError(f"{self.path} is no file.")
        with checkpoint_file.reading(self.path) as file:
            self._restore(file, model, data)
        return self._position

    def _restore(self, file, model, data):
        description = file.description
        self._check_origin(description, data)
        position = Position(*description["position"])
        try:
            data.start_at(position.epoch, position.batch)
        except ValueError as error:
            raise CheckpointError(
                f"{self.path} stands where the data cannot start: {error}"
            ) from error
        within_epoch = "metrics" in description["variables"]
        _build(model, data, within_epoch)
        groups = training_state.variables(model, with_metrics=within_epoch)
        training_state.check(
            self.path, groups, file.shapes, description["variables"]
        )
        self._restore_callbacks(description["callbacks"])

        # `fit` resets the metrics before the epoch begins.
        metrics = groups.pop("metrics", [])
        names = [f"metrics/{index}" for index in range(len(metrics))]
        values = {name: file.read(name) for name in names}
        self._metrics = {"metrics": metrics}, values.__getitem__
        training_state.assign(groups, file.read)
        self._random = description["random"]
        self._position = position
        self._tell_interruption(position)

    def _restore_callbacks(self, states):
        for name, callback in self._stateful():
            if name in states:
                try:
                    callback.set_state(states[name])
                except Exception as error:  # each callback raises its own
                    raise CheckpointError(
                        f"{self.path} has a state of {name} that it does not "
                        f"take: {error!r}. Delete it to start anew."
                    ) from error

    def on_epoch_begin(self, epoch, logs=None):
        resumed = epoch == self._position.epoch
        if self._data is not None:
            self._data.start_at(epoch, self._position.batch if resumed else 0)
        if resumed and self._metrics is not None:
            training_state.assign(*self._metrics)
        self._metrics = None
        self._offset = self._position.batch if resumed else 0
        self._epoch = epoch
        if not self._offset:
            self._restore_random()
        self._defer_interruption(True)

    def on_train_batch_begin(self, batch, logs=None):
        # Within an epoch, the state was read behind what starting a pass over
        # the data draws (PyTorch's loader does), so it is put back there.
        self._restore_random()

    def on_train_batch_end(self, batch, logs=None):
        done = batch + 1
        left = (self.params["steps"] or sys.maxsize) - done
        if left:
            position = Position(self._epoch, self._offset + done)
            is_due = self.every_steps and (
                position.batch % self.every_steps == 0 or left == 1
            )
            if is_due or self._is_interrupted():
                self._save(position)
            self._end_if_interrupted()
        # The last batch is left to the end of the epoch, which validates
        # first: nothing could go on from behind it. Who is interrupted before
        # then has lost this batch: the last checkpoint was saved before it.
        elif self.every_steps:
            self._defer_interruption(False)
            self._end_if_interrupted()

    def on_epoch_end(self, epoch, logs=None):
        stopped = bool(self.model.stop_training)
        self._save(Position(epoch + 1, 0, stopped))
        self._defer_interruption(False)
        self._end_if_interrupted()

    def _defer_interruption(self, deferred):
        if self.interruption is not None:
            self.interruption.deferred = deferred

    def _is_interrupted(self):
        return self.interruption is not None and self.interruption.pending

    def _end_if_interrupted(self):
        if self._is_interrupted():
            self.interruption.end()

    def _tell_interruption(self, position):
        if self.interruption is not None:
            self.interruption.message = (
                f"training goes on from epoch {position.epoch + 1}, batch "
                f"{position.batch + 1} with {self.path}"
            )

    def _restore_random(self):
        if self._random is not None:
            random_state.restore(self._random)
            self._random = None

    def _save(self, position):
        # Reading `self.model` makes the JAX trainer hand over its state.
        groups = training_state.variables(
            self.model, with_metrics=position.batch > 0
        )
        arrays, description = training_state.capture(groups)
        checkpoint_file.write(
            self.path,
            arrays,
            {
                "format": 1,
                "keras": keras.version(),
                "backend": keras.backend.backend(),
                "data": getattr(self._data, "fingerprint", None),
                "position": list(position),
                "variables": description,
                "callbacks": {
                    name: callback.get_state()
                    for name, callback in self._stateful()
                },
                "random": random_state.capture(),
            },
        )
        self._tell_interruption(position)

    def _stateful(self):
        seen = Counter()
        for callback in self._companions:
            if hasattr(callback, "get_state"):
                name = type(callback).__name__
                seen[name] += 1
                yield f"{name}-{seen[name]}", callback

    def _check_origin(self, description, data):
        if description.get("format") != 1:
            raise CheckpointError(
                f"{self.path} is not a checkpoint of this version."
            )
        backend = keras.backend.backend()
        if description["backend"] != backend:
            raise CheckpointError(
                f"{self.path} was written on the backend "
                f"{description['backend']!r} and cannot be resumed on "
                f"{backend!r}: random numbers differ between them."
            )
        if description["data"] != getattr(data, "fingerprint", None):
            raise CheckpointError(
                f"{self.path} was written in training on other data, or on "
                "the same in other batches."
            )


def _build(model, data, with_metrics):
    # Testing on one batch is Keras' public way to have all variables made.
    # All that it changes is the metrics.
    if with_metrics or not model.built:
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data[0])
        model.test_on_batch(x, y, sample_weight)
        model.reset_metrics()
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
