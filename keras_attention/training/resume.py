"""`fit` that goes on from a checkpoint."""

import keras

from keras_attention.training.logs import RunHistory


def resume_fit(model, data, checkpoint, *, epochs, callbacks=(), **arguments):
    """Trains as `model.fit` does, from where the checkpoint stands.

    Run once or killed and run again any number of times with the same
    arguments, it ends with the same weights. An epoch that was cut short is
    finished in a `fit` of its own, because Keras takes the number of batches
    once, for all epochs of a `fit`: callbacks then see the training begin and
    end twice.

    Args:
        model: a compiled model. Give every random layer a seed.
        data: a `keras.utils.PyDataset` as `Checkpoint` describes it, with the
            same number of batches in every epoch, such as
            `keras_attention.data.TokenBatches`.
        checkpoint: a `Checkpoint`.
        epochs: int, the epochs to run, those before a kill included.
        callbacks: list of callbacks, called in order, before the checkpoint.
        **arguments: further arguments of `fit`, such as `validation_data`.

    Returns:
        The `keras.callbacks.History` of all epochs, those before a kill
        included.

    Raises:
        CheckpointError: if the checkpoint is truncated or of something else.
        ValueError: if the data cannot start within an epoch.
    """
    history = RunHistory()
    callbacks = [history, *callbacks]

    def fit(position, *more):
        done = position.stopped or position.epoch >= epochs
        model.fit(
            data,
            epochs=position.epoch if done else epochs,
            initial_epoch=position.epoch,
            callbacks=[*callbacks, checkpoint, *more],
            shuffle=False,
            **arguments,
        )

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
