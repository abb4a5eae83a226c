"""`fit` that goes on from a checkpoint."""

import keras

from keras_attention.training.interruption import Interruption
from keras_attention.training.logs import RunHistory


def resume_fit(
    model,
    data,
    checkpoint,
    *,
    epochs=None,
    steps=None,
    callbacks=(),
    **arguments,
):
    """Trains as `model.fit` does, from where the checkpoint stands.

    Run once or killed and run again any number of times with the same
    arguments, it ends with the same weights. An epoch that was cut short is
    finished in a `fit` of its own, because Keras takes the number of batches
    once, for all epochs of a `fit`: callbacks then see the training begin and
    end twice.

    Ctrl-C and SIGTERM let the step end and write a checkpoint, from which the
    next run goes on; a second one ends at once. (After the last batch of an
    epoch, while it is validated, there is nothing to wait for if the checkpoint
    has `every_steps`: it was saved before that batch.)

    Args:
        model: a compiled model. Give every random layer a seed.
        data: a `keras.utils.PyDataset` as `Checkpoint` describes it, with the
            same number of batches in every epoch, such as
            `keras_attention.data.TokenBatches`.
        checkpoint: a `Checkpoint`.
        epochs: integer, the epochs to run, those before a kill included.
        steps: integer, the optimizer steps to run instead; the last epoch is
            cut short there. Given more steps, a run goes on with the epoch
            after it. The data must have `batches_per_epoch`.
        callbacks: list of callbacks, called in order, before the checkpoint.
        **arguments: further arguments of `fit`, such as `validation_data`.

    Returns:
        The `keras.callbacks.History` of all epochs, those before a kill
        included.

    Raises:
        CheckpointError: if the checkpoint is truncated or of something else.
        ValueError: if the data cannot start within an epoch, or not one of
            `epochs` and `steps` is given.
        KeyboardInterrupt: after Ctrl-C, when the checkpoint is written.
        SystemExit: after SIGTERM likewise, with the code 143.
    """
    if (epochs is None) == (steps is None):
        raise ValueError(
            "Give one of `epochs` and `steps`. "
            f"Received: epochs={epochs}, steps={steps}"
        )
    history = RunHistory()
    callbacks = [history, *callbacks]
    last_step = None
    if steps is not None:
        epochs = -(-steps // data.batches_per_epoch)
        last_step = _LastStep(steps, data.batches_per_epoch)
        callbacks.append(last_step)

    def fit(position, *more):
        done = position.stopped or position.epoch >= epochs
        if last_step is not None:
            last_step.position = position
        model.fit(
            data,
            epochs=position.epoch if done else epochs,
            initial_epoch=position.epoch,
            callbacks=[*callbacks, checkpoint, *more],
            shuffle=False,
            **arguments,
        )

    with Interruption() as checkpoint.interruption:
        position = checkpoint.restore(model, data, callbacks)
        if position.batch:
            fit(position, _EndOfEpoch())
            position = checkpoint.restore(model, data, callbacks)
        fit(position)
    return history


class _EndOfEpoch(keras.callbacks.Callback):
    """Ends `fit` with the epoch, behind the checkpoint's back."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


class _LastStep(keras.callbacks.Callback):
    """Ends the epoch that a step lies in with that step."""

    def __init__(self, step, steps_per_epoch):
        super().__init__()
        self.step, self.steps_per_epoch = step, steps_per_epoch
        self.position = None

    def on_epoch_begin(self, epoch, logs=None):
        # Counted, since on JAX the optimizer's count is known only when the
        # epoch ends.
        self._done = epoch * self.steps_per_epoch
        if epoch == self.position.epoch:
            self._done += self.position.batch

    def on_train_batch_end(self, batch, logs=None):
        self._done += 1
        if self._done >= self.step:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        # For the checkpoint a run that has done its steps can go on, unlike
        # one that a callback has stopped.
        if self._done >= self.step:
            self.model.stop_training = False
